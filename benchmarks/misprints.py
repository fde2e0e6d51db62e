"""Codes with one wrong character, and codes of confusable characters, under their pattern.

    python benchmarks/misprints.py [--count 500] [--pairs 200] [--fonts DIR] [--engine two-stage]

Renders codes as strings. Misprints: half of them have a letter where the pattern asks for a digit
or the other way round, half are container codes with one wrong digit. None may come out as ``ok``
where the reading without the pattern is clear and right about what is printed. Confusables: codes
that hold a confusable pair, read without and with their pattern.
"""

from __future__ import annotations

import argparse
import string
from collections import Counter
from pathlib import Path

import numpy as np

from industrial_ocr.pattern import Pattern
from industrial_ocr.reader import Reader
from industrial_ocr.synthesis.crops import StripRenderer
from industrial_ocr.types import ImageArray, Status

PLAIN = Pattern.regex("[A-Z]{3}[0-9]{5}")
CONTAINER = Pattern.preset("iso6346")
PAIRS = ("0O", "1I", "8B", "5S", "2Z", "6G", "QO", "D0")
CLEAR = 0.9


def random_plain(rng: np.random.Generator) -> str:
    """A code of three letters and five digits."""
    letters = rng.choice(list(string.ascii_uppercase), 3)
    return "".join([*letters, *rng.choice(list(string.digits), 5)])


def random_container(rng: np.random.Generator) -> str:
    """A container code whose check digit is right."""
    while True:
        owner = "".join(rng.choice(list(string.ascii_uppercase), 3))
        body = f"{owner}U{''.join(rng.choice(list(string.digits), 6))}"
        for digit in string.digits:
            if CONTAINER.verify(body + digit).ok:
                return body + digit


def misprinted(rng: np.random.Generator, number: int) -> tuple[str, Pattern]:
    """A code with one wrong character, and the pattern that it breaks."""
    if number % 2:
        code = random_container(rng)
        at = int(rng.integers(4, 11))
        others = [d for d in string.digits if d != code[at]]
        wrong = code[:at] + str(rng.choice(others)) + code[at + 1 :]
        # One change in some hundred leaves the check digit right (10 counts as 0): no misprint.
        return (wrong, CONTAINER) if not CONTAINER.verify(wrong).ok else misprinted(rng, number)
    code = random_plain(rng)
    at = int(rng.integers(len(code)))
    pool = string.ascii_uppercase if code[at].isdigit() else string.digits
    return code[:at] + str(rng.choice(list(pool))) + code[at + 1 :], PLAIN


def confusable(rng: np.random.Generator, pair: str) -> tuple[str, Pattern]:
    """A code with a character of a pair in it, and a pattern that tells the pair apart."""
    code = random_plain(rng)
    symbol = pair[int(rng.integers(2))]
    at = int(rng.integers(3, 8)) if symbol.isdigit() else int(rng.integers(0, 3))
    return code[:at] + symbol + code[at + 1 :], PLAIN


def main() -> None:
    """Prints what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=200, help="codes a confusable pair")
    parser.add_argument("--fonts", action="append", default=[], type=Path)
    parser.add_argument("--engine", default="two-stage")
    parser.add_argument("--seed", type=int, default=77)
    args = parser.parse_args()
    reader = Reader()
    strips = StripRenderer(tuple(args.fonts), heights=(20.0, 48.0))

    def picture(seed: tuple[int, ...], text: str) -> ImageArray:
        return strips.render(seed, text, False).image

    kinds: Counter[str] = Counter()
    for number in range(args.count):
        rng = np.random.default_rng((args.seed, number))
        printed, pattern = misprinted(rng, number)
        image = picture((args.seed, number, 1), printed)
        (result,) = reader.recognize([image], engine=args.engine, pattern=pattern)
        code = result.code
        clear = code is not None and code.raw_text == printed and code.raw_confidence >= CLEAR
        passed = code is not None and code.status is Status.OK
        kinds[f"{'clear' if clear else 'unclear'}, {'passed' if passed else 'caught'}"] += 1
        if passed and code is not None:
            print(f"passed: printed {printed}, raw {code.raw_text} {code.raw_confidence:.2f}, "
                  f"read {code.text}")  # fmt: skip
    print(f"misprints ({args.engine}): {dict(kinds)}")
    for pair in PAIRS:
        right: Counter[str] = Counter()
        for number in range(args.pairs):
            rng = np.random.default_rng((args.seed, 1, number, ord(pair[0]), ord(pair[1])))
            printed, pattern = confusable(rng, pair)
            image = picture((args.seed, 2, number, ord(pair[0]), ord(pair[1])), printed)
            (result,) = reader.recognize([image], engine=args.engine, pattern=pattern)
            code = result.code
            plain = "".join(result.text.split()).upper()
            right["without"] += plain == printed
            right["with"] += code is not None and code.text == printed
            right["with, ok"] += code is not None and code.status is Status.OK
            right["with, ok and wrong"] += (
                code is not None and code.status is Status.OK and code.text != printed
            )
        shares = {k: f"{right[k] / args.pairs:.1%}" for k in right}
        print(f"{pair} ({args.pairs}): {shares}", flush=True)


if __name__ == "__main__":
    main()
