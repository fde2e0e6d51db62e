"""The record of one part: its picture, what was read, and whether it passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class LineState(str, Enum):
    """The state of the line, as a PLC sees it."""

    READY = "ready"
    BUSY = "busy"
    DONE = "done"
    ERROR = "error"
    STOPPED = "stopped"


@dataclass(frozen=True)
class TriggerEvent:
    """A signal that a part has arrived.

    Attributes:
        part: name of the part; empty if it was not given.
        expected: the text that must be printed on it; None if it was not given.
    """

    part: str = ""
    expected: str | None = None


@dataclass(frozen=True)
class Reading:
    """One part that was read and judged; the journal keeps it, outputs deliver it.

    Attributes:
        id: unique id, the same in all deliveries.
        sequence: number of the reading in the journal: 1, 2, 3 and so on, without gaps.
        job: name of the job.
        job_hash: SHA-256 of the settings of the job, in hex.
        weights: hashes of the networks, by task.
        picture: name of the picture at its source.
        picture_sha256: SHA-256 of the bytes of the picture, or of all pictures of a burst, in hex.
        part: name of the part, from the trigger; empty if it was not given.
        time: time when the picture arrived, with time zone.
        text: the code that was chosen, or the whole text if the job has no pattern.
        raw_text: the same as read without the pattern.
        status: status of the reading: ``ok``, ``low_confidence``, ..., ``error`` or ``timeout``.
        passed: whether the part passes.
        reasons: why it does not pass, one sentence each; empty if it passes.
        confidence: confidence of ``text``, 0 to 1.
        characters: evidence per character, as from ``Character.to_dict``.
        expected: the expected text; None if there was none.
        fields: parsed fields, such as GS1 application identifiers or the date.
        latency: seconds from the picture's arrival to the judgment.
    """

    id: str
    sequence: int
    job: str
    job_hash: str
    weights: Mapping[str, str]
    picture: str
    picture_sha256: str
    part: str
    time: datetime
    text: str
    raw_text: str
    status: str
    passed: bool
    reasons: tuple[str, ...]
    confidence: float
    characters: tuple[Mapping[str, Any], ...] = ()
    expected: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0

    def __post_init__(self) -> None:
        """Replaces characters in texts from outside that databases and JSON refuse."""
        for name in ("picture", "part", "expected"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _plain(value))
        object.__setattr__(self, "reasons", tuple(map(_plain, self.reasons)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        # Not asdict: its deep copies would take most of the time of a delivery.
        return vars(self) | {"weights": dict(self.weights), "time": self.time.isoformat()}

    def to_json(self) -> str:
        """``to_dict`` as JSON text in one line."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Reading:
        """Reads the text that ``to_json`` has written."""
        data = json.loads(text)
        data["time"] = datetime.fromisoformat(data["time"])
        data["reasons"] = tuple(data["reasons"])
        data["characters"] = tuple(data["characters"])
        return cls(**data)


def _plain(text: str) -> str:
    """Replaces lone surrogates (from bad file names) and NUL by question marks."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
