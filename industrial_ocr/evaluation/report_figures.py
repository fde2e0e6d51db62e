"""Computes the figures of the report; ``report_figures.svg.j2`` draws them as SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from industrial_ocr.evaluation.curves import RateCurve, ReliabilityBin
from industrial_ocr.evaluation.metrics import TextPair

PALETTE = ("#0077bb", "#ee7733", "#aa3377", "#33bbee", "#cc3311", "#999933", "#ee99aa", "#777777")
"""Colors that color-blind people can tell apart (Paul Tol's vibrant and muted schemes), on light
and dark backgrounds; green is only for labels."""
DASHES = ("", "7 3", "2 2.5", "9 3 2 3")
MOST_SYMBOLS = 40
"""Largest number of symbols in a confusion matrix."""

PAGE_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _draw(figure: str, *values: Any) -> Markup:
    """Renders a macro of the SVG template."""
    drawn: Markup = getattr(PAGE_TEMPLATES.get_template("report_figures.svg.j2").module, figure)(
        *values
    )
    return drawn


@dataclass(frozen=True)
class Style:
    """The style of an engine in all figures: color ``#rrggbb``, SVG dashes or an empty text."""

    color: str
    dash: str = ""


def engine_styles(engines: Sequence[str]) -> dict[str, Style]:
    """A style for each engine; the ninth has the color of the first with other dashes."""
    return {
        name: Style(PALETTE[i % len(PALETTE)], DASHES[(i + i // len(PALETTE)) % len(DASHES)])
        for i, name in enumerate(dict.fromkeys(engines))
    }


def swatch(style: Style) -> Markup:
    """A piece of the line of an engine, for legends and tables."""
    return _draw("swatch", style)


@dataclass(frozen=True)
class Axes:
    """The axes of a figure: x from 0 to ``right``, y from 0 to 1; sizes in pixels."""

    width: int
    height: int
    right: float = 1.0
    left: float = 42.0
    top: float = 8.0
    foot: float = 36.0

    def x(self, value: float) -> float:
        """Position of a value on the x axis, in pixels."""
        return round(self.left + value / self.right * (self.width - self.left - 12), 1)

    def y(self, value: float) -> float:
        """Position of a value on the y axis, in pixels."""
        return round(self.top + (1 - value) * (self.height - self.top - self.foot), 1)


def _ticks(top: float) -> list[float]:
    """Up to six round values from 0 to at least ``top``."""
    steps = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
    step = next((s for s in steps if top <= 5 * s), steps[-1])
    return [i * step for i in range(max(1, math.ceil(top / step - 1e-9)) + 1)]


def _path(axes: Axes, curve: RateCurve) -> str:
    """An SVG path of about 600 points from rejecting everything to accepting everything."""
    rates = zip(curve.misread_rate[::-1], curve.read_rate[::-1], strict=True)
    points = list(dict.fromkeys((axes.x(misread), axes.y(read)) for misread, read in rates))
    kept = points[:: max(1, len(points) // 600)]
    start = f"M{kept[0][0]} {kept[0][1]}"
    return start + "".join(f"H{x}V{y}" for x, y in [*kept[1:], points[-1]])


def rate_figure(
    curves: Mapping[str, RateCurve],
    points: Mapping[str, tuple[float, float]],
    styles: Mapping[str, Style],
    name: str,
) -> Markup:
    """Read rate over misread rate: a line for each engine, with a dot at its threshold.

    Args:
        curves: rate curves by engine.
        points: misread and read rate at the threshold, by engine.
        styles: styles by engine.
        name: description of the figure for screen readers.
    """
    ticks = _ticks(max((float(c.misread_rate.max()) for c in curves.values()), default=0.0))
    axes = Axes(370, 250, right=ticks[-1])
    lines = [(e, styles[e], *points[e], _path(axes, curve)) for e, curve in curves.items()]
    return _draw("rates", name, axes, ticks, lines)


def reliability_figure(bins: Sequence[ReliabilityBin], style: Style, name: str) -> Markup:
    """Share of right readings over their confidence; darker bars have more readings."""
    most = max(b.count for b in bins)
    return _draw("reliability", name, Axes(240, 220), bins, most, style.color)


def confusion_symbols(confusions: Sequence[tuple[TextPair, int]]) -> list[str]:
    """The symbols of the heat map: the most confused ones, sorted, with "" (nothing) last."""
    counts: Counter[str] = Counter()
    for (true, read), n in confusions:
        counts[true] += n
        counts[read] += n
    most = sorted(counts, key=lambda s: (-counts[s], s))[:MOST_SYMBOLS]
    return sorted(most, key=lambda s: (s == "", s))


def confusion_figure(confusions: Sequence[tuple[TextPair, int]], name: str) -> Markup:
    """Heat map: rows are true symbols, columns are read symbols; the empty set is nothing."""
    symbols = confusion_symbols(confusions)
    shown = [(t, r, n) for (t, r), n in confusions if t in symbols and r in symbols]
    most = max((n for _, _, n in shown), default=1)
    return _draw("confusion", name, symbols, shown, most)
