"""Fits the numbers of ``decoding.homoglyphs``: the case of letters, and 0 or O.

Both engines read rendered pictures without the rules for homoglyphs. The case of a letter whose
cases differ in size alone and 0 against O by their ink are fitted to what two-stage reads
(``CASE_MODEL``, ``ZERO_MODEL``), the prior of a 0 against an O to what the CRNN reads
(``reader.crnn.DIGIT_NATS``). Prints the numbers, and how many characters of other pictures
are wrong with them and by their shape alone. The networks tell 0 from O better in fonts that they
have learned, so the plain fonts should be others::

    python -m fitting.homoglyphs --fonts DIR --plain-fonts OTHERS
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fitting import pictures
from fitting.confidence import logistic
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.decoding import homoglyphs
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import Character, CharCandidates, FloatArray, TextString

CharacterRow = tuple[list[float], bool]
"""Features of a character, and whether it is a small letter, or a 0."""


@cache
def _reader() -> Reader:
    return Reader(threads=1, config={"classification": {"homoglyphs": False}})


def true_symbol(character: Character, printed: Sequence[LabeledString]) -> str | None:
    """The one symbol that is printed within a character's box, None if there are others."""
    found = pictures.printed_within(character.quad, printed)
    return found[0][0] if len(found) == 1 else None


def probabilities(character: Character) -> dict[str, float]:
    """The probability of each symbol by its shape alone.

    A 0 or O that the crnn has replaced holds the probability of all its twins: more than 1 in sum
    with the alternatives.
    """
    own, others = character.confidence, dict(character.alternatives)
    if own + sum(others.values()) > 1.02:
        twins = homoglyphs.same_shape(character.symbol)
        own = max(own - sum(p for symbol, p in others.items() if symbol in twins), 1e-4)
    return {character.symbol: own, **others}


def case_rows(
    string: TextString, sizes: FloatArray, printed: Sequence[LabeledString]
) -> Iterator[CharacterRow]:
    """Log-odds of the shape, smallness and case of the neighbors, as ``resolve_cases`` has them."""
    symbols = [c.symbol for c in string.characters]
    heights = sizes[:, 1].tolist()
    tall, small = (
        homoglyphs._median(h for s, h in zip(symbols, heights, strict=True) if s in group)
        for group in (homoglyphs.TALL, homoglyphs.SMALL)
    )
    clear = [(s in homoglyphs.CLEARLY_SMALL) - (s in homoglyphs.CLEARLY_CAPITAL) for s in symbols]
    for i, character in enumerate(string.characters):
        truth = true_symbol(character, printed)
        lower = "o" if character.symbol == "0" else character.symbol.lower()
        capitals = ("O", "0") if lower == "o" else (lower.upper(),)
        ranked = probabilities(character)
        if lower.upper() not in homoglyphs.SIZE_TWINS or truth not in (lower, *capitals):
            continue
        if lower in ranked and any(c in ranked for c in capitals):
            shape = homoglyphs._log_ratio(ranked[lower], sum(ranked.get(c, 0.0) for c in capitals))
            size = 0.0 if lower in "kp" else homoglyphs._smallness(heights[i], tall, small)
            beside = homoglyphs._nonzero(clear[:i][::-1]) + homoglyphs._nonzero(clear[i + 1 :])
            yield [shape, size, float(beside)], truth == lower


def zero_rows(string: TextString, printed: Sequence[LabeledString]) -> Iterator[CharacterRow]:
    """Log-odds of the shape of a 0 against an O."""
    for character in string.characters:
        truth = true_symbol(character, printed)
        if character.symbol in "0O" and truth in ("0", "O"):
            ranked = probabilities(character)
            yield [homoglyphs._log_ratio(ranked.get("0", 0.0), ranked.get("O", 0.0))], truth == "0"


def ink_rows(
    string: TextString, ink: LineInk, printed: Sequence[LabeledString]
) -> Iterator[CharacterRow]:
    """The inputs of ``ZERO_MODEL`` for every 0 and O."""
    candidates = []
    for character in string.characters:
        ranked = probabilities(character)
        values = np.array(list(ranked.values()), np.float32)
        candidates.append(CharCandidates(tuple(ranked), values, character.reject))
    widths = ink.sizes()[:, 0].tolist()
    inputs = homoglyphs.zero_features(candidates, widths, ink.cores().tolist())
    for character, row in zip(string.characters, inputs, strict=True):
        truth = true_symbol(character, printed)
        if row is not None and truth in ("0", "O"):
            yield list(row), truth == "0"


@dataclass
class Rows:
    """Rows of letters and of zeros as two-stage reads them, and of zeros as the CRNN does."""

    cases: list[CharacterRow] = field(default_factory=list)
    zeros: list[CharacterRow] = field(default_factory=list)
    crnn_zeros: list[CharacterRow] = field(default_factory=list)


def collect(asked: argparse.Namespace, numbers: range) -> Rows:
    """Rows of some pictures."""
    rows = Rows()
    for image, printed, one_string in pictures.asked_pictures(asked, numbers):
        if one_string:
            continue
        for string in _reader().read(image, engine=Engine.TWO_STAGE).strings:
            if string.direction != "vertical":
                quads = [c.quad for c in string.characters]
                ink = LineInk(to_gray(image), string.quad, quads)
                rows.cases += case_rows(string, ink.sizes(), printed)
                rows.zeros += ink_rows(string, ink, printed)
        for string in _reader().read(image, engine=Engine.CRNN).strings:
            rows.crnn_zeros += zero_rows(string, printed)
    return rows


def fit(rows: Sequence[CharacterRow]) -> tuple[NDArray[np.float64], float, str]:
    """Weights and bias fitted to all rows, and a test of a fit to the first half on the other."""
    table, right = np.array([r for r, _ in rows]), np.array([good for _, good in rows])
    half = len(rows) // 2
    weights, bias = log_odds(table[:half], right[:half])
    fitted = (table[half:] @ weights + bias > 0) != right[half:]
    shape = (table[half:, 0] > 0) != right[half:]
    wrong = f"{fitted.sum()} are wrong, {shape.sum()} by their shape alone"
    text = f"{len(rows)}; of {len(fitted)} that were not fitted {wrong}"
    return *log_odds(table, right), text


def log_odds(
    table: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Weights and bias of a logistic regression on features that are not standardized."""
    mean, scale = table.mean(0), np.maximum(table.std(0), 1e-3)
    weights, bias = logistic((table - mean) / scale, right)
    return weights / scale, bias - float(mean @ (weights / scale))


def main() -> None:
    """Reads, fits, prints."""
    asked = pictures.arguments(__doc__, 1100, Path()).parse_args()
    rows = Rows()
    for some in pictures.map_pictures(collect, asked):
        for name, own in vars(some).items():
            getattr(rows, name).extend(own)
    models = {
        "CASE_MODEL": (("shape", "size", "beside"), rows.cases, "letters"),
        "ZERO_MODEL": (list(homoglyphs.ZERO_MODEL)[1:], rows.zeros, "zeros"),
    }
    for model, (names, own, kind) in models.items():
        weights, bias, text = fit(own)
        numbers = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
        print(f"{model} bias {bias:.2f}, {numbers}: {kind} {text}")
    weights, bias, text = fit(rows.crnn_zeros)
    print(f"DIGIT_NATS {bias / weights[0]:.2f}: characters {text}")


if __name__ == "__main__":
    main()
