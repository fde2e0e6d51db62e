"""Divides the pictures of a line into those for training and those held out for measuring.

Pictures of one series stay together. A series are pictures with nearly the same pixels; and
pictures with the same text, the same day in the file name or the same file stem in several folders,
if enough series remain to divide.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import PurePosixPath

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from industrial_ocr.errors import DatasetError
from industrial_ocr.training.line.config import MIN_STRINGS
from industrial_ocr.training.line.strings import LinePicture, spelled, thumbnail

MIN_CORRELATION = 0.97
"""Strings of one length belong to one series if their pixels correlate at least so much."""
DAY = re.compile(r"(?<!\d)(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True)
class History:
    """The hashes of pictures that a bundle's adaptations have held out, and that they learned."""

    held: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()

    @staticmethod
    def of(values: Mapping[str, list[str]]) -> History:
        """The history in the values of ``to_dict``; empty if there are none."""
        return History(frozenset(values.get("held out", ())), frozenset(values.get("learned", ())))

    def to_dict(self) -> dict[str, list[str]]:
        """Plain values, ready for JSON."""
        return {"held out": sorted(self.held), "learned": sorted(self.learned)}

    def then(self, learn: Sequence[LinePicture], held: Sequence[LinePicture]) -> History:
        """This history and a further adaptation."""
        learned = self.learned | {p.pixels for p in learn}
        return History((self.held | {p.pixels for p in held}) - learned, learned)


NO_HISTORY = History()


def check_strings(pictures: Sequence[LinePicture]) -> None:
    """Raises DatasetError if there are too few strings, or if all are equal."""
    count = sum(len(p.strings) for p in pictures)
    if count < MIN_STRINGS:
        raise DatasetError(
            f"{count} strings can be used, at least {MIN_STRINGS} are needed, and 100 are better; "
            "label more pictures"
        )
    if len(set(map(spelled, chain.from_iterable(p.texts for p in pictures)))) == 1:
        raise DatasetError(
            "all pictures have the same text, so that the networks would learn only this text; "
            "label pictures with other texts"
        )


def divide(
    pictures: Sequence[LinePicture],
    seed: int,
    more: Sequence[LinePicture] = (),
    history: History = NO_HISTORY,
) -> tuple[tuple[LinePicture, ...], tuple[LinePicture, ...]]:
    """The pictures for training, and the held-out ones: a fifth, at least 20, but at most half.

    Args:
        pictures: the labeled pictures.
        seed: seed of the choice.
        more: further pictures for training; those in a held-out series are left out.
        history: what the parent's adaptations have held out stays held out, and a series that they
            learned is not held out.

    Raises:
        DatasetError: no picture can be held out.
    """
    series = series_of([*pictures, *more], len(pictures))
    numbered = [*zip([*pictures, *more], series.tolist(), strict=True)]
    learned = {s for p, s in numbered if p.pixels in history.learned}
    held = {s for p, s in numbered if p.pixels in history.held} - learned
    own = series[: len(pictures)]
    wanted = max(len(pictures) // 5, min(MIN_STRINGS, len(pictures) // 2))
    taken = int(np.isin(own, [*held]).sum())
    for number in np.random.default_rng(seed).permutation(np.unique(own)).tolist():
        size = int((own == number).sum())
        if number not in held | learned and taken + size <= wanted:
            held.add(number)
            taken += size
    if not taken:
        known = "or were learned by the bundle to start from, " if learned else ""
        raise DatasetError(
            f"all pictures belong to one series, {known}so that none can be held out for "
            "measuring; take pictures at several times"
        )
    everything = [replace(p, series=s) for p, s in numbered]
    learn = tuple(p for p in everything if p.series not in held)
    return learn, tuple(p for p in everything[: len(pictures)] if p.series in held)


def series_of(pictures: Sequence[LinePicture], own: int | None = None) -> np.ndarray:
    """(N,) number of the series of each picture, from 0.

    Only the first ``own`` pictures, which are divided, limit the size of a series.
    """
    count = len(pictures)
    links = [*_same([p.pixels for p in pictures]), *_near_duplicates(pictures)]
    series = _connected(links, count)
    for keys in (
        [tuple(sorted(map(spelled, p.texts))) for p in pictures],
        [_day(p.sample.name) for p in pictures],
        [PurePosixPath(p.sample.name).stem for p in pictures],
    ):
        more = [*links, *_same(keys)]
        joined = _connected(more, count)
        # Keys that join most pictures, such as numbers that restart every day, define no series.
        if _largest(joined[:own]) <= max(len(pictures[:own]) / 5, _largest(series[:own])):
            links, series = more, joined
    return series


def _connected(links: Sequence[tuple[int, int]], count: int) -> np.ndarray:
    """(count,) number of the group of each picture; linked pictures are in one group."""
    rows, columns = np.array(links, np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _largest(series: np.ndarray) -> int:
    """Number of pictures in the largest series."""
    return int(np.bincount(series).max())


def _day(name: str) -> str | None:
    found = DAY.search(name)
    return "".join(found.groups()) if found else None


def _same(keys: Sequence[Hashable | None]) -> list[tuple[int, int]]:
    """Pairs of the first and each further index of every key; None is not a key."""
    first: dict[Hashable, int] = {}
    pairs = []
    for i, key in enumerate(keys):
        if key is not None:
            pairs.append((first.setdefault(key, i), i))
    return pairs


def _near_duplicates(pictures: Sequence[LinePicture]) -> list[tuple[int, int]]:
    by_length = defaultdict(list)
    for i, picture in enumerate(pictures):
        for string in picture.strings:
            by_length[len(spelled(string.text))].append((i, thumbnail(string)))
    pairs = []
    for own in by_length.values():
        table = np.stack([t for _, t in own])
        for a, b in np.argwhere(np.triu(table @ table.T, 1) >= MIN_CORRELATION).tolist():
            pairs.append((own[a][0], own[b][0]))
    return pairs
