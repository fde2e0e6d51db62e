"""Keeps the doubtful characters of readings in a folder, for a person to say what they are.

``FOLDER/items/ID.json`` is a doubtful character, ``FOLDER/items/ID.png`` the string around it.
The keys: ``id``, ``symbol`` (empty: taken for no character), ``alternatives``, ``confidence``,
``reject``, ``why``, ``text``, ``position`` (of the symbol in the text), ``quad`` (4 times x, y in
pixels of the picture, clockwise from the character's top-left), ``context`` (the picture),
``engine``, ``time`` (UTC) and ``source`` (name of the file that was read, null where unknown).

Several processes and threads may write the same folder. Files appear whole or not at all, the
picture before its item. The id is made of the picture's pixels and the character's place in it:
the same character of the same picture is kept once. Beyond the limit the oldest items go, those
with an answer in ``corrections.jsonl`` after all others; that file itself does not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from industrial_ocr.config import CollectingConfig
from industrial_ocr.errors import CollectError
from industrial_ocr.results.geometry import edge_lengths
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.review.answers import read_answers, standing
from industrial_ocr.review.doubts import Doubt, context_picture, doubtful
from industrial_ocr.review.items import ITEMS

LEAST_LIMIT_MB = 1.0
BLOCK = 4096
"""Files take up whole blocks of so many bytes; so they are counted."""
SLACK = 0.05
"""Share of the limit that is freed at once, so that a full folder is not searched every time."""
STALE_SECONDS = 3600.0
"""A temporary file so old was left by a process that died."""
NEAR = 0.35
"""Characters of one picture nearer than this, in sizes of a character, are the same one."""
_MEGABYTE = 1_000_000
_LEDGER = ".collecting"
"""The file that says how many bytes the items take up; another beside it is locked."""
_POLL_SECONDS = 0.01


@dataclass(frozen=True, eq=False)
class _Item:
    """What is to be written of one character."""

    id: str
    data: bytes
    picture: bytes

    @property
    def size(self) -> int:
        return _on_disk(len(self.data)) + _on_disk(len(self.picture))


class Collector:
    """Writes doubtful characters to a folder.

    Args:
        folder: made if need be.
        rules: what is doubtful, and the limit.
        limit_mb: another limit than that of the rules, in megabytes (10^6 bytes), at least 1.

    Raises:
        CollectError: the folder cannot be written, or the limit is too low.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        rules: CollectingConfig,
        limit_mb: float | None = None,
    ) -> None:
        megabytes = rules.limit_mb if limit_mb is None else limit_mb
        if not LEAST_LIMIT_MB <= megabytes < float("inf"):
            raise CollectError(
                f"the limit of a folder is {LEAST_LIMIT_MB:g} MB or more, got {megabytes}"
            )
        self.folder = Path(folder)
        self.limit = int(megabytes * _MEGABYTE)
        self._rules = rules
        self._items = self.folder / ITEMS
        try:
            self._items.mkdir(parents=True, exist_ok=True)
            # A full disk or a folder that may not be written shows now, not after reading.
            self._write("probe", b"\0" * BLOCK, None)
        except OSError as error:
            raise self._error(error) from error

    def add_all(self, results: Sequence[ReadResult], sources: Sequence[Any]) -> None:
        """``add`` for results under the names of what was read, where that is a file."""
        for result, source in zip(results, sources, strict=True):
            path = source if isinstance(source, str | Path) else getattr(source, "filename", "")
            self.add(result, Path(path).name if path else None)

    def add(self, result: ReadResult, source: str | None = None) -> list[str]:
        """Keeps the doubtful characters of a result.

        Args:
            result: with the picture that was read.
            source: name of its file.

        Returns:
            The ids of the items that are new.

        Raises:
            CollectError: they cannot be written.
        """
        doubts = doubtful(result, self._rules)
        if not doubts:
            return []
        digest = picture_digest(result.image)
        try:
            items = [
                _item(result, doubt, name, source)
                for name, doubt in _new(doubts, digest, self._known(digest))
            ]
            return [item.id for item in items if self._keep(item)]
        except OSError as error:
            raise self._error(error) from error

    def _known(self, digest: str) -> list[str]:
        """Ids of the characters of a picture that are kept already."""
        names = os.listdir(self._items)
        return [n[:-5] for n in names if n.startswith(digest) and n.endswith(".json")]

    def _keep(self, item: _Item) -> bool:
        """Makes room for an item and writes it; one that is beyond the limit alone is not kept."""
        if item.size > self.limit:
            return False
        ledger = self.folder / _LEDGER
        with FileLock(f"{ledger}.lock", poll_interval=_POLL_SECONDS):
            used = _bytes_of(ledger)
            if used is None or used + item.size > self.limit:
                used = self._make_room(item.size)
            # Written before the item: a process that dies in between leaves too high a number,
            # which the next search puts right, and never one too low.
            ledger.write_text(str(used + item.size))
            self._write(item.id, item.picture, f"{item.id}.png")
            self._write(item.id, item.data, f"{item.id}.json")
        return True

    def _make_room(self, wanted: int) -> int:
        """Removes the oldest items until ``wanted`` bytes fit; gives the bytes still in use."""
        items: dict[str, tuple[float, int]] = {}
        for entry in os.scandir(self._items):
            try:
                state = entry.stat()
            except FileNotFoundError:  # another collector's probe
                continue
            if entry.name.startswith("."):
                if time.time() - state.st_mtime > STALE_SECONDS:
                    self._remove(entry.name)
                continue
            stem = entry.name.partition(".")[0]
            when, size = items.get(stem, (0.0, 0))
            items[stem] = max(when, state.st_mtime), size + _on_disk(state.st_size)
        used = sum(size for _, size in items.values())
        if used + wanted <= self.limit:
            return used
        answers = standing(read_answers(self.folder))
        answered = {k for k, own in answers.items() if own[-1].action != "skip"}
        for stem in sorted(items, key=lambda s: (s in answered, items[s][0], s)):
            if used + wanted <= self.limit * (1 - SLACK) or not used:
                break
            # The item first: whoever lists the folder then never sees one without its picture.
            self._remove(f"{stem}.json")
            self._remove(f"{stem}.png")
            used -= items[stem][1]
        return used

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self._items / name).unlink()

    def _write(self, stem: str, data: bytes, name: str | None) -> None:
        """Writes a file by way of a temporary one; without a name only tries whether it can."""
        own = f".{stem}.{os.getpid()}.{threading.get_ident()}"
        temporary = self._items / own
        try:
            temporary.write_bytes(data)
            if name is not None:
                os.replace(temporary, self._items / name)
        finally:
            with suppress(OSError):
                temporary.unlink()

    def _error(self, error: OSError) -> CollectError:
        reason = error.strerror or str(error)
        return CollectError(
            f"{self.folder}: doubtful characters cannot be kept there: {reason}; "
            "free space, allow writing, or name another folder"
        )


