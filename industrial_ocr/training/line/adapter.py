"""One adaptation, from a line's labeled pictures to a bundle that has passed its gate."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.datasets.samples import Dataset
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.decoding.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    Calibration,
    MisreadCurve,
    curve_name,
    fit_ctc_temperature,
)
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.errors import DatasetError
from industrial_ocr.inference.bundle import Bundle, as_json, open_bundle
from industrial_ocr.inference.export import add_onnx
from industrial_ocr.inference.manifest import ModelEntry, find_entry
from industrial_ocr.inference.weights import commit_id, save_entry
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.bundled import bundled_options
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.line import report
from industrial_ocr.training.line.config import AdaptConfig
from industrial_ocr.training.line.division import divide
from industrial_ocr.training.line.gate import (
    LineGate,
    LineReading,
    Score,
    Spelling,
    advice,
    crop_reading,
    reading_of,
    warning,
)
from industrial_ocr.training.line.learning import (
    CodeText,
    Learned,
    Learning,
    LineTask,
    Progress,
    key_of,
)
from industrial_ocr.training.line.report import Adaptation
from industrial_ocr.training.line.strings import (
    LineData,
    LinePicture,
    LineString,
    gather,
    spelled,
    string_frames,
    strings_of,
)

LEARNING_SHARE = 0.85
"""Of the minutes; the rest is for measuring and for writing."""
GENERAL_SEED = 7_000_003
"""Of the rendered codes that are measured; no training uses it."""
GENERAL_CODES = 300
FOLDS = 5
"""Of the cross-fitting of the temperature."""
WAYS = (Engine.TWO_STAGE, Engine.CRNN, Engine.AUTO)

Notify = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Line:
    """What is known of a line before anything is learned.

    Attributes:
        data: its pictures.
        learn: those to learn.
        held: those kept back.
        codes: texts like its own.
        spelling: how its texts are compared.
        pattern: of its codes.
    """

    data: LineData
    learn: tuple[LinePicture, ...]
    held: tuple[LinePicture, ...]
    codes: CodeText
    spelling: Spelling
    pattern: Pattern | None

    @property
    def strings(self) -> list[LineString]:
        """Those to learn."""
        return strings_of(self.learn)


class Adapter:
    """Adapts the recognizer to a line; the same data and seed give the same result.

    Args:
        config: of the adaptation.
        note: called with each line for people.
        progress: called with a stage, how much of it is done and how much there is.
    """

    def __init__(
        self,
        config: AdaptConfig,
        note: Notify = lambda _: None,
        progress: Progress = lambda *_: None,
    ) -> None:
        self.config, self._progress = config, progress
        self._notes: list[str] = []
        self._tell = note
        self._bundle = open_bundle(config.parent) if config.parent is not None else None
        self._options: dict[str, Any] = _reader_options(self._bundle)
        if config.backend is not None:
            self._options["backend"] = config.backend
        self._entry = find_entry("recognizer", self._options.get("recognizer"))
        if self._bundle is not None and not self._bundle.holds_safetensors:
            raise DatasetError(
                f"{config.parent}: holds no network that can be trained on; a bundle of adapt or "
                "one exported with --backend torch does"
            )

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._tell(text)

    def adapt(self, dataset: Dataset) -> Adaptation:
        """Learns the strings of a dataset and writes the bundle, if the gate lets it.

        Raises:
            DatasetError: too few strings, single characters, or nothing to measure with.
            PatternError: the pattern cannot be compiled.
            WeightsError: the bundle cannot be written.
        """
        config, start = self.config, time.monotonic()
        reader = Reader(**self._options)
        line = self._line(dataset, reader)
        before = {way: self._measured(reader, line, way, "reading before") for way in WAYS}
        general = self._general(line.codes)
        general_before = self._plain(reader, general, line.spelling)
        learned = self._learned(line, start + 60 * LEARNING_SHARE * config.minutes)
        with tempfile.TemporaryDirectory() as folder:
            entry = self._saved(Path(folder), line, learned)
            adapted = {**self._options, "recognizer": entry.path, "calibration": None}
            calibration, crnn = self._calibrated(adapted, line)
            adapted["calibration"] = calibration
            reader = Reader(**adapted)
            after = {**before, Engine.CRNN: crnn}  # two-stage does not change
            after[Engine.AUTO] = self._measured(reader, line, Engine.AUTO, "reading now")
            general_after = self._plain(reader, general, line.spelling)
            gate = LineGate(before[Engine.CRNN], crnn, general_before, general_after, config.margin)
            suspects = self._suspects(reader, line)
            if text := warning(gate):
                self._note(text)
            outcome = Adaptation(
                gate,
                before,
                after,
                min((c.lowest_rate() for c in calibration.curves.values()), default=1.0),
                self._facts(line, learned, entry, time.monotonic() - start),
                tuple(self._notes),
                tuple(() if gate.passed else advice(gate, _symbol_counts(line), suspects)),
                gate.passed or config.force,
                learned.interrupted,
                config.beside("-report.html"),
            )
            page = report.page(outcome, line.held, line.data.problems)
            outcome.report.write_text(page, encoding="utf-8")
            if outcome.written:
                documents = {
                    "adaptation.json": as_json(report.summary(outcome, entry.recipe)),
                    "report.html": page.encode(),
                }
                presets = {**self._options.get("patterns", {}), **self._preset(line)}
                Reader(**{**adapted, "patterns": presets}).export(
                    config.out, every_backend=True, documents=documents
                )
                self._checkpoint.unlink(missing_ok=True)
        return outcome

    def _line(self, dataset: Dataset, reader: Reader) -> _Line:
        config = self.config
        pattern = reader.pattern(config.pattern) if config.pattern else None
        samples = self._tracked(dataset.samples, "finding the strings")
        data = gather(dataset, reader.models, config.contains, samples)
        for problem in data.problems:
            self._note(f"left out: {problem}")
        texts = [spelled(t) for t in chain.from_iterable(p.texts for p in data.pictures)]
        if pattern is not None:
            odd = [t for t in texts if pattern.match(t) is None]
            if odd:
                self._note(f"{len(odd)} labels do not match the pattern, as {odd[0]!r}")
        learn, held = divide(data.pictures, config.recipe.seed)
        symbols = set("".join(texts)) | set(expanded(config.symbols))
        if pattern is not None:
            rng = np.random.default_rng(0)
            symbols.update(*(pattern.sample(rng) for _ in range(200)))
        known = tuple(sorted(s for s in symbols if reader.charset.supports(s)))
        codes = CodeText(known, tuple(len(t) for t in texts), pattern)
        line = _Line(data, learn, held, codes, Spelling.of(known, config.contains), pattern)
        self._note(
            f"{len(line.strings)} strings to learn, {sum(len(p.texts) for p in held)} kept back "
            f"to measure; symbols {''.join(known)}"
        )
        return line

    def _tracked(self, items: Sequence[Any], stage: str) -> Any:
        for i, item in enumerate(items):
            self._progress(stage, i, len(items))
            yield item
        self._progress(stage, len(items), len(items))

    def _measured(
        self,
        reader: Reader,
        line: _Line,
        way: Engine,
        stage: str,
        pictures: Sequence[LinePicture] | None = None,
    ) -> Score:
        """How one way reads pictures, those kept back by default."""
        found: list[LineReading] = []
        pictures = line.held if pictures is None else pictures
        for picture in self._tracked(pictures, f"{stage}, {way.value}"):
            source, pattern = picture.sample.source, line.pattern
            if picture.one_string:
                result = reader.recognize([source], engine=way, pattern=pattern)[0]
            else:
                result = reader.read(source, engine=way, pattern=pattern)
            judge = crop_reading if picture.one_string else reading_of
            name = picture.sample.name
            found += [judge(name, t, result, line.spelling, pattern) for t in picture.texts]
        return Score(tuple(found))

    def _general(self, codes: CodeText) -> list[LineString]:
        """Rendered codes of the line's symbols."""
        renderer, found = StripRenderer(self.config.fonts), []
        for i in range(GENERAL_CODES):
            text = codes.draw(np.random.default_rng((GENERAL_SEED, i)))
            image = renderer.render((GENERAL_SEED, i), text).image
            whole = rect_quad(0, 0, image.shape[1], image.shape[0])
            found.append(LineString(f"rendered {i}", text, image, whole))
        return found

    def _plain(self, reader: Reader, strings: Sequence[LineString], spelling: Spelling) -> Score:
        """How strings are read at a single look, the way that learning sees them."""
        models, readings = reader.models, []
        for i in self._tracked(range(0, len(strings), 32), "reading strings"):
            part = strings[i : i + 32]
            for string, table in zip(part, string_frames(models, part), strict=True):
                text = "".join(s.symbol for s in greedy_decode(table, reader.charset, 0))
                truth = spelling.normalize(string.text)
                said = spelling.normalize(text)
                readings.append(LineReading(string.name, truth, said, 1.0, bool(said)))
        return Score(tuple(readings))

    @property
    def _checkpoint(self) -> Path:
        return self.config.beside(".state.pt")

    def _learned(self, line: _Line, deadline: float) -> Learned:
        recipe = self.config.recipe
        task = LineTask(self._entry, line.strings, line.codes, recipe, self.config.fonts, workers=1)
        key = key_of(self._entry, line.data.sha256, line.codes, recipe, self.config.fonts)
        learned = Learning(task, recipe, self._checkpoint, key).run(deadline, self._progress)
        if learned.interrupted:
            self._note(f"interrupted after {learned.steps} of {learned.planned} steps")
        elif learned.steps < learned.planned:
            self._note(
                f"{learned.steps} of {learned.planned} steps fit into {self.config.minutes:g} "
                "minutes; more minutes may read better"
            )
        return learned

    def _saved(self, folder: Path, line: _Line, learned: Learned) -> ModelEntry:
        """The adapted recognizer with its ONNX file."""
        parent = self._entry
        recipe = {
            **dataclasses.asdict(self.config.recipe),
            **{k: parent.recipe[k] for k in report.KEPT_OF_PARENT if k in parent.recipe},
            "adapted_from": parent.name,
            "parent_sha256": parent.sha256,
            "data_sha256": line.data.sha256,
            "strings": len(line.strings),
            "steps_done": learned.steps,
        }
        entry = parent.model_copy(
            update={
                "name": "line",
                "file": "line.safetensors",
                "folder": folder,
                "recipe": recipe,
                "seed": self.config.recipe.seed,
                "commit": commit_id(),
                "metrics": {},
            }
        )
        return add_onnx(save_entry(folder, entry, learned.model.state_dict()))

    def _calibrated(self, options: dict[str, Any], line: _Line) -> tuple[Calibration, Score]:
        """Temperature and misread curve, of pictures that neither of them was fitted to.

        Each of ``FOLDS`` parts of the pictures kept back is read at the temperature that fits the
        others.
        """
        settings = Reader(**options).config
        limits = settings.confidence
        least = limits.min_code_confidence if line.pattern else limits.min_confidence
        accept_all = dict.fromkeys(("min_confidence", "min_code_confidence"), 0.0)
        confidence = limits.model_copy(update=accept_all)
        options = {**options, "config": settings.model_copy(update={"confidence": confidence})}
        reader = Reader(**options)
        weights = {"recognizer": reader.weights["recognizer"]}
        readings: dict[tuple[int, int], LineReading] = {}
        for fold in range(FOLDS):
            others = [p for i, p in enumerate(line.held) if i % FOLDS != fold]
            own = [(i, p) for i, p in enumerate(line.held) if i % FOLDS == fold]
            fitted = Calibration({"recognizer": _temperature(reader, others)}, {}, weights)
            part = Reader(**{**options, "calibration": fitted})
            for i, picture in own:
                score = self._measured(part, line, Engine.CRNN, "calibrating", [picture])
                readings |= {(i, k): r for k, r in enumerate(score.readings)}
        ordered = [readings[key] for key in sorted(readings)]
        passing = [r for r in ordered if r.accepted]
        curve = MisreadCurve.of(
            [r.confidence for r in passing], [r.right for r in passing], len(ordered)
        )
        name = curve_name(Engine.CRNN.value, line.pattern is not None)
        calibration = Calibration(
            {"recognizer": _temperature(reader, line.held)},
            {name: curve},
            weights,
            {"data": line.data.sha256, "strings": len(ordered)},
        )
        judged = [
            dataclasses.replace(r, accepted=r.accepted and r.confidence >= least) for r in ordered
        ]
        return calibration, Score(tuple(judged))

    def _suspects(self, reader: Reader, line: _Line) -> int:
        """Notes the labels that even the adapted recognizer reads quite otherwise."""
        strings = strings_of(line.data.pictures)
        score = self._plain(reader, strings, line.spelling)
        odd = [r for r in score.readings if 2 * r.distance > len(r.truth)]
        for r in odd[:20]:
            self._note(
                f"check the label: {r.name} says {r.truth}, it reads as {r.text or 'nothing'}"
            )
        if len(odd) > 20:
            self._note(f"and {len(odd) - 20} more labels to check")
        return len(odd)

    def _facts(
        self, line: _Line, learned: Learned, entry: ModelEntry, seconds: float
    ) -> dict[str, str]:
        parent = self._entry
        return {
            "learned": f"{len(line.strings)} strings in {learned.steps} steps",
            "kept back": f"{sum(len(p.texts) for p in line.held)} strings on "
            f"{len(line.held)} pictures, by series where it can be told",
            "symbols": "".join(line.codes.symbols),
            "pattern": self.config.pattern or "none",
            "parent": f"{parent.name}, sha256 {parent.sha256[:16]}",
            "recognizer": f"sha256 {entry.sha256[:16]}",
            "pictures": f"sha256 {line.data.sha256[:16]}",
            "minutes": f"{seconds / 60:.1f}",
        }

    def _preset(self, line: _Line) -> dict[str, Any]:
        """The pattern of the line under its name in the bundle, ``line`` if it has none."""
        if line.pattern is None:
            return {}
        return report.named_pattern(str(self.config.pattern), line.pattern)


