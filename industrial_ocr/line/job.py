"""The job file: what is read on a line, what passes, and where the readings go."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from industrial_ocr.config import Probability, Section, load_config
from industrial_ocr.line.dates import check_format
from industrial_ocr.line.job_fields import Port, Variable
from industrial_ocr.line.job_outputs import (
    CsvOutput,
    JsonlOutput,
    ModbusOutput,
    OpcuaOutput,
    OutputConfig,
    SqlOutput,
)
from industrial_ocr.line.job_sources import CameraSource, EveryPicture, SourceConfig, TriggerConfig


class ReadOptions(Section):
    """How pictures are read: the options of ``Reader`` and ``Reader.read``.

    Attributes:
        bundle: folder or .zip written by ``industrial-ocr export``; other options given here
            replace those of the bundle.
        config: ``fast``, or a YAML file with settings.
        detector: name or file of the detector's weights.
        classifier: name or file of the classifier's weights.
        recognizer: name or file of the line recognizer's weights.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: library that runs the networks.
        threads: threads of each network; the default is one per core.
        engine: reading engine, as in ``industrial-ocr read``.
        rois: regions to read, each x0, y0, x1, y1 in pixels; the default is the whole picture.
        patterns: pattern of the codes: a preset, a regular expression, ``template:AA99`` or
            ``lexicon:FILE``. If there are several, a code must match one of them.
        max_misread_rate: largest share of wrong readings among those with the status ``ok``.
        frames: number of pictures of one part that are read together (``Reader.read_frames``).
        timeout_s: seconds after which a part is recorded with the status ``timeout``.
    """

    bundle: Path | None = None
    config: str | None = None
    detector: str | None = None
    classifier: str | None = None
    recognizer: str | None = None
    device: str = "auto"
    backend: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    threads: PositiveInt | None = None
    engine: Literal["auto", "two-stage", "crnn", "agree"] = "auto"
    rois: tuple[tuple[float, float, float, float], ...] = ()
    patterns: tuple[str, ...] = ()
    max_misread_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    frames: PositiveInt = 1
    timeout_s: PositiveFloat = 10.0

    @field_validator("rois")
    @classmethod
    def _not_empty(cls, rois: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        for x0, y0, x1, y1 in rois:
            if not (0 <= x0 < x1 and 0 <= y0 < y1):
                raise ValueError(
                    f"a roi is x0, y0, x1, y1 with x0 < x1 and y0 < y1, got {(x0, y0, x1, y1)}"
                )
        return rois


class Expected(Section):
    """The text that must be printed: one of ``text``, ``file``, ``table`` and ``with_trigger``.

    Attributes:
        text: the same text for all parts.
        file: a file whose first line is the text; read again when it changes.
        table: a CSV file with a header, separated by commas, semicolons or tabs; read again when it
            changes.
        key: column of the table with the name of the part, which the trigger gives.
        column: column of the table with the text.
        with_trigger: whether the text comes with the trigger or with the posted picture.
    """

    text: str | None = None
    file: Path | None = None
    table: Path | None = None
    key: str = "part"
    column: str = "text"
    with_trigger: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Expected:
        given = [self.text, self.file, self.table, self.with_trigger or None]
        if sum(way is not None for way in given) != 1 or self.text == "":
            raise ValueError("give exactly one of text, file, table and with_trigger")
        return self


class DateRule(Section):
    """The code, or one of its fields, must be a date; it is recorded in the field ``date``.

    Attributes:
        format: format of the date, such as ``%d.%m.%Y``, made of Python's codes %Y %y %m %b %B %d
            %j. A date without a day is the last day of its month; %y is a year from 49 years before
            to 50 years after this year.
        field: what holds the date: a GS1 application identifier, or a named group of the pattern,
            ``(?P<expiry>...)``. The default is the whole code.
        not_past: whether the date must be today or later.
        within_days: largest number of days from today to the date.
    """

    format: str = "%Y-%m-%d"
    field: str | None = None
    not_past: bool = True
    within_days: PositiveInt | None = None

    @field_validator("format")
    @classmethod
    def _known_format(cls, form: str) -> str:
        if wrong := check_format(form):
            raise ValueError(wrong)
        return form

    @model_validator(mode="after")
    def _gs1_has_its_own(self) -> DateRule:
        if self.in_gs1 and self.format != "%Y-%m-%d":
            raise ValueError("the format of GS1 dates is known; leave the format out")
        return self

    @property
    def in_gs1(self) -> bool:
        """Whether ``field`` is a GS1 application identifier."""
        return self.field is not None and self.field.isdigit()


class PassRules(Section):
    """The rules that a part must satisfy to pass.

    Attributes:
        status_ok: the status of the reading must be ``ok``.
        verified: the expected text must be verified in the picture (``Reader.verify``). The text
            that was read is then not compared with it.
        date: the code, or a field of it, must be a date.
        gs1: the code must be a sequence of GS1 element strings; they are parsed into fields.
        unseen: no part that passed before may have the same text.
        rising: the number at the end of the code must be higher than that of the last part that
            passed.
    """

    status_ok: bool = True
    verified: bool = False
    date: DateRule | None = None
    gs1: bool = False
    unseen: bool = False
    rising: bool = False


class ArchiveConfig(Section):
    """Which pictures are kept, and for how long.

    Attributes:
        path: folder of the archive.
        keep: ``all`` pictures, those of parts that ``failed``, or ``sampled``: those of parts that
            failed and a sample of the others.
        sample: share of the others that is kept.
        max_days: days after which a picture of a part that passed is removed.
        failed_days: days after which a picture of a part that failed is removed.
        max_mb: largest size of the archive; beyond it, the oldest pictures are removed, first those
            of parts that passed.
        min_free_mb: free space on the disk, in megabytes, below which no picture is archived; it is
            left to the journal.
    """

    path: Path
    keep: Literal["all", "failed", "sampled"] = "failed"
    sample: Probability = 0.01
    max_days: PositiveFloat = 30.0
    failed_days: PositiveFloat = 365.0
    max_mb: PositiveFloat = 10_000.0
    min_free_mb: NonNegativeFloat = 200.0

    @model_validator(mode="after")
    def _failed_longest(self) -> ArchiveConfig:
        if self.failed_days < self.max_days:
            raise ValueError("failed_days must be at least max_days")
        return self


class CollectConfig(Section):
    """Where uncertain characters are kept for ``industrial-ocr review``.

    Attributes:
        path: folder of the characters.
        limit_mb: largest size of the folder, in megabytes (10^6 bytes).
    """

    path: Path
    limit_mb: Annotated[float, Field(ge=1)] = 200.0


class AlarmConfig(Section):
    """When the line raises an alarm.

    Attributes:
        stalled_s: seconds without a picture from the source.
        drift: whether CUSUM charts watch the share of refused readings and the mean confidence,
            and raise an alarm when they become worse than their baseline.
        baseline: number of readings from which the baseline is measured.
    """

    stalled_s: PositiveFloat | None = None
    drift: bool = True
    baseline: PositiveInt = 500


class PageConfig(Section):
    """The web server of the line: its page, its metrics, and the HTTP source and trigger.

    Attributes:
        host: address to listen on; 0.0.0.0 means all addresses of this machine.
        port: port to listen on.
        token_env: environment variable that holds the token for changes; without it, the page is
            read-only.
        certificate: PEM file of the TLS certificate.
        key: PEM file of its private key.
        names: further host names under which the page may be opened.
        review: address of the page of ``industrial-ocr review``; the page links to it.
    """

    host: str = "127.0.0.1"
    port: Port = 8780
    token_env: Variable | None = None
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    review: Annotated[str, Field(pattern="^https?://")] | None = None

    @model_validator(mode="after")
    def _certificate_and_key(self) -> PageConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key need each other")
        return self


class Job(Section):
    """One product on one line.

    Attributes:
        version: version of the job file's format; 1.
        name: name of the job.
        data: folder of the journal, where readings wait until they are delivered.
        source: where pictures come from.
        trigger: what says that a part has arrived.
        read: how pictures are read.
        expect: the text that must be printed.
        passes: the rules that a part must satisfy to pass.
        outputs: where readings go.
        archive: which pictures are kept.
        collect: where uncertain characters are kept for review.
        alarms: when the line raises an alarm.
        page: the line's page; there is none by default.
        spool_mb: largest size of the waiting readings in ``data``, in megabytes; beyond it, no
            further picture is read.
    """

    model_config = ConfigDict(validate_default=True)

    version: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    data: Path
    source: SourceConfig
    trigger: TriggerConfig = EveryPicture()
    read: ReadOptions = ReadOptions()
    expect: Expected | None = None
    passes: PassRules = PassRules()
    outputs: tuple[OutputConfig, ...] = ()
    archive: ArchiveConfig | None = None
    collect: CollectConfig | None = None
    alarms: AlarmConfig = AlarmConfig()
    page: PageConfig | None = None
    spool_mb: PositiveFloat = 500.0
    _hash: str = PrivateAttr("")

    # Validators of fields, not of the whole job: their problems are then reported together with
    # those inside the sections. A section with problems is not in ``info.data``.

    @field_validator("expect")
    @classmethod
    def _someone_sends_it(cls, expect: Expected | None, info: ValidationInfo) -> Expected | None:
        needs_part = expect is not None and (expect.with_trigger or expect.table is not None)
        unnamed = _kind(info, "trigger") == "every" and _kind(info, "source") not in ("http", None)
        if needs_part and unnamed:
            raise ValueError(
                "with_trigger and table need a trigger that names the part, or pictures that are "
                "posted (source: http)"
            )
        return expect

    @field_validator("passes")
    @classmethod
    def _rules_have_what_they_need(cls, passes: PassRules, info: ValidationInfo) -> PassRules:
        problems = []
        if passes.verified and info.data.get("expect", ...) is None:
            problems.append("verified needs an expected text (expect)")
        if passes.date is not None and passes.date.field is not None:
            read = info.data.get("read")
            if passes.date.in_gs1 and not passes.gs1:
                problems.append(f"date: field {passes.date.field} needs gs1: true")
            if not passes.date.in_gs1 and read is not None and not read.patterns:
                problems.append(f"date: field {passes.date.field} needs a pattern with this group")
        return _checked(passes, problems)

    @field_validator("outputs")
    @classmethod
    def _triggered_and_apart(
        cls, outputs: tuple[OutputConfig, ...], info: ValidationInfo
    ) -> tuple[OutputConfig, ...]:
        problems = []
        kinds = [output.kind for output in outputs]
        trigger = _kind(info, "trigger")
        if trigger in ("modbus", "opcua") and trigger not in kinds:
            problems.append(f"the trigger {trigger} needs an output of the same kind")
        # Two outputs cannot write the same file or listen on the same port.
        for name, count in Counter(map(_place, outputs)).items():
            if name is not None and count > 1:
                problems.append(f"{name} is used by two outputs")
        return _checked(outputs, problems)

    @field_validator("page")
    @classmethod
    def _page_is_there(cls, page: PageConfig | None, info: ValidationInfo) -> PageConfig | None:
        problems = []
        for name in ("source", "trigger"):
            if page is None and _kind(info, name) == "http":
                problems.append(f"the {name} http needs a page; page: {{}} takes all defaults")
        taken = map(_place, info.data.get("outputs", ()))
        if page is not None and f"port {page.port}" in taken:
            problems.append(f"port {page.port} is used by an output")
        return _checked(page, problems)

    @property
    def hash(self) -> str:
        """SHA-256 in hex of the settings and of the files named in ``read``, when it was loaded."""
        return self._hash or _content_hash(self, self)


def load_job(path: str | Path) -> Job:
    """Reads a job file; relative paths in it are relative to its folder.

    Raises:
        ConfigError: the message names every problem.
    """
    written = load_config(path, Job)
    folder = Path(path).resolve().parent
    job = _placed(written, folder)
    job._hash = _content_hash(written, job)
    return job


T = TypeVar("T")
S = TypeVar("S", bound=Section)


def _checked(value: T, problems: list[str]) -> T:
    if problems:
        raise ValueError("; ".join(problems))
    return value


def _kind(info: ValidationInfo, name: str) -> str | None:
    """The kind of a section that was validated before; None if it has problems."""
    section = info.data.get(name)
    return None if section is None else section.kind


def _place(output: OutputConfig) -> str | None:
    """The file that an output writes, or the port that it opens."""
    if isinstance(output, JsonlOutput | CsvOutput):
        return str(output.path)
    if isinstance(output, ModbusOutput):
        return f"port {output.port}"
    if isinstance(output, OpcuaOutput):
        return f"port {urlsplit(output.endpoint).port or 4840}"
    return None


def _placed(section: S, folder: Path) -> S:
    """The same section; its relative paths are taken as relative to ``folder``."""
    placed = {
        name: _placed_value(getattr(section, name), folder) for name in type(section).model_fields
    }
    if isinstance(section, ReadOptions):
        for name in ("config", "detector", "classifier", "recognizer"):
            placed[name] = _file_or_name(placed[name], folder)
        placed["patterns"] = tuple(_lexicon(pattern, folder) for pattern in section.patterns)
    if isinstance(section, CameraSource):
        placed["device"] = _file_or_name(section.device, folder)
    if isinstance(section, SqlOutput) and section.url_env is None:
        placed["url"] = _sqlite_file(section.url or "sqlite:///readings.db", folder)
    return section.model_copy(update=placed)


def _placed_value(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, Section):
        return _placed(value, folder)
    if isinstance(value, tuple):
        return tuple(_placed_value(part, folder) for part in value)
    return value


def _file_or_name(value: Any, folder: Path) -> Any:
    """The path of a file in ``folder``, if there is one with this name; else the value itself."""
    return str(folder / value) if isinstance(value, str) and (folder / value).is_file() else value


def _lexicon(pattern: str, folder: Path) -> str:
    kind, _, file = pattern.partition(":")
    return f"lexicon:{folder / file}" if kind == "lexicon" and file else pattern


def _sqlite_file(url: str, folder: Path) -> str:
    """An SQLAlchemy address; the file of an SQLite database is taken as relative to ``folder``."""
    scheme, separator, file = url.partition(":///")
    if not scheme.startswith("sqlite") or not file or file.startswith(":memory:"):
        return url
    return f"{scheme}{separator}{folder / file}"


def _content_hash(written: Job, placed: Job) -> str:
    """SHA-256 of the settings as written, and of the files that ``read`` of the placed job names.

    Files with expected texts are left out, since they may change while the job runs.
    """
    found = hashlib.sha256(written.model_dump_json().encode())
    read = placed.read
    names = [read.config, read.detector, read.classifier, read.recognizer]
    files = [Path(name) for name in names if name is not None]
    files += [Path(p.partition(":")[2]) for p in read.patterns if p.startswith("lexicon:")]
    if read.bundle is not None:
        files.append(read.bundle / "bundle.json" if read.bundle.is_dir() else read.bundle)
    for file in files:
        if file.is_file():
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
