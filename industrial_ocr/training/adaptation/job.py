"""One retraining, from the user's pictures to a classifier that has passed its gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.errors import DatasetError
from industrial_ocr.inference.export import add_onnx
from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.weights import commit_id, save_entry
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.results.types import FloatArray
from industrial_ocr.training.adaptation import report
from industrial_ocr.training.adaptation.confidence import carried_temperature
from industrial_ocr.training.adaptation.gate import (
    Gate,
    changes,
    class_metric,
    count_metric,
    judge,
    taught_metric,
)
from industrial_ocr.training.adaptation.learning import Learnt
from industrial_ocr.training.adaptation.memory import (
    joined,
    memory_file,
    rehearsal_for,
    save_memory,
)
from industrial_ocr.training.adaptation.network import (
    Parent,
    head_of,
    load_parent,
    probabilities,
    run,
)
from industrial_ocr.training.adaptation.orders import Order, check_order
from industrial_ocr.training.adaptation.rehearsal import Crops, Rehearsal
from industrial_ocr.training.adaptation.samples import FEW, SampleSet, new_symbols
from industrial_ocr.training.adaptation.suspects import Suspect, duplicates, label_errors
from industrial_ocr.training.adaptation.workshop import (
    UNMEASURED,
    Bench,
    Told,
    cross_validated,
    fresh_crops,
    learn,
    set_up,
    shown_along,
    without_along,
)

Say = Callable[[str], None]
"""Told one line for people."""
LISTED = 20
"""Suspicious pictures that get a line each; all are on the picture of them."""
HOLDS, HOLD = 2, 0.3
"""How often, and by how much, new symbols are held back before the gate refuses. The validation
crops, of other fonts than the held-out ones, tell what new symbols cost to a few tenths of a point
only; that the held-out crops are looked at up to three times makes their number a little kinder."""
UNSURE = 0.8
"""A new symbol of lower accuracy is pointed out."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of it.

    Attributes:
        gate: measured before and after.
        entry: of the manifest, as it is or would have been written.
        written: whether it was.
        interrupted: learning was broken off; the best weights until then were taken.
        report: the markdown file.
    """

    gate: Gate
    entry: ModelEntry
    written: bool
    interrupted: bool
    report: Path


def check_samples(found: SampleSet, parent: Parent, say: Say) -> tuple[str, ...]:
    """The new symbols; says what was left out and where there is little.

    Raises:
        DatasetError: there is nothing to learn from.
    """
    for problem in found.problems:
        say(f"left out: {problem}")
    counts = {s: n for s, n in found.counts.items() if s != REJECT}
    if not counts:
        raise DatasetError(
            "no picture shows a symbol, all are of no character; answer some with the symbol"
        )
    new = new_symbols(found.samples, parent.symbols)
    for symbol, n in counts.items():
        if n < FEW and (symbol in new or not found.doubtful):
            say(
                f"only {n} picture{'s' * (n > 1)} of {symbol!r}: {FEW} to 15 of different ones "
                "teach it much better"
            )
    return new


def retrain(order: Order, found: SampleSet, say: Say, told: Told) -> Outcome:
    """Learns, measures, reports and, if old symbols did not suffer, writes.

    Args:
        order: what is asked for; tried before anything is learnt.
        found: the pictures.
        say: told what a person should look at.
        told: told the progress.

    Raises:
        ConfigError: the output cannot be written.
        DatasetError: nothing to learn from, or a damaged rehearsal set.
        WeightsError: of the parent.
    """
    check_order(order)
    parent = load_parent(order.parent)
    notes: list[str] = []

    def tell(line: str) -> None:
        notes.append(line)
        say(line)

    new = check_samples(found, parent, tell)
    rehearsal, lost = rehearsal_for(parent)
    if lost:
        tell(
            f"no rehearsal crops of {' '.join(lost)}: they are neither kept from being forgotten "
            f"nor measured; {memory_file(parent.entry.path)} would hold them"
        )
    fresh = fresh_crops(order.fonts, parent, order.recipe, told)
    training = rehearsal.training if fresh is None else joined([rehearsal.training, fresh])
    along = shown_along(found, new)
    bench = set_up(parent, found.samples, new, training, order, told, along)
    suspects = _suspects(bench, order, tell)
    alike = [(s.samples[0], s.samples[1]) for s in suspects if s.kind == "duplicate"]
    named = cross_validated(bench, alike, order.recipe, told)
    bench, learnt, gate, seen = _learnt(bench, bool(along), rehearsal, named, order, tell, told)
    for change in gate.new:
        if change.after is not None and change.after < UNSURE:
            tell(f"{change.symbol!r} is read right on {change.after:.0%} of pictures not learnt")
    entry = _entry(order, bench, found, rehearsal, learnt, gate)
    path = _report(order, gate, seen, bench, entry, notes)
    written = gate.passed or order.force
    if written:
        entry = add_onnx(save_entry(order.out.parent, entry, learnt.model.state_dict(), half=True))
        labels = np.array([found.samples[i].symbol for i in bench.groups])
        save_memory(memory_file(order.out), Crops(bench.views, labels), bench.parent)
    return Outcome(gate, entry, written, learnt.interrupted, path)


def _learnt(
    bench: Bench,
    along: bool,
    rehearsal: Rehearsal,
    named: NDArray[np.str_],
    order: Order,
    tell: Say,
    told: Told,
) -> tuple[Bench, Learnt, Gate, report.Confused]:
    """Learns and measures; where old symbols suffer, new ones are held back before it is given up.

    And once more without what was shown along if it was that.
    """
    learnt = learn(bench, rehearsal.validation, order.recipe, told)
    gate, seen = measure(bench, learnt, rehearsal, named, order, told)
    for _ in range(HOLDS if bench.new and not learnt.interrupted else 0):
        if gate.passed:
            break
        tell(f"{gate.reasons[-1]}: new symbols are held back by {HOLD} nats, and measured again")
        with torch.no_grad():
            head_of(learnt.model).bias[len(bench.parent.symbols) : -1] -= HOLD
        gate, seen = measure(bench, learnt, rehearsal, named, order, told)
    if bench.new and along and not gate.passed and not learnt.interrupted:
        tell(
            f"with your pictures of symbols known already, old ones suffer ({gate.reasons[-1]}): "
            f"learnt once more without those; only {' '.join(bench.new)} was learnt"
        )
        return _learnt(without_along(bench), False, rehearsal, named, order, tell, told)
    return bench, learnt, gate, seen


def _suspects(bench: Bench, order: Order, tell: Say) -> list[Suspect]:
    """Points out near-duplicates and probable label errors, with a picture of them."""
    features = run(bench.split.tail, bench.plain_x)
    logits = run(bench.split.head, features)
    temperature = bench.parent.entry.temperature
    parent = (logits / temperature).softmax(-1).numpy()
    suspects = duplicates(bench.samples, bench.plain)
    suspects += label_errors(bench.samples, features.numpy(), parent, bench.parent.symbols)
    for number, suspect in enumerate(suspects[:LISTED], 1):
        tell(f"{number}. {suspect.message}")
    if len(suspects) > LISTED:
        tell(f"and {len(suspects) - LISTED} more")
    if suspects:
        path = order.folder / report.SUSPECTS
        report.draw_suspects(path, suspects, bench.plain, [s.symbol for s in bench.samples])
        tell(f"look at these {len(suspects)}: {path}")
    return suspects


def measure(
    bench: Bench,
    learnt: Learnt,
    rehearsal: Rehearsal,
    named: NDArray[np.str_],
    order: Order,
    told: Told,
) -> tuple[Gate, report.Confused]:
    """The gate, and what it saw of the new model."""
    held = rehearsal.held_out.known((*bench.parent.symbols, REJECT))
    told("measuring old symbols", 0, 2)
    before = _named(bench.parent.model, held, bench.parent)[0]
    told("measuring old symbols", 1, 2)
    after, p = _named(learnt.model, held, bench.parent, bench.names)
    told("measuring old symbols", 2, 2)
    old = changes((*bench.parent.symbols, REJECT), held.symbols, before, after)
    true = np.array([s.symbol for s in bench.samples])
    was, _ = _named(bench.parent.model, Crops(bench.plain, true), bench.parent)
    measured = named != UNMEASURED
    new = changes(bench.new, true[measured], None, named[measured])
    known = tuple(s for s in bench.parent.symbols if s in set(true.tolist()))
    taught = changes(known, true[measured], was[measured], named[measured])
    place = {s: i for i, s in enumerate(bench.names)}
    trust = p[np.arange(len(held)), [place[s] for s in held.symbols]]
    seen = report.Confused(
        np.concatenate([held.images, bench.plain[measured]]),
        np.concatenate([held.symbols, true[measured]]),
        np.concatenate([after, named[measured]]),
        np.concatenate([trust, np.zeros(measured.sum(), np.float32)]),
    )
    return judge(old, new, taught, order.margin), seen


def _named(
    model: GlyphClassifier, crops: Crops, parent: Parent, names: tuple[str, ...] = ()
) -> tuple[NDArray[np.str_], FloatArray]:
    """(N,) what a model reads, and its probabilities; its classes are the parent's by default."""
    classes = np.array(names or (*parent.symbols, REJECT))
    found = probabilities(model, crops.images, parent.entry.temperature)
    return classes[found.argmax(1)], found


