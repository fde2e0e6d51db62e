"""Sections of a job file: where pictures come from, and what triggers a reading."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from industrial_ocr.config import Section
from industrial_ocr.line.job_fields import Address, MqttSection, Variable


class FolderSource(Section):
    """A folder into which pictures are written or moved.

    Attributes:
        path: the folder.
        poll_s: seconds between two listings of the folder; needed on network shares, which send no
            events. Without it, the system's events are used.
        stable_s: seconds without a change of size after which a file counts as complete; a file
            that was renamed into place is complete at once.
        after: what is done with a picture after it was read.
        moved_to: the folder for ``after: move``.
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
        device: number of the camera, address of the stream, or path of the file.
        device_env: instead of ``device``: the environment variable that holds the address. Needed
            if the address has a password.
        newest: true reads the newest frame and drops older ones, as a live camera needs it; false
            reads every frame, as a video file needs it.
        reconnect_s: seconds between two attempts to open the camera.
    """

    kind: Literal["camera"]
    device: int | Address | None = None
    device_env: Variable | None = None
    newest: bool = True
    reconnect_s: PositiveFloat = 2.0

    @model_validator(mode="after")
    def _one_device(self) -> CameraSource:
        if (self.device is None) == (self.device_env is None):
            raise ValueError("give exactly one of device and device_env")
        return self


class GenicamSource(Section):
    """A GenICam camera, used through the package ``harvesters``.

    Attributes:
        producer: the .cti file of the camera's maker.
        serial: serial number of the camera; needed if several are connected.
    """

    kind: Literal["genicam"]
    producer: Path
    serial: str | None = None


class HttpSource(Section):
    """Pictures that are posted to ``/pictures`` at the page's address."""

    kind: Literal["http"]


SourceConfig = Annotated[
    FolderSource | CameraSource | GenicamSource | HttpSource, Field(discriminator="kind")
]


class EveryPicture(Section):
    """Every picture of the source is read, without a trigger."""

    kind: Literal["every"] = "every"


class HttpTrigger(Section):
    """A POST to ``/trigger`` at the page's address; it may bring ``part`` and ``expected``."""

    kind: Literal["http"]


class MqttTrigger(MqttSection):
    """An MQTT message: the name of the part, or JSON with ``part`` and ``expected``.

    Attributes:
        topic: topic of the messages.
    """


class ModbusTrigger(Section):
    """A coil of the Modbus output changes from 0 to 1.

    Attributes:
        coil: address of the coil.
    """

    kind: Literal["modbus"]
    coil: Annotated[int, Field(ge=0, le=65535)] = 0


class OpcuaTrigger(Section):
    """A client calls the method ``StartSingleJob`` of the OPC UA output."""

    kind: Literal["opcua"]


TriggerConfig = Annotated[
    EveryPicture | HttpTrigger | MqttTrigger | ModbusTrigger | OpcuaTrigger,
    Field(discriminator="kind"),
]
