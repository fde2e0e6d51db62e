"""The doubtful characters of a folder, as they lie there now.

Other processes add items and remove them while somebody reviews: every list is made of what is on
disk at that moment.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from industrial_ocr.errors import CollectError
from industrial_ocr.review.answers import ID_FORM

ITEMS = "items"
Order = Literal["doubt", "new", "old", "symbol"]
"""Most doubtful first, latest first, oldest first, or by what was read."""


@dataclass(frozen=True)
class Item:
    """One doubtful character, as its file says (``collecting``).

    Attributes:
        id: of the file.
        symbol: as read, empty where it was taken for no character.
        alternatives: with their probabilities, best first.
        confidence: of the symbol, or of its refusal.
        reject: probability that it is no character.
        why: it is doubtful.
        text: the string it belongs to.
        position: of the symbol in it.
        quad: four corners in pixels of the picture.
        engine: that read it.
        time: of reading.
        source: file that was read, empty where unknown.
    """

    id: str
    symbol: str
    alternatives: tuple[tuple[str, float], ...]
    confidence: float
    reject: float
    why: str
    text: str
    position: int
    quad: tuple[tuple[float, float], ...]
    engine: str
    time: str
    source: str

    @property
    def margin(self) -> float:
        """How much surer the reading is than its runner-up."""
        return self.confidence - max((p for _, p in self.alternatives), default=0.0)


def item_of(data: Any, name: str) -> Item:
    """The item of a file's JSON; ValueError where it is none."""
    try:
        item = Item(
            name,
            str(data["symbol"]),
            tuple((str(s), float(p)) for s, p in data["alternatives"]),
            float(data["confidence"]),
            float(data["reject"]),
            str(data["why"]),
            str(data["text"]),
            int(data["position"]),
            tuple((float(x), float(y)) for x, y in data["quad"]),
            str(data["engine"]),
            str(data["time"]),
            str(data["source"] or ""),
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"{name}: not an item: {error!r}") from error
    numbers = [item.confidence, item.reject, *(p for _, p in item.alternatives)]
    if len(item.quad) != 4 or not all(map(math.isfinite, [*numbers, *sum(item.quad, ())])):
        raise ValueError(f"{name}: an item has a quad of 4 corners and finite numbers")
    return item


class ItemFolder:
    """The items of a folder; what was parsed once is remembered. Threads may share it.

    Args:
        folder: that ``read(..., collect=...)`` wrote.

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
        self._items: dict[str, Item | None] = {}

    def list(self) -> dict[str, Item]:
        """The items on disk by id; files that are none are left out."""
        with self._lock:
            names = self._names()
            self._items = {n: self._items[n] for n in self._items.keys() & names}
            for name in names - self._items.keys():
                with_item, item = self._load(name)
                if with_item:
                    self._items[name] = item
            return {name: item for name, item in self._items.items() if item is not None}

    def picture(self, name: str) -> bytes | None:
        """The picture of an item, None where there is none; nothing but an id finds one."""
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

    def _load(self, name: str) -> tuple[bool, Item | None]:
        """Whether the file is still there, and its item if it is one."""
        try:
            data = (self._folder / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return False, None
        try:
            return True, item_of(json.loads(data), name)
        except ValueError:
            return True, None


def ordered(items: Sequence[Item], order: Order) -> list[Item]:
    """Items in an order that is the same every time."""
    if order in ("new", "old"):
        return sorted(items, key=lambda i: (i.time, i.id), reverse=order == "new")
    if order == "symbol":
        return sorted(items, key=lambda i: (i.symbol, i.margin, i.id))
    return sorted(items, key=lambda i: (i.margin, i.id))
