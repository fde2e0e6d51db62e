"""One retraining, from the user's samples to a classifier that has passed its gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.errors import DatasetError
from industrial_ocr.inference.export import add_onnx
from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.weights import commit_id, save_entry
from industrial_ocr.training.messages import Notes, Notify, Progress
from industrial_ocr.training.retraining import report
from industrial_ocr.training.retraining.config import FinetuneConfig, check_output
from industrial_ocr.training.retraining.feature_cache import (
    FeatureCache,
    build_cache,
    fresh_crops,
    supplementary_classes,
)
from industrial_ocr.training.retraining.finetuning import Finetuned, cross_validated, finetune
from industrial_ocr.training.retraining.gate import (
    CropReadings,
    Gate,
    carried_temperature,
    gate_metrics,
    keeps_old_symbols,
    measure,
    shown,
)
from industrial_ocr.training.retraining.network import Parent, head_of, load_parent, run
from industrial_ocr.training.retraining.rehearsal import LabeledCrops, Rehearsal, joined
from industrial_ocr.training.retraining.replay_buffer import rehearsal_for, replay_file, save_replay
from industrial_ocr.training.retraining.samples import MIN_SAMPLES, SampleSet, new_symbols
from industrial_ocr.training.retraining.sampling import Bools
from industrial_ocr.training.retraining.suspects import Suspect, duplicates, label_errors


@dataclass(frozen=True, eq=False)
class FinetuneResult:
    """The result of a retraining.

    Attributes:
        gate: accuracies before and after, and the decision.
        entry: the manifest entry of the retrained classifier, also if it was not written.
        written: whether the classifier was written.
        interrupted: whether Ctrl-C ended the training early.
        report: the report, a Markdown file.
    """

    gate: Gate
    entry: ModelEntry
    written: bool
    interrupted: bool
    report: Path


def retrain(
    config: FinetuneConfig, found: SampleSet, notify: Notify, progress: Progress
) -> FinetuneResult:
    """Trains a classifier, measures it, and writes it if it reads known symbols as well as before.

    Raises:
        ConfigError: the output cannot be written.
        DatasetError: there are no samples of a symbol, or a rehearsal set is damaged.
        WeightsError: the parent cannot be loaded.
    """
    check_output(config)
    parent = load_parent(config.parent)
    note = Notes(notify)
    new = _check_samples(found, parent, note)
    rehearsal, lost = rehearsal_for(parent)
    if lost:
        note(
            f"there are no rehearsal crops of {' '.join(lost)}, so that these symbols may be "
            f"forgotten and are not measured; {replay_file(parent.entry.path)} is missing"
        )
    fresh = fresh_crops(config.fonts, parent, config.recipe, progress)
    training = rehearsal.training if fresh is None else joined([rehearsal.training, fresh])
    supplementary = supplementary_classes(found, new)
    cache = build_cache(parent, found.samples, new, training, config, progress, supplementary)
    suspects = _suspects(cache, config, note)
    alike = [(s.samples[0], s.samples[1]) for s in suspects if s.kind == "duplicate"]
    readings = cross_validated(cache, alike, config.recipe, progress)
    rows, tuned = _finetuned(cache, rehearsal, bool(supplementary), config, note, progress)
    # The held-out crops are used only here, so that nothing is chosen on them.
    gate, seen = measure(cache, tuned.model, rehearsal.held_out, readings, config, progress)
    for change in gate.new:
        if change.after is not None and change.after < 0.8:
            note(f"{change.symbol!r} is read right on {change.after:.0%} of held-out pictures")
    entry = _entry(config, cache, found, rehearsal, tuned, gate)
    path = _write_report(config, gate, seen, cache, entry, note.lines)
    written = gate.passed or config.force
    if written:
        entry = add_onnx(save_entry(config.out.parent, entry, tuned.model.state_dict(), half=True))
        labels = np.array([found.samples[i].symbol for i in cache.groups])
        learned = LabeledCrops(cache.views, labels).of(rows[: len(labels)])
        save_replay(replay_file(config.out), learned, parent)
    return FinetuneResult(gate, entry, written, tuned.interrupted, path)


def _check_samples(found: SampleSet, parent: Parent, note: Notify) -> tuple[str, ...]:
    """The new symbols; notes samples that were left out and symbols with few samples."""
    for problem in found.problems:
        note(f"left out: {problem}")
    counts = {s: n for s, n in found.counts.items() if s != REJECT}
    if not counts:
        raise DatasetError(
            "all pictures are answered as showing no character; answer some with a symbol"
        )
    new = new_symbols(found.samples, parent.symbols)
    for symbol, n in counts.items():
        if n < MIN_SAMPLES and (symbol in new or not found.uncertain):
            pictures = "picture" if n == 1 else "pictures"
            note(
                f"only {n} {pictures} of {symbol!r}: with {MIN_SAMPLES} to 15 different ones it is "
                "learned much better"
            )
    return new


def _suspects(cache: FeatureCache, config: FinetuneConfig, note: Notify) -> list[Suspect]:
    """Notes near-duplicates and probable label errors, and draws them in a picture."""
    features = run(cache.split.tail, cache.plain_x)
    logits = run(cache.split.head, features) / cache.parent.entry.temperature
    probabilities = logits.softmax(-1).numpy()
    suspects = duplicates(cache.samples, cache.plain)
    suspects += label_errors(cache.samples, features.numpy(), probabilities, cache.parent.symbols)
    for number, suspect in enumerate(suspects[:20], 1):
        note(f"{number}. {suspect.message}")
    if len(suspects) > 20:
        note(f"and {len(suspects) - 20} more")
    if suspects:
        path = config.folder / report.SUSPECTS
        report.draw_suspects(path, suspects, cache.plain, [s.symbol for s in cache.samples])
        note(f"look at these {len(suspects)}: {path}")
    return suspects


def _finetuned(
    cache: FeatureCache,
    rehearsal: Rehearsal,
    supplementary: bool,
    config: FinetuneConfig,
    note: Notify,
    progress: Progress,
) -> tuple[Bools, Finetuned]:
    """Trains; if samples of known symbols make known symbols worse, trains again without them.

    Validation crops decide this. Returns the used rows of the pool, and the trained classifier.
    """
    rows = cache.rows(supplementary=True)
    tuned = finetune(cache, rows, rehearsal.validation, config.recipe, progress)
    if not cache.new or tuned.interrupted:
        return rows, tuned
    check = _hold_back(cache, tuned, rehearsal.validation, config, note)
    if check.passed or not supplementary:
        return rows, tuned
    note(
        f"your pictures of known symbols make known symbols worse ({check.reasons[-1]}): trained "
        f"again without these pictures; only {' '.join(cache.new)} was learned"
    )
    rows = cache.rows(supplementary=False)
    tuned = finetune(cache, rows, rehearsal.validation, config.recipe, progress)
    _hold_back(cache, tuned, rehearsal.validation, config, note)
    return rows, tuned


def _hold_back(
    cache: FeatureCache,
    tuned: Finetuned,
    validation: LabeledCrops,
    config: FinetuneConfig,
    note: Notify,
) -> Gate:
    """Lowers the logits of new symbols up to twice until the gate passes; returns the last gate."""
    check = keeps_old_symbols(cache, tuned.model, validation, config)
    for _ in range(2):
        if check.passed:
            break
        note(f"on validation crops {check.reasons[-1]}: logits of new symbols lowered by 0.3")
        with torch.no_grad():
            head_of(tuned.model).bias[len(cache.parent.symbols) : -1] -= 0.3
        check = keeps_old_symbols(cache, tuned.model, validation, config)
    return check


def _entry(
    config: FinetuneConfig,
    cache: FeatureCache,
    found: SampleSet,
    rehearsal: Rehearsal,
    tuned: Finetuned,
    gate: Gate,
) -> ModelEntry:
    """The manifest entry of the retrained classifier."""
    parent = cache.parent.entry
    recipe: dict[str, Any] = {
        **asdict(config.recipe),
        "retrained_from": parent.name,
        "parent_sha256": parent.sha256,
        "data_sha256": found.sha256,
        "rehearsal_sha256": rehearsal.sha256,
        "pictures": {shown(s): n for s, n in found.counts.items()},
        "steps_done": tuned.steps,
        "interrupted": tuned.interrupted,
        "margin": config.margin,
        "gate": list(gate.reasons) or "passed",
    }
    return ModelEntry(
        name=config.out.stem,
        task="classifier",
        file=config.out.name,
        sha256="",
        folder=config.out.parent,
        architecture=parent.architecture,
        charset=cache.names[:-1],
        input=parent.input,
        recipe=recipe,
        seed=config.recipe.seed,
        commit=commit_id(),
        license=parent.license,
        metrics=gate_metrics(gate),
        temperature=carried_temperature(
            cache.parent, tuned.model, cache.names, rehearsal.validation
        ),
    )


def _write_report(
    config: FinetuneConfig,
    gate: Gate,
    seen: CropReadings,
    cache: FeatureCache,
    entry: ModelEntry,
    notes: Sequence[str],
) -> Path:
    """Writes the report and its pictures; returns the path of the report."""
    report.draw_confusion(config.folder / report.CONFUSION, seen, cache.names[:-1])
    report.draw_worst(config.folder / report.WORST_READ, seen)
    parent, recipe = cache.parent.entry, entry.recipe
    facts = {
        "classifier": config.out.name,
        "parent": f"{parent.name}, sha256 {parent.sha256[:16]}",
        "pictures": ", ".join(f"{s} {n}" for s, n in recipe["pictures"].items()),
        "data": f"sha256 {recipe['data_sha256'][:16]}",
        "margin": f"{gate.margin:g} percentage points per class",
        "steps of the last stages": recipe["steps_done"],
    }
    if recipe["interrupted"]:
        facts["interrupted"] = "yes: the weights are those of the interruption"
    path = config.folder / "report.md"
    path.write_text(report.text(gate, facts, notes), encoding="utf-8")
    return path
