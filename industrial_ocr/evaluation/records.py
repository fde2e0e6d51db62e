"""The file a benchmark run leaves behind: JSON lines, one for the run, one an image and engine.

Everything the tables, the report and ``bench compare`` need is in it, so a recorded run can be
scored again, with another threshold or pattern, without reading any image again. A run that was
interrupted is continued: whole lines are kept, a torn last line is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.datasets.samples import Label, LabeledCharacter, Sample, Task
from industrial_ocr.errors import DatasetError
from industrial_ocr.evaluation.readings import EngineReading, ReadString

FORMAT = 1
Key = tuple[str, str, str]
"""Dataset, image, engine."""


@dataclass(frozen=True, eq=False)
class Record:
    """What one engine made of one image.

    Attributes:
        dataset: the dataset's name.
        image: the sample's name.
        engine: the engine's name.
        task: what was asked of it.
        size: width and height in pixels, (0, 0) where the image could not be loaded.
        labels: the truth.
        strings: what was read, in the engine's reading order.
        status: the engine's own verdict, empty where it has none.
        seconds: wall time.
        timings: seconds by stage, where the engine tells.
        error: why there is no reading, empty where there is one.
        codes: what the engine itself found under the pattern; None without one.
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
    def key(self) -> Key:
        """What names this record within a run."""
        return self.dataset, self.image, self.engine

    def to_json(self) -> str:
        """One line without its end."""
        own = asdict(self)
        own["labels"] = [_label_out(x) for x in self.labels]
        own["strings"] = [{k: v for k, v in asdict(s).items() if v} for s in self.strings]
        if self.codes is not None:
            own["codes"] = [
                {k: v for k, v in asdict(c).items() if v or k == "confidence"} for c in self.codes
            ]
        own["seconds"] = round(self.seconds, 5)
        own["timings"] = {k: round(v, 5) for k, v in self.timings.items()}
        return json.dumps(
            {k: v for k, v in own.items() if v not in ("", {}, None) and (v != [] or k == "codes")}
        )

    @staticmethod
    def from_dict(line: dict[str, Any]) -> Record:
        """The record of one parsed line; KeyError or TypeError where it is none."""
        own = dict(line)
        own["size"] = tuple(own["size"])
        own["labels"] = tuple(_label_in(x) for x in own.get("labels", ()))
        own["strings"] = tuple(_string_in(s) for s in own.get("strings", ()))
        if "codes" in own:
            own["codes"] = tuple(_string_in(s) for s in own["codes"])
        return Record(**own)


def make_record(
    dataset: str, sample: Sample, engine: str, task: Task, size: tuple[int, int],
    reading: EngineReading | None, error: str = "",
) -> Record:  # fmt: skip
    """The record of a reading, or of the error that took its place."""
    if reading is None:
        return Record(dataset, sample.name, engine, task, size, sample.labels, error=error)
    return Record(
        dataset, sample.name, engine, task, size, sample.labels, reading.strings, reading.status,
        reading.seconds, dict(reading.timings), "", reading.codes,
    )  # fmt: skip


def _label_out(label: Label) -> dict[str, Any]:
    own: dict[str, Any] = {"text": label.text}
    if label.quad is not None:
        own["quad"] = np.round(label.quad.astype(float), 1).tolist()
    if label.characters:
        own["characters"] = [
            [c.symbol, np.round(c.quad.astype(float), 1).tolist()] for c in label.characters
        ]
    if label.ignore:
        own["ignore"] = True
    if label.kind:
        own["kind"] = label.kind
    return own


def _label_in(own: dict[str, Any]) -> Label:
    characters = tuple(LabeledCharacter(s, q) for s, q in own.get("characters", ()))
    return Label(
        own["text"], own.get("quad"), characters, own.get("ignore", False), own.get("kind", "")
    )


def _string_in(own: dict[str, Any]) -> ReadString:
    characters = tuple((s, float(p), q) for s, p, q in own.get("characters", ()))
    return ReadString(
        own.get("text", ""), own.get("confidence"), own.get("quad"), characters,
        own.get("status", ""), own.get("raw", ""), tuple(own.get("signs", ())),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run read back.

    Attributes:
        about: settings, versions, machine: the first line.
        records: in the order they were written.
    """

    about: dict[str, Any]
    records: tuple[Record, ...]


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Parsed lines with their numbers; a torn last line ends the file, a torn other is an error."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            parsed = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                return
            raise DatasetError(f"{path}:{number}: not a line of a benchmark run") from error
        yield number, parsed


def load_run(path: Path) -> RecordedRun:
    """Reads a run.

    Raises:
        DatasetError: the file is missing or no run; names the line.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; a run is the results.jsonl of its folder")
    about: dict[str, Any] | None = None
    records: dict[Key, Record] = {}
    for number, line in _lines(path):
        try:
            if about is None:
                about = dict(line["run"])
                if about["format"] != FORMAT:
                    raise DatasetError(f"{path}: a run of format {about['format']}, not {FORMAT}")
                continue
            record = Record.from_dict(line)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}:{number}: not a line of a benchmark run") from error
        records[record.key] = record
    if about is None:
        raise DatasetError(f"{path}: an empty run")
    return RecordedRun(about, tuple(records.values()))


def whole_length(path: Path) -> int:
    """Bytes of the file up to the end of its last whole line."""
    data = path.read_bytes()
    return data.rfind(b"\n") + 1
