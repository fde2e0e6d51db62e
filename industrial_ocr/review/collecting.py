"""Keeps the uncertain characters of readings in a folder, where a person can label them.

``FOLDER/items/ID.json`` is an uncertain character, ``FOLDER/items/ID.png`` the string around it.
The keys: ``id``, ``symbol`` (empty: rejected as no character), ``alternatives``, ``confidence``,
``reject``, ``why``, ``text``, ``position`` (index of the symbol in the text, from 0), ``quad`` (4
times x, y in pixels of the PNG, clockwise from the character's top-left), ``context`` (the PNG),
``engine``, ``time`` (UTC) and ``source`` (name of the file that was read, null if unknown).

Several processes and threads may write to the same folder. Files are written whole or not at all,
the PNG before the JSON. The id is made of the hash of the image and the center of the character,
so that the same character of the same image is kept once. Beyond the limit the oldest items are
removed, those with an answer in ``corrections.jsonl`` last; that file itself does not count.
"""

from __future__ import annotations

import hashlib
import json
import logging
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
from industrial_ocr.results.types import FloatArray, ImageArray, rounded_quad
from industrial_ocr.review.answers import read_answers, standing
from industrial_ocr.review.items import ITEMS
from industrial_ocr.review.uncertainty import (
    UncertainCharacter,
    context_picture,
    uncertain_characters,
)

log = logging.getLogger(__name__)

BLOCK = 4096
"""Size of a block on disk in bytes; the size of a file counts in whole blocks."""
_SIZE_FILE = ".collecting"
"""The file with the total size of the items in bytes."""


@dataclass(frozen=True, eq=False)
class _NewItem:
    """The files of one character."""

    id: str
    data: bytes
    picture: bytes

    @property
    def size(self) -> int:
        return _on_disk(len(self.data)) + _on_disk(len(self.picture))


