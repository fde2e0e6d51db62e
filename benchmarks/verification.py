"""How often verification passes, fails or cannot tell, for right and for wrong expected texts.

    python benchmarks/verification.py [--count 300] [--fonts DIR] [--real DIR] [--out FILE]

Renders codes of A-Z and 0-9 as a well-placed inspection camera sees them: plain typefaces and dot
matrices, characters of 24 to 56 pixels in clear contrast, some worn, blurred or noisy; one code in
ten upside down, one in ten turned by 90 degrees and one in ten stacked. Each is compared with the
printed text and with wrong ones: one character replaced by one of another shape, by its confusable
partner (8 B, 5 S, 2 Z, 6 G, D 0, Q O), left out, or put in. ``--real`` is a folder of labeled
photographs (``containers`` and ``chips``, each with ``images/`` and ``labels.tsv``); there the
wrong text is the label with one character replaced. The label of a chip is a part of its marking.
"""

from __future__ import annotations

import argparse
import string
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT
from industrial_ocr.datasets.synthesis.layout import line_of_text, stack_of_text
from industrial_ocr.datasets.synthesis.marking_styles import worn
from industrial_ocr.datasets.synthesis.materials import brushed_metal, epoxy, gradient, paint
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.evaluation.metrics import Proportion
from industrial_ocr.image.load import load_image
from industrial_ocr.reader.arguments import roi_part
from industrial_ocr.reader.common import Clock
from industrial_ocr.reader.reader import Reader
from industrial_ocr.reader.verify import (
    VERIFY_ENGINES,
    Models,
    Observed,
    agreed,
    judge,
    observe,
)
from industrial_ocr.results.types import ImageArray, Verdict

SYMBOLS = string.ascii_uppercase + string.digits
PARTNERS = dict(zip("8B5S2Z6GD0QO", "B8S5Z2G60DOQ", strict=True))
HEIGHTS = (24.0, 56.0)
"""Smallest and largest height of capitals in pixels."""
GROUNDS = (paint, gradient, brushed_metal, epoxy)
DISPLAY = (Path(__file__).parent / "display_typefaces.txt").read_text(encoding="utf-8").split()
"""Display typefaces, which are not used to mark parts."""
TRUE = "as printed"
KINDS = (TRUE, "one replaced", "one confusable", "one left out", "one put in")
ENGINES = tuple(map(str, VERIFY_ENGINES))
Tally = dict[str, dict[str, Counter[Verdict]]]
"""Verdicts by engine and kind of text."""


def random_code(rng: np.random.Generator) -> str:
    """6 to 12 letters and digits, at least one of which has a confusable partner."""
    code = rng.choice(list(SYMBOLS), int(rng.integers(6, 13)))
    if not set(code) & set(PARTNERS):
        code[int(rng.integers(len(code)))] = rng.choice(list(PARTNERS))
    return "".join(code)


def replaced(rng: np.random.Generator, text: str) -> str:
    """The text with one letter or digit replaced by one of another shape."""
    at = int(rng.choice([i for i, c in enumerate(text) if c in SYMBOLS]))
    others = [c for c in SYMBOLS if c not in same_shape(text[at])]
    return text[:at] + str(rng.choice(others)) + text[at + 1 :]


def expected_texts(rng: np.random.Generator, printed: str) -> dict[str, str]:
    """The right text and a wrong one of each kind."""
    known = [i for i, c in enumerate(printed) if c in PARTNERS]
    at, gone, into = (int(rng.choice(known)), *map(int, rng.integers(0, len(printed), 2)))
    texts = (
        printed,
        replaced(rng, printed),
        printed[:at] + PARTNERS[printed[at]] + printed[at + 1 :],
        printed[:gone] + printed[gone + 1 :],
        printed[:into] + str(rng.choice(list(SYMBOLS))) + printed[into:],
    )
    return dict(zip(KINDS, texts, strict=True))


