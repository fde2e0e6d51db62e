"""The errors this package raises on purpose; each message says what to do about it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class IndustrialOcrError(Exception):
    """Base of every error below: ``except IndustrialOcrError`` catches all of them."""


class ImageError(IndustrialOcrError):
    """The image cannot be read: missing, empty, truncated, of a wrong type or beyond a limit."""


class ConfigError(IndustrialOcrError):
    """A setting is unknown or has an impossible value; the message names the key.

    Attributes:
        problems: each of them, where the message tells of several.
    """

    def __init__(self, message: str = "", problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class WeightsError(IndustrialOcrError):
    """Weights are missing, damaged or do not fit the model; the message names file and hash."""


class PatternError(IndustrialOcrError):
    """A serial-code pattern cannot be compiled; the message points at the position."""


class DatasetError(IndustrialOcrError):
    """A dataset, font folder or label file is unusable; the message names the row or file."""


class CollectError(IndustrialOcrError):
    """A folder of uncertain characters cannot be made, read or written; the message names it."""


class EngineError(IndustrialOcrError):
    """An engine to compare with is unknown or not installed; the message says how to get it."""


class LineError(IndustrialOcrError):
    """A line cannot start or go on: journal, source or job; the message says what to do."""


class MissingPackageError(IndustrialOcrError, ImportError):
    """A package is needed that is not installed; the message says which extra brings it."""


def require(extra: str, *packages: str) -> None:
    """Checks that the packages of an extra are installed.

    Raises:
        MissingPackageError: one is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackageError(
                f"this needs {package}: pip install 'industrial-ocr[{extra}]'"
            )
