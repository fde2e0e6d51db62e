"""Trains the recognizer on rendered staves: python examples/music/train.py FONTS [OUT [STEPS]]

FONTS is a folder of SMuFL fonts (see README.md). Run it again to resume.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import torch
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
    remember_the_clef(task.model, config.max_width // 4)
    Trainer(task).run()


def remember_the_clef(model: torch.nn.Module, frames: int) -> None:
    """Opens the forget gates of the LSTMs, so that their units remember for 2 to ``frames`` frames.

    What a note is called depends on the clef, which stands up to a whole staff away. The usual
    first weights forget it within a few frames (Gers et al. 2000; the spread is that of Tallec and
    Ollivier 2018, arXiv 1804.11188).
    """
    for lstm in (m for m in model.modules() if isinstance(m, torch.nn.LSTM)):
        units = slice(lstm.hidden_size, 2 * lstm.hidden_size)
        for bias in (lstm.bias_ih_l0, lstm.bias_ih_l0_reverse):
            with torch.no_grad():
                bias[units] = torch.rand(lstm.hidden_size).mul(frames - 2).add(1).log()


if __name__ == "__main__":
    main(*sys.argv[1:])