def picture(faces: FaceLibrary, seed: tuple[int, ...], text: str) -> ImageArray:
    """A code as an inspection camera sees it, (H, W, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    way, face = rng.random(), faces.pick(rng, text)
    if way < 0.1:
        block = stack_of_text(face, text, float(rng.uniform(1.2, 1.7)))
    else:
        block = line_of_text(face, text, float(rng.uniform(0, 0.15)))
    mask = worn(rng, block.mask)
    height = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    scale = height / CAP_HEIGHT
    rows, cols = (round(side * scale + rng.uniform(1.5, 4) * height) for side in mask.shape)
    mask = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D((mask.shape[1] / 2, mask.shape[0] / 2), rng.normal(0, 1.5), 1)
    turn[:, 2] += [(cols - mask.shape[1]) / 2, (rows - mask.shape[0]) / 2]
    alpha = cv2.warpAffine(mask, turn, (cols, rows))[..., None] / 255
    ground = GROUNDS[int(rng.integers(len(GROUNDS)))](rng, rows, cols).astype(np.float32)
    level = float(ground.mean())
    contrast = float(rng.uniform(60, 170)) * (1 if level < 127 else -1)
    ink = np.clip(level + contrast + rng.normal(0, 8, 3), 0, 255)
    image = (ground * (1 - alpha) + ink * alpha).astype(np.uint8)
    image = Camera(0.6).shoot(rng, np.ascontiguousarray(image), height)
    turns = 2 if way >= 0.9 else 1 if way >= 0.8 else 0
    return np.ascontiguousarray(np.rot90(image, turns))


def verdicts(seen: Observed, text: str, models: Models, part: bool) -> dict[str, Verdict]:
    """The verdict of every engine."""
    one = judge(replace(seen, frames=None), text, models, part)
    two = judge(replace(seen, boxes=None), text, models, part)
    several = (one, two, agreed(one, two))
    return {e: v.verdict for e, v in zip(ENGINES, several, strict=True)}


def observed(image: ImageArray, models: Models) -> Observed:
    """The evidence of both engines, as ``Reader.verify`` sees an image."""
    pixels, _, _ = roi_part(image, None, models.config.detection)
    return observe(pixels, "agree", models, Clock())


def add(tally: Tally, kind: str, found: dict[str, Verdict]) -> None:
    for engine, verdict in found.items():
        tally[engine][kind][verdict] += 1


def synthetic(models: Models, args: argparse.Namespace) -> Tally:
    """Rendered codes against right and wrong texts."""
    faces = FaceLibrary(tuple(args.fonts), (*FaceLibrary.SKIP, *DISPLAY))
    tally: Tally = defaultdict(lambda: defaultdict(Counter))
    for number in range(args.count):
        rng = np.random.default_rng((args.seed, number))
        printed = random_code(rng)
        seen = observed(picture(faces, (args.seed, number), printed), models)
        for kind, text in expected_texts(rng, printed).items():
            found = verdicts(seen, text, models, False)
            add(tally, kind, found)
            for engine, verdict in found.items():
                if kind != TRUE and verdict is Verdict.PASS:
                    print(f"passed by {engine}: picture {number}, printed {printed}, {text}")
    return tally


def real(models: Models, folder: Path, part: bool) -> Tally:
    """Photographs against their labels, and against those with one character replaced."""
    tally: Tally = defaultdict(lambda: defaultdict(Counter))
    for number, sample in enumerate(load_dataset(folder).samples):
        seen = observed(load_image(sample.source), models)
        for text in (label.text for label in sample.labels):
            rng = np.random.default_rng((7, number, len(text)))
            for kind, wanted in zip(KINDS, (text, replaced(rng, text)), strict=False):
                found = verdicts(seen, wanted, models, part)
                add(tally, kind, found)
                for engine, verdict in found.items():
                    if kind != TRUE and verdict is Verdict.PASS:
                        print(f"passed by {engine}: {sample.name}, printed {text}, {wanted}")
    return tally


def table(tally: Tally) -> str:
    """Shares in percent, and the wrong texts together with their interval."""
    lines = [
        "| engine | expected text | n | pass | fail | cannot tell |",
        "|---|---|---|---|---|---|",
    ]
    for engine, kinds in tally.items():
        for kind, counts in kinds.items():
            n = counts.total()
            shares = " | ".join(f"{100 * counts[v] / n:.1f}" for v in Verdict)
            lines.append(f"| {engine} | {kind} | {n} | {shares} |")
        wrong = sum((c for k, c in kinds.items() if k != TRUE), Counter())
        n = wrong.total()
        low, high = Proportion(wrong[Verdict.PASS], n).interval
        passed = f"{100 * wrong[Verdict.PASS] / n:.2f} ({100 * low:.1f}-{100 * high:.1f})"
        rest = " | ".join(f"{100 * wrong[v] / n:.1f}" for v in (Verdict.FAIL, Verdict.CANNOT_TELL))
        lines.append(f"| {engine} | **all wrong ones** | {n} | **{passed}** | {rest} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the tables, and writes them where ``--out`` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--fonts", action="append", default=[], type=Path)
    parser.add_argument("--real", type=Path, help="folder with containers and chips")
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/verification.md"))
    args = parser.parse_args()
    models = Reader().models
    parts = [
        f"# Verification\n\nWritten by `python benchmarks/verification.py --count {args.count}`; "
        "what is rendered and what the wrong texts are stands at its top.",
        f"{args.count} rendered codes\n\n{table(synthetic(models, args))}",
    ]
    for name in ("containers", "chips") if args.real else ():
        parts.append(f"{name}\n\n{table(real(models, args.real / name, name == 'chips'))}")
    text = "\n\n".join(parts)
    print(text)
    args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