class Collector:
    """Writes the uncertain characters of results to a folder, for ``industrial-ocr review``.

    Args:
        folder: created if missing.
        limit_mb: largest size of the folder in megabytes (10^6 bytes), at least 1.
        rules: which characters are uncertain (``min_confidence`` and ``min_margin``).

    Raises:
        CollectError: the folder cannot be written, or the limit is too low.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        limit_mb: float = 200.0,
        rules: CollectingConfig | None = None,
    ) -> None:
        if not 1 <= limit_mb < float("inf"):
            raise CollectError(f"the limit of a folder must be 1 MB or more, got {limit_mb}")
        self.folder = Path(folder)
        self.limit = int(limit_mb * 1e6)
        self._rules = CollectingConfig() if rules is None else rules
        self._items = self.folder / ITEMS
        try:
            self._items.mkdir(parents=True, exist_ok=True)
            # This finds a full disk or a read-only folder before anything is read.
            self._write("probe", b"\0" * BLOCK, None)
        except OSError as error:
            raise self._error(error) from error

    def add(self, result: ReadResult, source: str | os.PathLike[str] | None = None) -> list[str]:
        """Keeps the uncertain characters of a result, and the name of the file it was read from.

        Returns:
            The ids of the new items.

        Raises:
            CollectError: they cannot be written.
        """
        uncertain = uncertain_characters(result, self._rules)
        if not uncertain:
            return []
        name = None if source is None else Path(source).name
        digest = picture_digest(result.image)
        try:
            new = _new(uncertain, digest, self._known(digest))
            items = [_new_item(result, item, key, name) for key, item in new]
            kept = [item.id for item in items if self._keep(item)]
        except OSError as error:
            raise self._error(error) from error
        log.info("%s: %d of %d uncertain characters are new", name, len(kept), len(uncertain))
        return kept

    def _known(self, digest: str) -> list[str]:
        """Ids of the characters of an image that are kept already."""
        names = os.listdir(self._items)
        return [n[:-5] for n in names if n.startswith(digest) and n.endswith(".json")]

    def _keep(self, item: _NewItem) -> bool:
        """Makes room for an item and writes it; False if it alone is larger than the limit."""
        if item.size > self.limit:
            return False
        size_file = self.folder / _SIZE_FILE
        with FileLock(f"{size_file}.lock", poll_interval=0.01):
            used = _read_size(size_file)
            if used is None or used + item.size > self.limit:
                used = self._make_room(item.size)
            # Written before the item, so that the number is never too low. If the process is killed
            # before the item is written, it is too high until old items are removed the next time.
            size_file.write_text(str(used + item.size))
            self._write(item.id, item.picture, f"{item.id}.png")
            self._write(item.id, item.data, f"{item.id}.json")
        return True

    def _make_room(self, wanted: int) -> int:
        """Removes the oldest items until ``wanted`` bytes fit; returns the bytes still in use.

        Frees 5 % of the limit at once, so that a full folder is not searched for every item.
        """
        items: dict[str, tuple[float, int]] = {}
        for entry in os.scandir(self._items):
            try:
                state = entry.stat()
            except FileNotFoundError:  # another collector's probe
                continue
            if entry.name.startswith("."):
                if time.time() - state.st_mtime > 3600:  # left by a process that was killed
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
            if used + wanted <= self.limit * 0.95 or not used:
                break
            # The JSON first, so that no other process finds an item without its PNG.
            self._remove(f"{stem}.json")
            self._remove(f"{stem}.png")
            used -= items[stem][1]
        return used

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self._items / name).unlink()

    def _write(self, stem: str, data: bytes, name: str | None) -> None:
        """Writes a temporary file and renames it; without a name only tries to write."""
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
            f"{self.folder}: uncertain characters cannot be kept there: {reason}; "
            "free space, allow writing, or name another folder"
        )


def picture_digest(image: ImageArray) -> str:
    """A hash of an image's shape and pixels, 24 hex digits."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=12)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _new(
    uncertain: Sequence[UncertainCharacter], digest: str, known: Sequence[str]
) -> list[tuple[str, UncertainCharacter]]:
    """The characters whose places are not known yet, with their ids.

    Centers nearer than 0.35 of the character's longer side belong to the same character, which
    another engine may have placed a little differently.
    """
    centers = [_center(name) for name in known]
    found = []
    for item in uncertain:
        quad = item.character.quad
        center = quad.mean(axis=0)
        near = 0.35 * max(*edge_lengths(quad), 2.0)
        if all(np.linalg.norm(center - other) > near for other in centers):
            x, y = np.clip(np.rint(center), 0, 0xFFFF).astype(int).tolist()
            found.append((f"{digest}{x:04x}{y:04x}", item))
            centers.append(center)
    return found


def _center(name: str) -> FloatArray:
    """(2,) the center of a character in pixels of the source, from its id."""
    return np.array([int(name[-8:-4], 16), int(name[-4:], 16)], np.float32)


def _new_item(
    result: ReadResult, item: UncertainCharacter, name: str, source: str | None
) -> _NewItem:
    picture, quad = context_picture(result.image, item)
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    assert done
    character = item.character
    data: dict[str, Any] = {
        "id": name,
        "symbol": character.symbol,
        "alternatives": [[s, round(p, 5)] for s, p in character.alternatives],
        "confidence": round(character.confidence, 5),
        "reject": round(character.reject, 5),
        "why": ", ".join(item.why),
        "text": item.text,
        "position": item.position,
        "quad": rounded_quad(quad),
        "context": f"{ITEMS}/{name}.png",
        "engine": result.engine,
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "source": source,
    }
    return _NewItem(name, json.dumps(data, indent=1).encode(), encoded.tobytes())


def _read_size(file: Path) -> int | None:
    """An upper limit of the items' size in bytes; None if it is not known."""
    with suppress(FileNotFoundError, ValueError):
        return int(file.read_bytes())
    return None


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
