"""Codes with one wrong character, and codes of confusable characters, under their pattern.

    python benchmarks/misprints.py [--count 500] [--pairs 1000] [--fonts DIR] [--engine two-stage]

Renders codes as strings. Misprints: half of them have a letter where the pattern asks for a digit
or the other way round, half are container codes with one wrong digit. None may come out as ``ok``
where the reading without the pattern is clear and right about what is printed. Confusables: codes
that hold a confusable pair, read without and with their pattern.
"""

from __future__ import annotations

import argparse
import string
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.decoding.code_rules import CODE_RULES
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import ImageArray, Status

PLAIN = Pattern.regex("[A-Z]{3}[0-9]{5}")
CONTAINER = Pattern.preset("iso6346")
PAIRS = ("0O", "1I", "8B", "5S", "2Z", "6G", "QO", "D0")
BATCH = 32


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


@dataclass(frozen=True)
class Job:
    """A rendered code.

    Attributes:
        printed: what it says.
        pattern: that it is read under.
        image: (H, W, 3) uint8 RGB.
    """

    printed: str
    pattern: Pattern
    image: ImageArray


def read(reader: Reader, jobs: list[Job], engine: Any) -> list[ReadResult]:
    """Reads the jobs under their patterns, in batches."""
    results: list[ReadResult | None] = [None] * len(jobs)
    for pattern in {j.pattern.text: j.pattern for j in jobs}.values():
        own = [i for i, j in enumerate(jobs) if j.pattern.text == pattern.text]
        for start in range(0, len(own), BATCH):
            part = own[start : start + BATCH]
            found = reader.recognize([jobs[i].image for i in part], engine=engine, pattern=pattern)
            for i, result in zip(part, found, strict=True):
                results[i] = result
    return [r for r in results if r is not None]


def misprints(reader: Reader, jobs: list[Job], engine: str) -> tuple[list[str], list[str]]:
    """What became of misprints: rows of a table, and those that passed."""
    kinds: Counter[tuple[str, str]] = Counter()
    passed_ones = []
    for job, result in zip(jobs, read(reader, jobs, engine), strict=True):
        code = result.code
        clear = (
            code is not None
            and code.raw_text == job.printed
            and min(c.raw_confidence for c in code.characters) >= CODE_RULES.clear_raw
        )
        passed = code is not None and code.status is Status.OK
        kinds["clear" if clear else "unclear", "passed" if passed else "caught"] += 1
        if passed and code is not None:
            raw = f"{code.raw_text} at {code.raw_confidence:.2f}"
            passed_ones.append(f"- {engine}: {job.printed} printed, {raw} raw, {code.text} passed")
    rows = [
        f"| {engine} | {kind} | {sum(kinds[kind, r] for r in ('caught', 'passed'))} "
        f"| {kinds[kind, 'caught']} | {kinds[kind, 'passed']} |"
        for kind in ("clear", "unclear")
    ]
    return rows, passed_ones


def pairs(reader: Reader, jobs: list[Job], engine: str, pair: str) -> str:
    """A table row: shares read right without and with the pattern."""
    right: Counter[str] = Counter()
    for job, result in zip(jobs, read(reader, jobs, engine), strict=True):
        code = result.code
        plain = "".join(result.text.split()).upper()
        right["without"] += plain == job.printed
        if code is None:
            continue
        right["with"] += code.text == job.printed
        right["ok"] += code.status is Status.OK
        right["ok and wrong"] += code.status is Status.OK and code.text != job.printed
    shares = [
        f"{100 * right[k] / len(jobs):.1f}" for k in ("without", "with", "ok", "ok and wrong")
    ]
    return f"| {engine} | {pair[0]}/{pair[1]} | {len(jobs)} | {' | '.join(shares)} |"


def main() -> None:
    """Writes what became of them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=1000, help="codes a confusable pair")
    parser.add_argument("--fonts", action="append", default=[], type=Path)
    parser.add_argument("--engine", action="append", choices=("two-stage", "crnn", "agree", "auto"))
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/misprints.md"))
    args = parser.parse_args()
    reader = Reader()
    strips = StripRenderer(tuple(args.fonts), heights=(20.0, 48.0))

    def job(made: tuple[str, Pattern], *seed: int) -> Job:
        return Job(*made, strips.render((args.seed, *seed), made[0], False).image)

    wrong = [
        job(misprinted(np.random.default_rng((args.seed, n)), n), n, 1) for n in range(args.count)
    ]
    engines = args.engine or ["two-stage", "crnn"]
    lines = [
        f"Written by `python benchmarks/misprints.py --count {args.count} --pairs {args.pairs}`.",
        "",
        "Misprints: one wrong character in a rendered code. Clear: the reading without the "
        f"pattern is what is printed, each character at {CODE_RULES.clear_raw} or more "
        "(``clear_raw``: from there on nothing is corrected). Below, one line for each that "
        "passed.",
        "",
        "| engine | reading | n | caught | passed as ok |",
        "|---|---|---|---|---|",
    ]
    passed_lines = [""]
    for engine in engines:
        rows, passed = misprints(reader, wrong, engine)
        lines += rows
        passed_lines += passed
    lines += passed_lines
    lines += [
        "",
        "Codes of three letters and five digits with a character of a confusable pair, %.",
        "",
        "| engine | pair | n | right without pattern | right with it | ok | ok and wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    for pair in PAIRS:
        own = []
        for n in range(args.pairs):
            place = (n, ord(pair[0]), ord(pair[1]))
            rng = np.random.default_rng((args.seed, 1, *place))
            own.append(job(confusable(rng, pair), 2, *place))
        lines += [pairs(reader, own, engine, pair) for engine in engines]
        print(lines[-1], flush=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
