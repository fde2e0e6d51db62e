"""Reads held-out staves and compares with table 4 of arXiv 1507.05717.

    python examples/music/evaluate.py FONTS [WEIGHTS [COUNT]]

The staves are engraved with fonts that were not used for training. WEIGHTS is a .safetensors file
with its manifest beside it, by default that of train.py. COUNT staves are read in each degradation.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rapidfuzz.distance import Levenshtein
from staves import DEGRADATIONS, TEST_FONTS, Staves, pitches_of

from industrial_ocr import Reader
from industrial_ocr.results.types import ImageArray

WEIGHTS = Path("runs/music/crnn-music.safetensors")
PAPER = {"clean": "74.6 / 0.37", "synthesized": "81.5 / 0.30", "photographed": "84.0 / 0.30"}
# A staff has no baseline from which it could be made level, so it is read in one view.
CONFIG = {"rectify_crops": False, "recognition": {"crop_margins": [0.0], "crop_layouts": False}}
SEED = 20_000_003


def main(fonts: str, weights: str | None = None, count: str = "300") -> None:
    """Prints the percentage of staves read without an error, and the mean edit distance."""
    reader = Reader(recognizer=weights or WEIGHTS, config=CONFIG)
    files = [f for f in sorted(Path(fonts).glob("*.otf")) if f.stem in TEST_FONTS]
    print("| staves | percent right / mean edit distance | the paper's |\n|---|---|---|")
    for kind in DEGRADATIONS:
        staves = Staves(files, kind)
        distances = []
        for i in range(int(count)):
            strip = staves.render((SEED, i))
            found = read_notes(reader, strip.image)
            distances.append(Levenshtein.distance(found, pitches_of(strip.string.symbols)))
        right = 100 * sum(d == 0 for d in distances) / len(distances)
        mean = sum(distances) / len(distances)
        print(f"| {kind} | {right:.1f} / {mean:.2f} | {PAPER[kind]} |", flush=True)


def read_notes(reader: Reader, image: ImageArray) -> list[str]:
    """The pitches of a staff from left to right."""
    (result,) = reader.recognize([image])
    strings = result.strings or result.left_out
    return pitches_of([note.symbol for note in strings[0].characters]) if strings else []


if __name__ == "__main__":
    main(*sys.argv[1:])
