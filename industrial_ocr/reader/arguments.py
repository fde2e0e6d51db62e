"""Arguments of ``Reader`` and of its methods, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Iterable

from industrial_ocr.errors import ConfigError
from industrial_ocr.results.engine import Engine


def known_engine(value: Engine | str, allowed: Iterable[Engine] = Engine) -> Engine:
    """The engine of that name.

    Raises:
        ConfigError: there is none, or it is not ``allowed``; the message lists those that are.
    """
    names = [engine.value for engine in allowed]
    if value not in names:
        raise ConfigError(f"engine is one of {names}, got {value!r}")
    return Engine(value)