def _entry(
    order: Order,
    bench: Bench,
    found: SampleSet,
    rehearsal: Rehearsal,
    learnt: Learnt,
    gate: Gate,
) -> ModelEntry:
    """What the manifest says of the result."""
    parent = bench.parent.entry
    recipe: dict[str, Any] = {
        **asdict(order.recipe),
        "retrained_from": parent.name,
        "parent_sha256": parent.sha256,
        "data_sha256": found.sha256,
        "rehearsal_sha256": rehearsal.sha256,
        "pictures": {s or "(no character)": n for s, n in found.counts.items()},
        "steps_done": learnt.steps,
        "interrupted": learnt.interrupted,
        "margin": order.margin,
        "gate": list(gate.reasons) or "passed",
    }
    metrics = {"accuracy_before": gate.before, "accuracy": gate.after}
    metrics |= {class_metric(c): c.after for c in (*gate.old, *gate.new) if c.after is not None}
    metrics |= {taught_metric(c): c.after for c in gate.taught if c.after is not None}
    metrics |= {count_metric(c): float(c.n) for c in (*gate.old, *gate.new) if c.n}
    return ModelEntry(
        name=order.out.stem,
        task="classifier",
        file=order.out.name,
        sha256="",
        folder=order.out.parent,
        architecture=parent.architecture,
        charset=bench.names[:-1],
        input=parent.input,
        recipe=recipe,
        seed=order.recipe.seed,
        commit=commit_id(),
        license=parent.license,
        metrics={k: round(v, 5) for k, v in metrics.items()},
        temperature=carried_temperature(bench.parent, learnt.model, bench.names, rehearsal),
    )


def _report(
    order: Order,
    gate: Gate,
    seen: report.Confused,
    bench: Bench,
    entry: ModelEntry,
    notes: Sequence[str],
) -> Path:
    """Writes the report and its pictures; gives the path of the text."""
    report.draw_confusion(order.folder / report.CONFUSION, seen, bench.names[:-1])
    report.draw_worst(order.folder / report.WORST_NAME, seen)
    facts = {
        "classifier": order.out.name,
        "parent": f"{bench.parent.entry.name}, sha256 {bench.parent.entry.sha256[:16]}",
        "pictures": ", ".join(f"{s} {n}" for s, n in entry.recipe["pictures"].items()),
        "data": f"sha256 {entry.recipe['data_sha256'][:16]}",
        "margin": f"{gate.margin:g} points a class",
        "steps with the last stage thawed": entry.recipe["steps_done"],
    }
    if entry.recipe["interrupted"]:
        facts["interrupted"] = "yes: these are the best weights until then"
    path = order.folder / "report.md"
    path.write_text(report.text(gate, facts, notes), encoding="utf-8")
    return path
