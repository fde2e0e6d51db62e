"""What reading under a pattern costs: the share of a read, and lexicons of 100,000 codes.

    python benchmarks/pattern_speed.py [IMAGE ...] [--engine two-stage] [--words 100000]

Without images it renders some. The share is the additional decoding time under the pattern, divided
by the time of a whole read without one; medians of several rounds.
"""

from __future__ import annotations

import argparse
import string
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from industrial_ocr.datasets.synthesis.code_scenes import CodeSceneRenderer
from industrial_ocr.decoding.code_reading import read_codes
from industrial_ocr.decoding.ctc_codes import read_ctc_codes
from industrial_ocr.decoding.ctc_frames import FrameString
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import rect_quad

PATTERNS = {
    "iso6346": Pattern.preset("iso6346"),
    "part-74": Pattern.preset("part-74"),
    "vin": Pattern.preset("vin"),
    "[A-Z0-9]{8}": Pattern.regex("[A-Z0-9]{8}"),
    "iso-date": Pattern.preset("iso-date"),
    "(A[0-9]{3,60}|B[A-Z]{3,70}|C[0-9]{5,60})": Pattern.regex(
        "(A[0-9]{3,60}|B[A-Z]{3,70}|C[0-9]{5,60})"
    ),
}
ROUNDS = 3


def pictures(paths: list[Path], count: int = 6) -> list[Any]:
    """The images given, or rendered ones."""
    if paths:
        return [load_image(p) for p in paths]
    code = PATTERNS["iso6346"]
    renderer = CodeSceneRenderer((), (960, 1280), write=code.sample, groups=code.groups)
    return [renderer.render_code((7, i))[0].image for i in range(count)]


def shares(reader: Reader, images: list[Any], engine: Any) -> None:
    """Prints the cost of each pattern as a share of a read; every round tries every pattern."""

    def seconds(name: str, pattern: Pattern | None) -> float:
        results = [reader.read(i, engine=engine, pattern=pattern) for i in images]
        return sum(r.timings[name] for r in results) / len(images)

    seconds("total", None)
    charset = reader.charset if engine == "crnn" else reader.classifier_charset
    states = {name: len(pattern.automaton(charset)) for name, pattern in PATTERNS.items()}
    totals: list[float] = []
    more: dict[str, list[float]] = {name: [] for name in PATTERNS}
    for _ in range(ROUNDS):
        totals.append(seconds("total", None))
        plain = seconds("decode", None)
        for name, pattern in PATTERNS.items():
            more[name].append(seconds("decode", pattern) - plain)
    whole = median(totals)
    print(f"{engine}: {whole * 1e3:.0f} ms a read without a pattern, {len(images)} images")
    for name, own in more.items():
        print(
            f"  {name} ({states[name]} states): {median(own) * 1e3:+.1f} ms, "
            f"{median(own) / whole:+.1%} of a read"
        )


def lexicon(reader: Reader, words: int) -> None:
    """Prints the time to compile a lexicon, and to decode one string with it."""
    rng = np.random.default_rng(3)
    letters = np.array(list(string.ascii_uppercase + string.digits))
    codes = ["".join(row) for row in rng.choice(letters, (words, 8))]
    start = time.perf_counter()
    pattern = Pattern.lexicon(codes)
    for charset in (reader.classifier_charset, reader.charset):
        pattern.automaton(charset)
    print(
        f"lexicon of {words:,} codes: compiled for both models in "
        f"{time.perf_counter() - start:.2f} s, {len(pattern.core):,} states"
    )
    write = CodeSceneRenderer((), (200, 640), write=lambda rng: codes[int(rng.integers(words))])
    boxes_s, frames_s, right = [], [], [0, 0]
    for i in range(20):
        scene, code = write.render_code((9, i))
        boxes, frames = reader.evidence(scene.image)
        for evidence in boxes:
            start = time.perf_counter()
            found = read_codes([evidence], pattern, reader.classifier_charset)
            boxes_s.append(time.perf_counter() - start)
            right[0] += any(c.text == code for c in found)
        for own in frames:
            place = FrameString(
                own.log_probs, lambda a, b: rect_quad(a, 0, b + 1, 32), "horizontal"
            )
            start = time.perf_counter()
            found = read_ctc_codes([place], pattern, reader.charset)
            frames_s.append(time.perf_counter() - start)
            right[1] += any(c.text == code for c in found)
    for name, seconds, hits in (("boxes", boxes_s, right[0]), ("frames", frames_s, right[1])):
        print(
            f"  {name}: {median(seconds) * 1e3:.1f} ms a string in the middle, "
            f"{max(seconds) * 1e3:.1f} ms at most, {len(seconds)} strings, "
            f"{hits} of 20 codes"
        )


def main() -> None:
    """Measures both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--engine", action="append", choices=("two-stage", "crnn"))
    parser.add_argument("--words", type=int, default=100_000)
    args = parser.parse_args()
    reader = Reader()
    images = pictures(args.images)
    for engine in args.engine or ("two-stage", "crnn"):
        shares(reader, images, engine)
    lexicon(reader, args.words)


if __name__ == "__main__":
    main()
