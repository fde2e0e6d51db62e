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
from industrial_ocr.training.line.gate import LineGate, Score
from industrial_ocr.training.line.strings import LinePicture

KEPT_OF_PARENT = ("word_share", "loose", "lettering", "plain", "alignment", "spaces")
"""Settings of the first training that the rehearsal of a further adaptation needs."""
MOST_PICTURES, WIDEST = 40, 420
"""Worst pictures in the page, and their width in pixels at most."""
_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The outcome of an adaptation.

    Attributes:
        gate: whether the adapted recognizer is kept, and why not.
        before: how each way read the pictures kept back, before.
        after: the same now.
        promise: the lowest misread rate that these pictures show of the adapted recognizer.
        facts: what was learned, for people.
        notes: what was left out, suspicious or cut short.
        advice: what would help, if the gate refused.
        written: whether the bundle was written.
        interrupted: Ctrl-C ended the learning; what was learned until then counts.
        report: the file of the report.
    """

    gate: LineGate
    before: dict[Engine, Score]
    after: dict[Engine, Score]
    promise: float
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
    """A row for each way: name, read right before and now, accepted wrong before and now."""
    return [
        (
            way.value,
            right(outcome.before[way]),
            right(outcome.after[way]),
            str(outcome.before[way].misread),
            str(outcome.after[way].misread),
        )
        for way in outcome.before
    ]


def right(score: Score) -> str:
    """How many strings were read right, with the 95 % interval of the share."""
    low, high = score.interval()
    n = len(score.readings)
    return f"{score.right} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


def promise(outcome: Adaptation) -> str:
    """Which misread rate so many pictures show, a sentence."""
    n = len(outcome.after[Engine.CRNN].readings)
    if outcome.promise >= 1:
        return f"{n} strings kept back show no misread rate that could be promised."
    return (
        f"With {n} strings kept back, a misread rate of {100 * outcome.promise:.1f} % can be "
        "promised at best (crnn, max_misread_rate); about 300 right readings show 1 %."
    )


def page(outcome: Adaptation, held: Sequence[LinePicture], left_out: Sequence[str]) -> str:
    """The page."""
    pictures = {p.sample.name: p for p in held}
    wrong = [r for r in outcome.after[Engine.CRNN].readings if not r.right]
    wrong.sort(key=lambda r: -r.distance)
    worst = [
        {
            "image": _data_uri(load_image(pictures[r.name].sample.source)),
            "truth": r.truth,
            "text": r.text or "nothing",
            "accepted": r.accepted,
        }
        for r in wrong[:MOST_PICTURES]
    ]
    confusions = [
        (true or "nothing", said or "nothing", n)
        for (true, said), n in outcome.after[Engine.CRNN].confusions().most_common(20)
    ]
    return _PAGE.get_template("report.html.j2").render(
        outcome=outcome,
        rows=rows(outcome),
        general=(right(outcome.gate.general_before), right(outcome.gate.general_after)),
        promise=promise(outcome),
        worst=worst,
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
        "gate": list(outcome.gate.reasons) or "passed",
        "before": {way.value: numbers(s) for way, s in outcome.before.items()},
        "after": {way.value: numbers(s) for way, s in outcome.after.items()},
        "rendered codes": {
            "before": numbers(outcome.gate.general_before),
            "after": numbers(outcome.gate.general_after),
        },
        "lowest misread rate": round(outcome.promise, 4),
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
