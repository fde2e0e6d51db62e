"""Outputs, to which readings are delivered: one module for each kind."""

from __future__ import annotations

from industrial_ocr.errors import require
from industrial_ocr.line.job_outputs import (
    CsvOutput,
    JsonlOutput,
    ModbusOutput,
    MqttOutput,
    OpcuaOutput,
    OutputConfig,
    SqlOutput,
    WebhookOutput,
)
from industrial_ocr.line.outputs.base import Output, OutputError

__all__ = ["Output", "OutputError", "make_output"]


def make_output(config: OutputConfig) -> Output:
    """Makes the output that a section of the job describes; it is not opened.

    Raises:
        ConfigError: a setting cannot be used; for example, an environment variable is not set.
        MissingPackageError: a package is not installed.
    """
    if isinstance(config, JsonlOutput | CsvOutput):
        from industrial_ocr.line.outputs.files import CsvFile, JsonLines

        return (JsonLines if isinstance(config, JsonlOutput) else CsvFile)(config.path)
    if isinstance(config, SqlOutput):
        require("line", "sqlalchemy", "alembic", "pg8000")
        from industrial_ocr.line.outputs.sql import Database

        return Database(config)
    if isinstance(config, MqttOutput):
        require("line", "aiomqtt")
        from industrial_ocr.line.outputs.mqtt import MqttPublisher

        return MqttPublisher(config)
    if isinstance(config, OpcuaOutput):
        require("opcua", "asyncua")
        from industrial_ocr.line.outputs.opcua import OpcuaServer

        return OpcuaServer(config)
    if isinstance(config, ModbusOutput):
        require("line", "pymodbus")
        from industrial_ocr.line.outputs.modbus import ModbusServer

        return ModbusServer(config)
    if isinstance(config, WebhookOutput):
        require("line", "httpx")
        from industrial_ocr.line.outputs.webhook import Webhook

        return Webhook(config)
    from industrial_ocr.line.outputs.tcp import TcpLines

    return TcpLines(config)
