"""A benchmark from its options to its files: what the command line calls."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from industrial_ocr.config import PipelineConfig, config_path, load_config
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.samples import Dataset
from industrial_ocr.datasets.splits import Split, part_of
from industrial_ocr.decoding.lexicon import Lexicon, lexicon_of
from industrial_ocr.errors import ConfigError, EngineError
from industrial_ocr.evaluation.engines import OWN, Engine, OwnEngine, make_engines
from industrial_ocr.evaluation.items import Rules
from industrial_ocr.evaluation.machine import describe_machine, probe, versions
from industrial_ocr.evaluation.oracle import run_oracle
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.runner import describe_run, prepare_folder, run_benchmark
from industrial_ocr.evaluation.suite import Judging, Suite, rules_of
from industrial_ocr.evaluation.summary import percent

__all__ = ["build_engines", "extras", "plan_run", "prepare_folder", "recorded_rules", "run"]
TASKS = {
    "read": "whole pictures (--task read)",
    "recognize": "crops of one string each (--task recognize; for whole pictures --task read)",
    "classify": "crops of one character each (--task classify)",
}
LEXICON_ENGINE = "crnn+lexicon"


@dataclass(frozen=True)
class Plan:
    """What is to be run and how it is judged.

    Attributes:
        datasets: cut to the limit.
        suite: as loaded, None without one.
        judging: of datasets that the suite does not name.
        rules: by dataset name, ``""`` for all others.
        thresholds: by engine.
        limit: images of each dataset, 0 for all.
    """

    datasets: tuple[Dataset, ...]
    suite: Suite | None
    judging: Judging
    rules: dict[str, Rules]
    thresholds: dict[str, float]
    limit: int

    @property
    def absent(self) -> list[str]:
        """Datasets of the suite that are not there."""
        known = {d.name for d in self.datasets}
        return [] if self.suite is None else [n for n in self.suite.datasets if n not in known]

    def judged(self, name: str) -> Judging:
        """How a dataset is judged."""
        known = {} if self.suite is None else self.suite.datasets
        return known.get(name, self.judging)


@dataclass(frozen=True)
class Team:
    """The engines of a run.

    Attributes:
        engines: in the order they were asked for.
        missing: those that could not be made, each with one line that says why.
        reader: of our own engines, None where none of them was asked for.
    """

    engines: tuple[Engine, ...]
    missing: dict[str, str]
    reader: Any


def _model(kind: type[Any], values: Mapping[str, Any], source: str) -> Any:
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{source}: {key}: {first['msg']}") from error


def load_suite(path: Path) -> Suite:
    """A suite from YAML.

    Raises:
        ConfigError: it cannot be read, a key is unknown or a value impossible; names the key.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: the suite cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a suite is a mapping with the key datasets")
    suite: Suite = _model(Suite, values, str(path))
    return suite


def plan_run(
    data: Sequence[Path], suite_file: Path | None, judging: Mapping[str, Any],
    label_format: str | None, limit: int, thresholds: Sequence[str],
    split: Split | Literal["all"] = "all",
) -> Plan:  # fmt: skip
    """Loads the datasets and everything that says how they are judged; no image is opened.

    Raises:
        DatasetError: a dataset is missing, has bad rows or no sample.
        ConfigError: a setting is impossible.
    """
    own = {k: v for k, v in judging.items() if v is not None}
    otherwise: Judging = _model(Judging, own, "options")
    suite = None if suite_file is None else load_suite(suite_file)
    folders = [(f.resolve().name, f) for f in data]
    if suite is not None:
        if len(folders) != 1:
            raise ConfigError("with --suite give the one folder that its datasets are in")
        if suite_file is not None and data[0].name not in suite.datasets:
            folders = list(suite.folders(data[0]).items())
    datasets = []
    for name, folder in folders:
        judged = suite.datasets.get(name, otherwise) if suite is not None else otherwise
        found = load_dataset(folder, label_format, judged.task)
        if split != "all":
            found = part_of(found, split)
        datasets.append(replace(found, name=name, samples=found.samples[: limit or None]))
    rules = rules_of([d.name for d in datasets], suite, otherwise)
    return Plan(tuple(datasets), suite, otherwise, rules, thresholds_of(thresholds, suite), limit)


def thresholds_of(given: Sequence[str], suite: Suite | None = None) -> dict[str, float]:
    """Below them an answer is refused: ours by their own limit, rivals have none."""
    own = load_config(config_path("pipeline"), PipelineConfig).confidence.min_confidence
    found = dict.fromkeys(OWN, own) | (dict(suite.thresholds) if suite is not None else {})
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"--threshold is ENGINE=VALUE, got {text!r}") from error
    return found


