"""Trains the plain CRNN-CTC and shows its readings of some words after each epoch.

    python examples/crnn_words/watch.py FONTS [OUT [STEPS]]

FONTS is a folder of font files, for example that of examples/install_fonts.sh. An epoch is the
time from one validation to the next. Run it again to resume.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from industrial_ocr.config import load_config
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.loop import VALIDATION_SEED, Trainer, crops_input
from industrial_ocr.training.recognizer import RecognizerTask

RECIPE = Path(__file__).parents[2] / "configs" / "train" / "recognizer-selu.yaml"
WORDS = 6


def main(fonts: str, out: str | None = None, steps: str | None = None) -> None:
    """Trains, and prints one line for each epoch: the readings, the loss and the scores."""
    config = load_config(RECIPE, RecognizerTrainConfig)
    changes = {
        "fonts": (Path(fonts),),
        "out": Path(out) if out else config.out,
        "steps": int(steps) if steps else config.steps,
    }
    task = RecognizerTask(config.model_copy(update=changes))
    trainer = Trainer(task)
    held_out = task.render(0, VALIDATION_SEED + 1)
    labels = torch.split(held_out["label"], held_out["length"].tolist())[:WORDS]
    truth = ["".join(task.charset.symbol(c) for c in label.tolist()) for label in labels]
    print(row("epoch", truth))

    def show(news: str) -> None:
        if trainer.step % task.config.validate_every == 0:
            with torch.inference_mode():
                images = crops_input({"image": held_out["image"][:WORDS]}).to(trainer.device)
                log_probs = trainer.average.module(images).float().cpu().numpy()
            read = [
                "".join(s.symbol for s in greedy_decode(log_probs[:, n], task.charset))
                for n in range(WORDS)
            ]
            epoch = trainer.step // task.config.validate_every
            print(row(str(epoch), read), news, flush=True)

    trainer.run(show)


def row(name: str, words: Sequence[str]) -> str:
    """One line of the table."""
    return f"{name:>5} | " + " | ".join(f"{word[:16]:16}" for word in words) + " |"


if __name__ == "__main__":
    main(*sys.argv[1:])
