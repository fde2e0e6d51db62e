"""The job file: what is read on a line, what passes, and where the readings go."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
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


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("takes the name of an environment variable, never the secret itself")
    return name


def _without_password(address: str) -> str:
    if urlsplit(address).password is not None:
        raise ValueError(
            "holds a password; put it into an environment variable and give the variable's name"
        )
    return address


Port = Annotated[int, Field(ge=1, le=65535)]
Variable = Annotated[str, AfterValidator(_variable)]
"""Name of an environment variable, which holds a secret."""
Address = Annotated[str, AfterValidator(_without_password)]
"""An address without a password."""


class FolderSource(Section):
    """A folder into which pictures are written or moved.

    Attributes:
        path: the folder.
        poll_s: look every so many seconds instead of waiting for the system's events; needed on
            network shares.
        stable_s: a file counts as complete when its size has not changed for so long, or when it
            was renamed into place.
        after: what becomes of a picture that was read.
        moved_to: where ``move`` puts it.
    """

    kind: Literal["folder"]
    path: Path
    poll_s: PositiveFloat | None = None
    stable_s: NonNegativeFloat = 0.5
    after: Literal["keep", "move", "delete"] = "keep"
    moved_to: Path | None = None

    @model_validator(mode="after")
    def _moves_elsewhere(self) -> FolderSource:
        if (self.after == "move") != (self.moved_to is not None):
            raise ValueError("after: move and moved_to need each other")
        if self.moved_to == self.path:
            raise ValueError("moved_to must be another folder than path")
        return self


class CameraSource(Section):
    """A USB camera, a stream such as RTSP, or a video file.

    Attributes:
        device: number of the camera, address or path.
        device_env: instead, the variable that holds the address, if that has a password.
        newest: keep only the newest frame, as for a live camera; false reads every frame, as of a
            video file.
        reconnect_s: seconds between attempts to open it again.
    """

    kind: Literal["camera"]
    device: int | Address | None = None
    device_env: Variable | None = None
    newest: bool = True
    reconnect_s: PositiveFloat = 2.0

    @model_validator(mode="after")
    def _one_device(self) -> CameraSource:
        if (self.device is None) == (self.device_env is None):
            raise ValueError("exactly one of device and device_env is given")
        return self


class GenicamSource(Section):
    """A GenICam camera, through ``harvesters``.

    Attributes:
        producer: the .cti file of its maker.
        serial: serial number of the camera; needed if there are several.
    """

    kind: Literal["genicam"]
    producer: Path
    serial: str | None = None


class HttpSource(Section):
    """Pictures posted to ``/pictures`` of the page's address."""

    kind: Literal["http"]


Source = Annotated[
    FolderSource | CameraSource | GenicamSource | HttpSource, Field(discriminator="kind")
]


class EveryPicture(Section):
    """Every picture of the source is read."""

    kind: Literal["every"] = "every"


class HttpTrigger(Section):
    """A POST to ``/trigger`` of the page's address, with ``part`` and ``expected`` if wanted."""

    kind: Literal["http"]


class MqttTrigger(Section):
    """A message on a topic: the part as text, or JSON with ``part`` and ``expected``.

    Attributes:
        host: of the broker.
        port: of the broker.
        topic: of the messages.
        user: at the broker, if it asks for one.
        password_env: variable that holds the user's password.
    """

    kind: Literal["mqtt"]
    host: str
    port: Port = 1883
    topic: str
    user: str | None = None
    password_env: Variable | None = None


class ModbusTrigger(Section):
    """A coil of the Modbus output rises.

    Attributes:
        coil: its address.
    """

    kind: Literal["modbus"]
    coil: Annotated[int, Field(ge=0, le=65535)] = 0


class OpcuaTrigger(Section):
    """The method ``StartSingleJob`` of the OPC UA output is called."""

    kind: Literal["opcua"]


Trigger = Annotated[
    EveryPicture | HttpTrigger | MqttTrigger | ModbusTrigger | OpcuaTrigger,
    Field(discriminator="kind"),
]


class ReadOptions(Section):
    """How pictures are read; as the options of ``Reader`` and ``Reader.read``.

    Attributes:
        bundle: folder or .zip of ``industrial-ocr export``; what is given besides goes before what
            it says.
        config: ``fast``, or a YAML file with settings.
        detector: name or file of its weights.
        classifier: name or file of its weights.
        recognizer: name or file of its weights.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: what the networks run on.
        threads: of each network; else one a core.
        engine: see ``industrial-ocr read``.
        rois: parts of the picture, each x0, y0, x1, y1 in pixels; empty reads all of it.
        patterns: preset, regular expression, ``template:AA99`` or ``lexicon:FILE``; with several,
            a code has one of them.
        max_misread_rate: largest share of wrong readings among those with the status ``ok``.
        frames: pictures of one part, read as one (``Reader.read_frames``).
        timeout_s: a part that takes longer is recorded with the status ``timeout``.
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
    """The text that must be printed; exactly one of these is given.

    Attributes:
        text: always the same.
        file: its first line; read again when the file changes.
        table: a CSV file with a header; read again when the file changes.
        key: column of the table that holds the part, as the trigger calls it.
        column: column of the table that holds the text.
        with_trigger: the trigger or the posted picture brings it.
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
            raise ValueError("exactly one of text, file, table and with_trigger is given")
        return self


