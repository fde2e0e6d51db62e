"""The answers of the review page: ``corrections.jsonl``, one JSON object per line, append-only.

A line is ``{"id", "action", "symbol", "time"}``. The actions: ``label`` (the character is
``symbol``), ``nothing`` (it is not a character), ``skip``, and ``undo``, which revokes the last
answer to that id that is not revoked yet. The last answer that is not revoked counts.
"""

from __future__ import annotations

import json
import os
import re
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock

FILE_NAME = "corrections.jsonl"
ID_FORM = re.compile(r"[0-9a-f]{8,64}")
"""The form of the ids of items; no other name is looked up on disk."""

Action = Literal["label", "nothing", "skip", "undo"]
_CODE_POINTS = re.compile(r"[Uu]\+[0-9A-Fa-f]{4,6}(?:[\s,]+[Uu]\+[0-9A-Fa-f]{4,6})*")


@dataclass(frozen=True)
class ReviewAnswer:
    """One line of the file.

    Attributes:
        id: id of the item.
        action: the action, see above.
        symbol: symbol of a ``label``; empty for other actions.
        time: time in UTC, ISO 8601.
    """

    id: str
    action: Action
    symbol: str
    time: str


def parse_symbol(text: str) -> str:
    """The symbol that a person typed: the symbol itself, or code points such as ``U+03A9``.

    Raises:
        ValueError: it is empty, longer than 16 characters, or not printable.
    """
    text = text.strip()
    if _CODE_POINTS.fullmatch(text):
        points = [int(p, 16) for p in re.findall(r"\+([0-9A-Fa-f]+)", text)]
        if any(p > 0x10FFFF for p in points):
            raise ValueError(f"{text}: code points end at U+10FFFF")
        text = "".join(map(chr, points))
    symbol = unicodedata.normalize("NFC", text)
    if not symbol:
        raise ValueError("type the symbol first")
    if len(symbol) > 16:
        raise ValueError(f"a symbol has at most 16 characters, got {len(symbol)}")
    if any(c.isspace() or unicodedata.category(c) in ("Cc", "Cs", "Cn", "Zl") for c in symbol):
        raise ValueError("a symbol has no white space and only characters that can be printed")
    return symbol


def parse_answer(line: bytes) -> ReviewAnswer | None:
    """The answer of a line; None if it is not valid, such as one cut off by a power failure."""
    try:
        data: Any = json.loads(line)
        answer = ReviewAnswer(data["id"], data["action"], data.get("symbol") or "", data["time"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    plain = all(isinstance(v, str) for v in vars(answer).values())
    known = plain and ID_FORM.fullmatch(answer.id) and answer.action in get_args(Action)
    return answer if known and (answer.symbol or answer.action != "label") else None


def standing(answers: Iterable[ReviewAnswer]) -> dict[str, list[ReviewAnswer]]:
    """The answers that are not revoked by id, the oldest first; the last one counts."""
    found: dict[str, list[ReviewAnswer]] = {}
    for answer in answers:
        _add(found, answer)
    return found


def _add(found: dict[str, list[ReviewAnswer]], answer: ReviewAnswer) -> ReviewAnswer | None:
    """Adds an answer to the standing ones; returns the answer that it revokes."""
    if answer.action != "undo":
        found.setdefault(answer.id, []).append(answer)
        return None
    own = found.pop(answer.id, [])
    revoked = own.pop() if own else None
    if own:
        found[answer.id] = own
    return revoked


def read_answers(folder: Path) -> list[ReviewAnswer]:
    """All answers of a folder in the order they were given; none if there is no file.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        data = (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return []
    return [a for a in map(parse_answer, data.split(b"\n")) if a is not None]


class AnswerFile:
    """The current answers in the file of a folder; the file need not exist yet.

    Other processes may write to the same file; threads may share this object.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._seen = 0
        self._standing: dict[str, list[ReviewAnswer]] = {}
        self._uses: dict[str, int] = {}

    def standing(self) -> dict[str, ReviewAnswer]:
        """The answer that counts, by id."""
        with self._lock:
            self._refresh()
            return {key: own[-1] for key, own in self._standing.items()}

    def recent(self, count: int) -> list[str]:
        """The last answered symbols, the newest first, without those that one key can type."""
        with self._lock:
            self._refresh()
            symbols = [s for s, uses in self._uses.items() if uses]
        longer = [s for s in reversed(symbols) if len(s) > 1 or not s.isascii()]
        return longer[:count]

    def append(self, item: str, action: Action, symbol: str = "") -> ReviewAnswer:
        """Writes an answer; it is on disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        answer = ReviewAnswer(item, action, symbol if action == "label" else "", time)
        line = json.dumps(vars(answer)).encode() + b"\n"
        with self._lock, FileLock(f"{self._path}.lock"), self._path.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":  # the last line was cut off by a power failure
                    line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return answer

    def _refresh(self) -> None:
        """Reads the complete lines that were added since the last call."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._seen:
                    self._seen, self._standing, self._uses = 0, {}, {}
                file.seek(self._seen)
                data = file.read()
        except FileNotFoundError:
            self._seen, self._standing, self._uses = 0, {}, {}
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._seen += len(whole)
        for line in whole.split(b"\n"):
            answer = parse_answer(line)
            if answer is None:
                continue
            revoked = _add(self._standing, answer)
            if answer.action == "label":
                self._uses[answer.symbol] = self._uses.pop(answer.symbol, 0) + 1
            elif revoked is not None and revoked.action == "label":
                self._uses[revoked.symbol] -= 1