def _reader_options(bundle: Bundle | None) -> dict[str, Any]:
    if bundle is None:
        return {}
    bundle.check()
    # What was measured of the parent does not hold for what comes of it.
    return {**bundled_options(bundle), "calibration": None, "max_misread_rate": None}


def _temperature(reader: Reader, pictures: Sequence[LinePicture]) -> float:
    """The temperature under which labels are likeliest; the one it has where there are too few."""
    strings = strings_of(pictures)
    now = reader.temperatures["recognizer"]
    if not strings:
        return now
    tables = string_frames(reader.models, strings)
    labels = [reader.charset.encode(spelled(s.text)) for s in strings]
    change = fit_ctc_temperature(tables, labels)
    return float(np.clip(now * change, LEAST_TEMPERATURE, LARGEST_TEMPERATURE))


def _symbol_counts(line: _Line) -> Counter[str]:
    """How many learned strings show each symbol."""
    texts = (line.spelling.normalize(s.text) for s in line.strings)
    return Counter(chain.from_iterable(set(text) for text in texts))


def expanded(symbols: str) -> str:
    """``0-9.`` as ``0123456789.``: a range between two digits or letters, else as it stands."""
    found, at = "", 0
    while at < len(symbols):
        part = symbols[at : at + 3]
        if len(part) == 3 and part[1] == "-" and part[0].isalnum() and part[0] < part[2]:
            found += "".join(map(chr, range(ord(part[0]), ord(part[2]) + 1)))
            at += 3
        else:
            found += symbols[at]
            at += 1
    return found
