"""Adapts the networks to a line: from labeled pictures to a bundle that passed its gate."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.datasets.samples import Dataset
from industrial_ocr.errors import DatasetError
from industrial_ocr.inference.bundle import Bundle, as_json, open_bundle
from industrial_ocr.inference.export import add_onnx
from industrial_ocr.inference.manifest import ModelEntry, NetworkTask, find_entry
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset
from industrial_ocr.reader.bundled import TASKS, bundled_options
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.training.line import report
from industrial_ocr.training.line.calibrating import Calibrated, calibrated
from industrial_ocr.training.line.config import AdaptConfig
from industrial_ocr.training.line.division import History, check_strings, divide
from industrial_ocr.training.line.gate import (
    LineGate,
    LineReading,
    Score,
    Spelling,
    advice,
    refusals,
    warning,
)
from industrial_ocr.training.line.learning import CodeText
from industrial_ocr.training.line.measuring import (
    rapidocr_score,
    rendered_codes,
    score_pictures,
    score_strings,
)
from industrial_ocr.training.line.report import Adaptation
from industrial_ocr.training.line.sources import answered_strings, self_labeled, unlabeled_files
from industrial_ocr.training.line.strings import (
    LineData,
    LinePicture,
    LineString,
    gather,
    spelled,
    strings_of,
)
from industrial_ocr.training.line.teaching import (
    BOXES_SHARE,
    BOXES_STAGES,
    BOXES_STATES,
    CHARACTERS_STATE,
    STRINGS_SHARE,
    STRINGS_STATE,
    ParentReader,
    Taught,
    Teacher,
    TrainingData,
    paths_of,
)
from industrial_ocr.training.messages import Notes, Notify, Progress, with_whole

SHARES = {
    "learning the strings": STRINGS_SHARE,
    **dict.fromkeys(BOXES_STAGES, (BOXES_SHARE - STRINGS_SHARE) / len(BOXES_STAGES)),
    **dict.fromkeys(
        ("training the last stages", "calibrating, crnn", "reading now, auto"),
        (1 - BOXES_SHARE) / 3,
    ),
}
"""Shares of the time limit at whose end each stage ends."""
GENERAL_CODES = 300
ENGINES = (Engine.TWO_STAGE, Engine.CRNN, Engine.AUTO)
SETS: tuple[tuple[NetworkTask, ...], ...] = (
    ("recognizer", "detector", "classifier"),
    ("recognizer",),
    ("detector", "classifier"),
)
"""Sets of trained networks that are tried in this order; the first one that passes is kept."""


@dataclass(frozen=True, eq=False)
class _Line:
    """The data of a line.

    Attributes:
        data: all pictures.
        learn: the pictures for training.
        held: the held-out pictures.
        codes: draws random texts of the line.
        spelling: how texts of the line are compared.
        pattern: the pattern of the codes, if there is one.
        general: rendered codes of the line's symbols.
    """

    data: LineData
    learn: tuple[LinePicture, ...]
    held: tuple[LinePicture, ...]
    codes: CodeText
    spelling: Spelling
    pattern: Pattern | None
    general: list[LineString]

    @property
    def strings(self) -> list[LineString]:
        """The strings for training."""
        return strings_of(self.learn)


@dataclass(frozen=True, eq=False)
class _Before:
    """Readings of the held-out pictures and of the rendered codes before the training."""

    held: dict[Engine, Score]
    general: dict[Engine, Score]


@dataclass(frozen=True, eq=False)
class _Trial:
    """A set of trained networks with its calibration, its gates and the reasons to refuse it."""

    entries: dict[NetworkTask, ModelEntry]
    calibrated: Calibrated
    reader: Reader
    gates: dict[Engine, LineGate]
    reasons: tuple[str, ...]


class Adapter:
    """Adapts the networks to a line.

    The same data and seed give the same result if the time suffices for all steps.

    Args:
        config: settings of the adaptation.
        note: called with each message for the user.
        progress: called with the progress of each stage.
    """

    def __init__(
        self,
        config: AdaptConfig,
        note: Notify = lambda _: None,
        progress: Progress = lambda *_: None,
    ) -> None:
        self.config, self._note = config, Notes(note)
        self._progress = with_whole(progress, SHARES, "all stages, in percent")
        self._bundle = open_bundle(config.parent) if config.parent is not None else None
        self._options: dict[str, Any] = _reader_options(self._bundle)
        if config.backend is not None:
            self._options["backend"] = config.backend
        self._parents = {task: find_entry(task, self._options.get(task)) for task in TASKS}
        if self._bundle is not None and not self._bundle.holds_safetensors:
            raise DatasetError(
                f"{config.parent}: the networks of this bundle cannot be trained; take a bundle of "
                "adapt, or one exported with --backend torch"
            )
        document = None if self._bundle is None else self._bundle.document("adaptation.json")
        self._history = History.of((document or {}).get("pictures", {}))
        if not self._history.learned and "adapted_from" in self._parents["recognizer"].recipe:
            self._note(
                f"{config.parent} does not say which pictures it has learned; they may be held out"
            )

    def adapt(self, dataset: Dataset) -> Adaptation:
        """Trains on a dataset and writes the bundle if it passes the gate.

        Raises:
            DatasetError: there are too few strings, the pictures show single characters, or none
                can be held out.
            PatternError: the pattern cannot be compiled.
            WeightsError: the bundle cannot be written.
        """
        config, start = self.config, time.monotonic()
        reader = Reader(**self._options)
        line = self._line(dataset, reader)
        before = _Before(
            {engine: self._score(reader, line, engine, "before") for engine in ENGINES},
            {engine: self._general(reader, line, engine) for engine in PIPELINES},
        )
        data = TrainingData(line.strings, self._rehearsed(reader, line), line.data.sha256)
        del reader  # the training needs its memory
        with tempfile.TemporaryDirectory() as folder:
            parent = ParentReader(self._options, self._parents)
            teacher = Teacher(config, parent, data, Path(folder), self._note, self._progress)
            taught = teacher.teach()
            trial = self._passing(taught, line, before)
            suspects = self._suspects(trial.reader, line)
            for engine, gate in trial.gates.items():
                if text := warning(gate):
                    self._note(f"{engine.value}: {text}")
            counts = _symbol_counts(line)
            outcome = Adaptation(
                trial.gates,
                trial.reasons,
                before.held,
                self._after(trial.reader, line, trial.calibrated.scores),
                rapidocr_score(line.held, line.spelling),
                trial.calibrated.promise,
                self._facts(line, taught, trial, time.monotonic() - start),
                tuple(self._note.lines),
                suspects,
                tuple(advice(trial.gates, counts, len(suspects)) if trial.reasons else ()),
                not trial.reasons or config.force,
                taught.interrupted,
                config.beside("-report.html"),
            )
            page = report.page(outcome, line.data.pictures, line.data.problems)
            outcome.report.write_text(page, encoding="utf-8")
            if outcome.written:
                self._write(outcome, trial, page, line)
        return outcome

    def _write(self, outcome: Adaptation, trial: _Trial, page: str, line: _Line) -> None:
        """Writes the bundle and removes the checkpoints."""
        out = self.config.out
        for entry in trial.entries.values():
            add_onnx(entry)
        recipe = next(iter(trial.entries.values())).recipe
        pictures = self._history.then(line.learn, line.held).to_dict()
        documents = {
            "adaptation.json": as_json({**report.summary(outcome, recipe), "pictures": pictures}),
            "report.html": page.encode(),
        }
        presets = {**self._options.get("patterns", {}), **self._preset(line)}
        reader = Reader(**{**trial.calibrated.options, "patterns": presets})
        reader.export(out, every_backend=True, documents=documents)
        for state in (STRINGS_STATE, *BOXES_STATES, CHARACTERS_STATE):
            self.config.beside(state).unlink(missing_ok=True)

    def _line(self, dataset: Dataset, reader: Reader) -> _Line:
        config = self.config
        pattern = reader.pattern(config.pattern) if config.pattern else None
        data = self._gathered(dataset, reader, pattern)
        check_strings(data.pictures)
        further = self._more(dataset, reader, pattern)
        more = [*chain.from_iterable(f.pictures for f in further)]
        learn, held = divide(data.pictures, config.recipe.seed, more, self._history)
        for found in further:
            data = data.joined(found)
        if left := len(data.pictures) - len(learn) - len(held):
            self._note(f"{left} further pictures are not used: their series is held out")
        for problem in data.problems:
            self._note(f"left out: {problem}")
        texts = [spelled(t) for t in chain.from_iterable(p.texts for p in data.pictures)]
        symbols = set("".join(texts)) | set(expanded(config.symbols))
        if pattern is not None:
            odd = [t for t in texts if pattern.match(t) is None]
            if odd:
                self._note(f"{len(odd)} labels do not match the pattern, for example {odd[0]!r}")
            rng = np.random.default_rng(0)
            symbols.update(*(pattern.sample(rng) for _ in range(200)))
        known = tuple(sorted(s for s in symbols if reader.charset.supports(s)))
        codes = CodeText(known, tuple(len(t) for t in texts), pattern)
        general = rendered_codes(codes, config.fonts, GENERAL_CODES)
        spelling = Spelling.of(known, config.contains)
        line = _Line(data, learn, held, codes, spelling, pattern, general)
        self._note(
            f"{len(line.strings)} strings for training, {sum(len(p.texts) for p in held)} held out "
            f"for measuring; symbols {''.join(known)}"
        )
        return line

    def _gathered(self, dataset: Dataset, reader: Reader, pattern: Pattern | None) -> LineData:
        samples = self._tracked(dataset.samples, "finding the strings")
        data = gather(dataset, reader.models, self.config.contains, samples)
        if dataset.format != "review" or pattern is None:
            return data
        # A code on the review page is without separators; where some are printed, it is no label.
        marks = Spelling(True, frozenset(pattern.separators))
        strings = strings_of(data.pictures)
        read = score_strings(reader, Engine.CRNN, strings, marks, self._tracked).readings
        lacking = {r.name for r in read if marks.marks & set(r.text) - set(r.truth)}
        problems = [f"{name}: separators are read that its answer lacks" for name in lacking]
        pictures = tuple(p for p in data.pictures if p.sample.name not in lacking)
        return replace(data, pictures=pictures, problems=(*data.problems, *sorted(problems)))

    def _more(
        self, dataset: Dataset, reader: Reader, pattern: Pattern | None
    ) -> Sequence[LineData]:
        """Further training data: answers of the review page, and confident readings."""
        config, found = self.config, []
        if config.answers is not None:
            found.append(self._gathered(answered_strings(config.answers), reader, pattern))
            self._note(f"{len(strings_of(found[0].pictures))} strings from {config.answers}")
        if config.unlabeled is not None and pattern is not None:
            confirm = config.beside("-confirm")
            labeled = {s.path.resolve() for s in dataset.samples if s.path is not None}
            files = [f for f in unlabeled_files(config.unlabeled) if f.resolve() not in labeled]
            looked = self._tracked(files, "reading pictures without labels")
            sure = self_labeled(reader, looked, pattern, dataset.task == "recognize", confirm)
            self._note(f"{len(sure.samples)} of {len(files)} pictures without labels are used")
            if sure.shown:
                self._note(
                    f"confirm {sure.shown} of their readings: industrial-ocr review {confirm}; "
                    f"then use the corrections with --answers {confirm}"
                )
            where = config.unlabeled
            own = Dataset(where.name, where, "unlabeled", dataset.task, sure.samples)
            found.append(self._gathered(own, reader, pattern))
        return found

    def _tracked(self, items: Sequence[Any], stage: str) -> Any:
        for i, item in enumerate(items):
            self._progress(stage, i, len(items))
            yield item
        self._progress(stage, len(items), len(items))

    def _score(self, reader: Reader, line: _Line, engine: Engine, when: str = "now") -> Score:
        """The readings of the held-out pictures by one engine."""
        held = self._tracked(line.held, f"reading {when}, {engine.value}")
        return score_pictures(reader, engine, held, line.spelling, line.pattern)

    def _after(
        self, reader: Reader, line: _Line, scores: dict[Engine, Score]
    ) -> dict[Engine, Score]:
        """``scores`` with those of the other engines on the held-out pictures."""
        rest = [engine for engine in ENGINES if engine not in scores]
        return {**scores, **{engine: self._score(reader, line, engine) for engine in rest}}

    def _general(self, reader: Reader, line: _Line, engine: Engine) -> Score:
        return score_strings(reader, engine, line.general, line.spelling, self._tracked)

    def _rehearsed(self, reader: Reader, line: _Line) -> CodeText:
        """Texts for the rehearsal, with the symbols that the parent confuses on the line."""
        read = score_strings(reader, Engine.CRNN, line.strings, line.spelling, self._tracked)
        known = {p: n for p, n in read.confusions().items() if all(map(reader.charset.supports, p))}
        return line.codes.confusable_first(known)

    def _passing(self, taught: Taught, line: _Line, before: _Before) -> _Trial:
        """The first set of networks that passes; if none does, the first set."""
        first = None
        for tasks in SETS:
            if all(task in taught.entries for task in tasks):
                trial = self._trial({t: taught.entries[t] for t in tasks}, line, before)
                first = first or trial
                if not trial.reasons:
                    return trial
        assert first is not None  # the recognizer is always trained
        return first

    def _trial(
        self, entries: dict[NetworkTask, ModelEntry], line: _Line, before: _Before
    ) -> _Trial:
        """Calibrates a set of networks and measures it."""

        def measure(reader: Reader, engine: Engine, pictures: Sequence[LinePicture]) -> Score:
            own = self._tracked(pictures, f"calibrating, {engine.value}")
            return score_pictures(reader, engine, own, line.spelling, line.pattern)

        options = {**self._options, **paths_of(entries), "calibration": None}
        about = {"data": line.data.sha256, "strings": sum(len(p.texts) for p in line.held)}
        found = calibrated(options, line.held, measure, line.pattern is not None, about)
        reader = Reader(**found.options)
        learned = {Engine.CRNN: "recognizer" in entries, Engine.TWO_STAGE: "classifier" in entries}
        scores = {e: (before.held[e], s) for e, s in found.scores.items() if learned[e]}
        gates = {
            engine: LineGate(
                before.held[engine],
                found.scores[engine],
                before.general[engine],
                self._general(reader, line, engine) if own else before.general[engine],
                self.config.margin,
                tuple(pair for other, pair in scores.items() if other is not engine),
            )
            for engine, own in learned.items()
            if engine in found.scores
        }
        return _Trial(entries, found, reader, gates, refusals(gates, learned))

    def _suspects(self, reader: Reader, line: _Line) -> tuple[LineReading, ...]:
        """Readings by the adapted CRNN with more than half of the label wrong; notes them."""
        strings = strings_of(line.data.pictures)
        score = score_strings(reader, Engine.CRNN, strings, line.spelling, self._tracked)
        odd = tuple(r for r in score.readings if 2 * r.distance > len(r.truth))
        for r in odd[:20]:
            self._note(
                f"check the label of {r.name}: it is {r.truth}, the reading {r.text or 'nothing'}"
            )
        if len(odd) > 20:
            self._note(f"and {len(odd) - 20} more labels to check")
        if 3 * len(odd) > len(strings):
            self._note(
                f"{len(odd)} of {len(strings)} labels do not match their pictures: do they belong "
                "to other pictures?"
            )
        return odd

    def _facts(self, line: _Line, taught: Taught, trial: _Trial, seconds: float) -> dict[str, str]:
        networks: dict[str, str] = {
            task: f"sha256 {entry.sha256[:16]}, from {self._parents[task].name}"
            for task, entry in trial.entries.items()
        }
        return {
            "training": f"{len(line.strings)} strings in {taught.steps} steps, "
            f"{taught.characters} characters with boxes",
            "held out": f"{sum(len(p.texts) for p in line.held)} strings on "
            f"{len(line.held)} pictures, whole series if they can be told apart",
            "symbols": "".join(line.codes.symbols),
            "pattern": self.config.pattern or "none",
            **networks,
            "pictures": f"sha256 {line.data.sha256[:16]}",
            "minutes": f"{seconds / 60:.1f}",
        }

    def _preset(self, line: _Line) -> dict[str, Preset]:
        """The pattern of the line under its name in the bundle; empty if it has none."""
        if line.pattern is None:
            return {}
        return report.named_pattern(str(self.config.pattern), line.pattern)


def _reader_options(bundle: Bundle | None) -> dict[str, Any]:
    if bundle is None:
        return {}
    bundle.check()
    # The parent's calibration does not hold for the trained networks.
    return {**bundled_options(bundle), "calibration": None, "max_misread_rate": None}


def _symbol_counts(line: _Line) -> Counter[str]:
    """Number of training strings that show each symbol."""
    texts = (line.spelling.normalize(s.text) for s in line.strings)
    return Counter(chain.from_iterable(set(text) for text in texts))


def expanded(symbols: str) -> str:
    """``0-9.`` as ``0123456789.``: a hyphen between two letters or digits stands for a range.

    ``0-Z`` are the digits and the capitals, without the marks that stand between them in Unicode.
    """
    found, at = "", 0
    while at < len(symbols):
        part = symbols[at : at + 3]
        ends = part[0] + part[-1]
        if len(part) == 3 and part[1] == "-" and ends.isalnum() and part[0] < part[2]:
            between = map(chr, range(ord(part[0]), ord(part[2]) + 1))
            found += "".join(symbol for symbol in between if symbol.isalnum())
            at += 3
        else:
            found += symbols[at]
            at += 1
    return found
