"""Reads serial codes: boxes and evidence for every character, calibrated doubt, honest refusal.

Every public name is imported from here and loaded when it is first used, so that
``import industrial_ocr`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from industrial_ocr.decoding.lexicon import Lexicon
    from industrial_ocr.errors import (
        CollectError,
        ConfigError,
        DatasetError,
        EngineError,
        ImageError,
        IndustrialOcrError,
        LineError,
        MissingPackageError,
        PatternError,
        WeightsError,
    )
    from industrial_ocr.patterns.pattern import Pattern
    from industrial_ocr.reader.reader import Reader
    from industrial_ocr.results.codes import CodeReading
    from industrial_ocr.results.engine import Engine
    from industrial_ocr.results.read_result import ReadResult
    from industrial_ocr.results.types import Character, Status, TextString, Verdict
    from industrial_ocr.results.verdicts import Verification
    from industrial_ocr.review.collecting import Collector

__version__ = "0.2.0"
__all__ = [
    "Character",
    "CodeReading",
    "CollectError",
    "Collector",
    "ConfigError",
    "DatasetError",
    "Engine",
    "EngineError",
    "ImageError",
    "IndustrialOcrError",
    "Lexicon",
    "LineError",
    "MissingPackageError",
    "Pattern",
    "PatternError",
    "ReadResult",
    "Reader",
    "Status",
    "TextString",
    "Verdict",
    "Verification",
    "WeightsError",
    "__version__",
]

_MODULES = {
    "Character": "results.types",
    "CodeReading": "results.codes",
    "Collector": "review.collecting",
    "Engine": "results.engine",
    "Lexicon": "decoding.lexicon",
    "Pattern": "patterns.pattern",
    "ReadResult": "results.read_result",
    "Reader": "reader.reader",
    "Status": "results.types",
    "TextString": "results.types",
    "Verdict": "results.types",
    "Verification": "results.verdicts",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
