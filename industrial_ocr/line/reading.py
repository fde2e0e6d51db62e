"""What the runner records of one part: its picture, the reading, and the judgment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class LineState(str, Enum):
    """What the line does at this moment, as a PLC sees it."""

    READY = "ready"
    BUSY = "busy"
    DONE = "done"
    ERROR = "error"
    STOPPED = "stopped"


@dataclass(frozen=True)
class TriggerEvent:
    """A signal that a part is there.

    Attributes:
        part: what the part is called; empty if nothing was said.
        expected: the text that must be printed on it; None if nothing was said.
    """

    part: str = ""
    expected: str | None = None


@dataclass(frozen=True)
class Reading:
    """One part that was read and judged; the journal keeps it, outputs deliver it.

    Attributes:
        id: unique, the same at every delivery (a message id).
        sequence: 1, 2, 3 and so on within a journal; no number is left out or given twice.
        job: name of the job.
        job_hash: SHA-256 of the job file's content, in hex.
        weights: the networks' hashes by task.
        picture: name of the picture at its source.
        picture_sha256: of the picture's bytes, in hex; of a burst, of all of them in order.
        part: what the trigger called the part; empty if it said nothing.
        time: when the picture came, with time zone.
        text: the code, or without a pattern the text, that counts.
        raw_text: the same as read without the pattern.
        status: of the reading: ``ok``, ``low_confidence``, ..., ``error`` or ``timeout``.
        passed: whether the part passes.
        reasons: why it does not pass, one sentence each; empty if it passes.
        confidence: of ``text``, 0 to 1.
        characters: evidence per character, as ``Character.to_dict`` gives it.
        expected: the text that was expected; None if none was.
        fields: what was parsed, such as GS1 application identifiers or the date.
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
        """Replaces what databases and JSON refuse in texts that come from outside."""
        for name in ("picture", "part", "expected"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _plain(value))
        object.__setattr__(self, "reasons", tuple(map(_plain, self.reasons)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        # Not asdict, which copies all evidence deeply: it would take most of a delivery's time.
        return vars(self) | {"weights": dict(self.weights), "time": self.time.isoformat()}

    def to_json(self) -> str:
        """``to_dict`` as JSON text in one line."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Reading:
        """What ``to_json`` wrote."""
        data = json.loads(text)
        data["time"] = datetime.fromisoformat(data["time"])
        data["reasons"] = tuple(data["reasons"])
        data["characters"] = tuple(data["characters"])
        return cls(**data)


def _plain(text: str) -> str:
    """Question marks for the halves of surrogate pairs (bad file names) and for NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
