"""Trains the recognizer on rendered staves: python examples/music/train.py FONTS [OUT [STEPS]]

FONTS is a folder of SMuFL fonts (see README.md). Run it again to resume.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from staves import CHARSET, TEST_FONTS, Staves

from industrial_ocr.config import load_config
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.loop import Trainer
from industrial_ocr.training.recognizer import RecognizerTask


def main(fonts: str, out: str | None = None, steps: str | None = None) -> None:
    """Trains with every font of a folder but ``TEST_FONTS``."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("industrial_ocr").setLevel(logging.INFO)
    config = load_config(Path(__file__).with_name("music.yaml"), RecognizerTrainConfig)
    changes = {"out": Path(out) if out else config.out, "steps": int(steps or config.steps)}
    files = [f for f in sorted(Path(fonts).glob("*.otf")) if f.stem not in TEST_FONTS]
    if not files:
        sys.exit(f"{fonts}: no fonts to learn from; README.md says where to get them")
    task = RecognizerTask(config.model_copy(update=changes), Staves(files), CHARSET)
    Trainer(task).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