def build_engines(names: Sequence[str], plan: Plan, options: Mapping[str, Any]) -> Team:
    """Makes the engines; under a lexicon the crnn is one more engine.

    Raises:
        EngineError: an unknown name, or none of the engines can be made.
        DatasetError: the lexicon file cannot be used.
    """
    readers: list[Any] = []

    def make_reader() -> Any:
        from industrial_ocr.reader.reader import Reader

        readers.append(Reader(**options))
        return readers[0]

    wanted = [n.strip() for n in names if n.strip()]
    patterns = {
        d.name: pattern
        for d in plan.datasets
        if (pattern := plan.rules.get(d.name, plan.rules[""]).read_under) is not None
    }
    engines, missing = make_engines(wanted, make_reader, patterns)
    if not engines:
        raise EngineError("no engine can run: " + "; ".join(missing.values()))
    for engine in engines:
        asked = {d.name: plan.judged(d.name).engines for d in plan.datasets}
        reads = (name for name, only in asked.items() if only is None or engine.name in only)
        engine.datasets = frozenset(reads)
    reader = readers[0] if readers else None
    if reader is not None and "crnn" in wanted:
        lexicons = _lexicons(plan, reader)
        if lexicons:
            engines.append(_LexiconEngine(reader, lexicons))
    return Team(tuple(engines), missing, reader)


def _lexicons(plan: Plan, reader: Any) -> dict[str, Lexicon]:
    """A lexicon for each dataset of strings that is read under one."""
    found = {}
    for dataset in plan.datasets:
        lexicon = plan.judged(dataset.name).lexicon
        if dataset.task != "recognize" or lexicon is None:
            continue
        if lexicon == "labels":
            texts = (label.text for label in dataset.labels)
            found[dataset.name] = lexicon_of(texts, reader.charset)
        else:
            found[dataset.name] = Lexicon.from_file(Path(lexicon), reader.charset)
    return found


class _LexiconEngine(OwnEngine):
    """The crnn under a lexicon, on the datasets that have one."""

    def __init__(self, reader: Any, lexicons: Mapping[str, Lexicon]) -> None:
        super().__init__("crnn", reader)
        self.name = LEXICON_ENGINE
        self.lexicons = lexicons
        self.datasets = frozenset(lexicons)
        self.words: Lexicon | None = None

    def use(self, dataset: str) -> None:
        """Takes the lexicon of a dataset; patterns go to the plain engine."""
        self.words = self.lexicons[dataset]

    def recognize(self, image: Any, one_character: bool = False) -> Any:
        """``Reader.recognize`` under the lexicon."""
        return self._call(
            lambda: self.reader.recognize([image], engine="crnn", lexicon=self.words)[0]
        )


def _weights(reader: Any) -> dict[str, str]:
    """sha256 of the weights that our engines read with."""
    return {} if reader is None else dict(reader.weights)


def run(
    plan: Plan,
    team: Team,
    out: Path,
    command: Sequence[str],
    track: Callable[[Any], Iterable[Any]],
) -> RecordedRun:
    """Runs or continues; see ``runner.run_benchmark``."""
    judged = {d.name: plan.judged(d.name).model_dump(exclude_defaults=True) for d in plan.datasets}
    about = describe_run(
        plan.datasets,
        team.engines,
        plan.limit,
        weights=_weights(team.reader),
        command=shlex.join(["industrial-ocr", *command]),
        judging=judged,
        machine=describe_machine(),
        versions=versions(),
    )
    return run_benchmark(plan.datasets, team.engines, out, about, track)


def recorded_rules(run: RecordedRun, suite_file: Path | None) -> dict[str, Rules]:
    """The rules a run was judged by, or those of a suite where one is given."""
    if suite_file is not None:
        suite = load_suite(suite_file)
        return rules_of(list(suite.datasets), suite, Judging())
    judged = {k: Judging(**v).rules() for k, v in run.about.get("judging", {}).items()}
    return {"": Rules(), **judged}


def extras(
    plan: Plan, team: Team, options: Mapping[str, Any], oracle: bool, probing: bool
) -> list[str]:
    """Lines of what is measured besides: perfect boxes, memory and start."""
    lines = []
    if oracle and team.reader is not None:
        for dataset in plan.datasets:
            found = run_oracle(
                dataset, team.reader, plan.rules.get(dataset.name, Rules()), dataset.samples
            )
            cells = [
                f"{what} {percent(part.rate)} % of {part.total}"
                for what, part in (
                    ("characters classified in labeled boxes", found.characters),
                    ("codes of such characters", found.codes),
                    ("labeled strings read by crnn", found.strings),
                )
                if part.total
            ]
            if cells:
                lines.append(f"oracle {dataset.name}: " + ", ".join(cells))
    if probing:
        lines += _probe_lines(plan, team, options)
    return lines


def _probe_lines(plan: Plan, team: Team, options: Mapping[str, Any]) -> list[str]:
    pictures = [d for d in plan.datasets if d.task == "read"] or list(plan.datasets)
    source = pictures[0].samples[0].path
    if source is None:
        return ["probe: needs a dataset of image files"]
    lines = []
    for engine in team.engines:
        if engine.name == LEXICON_ENGINE:
            continue
        own = dict(options) if engine.name in OWN else {}
        found = probe(engine.name, source, own)
        text = (
            f"first result after {found['first_result_s']:.1f} s in a fresh process, "
            f"peak memory {found['peak_mb']:.0f} MB"
            if found
            else "failed"
        )
        lines.append(f"probe {engine.name} on {pictures[0].name}/{source.name}: {text}")
    return lines
