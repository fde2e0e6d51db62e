"""The job file: what is read on a line, what passes, and where the readings go."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from industrial_ocr.config import Probability, Section, load_config

Port = Annotated[int, Field(ge=1, le=65535)]


class FolderSource(Section):
    """A folder into which pictures are written or moved.

    Attributes:
        path: the folder.
        poll_s: look every so many seconds instead of waiting for the system's events; needed on
            network shares. None waits for events.
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


class CameraSource(Section):
    """A USB camera (``device``: its number), an RTSP stream or a video file (an address or path).

    Attributes:
        device: number, address or path.
        newest: keep only the newest frame, as for a live camera; false reads every frame, as of a
            video file.
        reconnect_s: seconds between attempts to open it again.
    """

    kind: Literal["camera"]
    device: int | str
    newest: bool = True
    reconnect_s: PositiveFloat = 2.0


class GenicamSource(Section):
    """A GenICam camera, through ``harvesters``.

    Attributes:
        producer: the .cti file of its maker.
        serial: serial number of the camera; None takes the only one.
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
    """A message on a topic: the part as text, or JSON with ``part`` and ``expected``."""

    kind: Literal["mqtt"]
    host: str
    port: Port = 1883
    topic: str
    user: str | None = None
    password_env: str | None = None


class ModbusTrigger(Section):
    """The coil ``coil`` of the Modbus output rises."""

    kind: Literal["modbus"]
    coil: Annotated[int, Field(ge=0, le=65535)] = 0


class OpcuaTrigger(Section):
    """The method ``Start`` of the OPC UA output is called."""

    kind: Literal["opcua"]


Trigger = Annotated[
    EveryPicture | HttpTrigger | MqttTrigger | ModbusTrigger | OpcuaTrigger,
    Field(discriminator="kind"),
]


class ReadOptions(Section):
    """How pictures are read; as the options of ``Reader`` and ``Reader.read``.

    Attributes:
        frames: pictures of one part, read as one (``Reader.read_frames``).
        timeout_s: a part that takes longer is recorded with the status ``timeout``.
        rois: parts of the picture, each x0, y0, x1, y1 in pixels; empty reads all of it.
        min_confidence: least confidence; None as configured.
    """

    bundle: Path | None = None
    config: str | None = None
    backend: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    threads: PositiveInt | None = None
    engine: Literal["auto", "two-stage", "crnn", "agree"] = "auto"
    rois: tuple[tuple[float, float, float, float], ...] = ()
    patterns: tuple[str, ...] = ()
    max_misread_rate: Probability | None = None
    frames: PositiveInt = 1
    timeout_s: PositiveFloat = 10.0


class Expected(Section):
    """The text that must be printed; exactly one of these is given.

    Attributes:
        text: always the same.
        file: its first line; read again when the file changes.
        table: a CSV file whose column ``key`` holds the part and ``column`` the text.
        with_trigger: the trigger or the posted picture brings it.
    """

    text: str | None = None
    file: Path | None = None
    table: Path | None = None
    key: str = "part"
    column: str = "text"
    with_trigger: bool = False


class DateRule(Section):
    """The code, or one of its fields, is a date.

    Attributes:
        format: as ``strptime`` has it, such as ``%d.%m.%Y``.
        field: GS1 application identifier or named group of the pattern that holds it; None: the
            whole code.
        not_past: today or later.
        within_days: at most so many days ahead.
    """

    format: str = "%Y-%m-%d"
    field: str | None = None
    not_past: bool = True
    within_days: PositiveInt | None = None


class PassRules(Section):
    """What a part must fulfil to pass; every rule that is given must hold.

    Attributes:
        status_ok: the reading's status is ``ok``.
        verified: the expected text is verified in the picture (``Reader.verify``).
        date: see ``DateRule``.
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
    """JSON lines, one a reading."""

    kind: Literal["jsonl"]
    path: Path


class CsvOutput(Section):
    """A CSV file with a header."""

    kind: Literal["csv"]
    path: Path


class SqlOutput(Section):
    """A database, by its SQLAlchemy address; ``url_env`` names a variable that holds it."""

    kind: Literal["sql"]
    url: str | None = None
    url_env: str | None = None


class MqttOutput(Section):
    """An MQTT broker; readings go to ``topic``, the line's state to ``topic``/state."""

    kind: Literal["mqtt"]
    host: str
    port: Port = 1883
    topic: str
    user: str | None = None
    password_env: str | None = None
    tls: bool = False


class OpcuaOutput(Section):
    """An OPC UA server that the plant's clients connect to."""

    kind: Literal["opcua"]
    endpoint: str = "opc.tcp://127.0.0.1:4840/industrial_ocr/"


class ModbusOutput(Section):
    """A Modbus TCP server that a PLC polls; the register map: docs/guides/line.md."""

    kind: Literal["modbus"]
    host: str = "127.0.0.1"
    port: Port = 5020
    text_length: Annotated[int, Field(ge=2, le=100)] = 32


class WebhookOutput(Section):
    """A POST of JSON to an address."""

    kind: Literal["webhook"]
    url: str
    header_env: dict[str, str] = {}
    timeout_s: PositiveFloat = 5.0


class TcpOutput(Section):
    """One line of text a reading over TCP; ``format`` has the fields of ``Reading`` in braces."""

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
        keep: all of them, those that did not pass, or those and a sample of the others.
        sample: share of the others.
        max_days: a picture is removed when it is older,
        max_mb: or when all of them are larger; those that did not pass go last.
        failed_days: like ``max_days`` for those that did not pass.
    """

    path: Path
    keep: Literal["all", "failed", "sampled"] = "failed"
    sample: Probability = 0.01
    max_days: PositiveFloat = 30.0
    failed_days: PositiveFloat = 365.0
    max_mb: PositiveFloat = 10_000.0


class AlarmConfig(Section):
    """When the line raises an alarm.

    Attributes:
        stalled_s: the source has brought nothing for so long; None never.
        drift: the share of refusals or the mean confidence has left its baseline (CUSUM).
        baseline: readings that the baseline is measured on.
    """

    stalled_s: PositiveFloat | None = None
    drift: bool = True
    baseline: PositiveInt = 500


class PageConfig(Section):
    """The line's page, its metrics and its HTTP source and trigger.

    Attributes:
        token_env: name of a variable that holds the token; without one the page is read-only.
        certificate: PEM file for TLS, with its ``key``.
    """

    host: str = "127.0.0.1"
    port: Port = 8780
    token_env: str | None = None
    certificate: Path | None = None
    key: Path | None = None


class Job(Section):
    """One product on one line.

    Attributes:
        data: folder of the journal; what is not yet delivered waits there.
        spool_mb: largest size of what waits there; the source is stopped beyond it.
    """

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
    alarms: AlarmConfig = AlarmConfig()
    page: PageConfig | None = None
    spool_mb: PositiveFloat = 500.0

    @property
    def hash(self) -> str:
        """SHA-256 in hex of all settings, defaults included."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_job(path: str | Path) -> Job:
    """Reads a job file; relative paths in it start at its folder.

    Raises:
        ConfigError: the message names every problem.
    """
    return load_config(path, Job)