class DateRule(Section):
    """The code, or one of its fields, is a date; it is recorded in the field ``date``.

    Attributes:
        format: as Python's ``strptime`` has it, of %Y %y %m %b %B %d %j: ``%d.%m.%Y``. Without a
            day, the last of the month counts; %y is a year from 49 before to 50 after today's.
        field: GS1 application identifier, whose dates have the default format, or named group of
            the pattern, ``(?P<expiry>...)``; else the whole code is the date.
        not_past: today or later.
        within_days: at most so many days ahead.
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
            raise ValueError("dates of GS1 identifiers are parsed already; leave the format out")
        return self

    @property
    def in_gs1(self) -> bool:
        """Whether ``field`` is a GS1 application identifier."""
        return self.field is not None and self.field.isdigit()


class PassRules(Section):
    """What a part must fulfil to pass; every rule that is given must hold.

    Attributes:
        status_ok: the reading's status is ``ok``.
        verified: the expected text is verified in the picture (``Reader.verify``); it then need
            not be equal to what was read.
        date: the code, or a part of it, is a date.
        gs1: the code is a sequence of GS1 element strings; they are parsed into fields.
        unseen: no part that passed in this journal had the same text.
        rising: the number at the end of the code is higher than that of the last that passed.
    """

    status_ok: bool = True
    verified: bool = False
    date: DateRule | None = None
    gs1: bool = False
    unseen: bool = False
    rising: bool = False


class JsonlOutput(Section):
    """JSON lines, one a reading.

    Attributes:
        path: the file; its folder exists.
    """

    kind: Literal["jsonl"]
    path: Path


class CsvOutput(Section):
    """A CSV file with a header.

    Attributes:
        path: the file; its folder exists.
    """

    kind: Literal["csv"]
    path: Path


class SqlOutput(Section):
    """A database.

    Attributes:
        url: its SQLAlchemy address: PostgreSQL or SQLite; else the file ``readings.db``.
        url_env: instead, the variable that holds the address, if that has a password.
    """

    kind: Literal["sql"]
    url: Address | None = None
    url_env: Variable | None = None

    @model_validator(mode="after")
    def _one_address(self) -> SqlOutput:
        if self.url is not None and self.url_env is not None:
            raise ValueError("only one of url and url_env is given")
        return self


class MqttOutput(Section):
    """An MQTT broker.

    Attributes:
        host: of the broker.
        port: of the broker.
        topic: of the readings, as JSON; the line's state is at ``topic``/state.
        user: at the broker, if it asks for one.
        password_env: variable that holds the user's password.
        tls: encrypt; the broker's certificate must be known to the system.
    """

    kind: Literal["mqtt"]
    host: str
    port: Port = 1883
    topic: str
    user: str | None = None
    password_env: Variable | None = None
    tls: bool = False


class OpcuaOutput(Section):
    """An OPC UA server that the plant's clients connect to; its nodes: docs/guides/plc.md.

    Attributes:
        endpoint: its address.
        handshake: a client acknowledges each reading by its sequence number; the next one is shown
            when it has.
        acknowledge_s: if it has not within so long, the reading counts as not delivered.
    """

    kind: Literal["opcua"]
    endpoint: str = "opc.tcp://127.0.0.1:4840/industrial_ocr/"
    handshake: bool = False
    acknowledge_s: PositiveFloat = 5.0


class ModbusOutput(Section):
    """A Modbus TCP server that a PLC polls; the register map: docs/guides/plc.md.

    Attributes:
        host: address that it listens on; 0.0.0.0 is every one of this machine.
        port: that it listens on.
        handshake: the PLC writes back the sequence number of each reading; the next one is shown
            when it has.
        acknowledge_s: if it has not within so long, the reading counts as not delivered.
    """

    kind: Literal["modbus"]
    host: str = "127.0.0.1"
    port: Port = 5020
    handshake: bool = True
    acknowledge_s: PositiveFloat = 5.0


class WebhookOutput(Section):
    """A POST of JSON to an address.

    Attributes:
        url: the address.
        header_env: variables that hold the values of further headers, by header.
        timeout_s: how long the receiver may take to answer.
    """

    kind: Literal["webhook"]
    url: Address
    header_env: dict[str, Variable] = {}
    timeout_s: PositiveFloat = 5.0


class TcpOutput(Section):
    """One line of text a reading over TCP.

    Attributes:
        host: of the receiver.
        port: of the receiver.
        format: of the line, with the fields of ``Reading`` in braces.
        acknowledged: what the receiver answers to each line, if it answers.
    """

    kind: Literal["tcp"]
    host: str
    port: Port
    format: str = "{sequence};{text};{passed:d};{confidence:.3f}\n"
    acknowledged: str | None = None


OutputConfig = Annotated[
    JsonlOutput
    | CsvOutput
    | SqlOutput
    | MqttOutput
    | OpcuaOutput
    | ModbusOutput
    | WebhookOutput
    | TcpOutput,
    Field(discriminator="kind"),
]


class ArchiveConfig(Section):
    """Which pictures are kept beside their readings, and for how long.

    Attributes:
        path: folder of the archive.
        keep: all of them, those that did not pass, or those and a sample of the others.
        sample: share of the others.
        max_days: a picture is removed when it is older.
        failed_days: the same for those that did not pass.
        max_mb: the oldest are removed when all of them are larger; those that did not pass go last.
        min_free_mb: nothing is archived while the disk has less free; the journal needs it.
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
    """Keeps uncertain characters for ``industrial-ocr review``.

    Attributes:
        path: folder that they are kept in.
        limit_mb: largest size of the folder, in megabytes (10^6 bytes).
    """

    path: Path
    limit_mb: Annotated[float, Field(ge=1)] = 200.0