def picture_digest(image: ImageArray) -> str:
    """24 hex digits that tell pictures apart by their pixels."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=12)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _new(
    doubts: Sequence[Doubt], digest: str, known: Sequence[str]
) -> list[tuple[str, Doubt]]:  # fmt: skip
    """The doubts whose places are not known yet, with their ids."""
    places = [_place(name) for name in known]
    found = []
    for doubt in doubts:
        quad = doubt.character.quad
        center = quad.mean(axis=0)
        near = NEAR * max(*edge_lengths(quad), 2.0)
        if all(np.linalg.norm(center - p) > near for p in places):
            x, y = np.clip(np.rint(center), 0, 0xFFFF).astype(int).tolist()
            found.append((f"{digest}{x:04x}{y:04x}", doubt))
            places.append(center)
    return found


def _place(name: str) -> FloatArray:
    """(2,) the center of a character, in pixels of what was read, from its id."""
    return np.array([int(name[-8:-4], 16), int(name[-4:], 16)], np.float32)


def _item(result: ReadResult, doubt: Doubt, name: str, source: str | None) -> _Item:
    picture, quad = context_picture(result.image, doubt)
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    assert done
    character = doubt.character
    data: dict[str, Any] = {
        "id": name,
        "symbol": character.symbol,
        "alternatives": [[s, round(p, 5)] for s, p in character.alternatives],
        "confidence": round(character.confidence, 5),
        "reject": round(character.reject, 5),
        "why": ", ".join(doubt.why),
        "text": doubt.text,
        "position": doubt.position,
        "quad": np.round(quad.astype(float), 2).tolist(),
        "context": f"{ITEMS}/{name}.png",
        "engine": result.engine,
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "source": source,
    }
    return _Item(name, json.dumps(data, indent=1).encode(), encoded.tobytes())


def _bytes_of(ledger: Path) -> int | None:
    """How many bytes the items take up at most, None where that is not known."""
    with suppress(FileNotFoundError, ValueError):
        return int(ledger.read_bytes())
    return None


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
