"""The report of an adaptation: one HTML file that needs nothing besides itself, and its numbers."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.line.gate import LineGate, LineReading, Score
from industrial_ocr.training.line.strings import LinePicture

MOST_PICTURES, WIDEST = 40, 420
"""Worst pictures in the page, and their width in pixels at most."""
_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The outcome of an adaptation.

    Attributes:
        gates: how both engines read before and now.
        reasons: why what was learned is not kept, a line each.
        before: how each way read the pictures kept back, before.
        after: the same now.
        rapidocr: how RapidOCR reads them, None where it is not installed.
        promise: of each engine the lowest misread rate that these pictures show.
        facts: what was learned, for people.
        notes: what was left out, suspicious or cut short.
        advice: what would help, if the gate refused.
        written: whether the bundle was written.
        interrupted: Ctrl-C ended the learning; what was learned until then counts.
        report: the file of the report.
    """

    gates: dict[Engine, LineGate]
    reasons: tuple[str, ...]
    before: dict[Engine, Score]
    after: dict[Engine, Score]
    rapidocr: Score | None
    promise: dict[Engine, float]
    facts: dict[str, str]
    notes: tuple[str, ...]
    advice: tuple[str, ...]
    written: bool
    interrupted: bool
    report: Path

    @property
    def best(self) -> Engine:
        """The way that reads most of the pictures kept back now, the CRNN if others do, too."""
        first = (Engine.CRNN, *self.after)
        return max(first, key=lambda way: self.after[way].right)


def rows(outcome: Adaptation) -> list[tuple[str, str, str, str, str]]:
    """A row for each way: name, read right before and now, accepted wrong before and now.

    Behind them the rendered codes, which both engines read at a single look, and RapidOCR.
    """
    found = [
        (way.value, right(was), right(now), str(was.misread), str(now.misread))
        for way, was, now in ((w, outcome.before[w], outcome.after[w]) for w in outcome.before)
    ]
    for way, gate in outcome.gates.items():
        codes = right(gate.general_before), right(gate.general_after)
        found.append((f"rendered codes, {way.value}", *codes, "", ""))
    if outcome.rapidocr is not None:
        other = right(outcome.rapidocr), str(outcome.rapidocr.misread)
        found.append(("RapidOCR", other[0], "", other[1], ""))
    return found


def right(score: Score) -> str:
    """How many strings were read right, with the 95 % interval of the share."""
    low, high = score.interval()
    n = len(score.readings)
    return f"{score.right} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


def promise(outcome: Adaptation) -> str:
    """Which misread rate so many pictures show, a sentence."""
    n = len(outcome.after[Engine.CRNN].readings)
    shown = [
        f"{100 * rate:.1f} % ({way.value})" for way, rate in outcome.promise.items() if rate < 1
    ]
    if not shown:
        return f"{n} strings kept back show no misread rate that could be promised."
    return (
        f"With {n} strings kept back, a misread rate of {' or '.join(shown)} can be promised at "
        "best (max_misread_rate); about 300 right readings show 1 %."
    )


def page(
    outcome: Adaptation,
    pictures: Sequence[LinePicture],
    suspects: Sequence[LineReading],
    left_out: Sequence[str],
) -> str:
    """The page.

    Args:
        outcome: what is reported.
        pictures: all of the line.
        suspects: labels that look wrong.
        left_out: what could not be learned, and why.
    """
    sources = {p.sample.name: p.sample.source for p in pictures}

    def figures(readings: Sequence[LineReading]) -> list[dict[str, Any]]:
        return [
            {
                "image": _data_uri(load_image(sources[r.name])),
                "truth": r.truth,
                "text": r.text or "nothing",
                "accepted": r.accepted,
            }
            for r in sorted(readings, key=lambda r: -r.distance)[:MOST_PICTURES]
        ]

    wrong = {
        way.value: figures([r for r in outcome.after[way].readings if not r.right])
        for way in outcome.gates
    }
    confusions = [
        (way.value, true or "nothing", said or "nothing", n)
        for way in outcome.gates
        for (true, said), n in outcome.after[way].confusions().most_common(12)
    ]
    return _PAGE.get_template("report.html.j2").render(
        outcome=outcome,
        rows=rows(outcome),
        promise=promise(outcome),
        worst=wrong,
        suspects=figures(suspects),
        confusions=confusions,
        left_out=left_out,
        notes=[n for n in outcome.notes if not n.startswith("left out: ")],
    )


def _data_uri(image: ImageArray) -> str:
    small = Image.fromarray(np.asarray(image))
    small.thumbnail((WIDEST, WIDEST))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def summary(outcome: Adaptation, recipe: dict[str, Any]) -> dict[str, Any]:
    """The numbers of the report, ready for JSON."""

    def numbers(score: Score) -> dict[str, Any]:
        return {
            "strings": len(score.readings),
            "right": score.right,
            "accepted": score.accepted,
            "misread": score.misread,
            "interval": [round(x, 4) for x in score.interval()],
        }

    return {
        "facts": outcome.facts,
        "recipe": recipe,
        "gate": list(outcome.reasons) or "passed",
        "before": {way.value: numbers(s) for way, s in outcome.before.items()},
        "after": {way.value: numbers(s) for way, s in outcome.after.items()},
        "rendered codes": {
            way.value: {
                "before": numbers(gate.general_before),
                "after": numbers(gate.general_after),
            }
            for way, gate in outcome.gates.items()
        },
        "rapidocr": None if outcome.rapidocr is None else numbers(outcome.rapidocr),
        "lowest misread rate": {w.value: round(p, 4) for w, p in outcome.promise.items()},
        "notes": list(outcome.notes),
    }


def named_pattern(text: str, pattern: Pattern) -> dict[str, Preset]:
    """The pattern of a line for its bundle: a preset's under its name, another one as ``line``."""
    if pattern.preset_data is not None:
        return {pattern.name: pattern.preset_data}
    kind, _, rest = text.partition(":")
    if kind == "lexicon":
        return {}
    template = rest if kind == "template" else None
    preset = Preset(
        title="Codes of the line",
        source="adapt",
        regex=None if template else text.removeprefix("regex:"),
        template=template,
        examples=(pattern.sample(np.random.default_rng(0)),),
    )
    return {"line": preset}