class AlarmConfig(Section):
    """When the line raises an alarm.

    Attributes:
        stalled_s: the source has brought nothing for so long.
        drift: the share of refusals or the mean confidence has left its baseline (CUSUM).
        baseline: readings that the baseline is measured on.
    """

    stalled_s: PositiveFloat | None = None
    drift: bool = True
    baseline: PositiveInt = 500


class PageConfig(Section):
    """The line's page, its metrics and its HTTP source and trigger.

    Attributes:
        host: address that it listens on; 0.0.0.0 is every one of this machine.
        port: that it listens on.
        token_env: variable that holds the token; without one the page is read-only.
        certificate: PEM file for TLS.
        key: PEM file of its private key.
        names: further names of this machine under which the page may be opened.
        review: address of the page of ``industrial-ocr review``, for a link to it.
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
        version: of this form; 1.
        name: of the job.
        data: folder of the journal; what is not yet delivered waits there.
        source: where pictures come from.
        trigger: what says that a part is there.
        read: how pictures are read.
        expect: the text that must be printed.
        passes: what a part must fulfil to pass.
        outputs: where readings go.
        archive: which pictures are kept.
        collect: where uncertain characters are kept for review.
        alarms: when the line raises an alarm.
        page: the line's page; without it there is none.
        spool_mb: largest size of what waits in ``data``; the source is stopped beyond it.
    """

    model_config = ConfigDict(validate_default=True)

    version: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    data: Path
    source: Source
    trigger: Trigger = EveryPicture()
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

    # Sections that need each other are compared field by field, so that these problems are told
    # together with those inside the sections; a section with problems is not in ``info.data``.

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
        # A server of the plant's clients, or a file: twice the same cannot work.
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
                problems.append(f"the {name} http needs a page; {{}} is one with all defaults")
        taken = map(_place, info.data.get("outputs", ()))
        if page is not None and f"port {page.port}" in taken:
            problems.append(f"port {page.port} is used by an output")
        return _checked(page, problems)

    @property
    def hash(self) -> str:
        """SHA-256 in hex of all settings and of the files named in ``read``, as it was loaded."""
        return self._hash or _content_hash(self, self)


def load_job(path: str | Path) -> Job:
    """Reads a job file; relative paths in it start at its folder.

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
    """The same with all relative paths made absolute from a folder on."""
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
    """The path of a file that is there; every other value is a name, as it stands."""
    return str(folder / value) if isinstance(value, str) and (folder / value).is_file() else value


def _lexicon(pattern: str, folder: Path) -> str:
    kind, _, file = pattern.partition(":")
    return f"lexicon:{folder / file}" if kind == "lexicon" and file else pattern


def _sqlite_file(url: str, folder: Path) -> str:
    """An SQLAlchemy address, whose file, if it is one of SQLite, starts at a folder."""
    scheme, separator, file = url.partition(":///")
    if not scheme.startswith("sqlite") or not file or file.startswith(":memory:"):
        return url
    return f"{scheme}{separator}{folder / file}"


def _content_hash(written: Job, placed: Job) -> str:
    """SHA-256 of the settings as written, and of the files that ``read`` of the placed job names.

    Expected texts may change while the job runs and do not count.
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
