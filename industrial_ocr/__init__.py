"""Reads serial codes: boxes and evidence for every character, calibrated doubt, honest refusal.

``Reader`` and everything that needs torch are loaded when first used, so that
``import industrial_ocr`` and its numpy modules stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from industrial_ocr.patterns.pattern import Pattern
    from industrial_ocr.reader.reader import Reader
    from industrial_ocr.results.read_result import ReadResult

__version__ = "0.2.0"
__all__ = ["Pattern", "ReadResult", "Reader", "__version__"]

_HOMES = {
    "Pattern": "industrial_ocr.patterns.pattern",
    "Reader": "industrial_ocr.reader.reader",
    "ReadResult": "industrial_ocr.results.read_result",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
