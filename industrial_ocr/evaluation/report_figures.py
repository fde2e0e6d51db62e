"""Figures of the report: inline SVG that needs no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from industrial_ocr.evaluation.curves import RateCurve, ReliabilityBin
from industrial_ocr.evaluation.metrics import Pair

PALETTE = ("#0077bb", "#ee7733", "#aa3377", "#33bbee", "#cc3311", "#999933", "#ee99aa", "#777777")
"""Told apart by color-blind eyes (after Paul Tol's vibrant and muted schemes), on light and dark
ground; green is left to the labels."""
DASHES = ("", "7 3", "2 2.5", "9 3 2 3")
MOST_SYMBOLS = 40

_POINTS = 600


@dataclass(frozen=True)
class Style:
    """How an engine is drawn, the same everywhere.

    Attributes:
        color: ``#rrggbb``.
        dash: of SVG lines, empty for none.
    """

    color: str
    dash: str = ""


def engine_styles(engines: Sequence[str]) -> dict[str, Style]:
    """A style an engine, by its place; the ninth has the first's color with other dashes."""
    return {
        name: Style(PALETTE[i % len(PALETTE)], DASHES[(i + i // len(PALETTE)) % len(DASHES)])
        for i, name in enumerate(dict.fromkeys(engines))
    }


def swatch(style: Style) -> Markup:
    """A piece of an engine's line, for legends and tables."""
    return Markup(
        '<svg class="swatch" viewBox="0 0 26 10" aria-hidden="true">'
        '<path d="M1 5H25" stroke="{}" stroke-width="4" stroke-dasharray="{}"/></svg>'
    ).format(style.color, style.dash)


@dataclass(frozen=True)
class Frame:
    """The axes of a figure: data from 0 to ``right`` and 0 to 1 on its plot."""

    width: float
    height: float
    right: float = 1.0
    left: float = 42.0
    top: float = 8.0
    foot: float = 36.0

    def x(self, value: float) -> float:
        """Place of a value on the lower axis."""
        return round(self.left + value / self.right * (self.width - self.left - 12), 1)

    def y(self, value: float) -> float:
        """Place of a value on the upright axis."""
        return round(self.top + (1 - value) * (self.height - self.top - self.foot), 1)


def _ticks(top: float) -> list[float]:
    """Round values from 0 to at least ``top``, six at most."""
    steps = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
    step = next((s for s in steps if top <= 5 * s), steps[-1])
    return [i * step for i in range(max(1, math.ceil(top / step - 1e-9)) + 1)]


def _axes(frame: Frame, ticks: Sequence[float], below: str, beside: str) -> Markup:
    parts = []
    for v in ticks:
        parts.append(
            Markup(
                '<path class="grid" d="M{0} {1}V{2}"/><text x="{0}" y="{3}">{4:g}</text>'
            ).format(frame.x(v), frame.y(1), frame.y(0), frame.y(0) + 13, round(100 * v, 3))
        )
    for v in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(
            Markup(
                '<path class="grid" d="M{} {}H{}"/><text class="end" x="{}" y="{}">{:g}</text>'
            ).format(frame.left, frame.y(v), frame.x(frame.right), frame.left - 5, frame.y(v) + 3.5,
                     100 * v)
        )  # fmt: skip
    middle = (frame.y(0) + frame.y(1)) / 2
    parts.append(
        Markup(
            '<text x="{}" y="{}">{}</text><text transform="translate(11 {}) rotate(-90)">{}</text>'
        ).format(frame.x(frame.right / 2), frame.height - 6, below, middle, beside)
    )
    return Markup("").join(parts)


def _svg(width: float, height: float, name: str, kind: str, inside: Markup) -> Markup:
    return Markup(
        '<svg class="figure {}" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>'
    ).format(kind, width, height, name, inside)


def _steps(frame: Frame, curve: RateCurve) -> str:
    """From refusing everything to accepting everything, as what is reached at each misread rate."""
    points = [(frame.x(m), frame.y(r)) for m, r in
              zip(curve.misread_rate[::-1], curve.read_rate[::-1], strict=True)]  # fmt: skip
    points = list(dict.fromkeys(points))
    kept = points[:: max(1, len(points) // _POINTS)]
    path = f"M{kept[0][0]} {kept[0][1]}"
    return path + "".join(f"H{x}V{y}" for x, y in [*kept[1:], points[-1]])


def rate_figure(
    curves: Mapping[str, RateCurve],
    points: Mapping[str, tuple[float, float]],
    styles: Mapping[str, Style],
    name: str,
) -> Markup:
    """Read rate over misread rate, a line an engine, a dot where its threshold stands.

    Args:
        curves: by engine.
        points: misread and read rate at the threshold, by engine.
        styles: of all engines.
        name: what the figure shows, for those who do not see it.
    """
    ticks = _ticks(max((float(c.misread_rate.max()) for c in curves.values()), default=0.0))
    frame = Frame(370, 250, right=ticks[-1])
    parts = [_axes(frame, ticks, "misread rate, %", "read rate, %")]
    for engine, curve in curves.items():
        style = styles[engine]
        misread, read = points[engine]
        parts.append(
            Markup(
                '<g><title>{}: at its threshold {:.1f} % read, {:.1f} % misread</title>'
                '<path class="line" d="{}" stroke="{}" stroke-dasharray="{}"/>'
                '<circle cx="{}" cy="{}" r="4" fill="{}"/></g>'
            ).format(engine, 100 * read, 100 * misread, _steps(frame, curve), style.color,
                     style.dash, frame.x(misread), frame.y(read), style.color)
        )  # fmt: skip
    return _svg(frame.width, frame.height, name, "rates", Markup("").join(parts))


def reliability_figure(bins: Sequence[ReliabilityBin], style: Style, name: str) -> Markup:
    """Share of right readings over their confidence; fuller bars hold more readings."""
    frame = Frame(240, 220)
    most = max(b.count for b in bins)
    parts = [_axes(frame, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "confidence, %", "right, %")]
    for b in bins:
        parts.append(
            Markup(
                '<g><title>{} readings, mean confidence {:.1f} %, {:.1f} % right</title>'
                '<rect x="{}" y="{}" width="{:.1f}" height="{:.1f}" fill="{}" '
                'fill-opacity="{:.2f}" stroke="{}"/>'
                '<circle cx="{}" cy="{}" r="2.5" fill="{}"/></g>'
            ).format(b.count, 100 * b.confidence, 100 * b.accuracy, frame.x(b.low),
                     frame.y(b.accuracy), frame.x(b.high) - frame.x(b.low),
                     frame.y(0) - frame.y(b.accuracy), style.color, 0.15 + 0.6 * b.count / most,
                     style.color, frame.x(b.confidence), frame.y(b.accuracy), style.color)
        )  # fmt: skip
    parts.append(
        Markup('<path class="ideal" d="M{} {}L{} {}"/>').format(
            frame.x(0), frame.y(0), frame.x(1), frame.y(1)
        )
    )
    return _svg(frame.width, frame.height, name, "reliability", Markup("").join(parts))


def confusion_symbols(confusions: Sequence[tuple[Pair, int]]) -> list[str]:
    """The symbols of the heat map: those confused most often, sorted, "" (nothing) last."""
    counts: dict[str, int] = {}
    for pair, n in confusions:
        for symbol in pair:
            counts[symbol] = counts.get(symbol, 0) + n
    most = sorted(counts, key=lambda s: (-counts[s], s))[:MOST_SYMBOLS]
    return sorted(most, key=lambda s: (s == "", s))


def confusion_figure(confusions: Sequence[tuple[Pair, int]], name: str) -> Markup:
    """Heat map: a row a true symbol, a column what was read; the empty set is nothing."""
    symbols = confusion_symbols(confusions)
    place = {s: i for i, s in enumerate(symbols)}
    shown = [(p, n) for p, n in confusions if p[0] in place and p[1] in place]
    most = max((n for _, n in shown), default=1)
    cell, edge = 16, 34
    size = edge + cell * len(symbols) + 4
    parts = [
        Markup('<text x="{}" y="11">read</text>').format(edge + cell * len(symbols) / 2),
        Markup('<text transform="translate(10 {}) rotate(-90)">true</text>').format(
            edge + cell * len(symbols) / 2
        ),
    ]
    for symbol, i in place.items():
        at = edge + cell * i
        parts.append(
            Markup(
                '<path class="grid" d="M{e} {a}H{s}M{a} {e}V{s}"/>'
                '<text x="{m}" y="{u}">{t}</text><text x="{l}" y="{d}">{t}</text>'
            ).format(e=edge, a=at, s=size - 4, m=at + cell / 2, u=edge - 5, l=edge - 9, d=at + 12,
                     t=symbol or "∅")
        )  # fmt: skip
    parts.append(
        Markup('<path class="grid" d="M{0} {1}H{0}V{1}"/>').format(size - 4, edge)
        + Markup('<path class="grid" d="M{0} {1}H{1}V{0}"/>').format(edge, size - 4)
    )
    for (true, read), n in shown:
        x, y = edge + cell * place[read], edge + cell * place[true]
        parts.append(
            Markup(
                '<g><title>{} read as {}: {}</title><rect class="heat" x="{}" y="{}" width="{}" '
                'height="{}" fill-opacity="{:.2f}"/><text class="count" x="{}" y="{}">{}</text></g>'
            ).format(true or "nothing", read or "nothing", n, x, y, cell, cell,
                     0.12 + 0.63 * n / most, x + cell / 2, y + 11.5, n)
        )  # fmt: skip
    return Markup('<div style="width:{}px">{}</div>').format(
        round(1.25 * size), _svg(size, size, name, "confusion", Markup("").join(parts))
    )
