"""The report of an adaptation: one HTML file with all of its pictures, and its numbers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.viz import data_uri
from industrial_ocr.training.line.gate import LineGate, LineReading, Score
from industrial_ocr.training.line.strings import LinePicture

MAX_WORST, MAX_PICTURE_SIDE = 40, 420
"""Largest number of misread pictures of an engine on the page, and of pixels of their long side."""
_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The outcome of an adaptation.

    Attributes:
        gates: the gate of each engine whose networks can be adapted.
        reasons: why the adapted networks are refused, one sentence each; empty if they pass.
        before: readings of the held-out pictures by each engine before the adaptation.
        after: the same after the adaptation.
        rapidocr: readings of the held-out pictures by RapidOCR; None if it is not installed.
        promise: for each engine the lowest misread rate that the held-out pictures prove.
        facts: name and value of the rows of the report's table "What was done".
        notes: messages about pictures that were left out, labels to check and shortened training.
        suspects: readings by the adapted CRNN with more than half of the label wrong; these labels
            may be wrong.
        advice: what would help, one sentence each; empty if the gates passed.
        written: whether the bundle was written.
        interrupted: whether Ctrl-C ended the training early.
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
    suspects: tuple[LineReading, ...]
    advice: tuple[str, ...]
    written: bool
    interrupted: bool
    report: Path

    @property
    def best(self) -> Engine:
        """The engine that now reads most held-out strings right; the CRNN if several do."""
        first = (Engine.CRNN, *self.after)
        return max(first, key=lambda engine: self.after[engine].right)


def rows(outcome: Adaptation) -> list[tuple[str, str, str, str, str]]:
    """Rows of name, read right before, read right now, misreads accepted before, and now.

    First a row for each engine on the held-out pictures, then one for each engine on the rendered
    codes, read in one view, then RapidOCR on the held-out pictures.
    """
    found = []
    for engine, was in outcome.before.items():
        now = outcome.after[engine]
        found.append((engine.value, right(was), right(now), str(was.misread), str(now.misread)))
    for engine, gate in outcome.gates.items():
        codes = right(gate.general_before), right(gate.general_after)
        found.append((f"rendered codes, {engine.value}", *codes, "", ""))
    if outcome.rapidocr is not None:
        other = right(outcome.rapidocr), str(outcome.rapidocr.misread)
        found.append(("RapidOCR", other[0], "", other[1], ""))
    return found


def right(score: Score) -> str:
    """The number of strings read right, with the 95 % interval of their share."""
    low, high = score.interval()
    n = len(score.readings)
    return f"{score.right} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


def promise(outcome: Adaptation) -> str:
    """A sentence that says which misread rates the held-out pictures prove."""
    score = outcome.after[Engine.CRNN]
    n, groups = len(score.readings), score.groups
    held = f"{n} held-out strings" + (f" in {groups} series" if groups < n else "")
    shown = [
        f"{100 * rate:.1f} % ({engine.value})"
        for engine, rate in outcome.promise.items()
        if rate < 1
    ]
    if not shown:
        return f"{held} are too few to prove a misread rate."
    return (
        f"{held} prove a misread rate of {' or '.join(shown)} at best "
        "(max_misread_rate); about 300 right readings prove 1 %."
    )


def page(outcome: Adaptation, pictures: Sequence[LinePicture], left_out: Sequence[str]) -> str:
    """The report as HTML.

    Args:
        outcome: the adaptation.
        pictures: all pictures of the line.
        left_out: labels that were not used, with the reason, one sentence each.
    """
    sources = {p.sample.name: p.sample.source for p in pictures}

    def figures(readings: Sequence[LineReading]) -> list[dict[str, Any]]:
        return [
            {
                "image": data_uri(load_image(sources[r.name]), MAX_PICTURE_SIDE),
                "truth": r.truth,
                "text": r.text or "nothing",
                "accepted": r.accepted,
            }
            for r in sorted(readings, key=lambda r: -r.distance)[:MAX_WORST]
        ]

    wrong = {
        engine.value: figures([r for r in outcome.after[engine].readings if not r.right])
        for engine in outcome.gates
    }
    confusions = [
        (engine.value, true or "nothing", said or "nothing", n)
        for engine in outcome.gates
        for (true, said), n in outcome.after[engine].confusions().most_common(12)
    ]
    return _PAGE.get_template("report.html.j2").render(
        outcome=outcome,
        rows=rows(outcome),
        promise=promise(outcome),
        worst=wrong,
        suspects=figures(outcome.suspects),
        confusions=confusions,
        left_out=left_out,
        notes=[n for n in outcome.notes if not n.startswith("left out: ")],
    )


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
        "before": {engine.value: numbers(s) for engine, s in outcome.before.items()},
        "after": {engine.value: numbers(s) for engine, s in outcome.after.items()},
        "rendered codes": {
            engine.value: {
                "before": numbers(gate.general_before),
                "after": numbers(gate.general_after),
            }
            for engine, gate in outcome.gates.items()
        },
        "rapidocr": None if outcome.rapidocr is None else numbers(outcome.rapidocr),
        "lowest misread rate": {w.value: round(p, 4) for w, p in outcome.promise.items()},
        "labels to check": [r.name for r in outcome.suspects],
        "notes": list(outcome.notes),
    }


def named_pattern(text: str, pattern: Pattern) -> dict[str, Preset]:
    """The pattern of a line for its bundle, under the name of its preset, else under ``line``."""
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
