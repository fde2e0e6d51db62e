"""Draws a picture of staves with the names of the notes below them.

    python examples/music/name_notes.py FONTS OUT [WEIGHTS]

It engraves one staff in each degradation, reads it and writes the name of each note below it. A
wrong name is red and is followed by a slash and the right name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from evaluate import CONFIG, SEED, WEIGHTS
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein
from staves import DEGRADATIONS, NOTES, TEST_FONTS, Staves, pitches_of

from industrial_ocr import Reader
from industrial_ocr.datasets.synthesis.strips import Strip

HEIGHT, WIDTH, CAPTION = 120, 1000, 24


def main(fonts: str, out: str, weights: str | None = None) -> None:
    """Writes the picture."""
    reader = Reader(recognizer=weights or WEIGHTS, config=CONFIG)
    files = [f for f in sorted(Path(fonts).glob("*.otf")) if f.stem in TEST_FONTS]
    rows = [
        named(reader, Staves(files, kind, notes=(9, 13)).render((SEED, 1000 + i)))
        for i, kind in enumerate(DEGRADATIONS)
    ]
    Image.fromarray(np.concatenate(rows)).save(out)


def named(reader: Reader, strip: Strip) -> np.ndarray:
    """A staff (HEIGHT + CAPTION, WIDTH, 3) with the names of its notes."""
    (result,) = reader.recognize([strip.image])
    symbols = [n for s in (result.strings or result.left_out)[:1] for n in s.characters]
    found = pitches_of([n.symbol for n in symbols])
    notes = [n for n in symbols if n.symbol in NOTES]
    scale = min(HEIGHT / strip.image.shape[0], WIDTH / strip.image.shape[1])
    sized = cv2.resize(strip.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    canvas = np.full((HEIGHT + CAPTION, WIDTH, 3), 255, np.uint8)
    canvas[: sized.shape[0], : sized.shape[1]] = sized
    picture = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(16)
    truth = pitches_of(strip.string.symbols)
    for step in Levenshtein.opcodes(found, truth):
        for i in range(step.src_start, step.src_end):
            x = float(notes[i].quad[:, 0].mean()) * scale
            right = step.tag == "equal"
            name = found[i] if right else f"{found[i]}/{truth[step.dest_start]}"
            draw.text((x, HEIGHT + 2), name, (20, 90, 20) if right else (200, 0, 0), font, "ma")
    return np.asarray(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
