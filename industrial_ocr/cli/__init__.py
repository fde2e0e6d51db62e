"""The command ``industrial-ocr``: one file for each command or group of commands."""

from __future__ import annotations

from industrial_ocr.cli.app import main

__all__ = ["main"]
