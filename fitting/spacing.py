"""Fits the numbers of ``detection.spacing``: the probability that a space follows a character.

The two-stage engine reads rendered pictures whose spaces are known. Prints the coefficients of
``SPACE_MODEL``, and how many gaps of other pictures are wrong with them and by linking alone::

    python -m fitting.spacing --fonts DIR --plain-fonts DIR/debian
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from fitting import pictures
from fitting.homoglyphs import log_odds
from fitting.segmentation import LabeledPicture, read_evidence
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.decoding.free_reading import read_freely
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.orientation import string_quad
from industrial_ocr.detection.spacing import SPACE_MODEL, space_features
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import edge_lengths
from industrial_ocr.results.types import BoxString, Floats

GapRow = tuple[Floats, bool, bool]
"""Features of a gap, whether linking found it wide, and whether a space is printed there."""


@cache
def _reader() -> Reader:
    return Reader(threads=1)


def true_spaces(string: BoxString, printed: Sequence[LabeledString]) -> list[bool | None]:
    """Whether a space is printed after each box but the last; None if the next box shows another
    character than the next printed one."""
    centers = np.concatenate([s.quads.mean(axis=1) for s in printed])
    places = [(s, i) for s in printed for i in range(len(s.symbols))]
    reach = 0.4 * edge_lengths(string_quad(string))[1]
    shown = []
    for box in string.boxes:
        away = np.linalg.norm(centers - box.center, axis=1)
        nearest = int(away.argmin())
        shown.append(nearest if away[nearest] < reach else -2)
    spaces: list[bool | None] = []
    for one, two in zip(shown[:-1], shown[1:], strict=True):
        follows = two == one + 1 and places[one][0] is places[two][0]
        spaces.append(places[one][0].space_after[places[one][1]] if follows else None)
    return spaces


def collect(asked: argparse.Namespace, numbers: range) -> list[GapRow]:
    """The gaps of level strings whose neighbors are neighbors in print, too."""
    return list(_rows(asked, numbers))


def _rows(asked: argparse.Namespace, numbers: range) -> Iterator[GapRow]:
    reader = _reader()
    for image, printed, one_string in pictures.asked_pictures(asked, numbers):
        if one_string or not printed:
            continue
        symbols = tuple(c for s in printed for c in s.symbols)
        truth = LabeledPicture(image, symbols, np.concatenate([s.quads for s in printed]))
        for evidence in read_evidence(truth, reader.models):
            reading = read_freely(evidence, reader.classifier_charset)
            if sum(reading.character) > 1 and reading.string.direction != "vertical":
                string, read = reading.shown()
                features = space_features(string, read, LineInk.of(to_gray(image), string))
                spaces = true_spaces(string, printed)
                linked = string.space_after[:-1]
                for row, wide, space in zip(features, linked, spaces, strict=True):
                    if space is not None:
                        yield row, wide, space


def main() -> None:
    """Reads, fits, prints."""
    asked = pictures.arguments(__doc__, 1200, Path()).parse_args()
    rows: list[GapRow] = []
    for some in pictures.map_pictures(collect, asked):
        rows += some
    features, linked, printed = zip(*rows, strict=True)
    table, linking, spaces = np.array(features), np.array(linked), np.array(printed)
    half = len(rows) // 2
    weights, bias = log_odds(table[:half], spaces[:half])
    wrong = [found[half:] != spaces[half:] for found in (table @ weights + bias > 0, linking)]
    weights, bias = log_odds(table, spaces)
    names = (name for name in SPACE_MODEL if name != "bias")
    numbers = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
    print(
        f"SPACE_MODEL bias {bias:.2f}, {numbers}: {len(rows)} gaps, {spaces.sum()} of them spaces; "
        f"of {len(rows) - half} that were not fitted {wrong[0].sum()} are wrong, "
        f"{wrong[1].sum()} by linking alone"
    )


if __name__ == "__main__":
    main()
