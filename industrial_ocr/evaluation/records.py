"""The records of a benchmark run: JSON lines, one for the run and one per image and engine.

The file has all data for the tables, the report and ``bench compare``. So a recorded run can be
scored again, with another threshold or pattern, without reading any image. When an interrupted run
is continued, complete lines are kept and an incomplete last line is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from industrial_ocr.datasets.samples import Label, LabeledCharacter, Task
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.types import rounded_quad

RUN_FORMAT = 1
"""Version of the file's format; a run of another version is refused."""
RecordKey = tuple[str, str, str]
"""Dataset, image, engine."""
JsonQuad = list[list[float]]


@dataclass(frozen=True)
class ReadString:
    """One string of an engine's reading, ready for JSON.

    Attributes:
        text: the reading.
        confidence: confidence of the engine, 0 to 1; None if it gives none.
        quad: four (x, y) in source pixels; None if the engine gives no place.
        characters: (symbol, confidence, quad) of each character; empty if the engine gives none.
        status: status of a code (``results.types.Status``); empty for other strings.
        raw: text of a code that was read without the pattern.
        signs: numbers of a code's ``results.codes.ImageSigns``, if there are any.
        missing: ``missing`` of a code: why a character may be missing.
        alternatives: ``alternatives`` of a code: (text, probability) of each.
    """

    text: str
    confidence: float | None = None
    quad: JsonQuad | None = None
    characters: tuple[tuple[str, float, JsonQuad], ...] = ()
    status: str = ""
    raw: str = ""
    signs: tuple[float, ...] = ()
    missing: str = ""
    alternatives: tuple[tuple[str, float], ...] = ()

    @property
    def accepted_confidence(self) -> float | None:
        """The confidence; 0 if the engine's status rejects the code."""
        return self.confidence if self.status in ("", "ok") else 0.0

    @staticmethod
    def from_dict(own: Mapping[str, Any]) -> ReadString:
        """The string of a parsed line; TypeError for an unknown key."""
        characters = tuple((s, float(p), q) for s, p, q in own.get("characters", ()))
        changed = {
            "characters": characters,
            "signs": tuple(own.get("signs", ())),
            "alternatives": tuple((text, float(p)) for text, p in own.get("alternatives", ())),
        }
        return ReadString(**{"text": "", **own, **changed})


@dataclass(frozen=True)
class EngineReading:
    """The reading of one image by an engine.

    Attributes:
        strings: the strings in the engine's reading order.
        status: the engine's own status; empty if it has none.
        seconds: wall time of the call.
        timings: seconds by stage; empty if the engine gives none.
        codes: codes that the engine found under a pattern, the most reliable first; None if it
            was given no pattern or cannot use one.
    """

    strings: tuple[ReadString, ...]
    status: str = ""
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    codes: tuple[ReadString, ...] | None = None


@dataclass(frozen=True, eq=False)
class Record:
    """The record of one image and engine, with the fields of its ``EngineReading``.

    Attributes:
        dataset: name of the dataset.
        image: name of the image.
        engine: name of the engine.
        task: task of the engine.
        size: width and height in pixels; (0, 0) if the image could not be loaded.
        labels: the labels of the image.
        error: why there is no reading; empty if there is one.
    """

    dataset: str
    image: str
    engine: str
    task: Task
    size: tuple[int, int]
    labels: tuple[Label, ...]
    strings: tuple[ReadString, ...] = ()
    status: str = ""
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    error: str = ""
    codes: tuple[ReadString, ...] | None = None

    @property
    def key(self) -> RecordKey:
        """The key of this record, unique within a run."""
        return self.dataset, self.image, self.engine

    def to_json(self) -> str:
        """One line without its line end; empty fields are left out."""
        own = asdict(self)
        own["labels"] = [_label_to_dict(x) for x in self.labels]
        own["strings"] = [_filled(asdict(s)) for s in self.strings]
        own["seconds"] = round(self.seconds, 5)
        own["timings"] = {k: round(v, 5) for k, v in self.timings.items()}
        line = {k: v for k, v in own.items() if v not in ("", {}, None, [], ())}
        if self.codes is not None:  # no codes found is not the same as no pattern given
            line["codes"] = [_filled(asdict(c), "confidence") for c in self.codes]
        return json.dumps(line)

    @staticmethod
    def from_dict(line: dict[str, Any]) -> Record:
        """The record of one parsed line; KeyError or TypeError if it is not a record."""
        own = dict(line)
        own["size"] = tuple(own["size"])
        own["labels"] = tuple(_label_from_dict(x) for x in own.get("labels", ()))
        own["strings"] = tuple(ReadString.from_dict(s) for s in own.get("strings", ()))
        if "codes" in own:
            own["codes"] = tuple(ReadString.from_dict(s) for s in own["codes"])
        return Record(**own)


def _filled(own: dict[str, Any], *kept: str) -> dict[str, Any]:
    """The entries that are not empty, and those named in ``kept``."""
    return {k: v for k, v in own.items() if v or k in kept}


def _label_to_dict(label: Label) -> dict[str, Any]:
    own = {
        "quad": None if label.quad is None else rounded_quad(label.quad, 1),
        "characters": [[c.symbol, rounded_quad(c.quad, 1)] for c in label.characters],
        "ignore": label.ignore,
        "kind": label.kind,
    }
    return {"text": label.text, **_filled(own)}


def _label_from_dict(own: dict[str, Any]) -> Label:
    characters = tuple(LabeledCharacter(s, q) for s, q in own.get("characters", ()))
    return Label(**{**own, "characters": characters})


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run read from its file: settings, versions and machine, and the records in order."""

    about: dict[str, Any]
    records: tuple[Record, ...]


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Parsed lines with their numbers; an incomplete last line is left out."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not a benchmark run: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                return
            raise DatasetError(f"{path}:{number}: not a line of a benchmark run") from error


def load_run(path: Path) -> RecordedRun:
    """Reads a run.

    Raises:
        DatasetError: the file is missing, or a line is not one of a run.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; a run is the results.jsonl of its folder")
    about: dict[str, Any] | None = None
    records: dict[RecordKey, Record] = {}
    for number, line in _lines(path):
        try:
            if about is None:
                about = dict(line["run"])
                if about["format"] != RUN_FORMAT:
                    raise DatasetError(
                        f"{path}: this run has format {about['format']}, expected {RUN_FORMAT}"
                    )
                continue
            record = Record.from_dict(line)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}:{number}: not a line of a benchmark run") from error
        records[record.key] = record
    if about is None:
        raise DatasetError(f"{path}: this run is empty")
    return RecordedRun(about, tuple(records.values()))


def whole_length(path: Path) -> int:
    """Size of the file up to the end of its last complete line, in bytes."""
    return path.read_bytes().rfind(b"\n") + 1
