"""Renders the strips of a recognizer's training, also to shards on disk. Needs no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import cv2

from industrial_ocr.datasets.shards import Encoded, write_shard
from industrial_ocr.datasets.synthesis.lines import LineRenderer
from industrial_ocr.datasets.synthesis.strips import Strip, StripRenderer
from industrial_ocr.datasets.synthesis.writer import run_jobs
from industrial_ocr.errors import ConfigError, DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.files import write_whole
from industrial_ocr.training.config import RecognizerTrainConfig


class Renderer(Protocol):
    """Renders strings whose characters have known positions."""

    def render(self, seed: tuple[int, ...]) -> Strip:
        """The strip of this seed, read from left to right."""


def training_charset(config: RecognizerTrainConfig) -> Charset:
    """The symbols to learn, with the blank.

    Raises:
        ConfigError: the file of ``charset`` cannot be used.
    """
    file = config.charset
    if file is None:
        return Charset(blank=True)
    try:
        return Charset(tuple(file.read_text(encoding="utf-8").split()), blank=True)
    except (OSError, ValueError) as error:
        raise ConfigError(f"charset: {file} is not a list of symbols: {error}") from error


def strip_renderer(config: RecognizerTrainConfig, charset: Charset) -> Renderer:
    """The renderer of the strips of a training."""
    if config.corpus is not None:
        return LineRenderer(tuple(config.fonts), config.corpus, charset)
    return StripRenderer(
        tuple(config.fonts),
        word_share=config.word_share,
        loose=config.loose,
        lettering=config.lettering,
        plain=config.plain,
    )


def write_strips(
    config: RecognizerTrainConfig, out: Path, count: int, shards: int, workers: int
) -> Iterator[int]:
    """Writes the strips of a training to shards; yields how many are finished.

    Strip ``n`` is a function of the seed and ``n``. Finished shards are kept, so that a stopped run
    continues when it is called again.

    Raises:
        DatasetError: ``out`` holds shards of other settings, or cannot be written.
    """
    recipe = config.model_dump(mode="json", exclude={"out", "workers", "device", "threads"})
    wanted = json.dumps({"count": count, "shards": shards, **recipe}, sort_keys=True)
    about = out / "strips.json"
    ends = [count * n // shards for n in range(shards + 1)]
    job = partial(_write_one, config=config, out=out, ends=ends)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if about.exists() and about.read_text(encoding="utf-8") != wanted:
            raise DatasetError(
                f"{out}: has strips of other settings ({about}); name another folder"
            )
        write_whole(about, wanted)
        missing = [n for n in range(shards) if not _path(out, n).exists()]
        done = count - sum(ends[n + 1] - ends[n] for n in missing)
        yield done
        for written in run_jobs(job, missing, workers):
            done += written
            yield done
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written: {error}") from error


def _path(out: Path, shard: int) -> Path:
    return out / f"{shard:05d}.tar"


def _write_one(shard: int, config: RecognizerTrainConfig, out: Path, ends: list[int]) -> int:
    renderer = _kept_renderer(config)
    numbers = range(ends[shard], ends[shard + 1])
    strips = (renderer.render((config.seed, number)) for number in numbers)
    return write_shard(_path(out, shard), map(_encoded, strips))


@lru_cache(maxsize=1)
def _kept_renderer(config: RecognizerTrainConfig) -> Renderer:
    """The renderer of a process, which is made once, because opening fonts takes long."""
    return strip_renderer(config, training_charset(config))


def _encoded(strip: Strip) -> Encoded:
    done, data = cv2.imencode(".png", to_gray(strip.image))
    assert done, f"OpenCV cannot encode {strip.image.shape}"
    return ".png", data.tobytes(), strip.string.text
