"""Runs engines over datasets, writes a line per image and engine, and continues stopped runs.

All engines read one image before the next image, so that a stopped run has comparable results of
every engine.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.errors import ConfigError, DatasetError, ImageError
from industrial_ocr.evaluation.engines import BenchmarkEngine
from industrial_ocr.evaluation.records import (
    RUN_FORMAT,
    EngineReading,
    Record,
    RecordedRun,
    RecordKey,
    load_run,
    whole_length,
)
from industrial_ocr.image.load import load_image
from industrial_ocr.results.files import try_folder
from industrial_ocr.results.types import ImageArray

RUN_FILE = "results.jsonl"


def dataset_digest(dataset: Dataset) -> str:
    """First characters of the sha256 of a dataset's names and texts, which identify the labels."""
    sha = hashlib.sha256()
    for sample in dataset.samples:
        sha.update(json.dumps([sample.name, [label.text for label in sample.labels]]).encode())
    return sha.hexdigest()[:16]


def describe_run(
    datasets: Sequence[Dataset], engines: Sequence[BenchmarkEngine], limit: int, **more: Any
) -> dict[str, Any]:
    """The first line of a run: engines, datasets and settings."""
    return {
        "format": RUN_FORMAT,
        "engines": {e.name: e.version for e in engines},
        "datasets": {
            d.name: {"task": d.task, "images": len(d.samples), "digest": dataset_digest(d)}
            for d in datasets
        },
        "limit": limit,
        **more,
    }


def prepare_folder(out: Path) -> None:
    """Creates the output folder and tries to write into it, before any image is read.

    Raises:
        ConfigError: this fails.
    """
    try:
        try_folder(out)
    except OSError as error:
        raise ConfigError(f"{out}: the output folder cannot be written: {error}") from error


def _recorded_keys(path: Path, about: Mapping[str, Any]) -> set[RecordKey]:
    """Keys of the records of a stopped run; an incomplete last line is removed.

    Raises:
        ConfigError: the run in the file has other settings.
    """
    if not path.exists() or whole_length(path) == 0:
        path.write_text(json.dumps({"run": about}) + "\n", encoding="utf-8")
        return set()
    os.truncate(path, whole_length(path))
    run = load_run(path)
    now = json.loads(json.dumps(about))
    for name in ("format", "engines", "datasets", "limit", "weights"):
        if run.about.get(name) != now.get(name):
            raise ConfigError(
                f"{path}: the run in this file has other {name} ({run.about.get(name)} instead of "
                f"{now.get(name)}); give another --out or remove it"
            )
    return {r.key for r in run.records}


@dataclass(frozen=True)
class ImageJob:
    """One image, and the engines that have not read it yet."""

    dataset: Dataset
    sample: Sample
    engines: tuple[BenchmarkEngine, ...]


def open_jobs(
    datasets: Iterable[Dataset], engines: Sequence[BenchmarkEngine], done: set[RecordKey]
) -> list[ImageJob]:
    """Images with the engines that have not read them yet."""
    jobs = []
    for dataset in datasets:
        own = [e for e in engines if e.datasets is None or dataset.name in e.datasets]
        for sample in dataset.samples:
            left = [e for e in own if (dataset.name, sample.name, e.name) not in done]
            if left:
                jobs.append(ImageJob(dataset, sample, tuple(left)))
    return jobs


def _read(engine: BenchmarkEngine, image: ImageArray, job: ImageJob) -> EngineReading:
    if hasattr(engine, "use"):
        engine.use(job.dataset.name, job.sample.name)
    return engine.read(image, job.dataset.task)


def run_job(job: ImageJob) -> Iterator[Record]:
    """The records of one image; if an engine fails, its record has the error."""
    image, size, unreadable = None, (0, 0), ""
    try:
        image = load_image(job.sample.source)
        size = (image.shape[1], image.shape[0])
    except ImageError as error:
        unreadable = str(error)
    for engine in job.engines:
        reading, problem = EngineReading(()), unreadable
        if image is not None:
            try:
                reading = _read(engine, image, job)
            except Exception as error:  # one failed image must not end the run
                problem = f"{type(error).__name__}: {error}"
        yield Record(
            dataset=job.dataset.name,
            image=job.sample.name,
            engine=engine.name,
            task=job.dataset.task,
            size=size,
            labels=job.sample.labels,
            error=problem,
            **vars(reading),
        )


def warm_up(jobs: Sequence[ImageJob]) -> None:
    """Each engine reads the first readable image of each task once, before times are measured.

    First calls load libraries and fill caches; ``machine.probe`` measures them separately.
    """
    done: set[tuple[str, str]] = set()
    for job in jobs:
        cold = [e for e in job.engines if (e.name, job.dataset.task) not in done]
        if not cold:
            continue
        try:
            image = load_image(job.sample.source)
        except ImageError:
            continue
        for engine in cold:
            done.add((engine.name, job.dataset.task))
            with suppress(Exception):  # the error is recorded when the image is read again
                _read(engine, image, job)


def run_benchmark(
    datasets: Sequence[Dataset],
    engines: Sequence[BenchmarkEngine],
    out: Path,
    about: Mapping[str, Any],
    track: Callable[[list[ImageJob]], Iterable[ImageJob]] = lambda jobs: jobs,
) -> RecordedRun:
    """Runs the engines on all images that have no record yet, and returns the whole run.

    Args:
        datasets: datasets with at most ``--limit`` images.
        engines: engines from ``make_engines``.
        out: output folder, checked by ``prepare_folder``.
        about: description from ``describe_run``.
        track: wraps the list of jobs to show progress.

    Raises:
        ConfigError: the run in the folder has other settings.
        DatasetError: there is no image, or two datasets have the same name.
    """
    names = [d.name for d in datasets]
    if not any(d.samples for d in datasets):
        raise DatasetError(
            f"there is no labeled image in {', '.join(str(d.root) for d in datasets)}"
        )
    if len(set(names)) < len(names):
        raise DatasetError(f"datasets must have different names, got {names}")
    path = out / RUN_FILE
    jobs = open_jobs(datasets, engines, _recorded_keys(path, about))
    warm_up(jobs)
    with path.open("a", encoding="utf-8") as file:
        for job in track(jobs):
            for record in run_job(job):
                file.write(record.to_json() + "\n")
            file.flush()
    return load_run(path)
