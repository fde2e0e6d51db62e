"""Runs a benchmark from its options to its records, for the command line."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from industrial_ocr.config import PipelineConfig, config_path, load_config, parse_config
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.datasets.splits import Split, part_of
from industrial_ocr.decoding.lexicon import Lexicon, lexicon_finder, lexicon_of
from industrial_ocr.errors import ConfigError, DatasetError, EngineError
from industrial_ocr.evaluation.engines import (
    ENGINE_NAMES,
    LEXICON_ENGINE,
    OWN_ENGINES,
    BenchmarkEngine,
    LexiconEngine,
    make_engines,
)
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.machine import describe_machine, probe, versions
from industrial_ocr.evaluation.oracle import run_oracle
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.runner import describe_run, run_benchmark
from industrial_ocr.evaluation.suite import Judging, Suite
from industrial_ocr.evaluation.summary import percent
from industrial_ocr.results.engine import Engine

TASK_MEANINGS = {
    "read": "whole pictures (--task read)",
    "recognize": "crops of one string each (--task recognize; for whole pictures --task read)",
    "classify": "crops of one character each (--task classify)",
}


@dataclass(frozen=True)
class BenchmarkPlan:
    """The datasets of a benchmark and the rules for judging readings.

    Attributes:
        datasets: datasets with at most ``limit`` images.
        judging: settings by dataset name; ``""`` has those of all others.
        rules: rules made from ``judging``.
        thresholds: thresholds on the confidence by engine.
        limit: number of images of each dataset; 0 for all.
        absent: datasets of the suite that are missing.
    """

    datasets: tuple[Dataset, ...]
    judging: dict[str, Judging]
    rules: dict[str, Rules]
    thresholds: dict[str, float]
    limit: int
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineTeam:
    """The engines of a run.

    Attributes:
        engines: the engines.
        missing: for each engine that could not be made the reason.
        reader: the ``Reader`` of our own engines; None if there are none.
    """

    engines: tuple[BenchmarkEngine, ...]
    missing: dict[str, str]
    reader: Any


def plan_run(
    data: Sequence[Path],
    suite_file: Path | None,
    judging: Mapping[str, Any],
    label_format: str | None,
    limit: int,
    thresholds: Sequence[str],
    split: Split | Literal["all"] = "all",
) -> BenchmarkPlan:
    """Loads the datasets and the rules for judging; opens no image.

    Raises:
        DatasetError: a dataset is missing, has bad rows or no samples.
        ConfigError: a setting cannot be used.
    """
    given = {k: v for k, v in judging.items() if v is not None}
    otherwise = parse_config(given, Judging, "options")
    suite = None if suite_file is None else load_config(suite_file, Suite)
    folders = [(f.resolve().name, f) for f in data]
    if suite is not None:
        if len(data) != 1:
            raise ConfigError("--suite needs exactly one folder, in which all of its datasets are")
        if data[0].name not in suite.datasets:
            folders = list(suite.folders(data[0]).items())
    in_suite = {} if suite is None else suite.datasets
    datasets, judged = [], {"": otherwise}
    for name, folder in folders:
        judged[name] = in_suite.get(name, otherwise)
        found = load_dataset(folder, label_format, judged[name].task)
        if split != "all":
            found = part_of(found, split)
        datasets.append(replace(found, name=name, samples=found.samples[: limit or None]))
    return BenchmarkPlan(
        datasets=tuple(datasets),
        judging=judged,
        rules={name: own.rules() for name, own in judged.items()},
        thresholds=thresholds_of(thresholds, suite),
        limit=limit,
        absent=tuple(name for name in in_suite if name not in judged),
    )


def thresholds_of(given: Sequence[str], suite: Suite | None = None) -> dict[str, float]:
    """Thresholds below which readings are rejected, by engine; engines of others have none.

    Args:
        given: texts ``ENGINE=VALUE``, which replace all other thresholds.
        suite: a suite, whose thresholds replace those of the configuration.

    Raises:
        ConfigError: a text is not ``ENGINE=VALUE``, or the engine is unknown.
    """
    own = load_config(config_path("pipeline"), PipelineConfig).confidence.min_confidence
    known = (*ENGINE_NAMES, LEXICON_ENGINE)
    found = dict.fromkeys(OWN_ENGINES, own)
    if suite is not None:
        found.update(suite.thresholds)
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"--threshold must be ENGINE=VALUE, got {text!r}") from error
        if math.isnan(found[name]):
            raise ConfigError(f"--threshold needs a number, got {text!r}")
        if name not in known:
            raise ConfigError(
                f"--threshold: engine {name!r} is unknown; there are: {', '.join(known)}"
            )
    return found


def build_engines(
    names: Sequence[str], plan: BenchmarkPlan, options: Mapping[str, Any]
) -> EngineTeam:
    """Makes the engines; a lexicon adds the engine ``crnn+lexicon``.

    Raises:
        EngineError: a name is unknown, or no engine can be made.
        DatasetError: the lexicon file cannot be used.
    """
    readers: list[Any] = []

    def make_reader() -> Any:
        from industrial_ocr.reader.reader import Reader

        readers.append(Reader(**options))
        return readers[0]

    wanted = [n.strip() for n in names if n.strip()]
    patterns = {}
    for dataset in plan.datasets:
        if (pattern := plan.rules[dataset.name].read_under) is not None:
            patterns[dataset.name] = pattern
    engines, missing = make_engines(wanted, make_reader, patterns)
    if not engines:
        raise EngineError("no engine can run: " + "; ".join(missing.values()))
    only = {d.name: plan.judging[d.name].engines for d in plan.datasets}
    for engine in engines:
        reads = (d for d, chosen in only.items() if chosen is None or engine.name in chosen)
        engine.datasets = frozenset(reads)
    reader = readers[0] if readers else None
    if reader is not None and Engine.CRNN in wanted:
        lexicons = _lexicons(plan, reader)
        if lexicons:
            engines.append(LexiconEngine(reader, lexicons))
    return EngineTeam(tuple(engines), missing, reader)


def _lexicons(plan: BenchmarkPlan, reader: Any) -> dict[str, dict[str, Lexicon]]:
    """The lexicons of images, by dataset; only datasets of strings can have them."""
    found = {}
    for dataset in plan.datasets:
        lexicon = plan.judging[dataset.name].lexicon
        if dataset.task != "recognize" or lexicon is None:
            continue
        names = [sample.name for sample in dataset.samples]
        if lexicon == "labels":
            whole = lexicon_of((label.text for label in dataset.labels), reader.charset)
            found[dataset.name] = dict.fromkeys(names, whole)
        elif lexicon == "column":
            found[dataset.name] = {s.name: _own_lexicon(s, reader) for s in dataset.samples}
        else:
            find = lexicon_finder(Path(lexicon), reader.charset)
            found[dataset.name] = {name: find(name) for name in names}
    return found


def _own_lexicon(sample: Sample, reader: Any) -> Lexicon:
    words = chain.from_iterable(label.lexicon for label in sample.labels)
    try:
        return lexicon_of(words, reader.charset)
    except ConfigError as error:
        raise DatasetError(f"{sample.row}: there is no column lexicon:WORD,WORD,...") from error


def run(
    plan: BenchmarkPlan,
    team: EngineTeam,
    out: Path,
    command: Sequence[str],
    track: Callable[[Any], Iterable[Any]],
) -> RecordedRun:
    """Runs or continues a benchmark; see ``runner.run_benchmark``."""
    judged = {d.name: plan.judging[d.name].model_dump(exclude_defaults=True) for d in plan.datasets}
    about = describe_run(
        plan.datasets,
        team.engines,
        plan.limit,
        weights={} if team.reader is None else dict(team.reader.weights),
        command=shlex.join(["industrial-ocr", *command]),
        judging=judged,
        machine=describe_machine(),
        versions=versions(),
    )
    return run_benchmark(plan.datasets, team.engines, out, about, track)


def recorded_rules(run: RecordedRun, suite_file: Path | None) -> dict[str, Rules]:
    """The rules of a run, or those of a suite if one is given."""
    if suite_file is not None:
        judged = load_config(suite_file, Suite).datasets
    else:
        judged = {k: Judging(**v) for k, v in run.about.get("judging", {}).items()}
    return {"": Rules(), **{name: own.rules() for name, own in judged.items()}}


def extras(
    plan: BenchmarkPlan, team: EngineTeam, options: Mapping[str, Any], oracle: bool, probing: bool
) -> list[str]:
    """The lines of additional measurements: labeled boxes, memory and start-up time."""
    lines = []
    if oracle and team.reader is not None:
        lines += [line for d in plan.datasets if (line := _oracle_line(plan, team, d))]
    if probing:
        lines += _probe_lines(plan, team, options)
    return lines


def _oracle_line(plan: BenchmarkPlan, team: EngineTeam, dataset: Dataset) -> str:
    """The shares right with labeled boxes; empty if there are no labeled boxes."""
    found = run_oracle(dataset, team.reader, plan.rules[dataset.name])
    cells = [f"{what} {percent(p.rate)} % of {p.total}" for what, p in found.items() if p.total]
    return f"oracle {dataset.name}: {', '.join(cells)}" if cells else ""


def _probe_lines(plan: BenchmarkPlan, team: EngineTeam, options: Mapping[str, Any]) -> list[str]:
    filled = [d for d in plan.datasets if d.samples]
    dataset = next((d for d in filled if d.task == "read"), filled[0])
    source = dataset.samples[0].path
    if source is None:
        return ["probe: needs a dataset of image files"]
    lines = []
    for engine in team.engines:
        if isinstance(engine, LexiconEngine):
            continue
        found = probe(engine.name, source, dict(options) if engine.name in OWN_ENGINES else {})
        text = "failed"
        if found:
            text = (
                f"first result after {found['first_result_s']:.1f} s in a new process, "
                f"peak memory {found['peak_mb']:.0f} MB"
            )
        lines.append(f"probe {engine.name} on {dataset.name}/{source.name}: {text}")
    return lines
