"""Reads the uncertain characters in a folder.

Other processes may add and remove items during a review, so every list is read from disk.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat
from pydantic.dataclasses import dataclass

from industrial_ocr.errors import CollectError
from industrial_ocr.review.answers import ID_FORM

ITEMS = "items"
Order = Literal["uncertain", "new", "old", "symbol"]
"""Most uncertain first, newest first, oldest first, or by symbol."""
Corner = tuple[FiniteFloat, FiniteFloat]


@dataclass(frozen=True)
class ReviewItem:
    """One uncertain character from its file; ``review.collecting`` describes the keys."""

    id: str
    symbol: str
    alternatives: tuple[tuple[str, FiniteFloat], ...]
    confidence: FiniteFloat
    reject: FiniteFloat
    why: str
    text: str
    position: int
    quad: tuple[Corner, Corner, Corner, Corner]
    engine: str
    time: str
    source: str | None

    @property
    def margin(self) -> float:
        """Confidence of the reading less that of its runner-up."""
        return self.confidence - max((p for _, p in self.alternatives), default=0.0)


def parse_item(data: Any, name: str) -> ReviewItem:
    """The item in the JSON of a file.

    Raises:
        ValueError: a key is missing or has an impossible value.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{name}: an item must be a JSON object")
    return ReviewItem(**{**data, "id": name})


class ItemFolder:
    """The items of a folder that a ``Collector`` wrote; a file is parsed only once.

    Threads may share this object.

    Raises:
        CollectError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise CollectError(
                f"{folder}: no such folder; industrial-ocr read PATH --collect {folder} fills it"
            )
        self._folder = folder / ITEMS
        self._lock = threading.Lock()
        self._parsed: dict[str, ReviewItem | None] = {}

    def list(self) -> dict[str, ReviewItem]:
        """The items on disk by id, without files that are not valid items."""
        with self._lock:
            names = self._names()
            self._parsed = {n: self._parsed[n] for n in self._parsed.keys() & names}
            for name in names - self._parsed.keys():
                with suppress(FileNotFoundError):
                    self._parsed[name] = self._load(name)
            return {name: item for name, item in self._parsed.items() if item is not None}

    def picture(self, name: str) -> bytes | None:
        """The PNG of an item; None if there is none. Only valid ids are looked up."""
        if not ID_FORM.fullmatch(name):
            return None
        with suppress(FileNotFoundError):
            return (self._folder / f"{name}.png").read_bytes()
        return None

    def _names(self) -> set[str]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return set()
        return {n[:-5] for n in names if n.endswith(".json") and ID_FORM.fullmatch(n[:-5])}

    def _load(self, name: str) -> ReviewItem | None:
        data = (self._folder / f"{name}.json").read_bytes()
        try:
            return parse_item(json.loads(data), name)
        except ValueError:
            return None


def ordered(items: Sequence[ReviewItem], order: Order) -> list[ReviewItem]:
    """Items in an order that is the same every time."""
    if order in ("new", "old"):
        return sorted(items, key=lambda i: (i.time, i.id), reverse=order == "new")
    if order == "symbol":
        return sorted(items, key=lambda i: (i.symbol, i.margin, i.id))
    return sorted(items, key=lambda i: (i.margin, i.id))
