"""Checks and converts the arguments of ``Reader`` and its methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.config import (
    DetectionConfig,
    PipelineConfig,
    config_path,
    load_config,
    parse_config,
)
from industrial_ocr.decoding.calibration import SHIPPED_CALIBRATION, Calibration, load_calibration
from industrial_ocr.errors import ConfigError, ImageError, PatternError
from industrial_ocr.image.preprocess import with_border
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset, load_presets
from industrial_ocr.reader.router import RouteTable, load_routes
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import bounds
from industrial_ocr.results.types import ImageArray

Roi = Sequence[float] | Sequence[Sequence[float]]
Patterns = Pattern | str | Sequence[Pattern | str] | None
SHIPPED = ("pipeline", "fast", "accurate")
"""The configurations that are known by name; ``pipeline`` is the default."""


def known_engine(value: Engine | str, allowed: Iterable[Engine] = Engine) -> Engine:
    """The engine of a name.

    Raises:
        ConfigError: it is unknown or not ``allowed``; the message lists the allowed ones.
    """
    names = [engine.value for engine in allowed]
    if value not in names:
        raise ConfigError(f"engine is one of {names}, got {value!r}")
    return Engine(value)


def reading_config(
    source: PipelineConfig | str | Path | dict[str, Any] | None = None,
) -> PipelineConfig:
    """The settings given as ``config`` of ``Reader``.

    Raises:
        ConfigError: no such file or name, an unknown setting or value.
    """
    if isinstance(source, PipelineConfig):
        return source
    if isinstance(source, dict):
        return parse_config(source, PipelineConfig)
    if source is None or str(source) in SHIPPED:
        source = config_path("pipeline" if source is None else str(source))
    if not Path(source).suffix and not Path(source).exists():
        raise ConfigError(
            f"config: {str(source)!r} is neither a file nor one of {', '.join(SHIPPED)}"
        )
    return load_config(source, PipelineConfig)


def in_pieces(config: PipelineConfig, division: str) -> PipelineConfig:
    """The configuration for lines of any length, each read in one view."""
    changes = {"division": division, "crop_margins": (0.0,), "crop_layouts": False}
    settings = config.model_dump()
    settings["recognition"] |= changes
    return parse_config(settings, PipelineConfig)


def known_routes(source: RouteTable | str | Path | None) -> RouteTable:
    """The ``routes`` of ``Reader``; raises ConfigError if a file cannot be used."""
    if source is None or isinstance(source, Mapping):
        return source or {}
    return load_routes(source)


def own_presets(source: Mapping[str, Preset] | str | Path | None) -> dict[str, Preset]:
    """The ``patterns`` of ``Reader``; raises PatternError if a file cannot be used."""
    if source is None or isinstance(source, Mapping):
        return dict(source or {})
    return load_presets(source)


def asked_calibration(
    source: Calibration | str | Path | None, misread_rate: float | None
) -> Calibration:
    """The given calibration; else the shipped one for a misread rate, or an empty one."""
    if isinstance(source, Calibration):
        return source
    if source is None:
        return Calibration() if misread_rate is None else load_calibration(SHIPPED_CALIBRATION)
    return load_calibration(source)


def check_misread_rate(
    rate: float | None, calibration: Calibration, weights: Mapping[str, str], shipped: bool
) -> None:
    """Raises ConfigError if no engine with these weights can keep a misread rate.

    Args:
        rate: the rate; None needs no check.
        calibration: the calibration in use.
        weights: sha256 of the weights in use, by task.
        shipped: whether the calibration is the shipped one, for the message.
    """
    if rate is None:
        return
    if not 0 < rate < 1:
        raise ConfigError(f"max_misread_rate is a share between 0 and 1, got {rate}")
    if not calibration.fits(weights):
        whose = "the shipped calibration" if shipped else "the calibration"
        raise ConfigError(
            f"max_misread_rate: {whose} was measured with other weights than these; "
            "industrial-ocr calibrate DATA measures these ones"
        )
    calibration.check_rate(rate)


def compiled_patterns(given: Patterns, own: Mapping[str, Preset]) -> tuple[Pattern, ...]:
    """Compiles the ``pattern`` of ``read``; names in ``own`` take precedence over shipped ones.

    Raises:
        PatternError: one is no pattern, or two have the same name.
    """
    if given is None:
        return ()
    several = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    presets = {**load_presets(), **own} if own else None
    compiled: dict[str, Pattern] = {}
    for one in several:
        if not isinstance(one, Pattern | str):
            raise PatternError(f"a pattern is a str or a Pattern, got {one!r}")
        pattern = one if isinstance(one, Pattern) else Pattern.parse(one, presets)
        name = pattern.name or pattern.text
        if name in compiled:
            raise PatternError(
                f"two patterns are called {name!r}: give it once (for two lists of codes, give "
                "different names as their source)"
            )
        compiled[name] = pattern
    return tuple(compiled.values())


def roi_part(
    image: ImageArray, roi: Roi | None, config: DetectionConfig
) -> tuple[ImageArray, int, int]:
    """The part of an image inside a roi, with a border if it is small; and its origin (x, y)."""
    part, x, y = _cut_roi(image, roi)
    margin = config.border if min(part.shape[:2]) < config.border_below else 0
    return with_border(part, margin), x - margin, y - margin


def _cut_roi(image: ImageArray, roi: Roi | None) -> tuple[ImageArray, int, int]:
    if roi is None:
        return image, 0, 0
    try:
        points = np.asarray(roi, np.float32).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ImageError(f"roi is x0, y0, x1, y1 in pixels, got {roi!r}") from error
    if len(points) not in (2, 4) or not np.isfinite(points).all():
        raise ImageError(f"roi is x0, y0, x1, y1 in pixels, got {roi!r}")
    if len(points) == 2 and (points[1] <= points[0]).any():
        raise ImageError(
            f"roi is x0, y0, x1, y1 with x0 < x1 and y0 < y1, got {roi!r}; if these are x, y, "
            "width and height, give x, y, x + width, y + height"
        )
    x0, y0, x1, y1 = bounds(points)
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise ImageError(f"roi {roi!r} is smaller than a pixel; give pixels, not fractions")
    height, width = image.shape[:2]
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    if right <= left or bottom <= top:
        raise ImageError(f"roi {roi!r} lies outside the image of {width}x{height} pixels")
    return np.ascontiguousarray(image[top:bottom, left:right]), left, top
