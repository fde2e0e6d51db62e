"""Checks a job before the line runs: tries its connections, or reads pictures with it."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np

from industrial_ocr.errors import ConfigError, IndustrialOcrError, LineError, require
from industrial_ocr.image.load import load_image
from industrial_ocr.line.expected import ExpectedTexts
from industrial_ocr.line.job import Job, PageConfig, load_job
from industrial_ocr.line.job_outputs import MqttOutput, OutputConfig
from industrial_ocr.line.job_sources import FolderSource, HttpSource, MqttTrigger
from industrial_ocr.line.judge import Judge, Judgment, named_groups
from industrial_ocr.line.outputs import OutputError, make_output
from industrial_ocr.line.outputs.base import try_port
from industrial_ocr.line.read_part import make_reader, read_part
from industrial_ocr.line.reading import Reading
from industrial_ocr.line.sources import make_source
from industrial_ocr.patterns.pattern import Pattern


def check_job(path: str | Path) -> list[str]:
    """All problems of a job file, of its connections, networks, files and folders.

    Each connection is opened once, the networks are loaded, and a camera must bring a picture.
    Nothing is delivered or recorded.
    """
    try:
        job = load_job(path)
    except ConfigError as error:
        return list(error.problems)
    problems = []
    for name, check in _checks(job).items():
        try:
            problems += [f"{name}: {problem}" for problem in check() or ()]
        except (IndustrialOcrError, OutputError, OSError) as error:
            problems.append(f"{name}: {error}")
        except Exception as error:  # drivers raise errors of any class
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return problems


def try_job(
    job: Job, pictures: Sequence[Path | bytes], part: str = "", expected: str | None = None
) -> Iterator[Reading]:
    """Reads pictures as the line would, with an empty history.

    Args:
        job: the job; ``read.frames`` pictures are one part.
        pictures: image files, or their contents.
        part: name of the part, as from a trigger.
        expected: the expected text, as from a trigger.

    Raises:
        ConfigError: a setting cannot be used.
        PatternError: a pattern cannot be compiled.
        WeightsError: a network is missing or damaged.
    """
    reader = make_reader(job.read).load()
    patterns = [reader.pattern(text) for text in job.read.patterns]
    judge = Judge(job, _NothingPassed(), patterns)
    wanted = expected
    with suppress(ConfigError):  # the judge reports it
        wanted = judge.expected(part, expected)
    for sequence, at in enumerate(range(0, len(pictures), job.read.frames), 1):
        burst, start = pictures[at : at + job.read.frames], time.monotonic()
        came = datetime.now(timezone.utc).astimezone()
        data = [p if isinstance(p, bytes) else p.read_bytes() for p in burst]
        try:
            found = read_part(reader, job, [load_image(d) for d in data], patterns, wanted)
            judgment = judge.judge(found[0], part, expected, date.today(), found[1])
        except IndustrialOcrError as error:
            judgment = Judgment(False, (str(error),), "", "", "error", 0.0, expected=wanted)
        yield Reading(
            id=f"try-{sequence}",
            sequence=sequence,
            job=job.name,
            job_hash=job.hash,
            weights=reader.weights,
            picture="-" if isinstance(burst[0], bytes) else burst[0].name,
            picture_sha256=hashlib.sha256(b"".join(data)).hexdigest(),
            part=part,
            time=came,
            latency=time.monotonic() - start,
            **vars(judgment),
        )


class _NothingPassed:
    """The history of a line that has read nothing yet."""

    def seen(self, text: str) -> bool:
        return False

    def last_passed(self) -> str | None:
        return None


def _checks(job: Job) -> dict[str, Callable[[], Iterator[str] | None]]:
    """One check for each key of the job; it raises its first problem or returns several."""
    checks: dict[str, Callable[[], Iterator[str] | None]] = {
        "data": partial(_check_folder, job.data),
        "source": partial(_check_source, job),
        "read": partial(_check_reading, job),
        "expect": ExpectedTexts(job.expect).check,
    }
    if isinstance(job.trigger, MqttTrigger):
        broker = job.trigger.model_dump() | {"kind": "mqtt"}
        checks["trigger"] = partial(_check_output, MqttOutput(**broker))
    for number, output in enumerate(job.outputs):
        checks[f"outputs.{number}.{output.kind}"] = partial(_check_output, output)
    if job.archive is not None:
        checks["archive"] = partial(_check_folder, job.archive.path)
    if job.collect is not None:
        checks["collect"] = partial(_check_folder, job.collect.path)
    if job.page is not None:
        checks["page"] = partial(_check_page, job.page)
    return checks


def _check_folder(folder: Path) -> None:
    """Tries to write into a folder, or into the nearest parent that exists."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise LineError(f"{folder}: cannot be written: {error.strerror}") from error


def _check_source(job: Job) -> None:
    source = job.source
    if isinstance(source, HttpSource):
        return
    if isinstance(source, FolderSource):
        if source.poll_s is None:
            require("line", "watchfiles")
        if not source.path.is_dir():
            raise LineError(f"{source.path}: the folder does not exist; create it")
        os.listdir(source.path)
        if source.after != "keep":
            _check_folder(source.path)
        if source.moved_to is not None:
            _check_folder(source.moved_to)
        return
    camera = make_source(source, job.data, known=lambda *_: False)
    seconds = 10.0
    try:
        if camera.next(seconds) is None:
            raise LineError(f"brought no picture within {seconds:g} seconds")
    finally:
        camera.close()


def _check_reading(job: Job) -> Iterator[str]:
    compile_pattern: Callable[[str], Pattern] = Pattern.parse
    try:
        compile_pattern = make_reader(job.read).load().pattern
    except IndustrialOcrError as error:
        yield str(error)
    patterns = []
    for text in job.read.patterns:
        try:
            patterns.append(compile_pattern(text))
        except IndustrialOcrError as error:
            yield f"patterns: {error}"
    rule = job.passes.date
    if rule is None or rule.field is None or rule.in_gs1:
        return
    random = np.random.default_rng(0)
    # A group may be optional: 20 codes of each pattern are searched for it.
    samples = ((p, p.sample(random)) for p in patterns for _ in range(20))
    if not any(rule.field in named_groups(*sample) for sample in samples):
        yield f"patterns: no pattern has the group {rule.field} (passes.date.field)"


def _check_output(config: OutputConfig) -> None:
    make_output(config).check()


def _check_page(page: PageConfig) -> Iterator[str]:
    require("serve", "fastapi", "uvicorn", "prometheus_client")
    if page.token_env is not None and not os.environ.get(page.token_env):
        yield f"the variable {page.token_env} (token_env) is not set"
    if page.certificate is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                page.certificate, page.key
            )
        except OSError as error:  # ssl.SSLError is one, too
            yield f"certificate {page.certificate}: {error}"
    try:
        try_port(page.host, page.port)
    except OSError as error:
        yield f"{page.host}:{page.port}: {error}"
