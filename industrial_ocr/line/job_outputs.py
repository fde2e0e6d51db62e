"""Sections of a job file: where readings go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from industrial_ocr.config import Section
from industrial_ocr.line.job_fields import Address, MqttSection, Port, Variable


class JsonlOutput(Section):
    """A file with one JSON object per reading and line.

    Attributes:
        path: the file; its folder must exist.
    """

    kind: Literal["jsonl"]
    path: Path


class CsvOutput(Section):
    """A CSV file with a header and one row per reading.

    Attributes:
        path: the file; its folder must exist.
    """

    kind: Literal["csv"]
    path: Path


class SqlOutput(Section):
    """A PostgreSQL or SQLite database with one row per reading.

    Attributes:
        url: SQLAlchemy address of the database; the default is the SQLite file ``readings.db``
            beside the job file.
        url_env: instead of ``url``: the environment variable that holds the address. Needed if the
            address has a password.
    """

    kind: Literal["sql"]
    url: Address | None = None
    url_env: Variable | None = None

    @model_validator(mode="after")
    def _one_address(self) -> SqlOutput:
        if self.url is not None and self.url_env is not None:
            raise ValueError("give only one of url and url_env")
        return self


class MqttOutput(MqttSection):
    """An MQTT broker; readings are published as JSON.

    Attributes:
        topic: topic of the readings; the line's state is published to ``topic``/state.
    """


class OpcuaOutput(Section):
    """An OPC UA server for the plant's clients; docs/guides/plc.md lists its nodes.

    Attributes:
        endpoint: address of the server.
        handshake: whether the next reading waits until a client has acknowledged the last one by
            its sequence number.
        acknowledge_s: seconds to wait for the acknowledgment; without one, the reading is sent
            again.
    """

    kind: Literal["opcua"]
    endpoint: str = "opc.tcp://127.0.0.1:4840/industrial_ocr/"
    handshake: bool = False
    acknowledge_s: PositiveFloat = 5.0


class ModbusOutput(Section):
    """A Modbus TCP server that a PLC polls; docs/guides/plc.md has the register map.

    Attributes:
        host: address to listen on; 0.0.0.0 means all addresses of this machine.
        port: port to listen on.
        handshake: whether the next reading waits until the PLC has written back the sequence number
            of the last one.
        acknowledge_s: seconds to wait for the sequence number; without it, the reading is sent
            again.
    """

    kind: Literal["modbus"]
    host: str = "127.0.0.1"
    port: Port = 5020
    handshake: bool = True
    acknowledge_s: PositiveFloat = 5.0


class WebhookOutput(Section):
    """An HTTP receiver; every reading is posted to it as JSON.

    Attributes:
        url: address of the receiver.
        header_env: further headers; each has the name of the environment variable that holds its
            value.
        timeout_s: seconds that the receiver has for its answer.
    """

    kind: Literal["webhook"]
    url: Address
    header_env: dict[str, Variable] = {}
    timeout_s: PositiveFloat = 5.0


class TcpOutput(Section):
    """A TCP receiver; every reading is sent as one line of text.

    Attributes:
        host: host of the receiver.
        port: port of the receiver.
        format: format of the line, with the fields of ``Reading`` in braces.
        acknowledged: the receiver's answer to each line; leave it out if there is none.
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
