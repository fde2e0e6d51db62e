"""Outputs, to which readings are delivered: one module for each kind."""

from __future__ import annotations

from importlib import import_module

from industrial_ocr.errors import require
from industrial_ocr.line.job_outputs import OutputConfig
from industrial_ocr.line.outputs.base import Output, OutputError

__all__ = ["Output", "OutputError", "make_output"]

_KINDS = {
    "jsonl": ("files", "JsonLines", "line", ()),
    "csv": ("files", "CsvFile", "line", ()),
    "sql": ("sql", "Database", "line", ("sqlalchemy", "alembic", "pg8000")),
    "mqtt": ("mqtt", "MqttPublisher", "line", ("aiomqtt",)),
    "opcua": ("opcua", "OpcuaServer", "opcua", ("asyncua",)),
    "modbus": ("modbus", "ModbusServer", "line", ("pymodbus",)),
    "webhook": ("webhook", "Webhook", "line", ("httpx",)),
    "tcp": ("tcp", "TcpLines", "line", ()),
}
"""For each kind its module and class here, and the extra with the packages that it needs."""


def make_output(config: OutputConfig) -> Output:
    """Makes the output that a section of the job describes; it is not opened.

    Raises:
        ConfigError: a setting cannot be used; for example, an environment variable is not set.
        MissingPackageError: a package is not installed.
    """
    module, name, extra, packages = _KINDS[config.kind]
    require(extra, *packages)
    made: Output = getattr(import_module(f"{__name__}.{module}"), name)(config)
    return made
