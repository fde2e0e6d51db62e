"""Writes synthetic pictures and their labels to disk, on any number of processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.code_scenes import CodeSceneRenderer
from industrial_ocr.datasets.synthesis.crops import GlyphRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.types import ImageArray
from industrial_ocr.results.viz import draw_outline

T = TypeVar("T")
Kind = Literal["scenes", "crops", "strings", "codes"]
LabelLine = dict[str, Any]
"""A line of ``labels.jsonl``."""
Render = Callable[[int, int], tuple[ImageArray, LabelLine]]
"""Maps seed and number to a picture, RGB or gray, and its label."""

SHEET_PICTURES: dict[Kind, int] = {"scenes": 24, "crops": 480, "strings": 80, "codes": 24}
"""Number of pictures on the contact sheet."""


def write_dataset(
    out: Path,
    kind: Kind,
    count: int,
    seed: int,
    fonts: tuple[str, ...],
    size: int,
    workers: int,
    pattern: str | None = None,
) -> Iterator[LabelLine]:
    """Writes ``count`` pictures under ``out/images`` and ``out/labels.jsonl``, yielding each label.

    Picture ``n`` depends only on ``(seed, n)``, not on the number of workers. A label has ``file``,
    relative to ``out``, and

    * scenes: ``strings``, each with ``text``, ``direction`` and ``characters``; these have
      ``symbol``, ``quad`` (four x, y in pixels) and ``space_after``;
    * strings: ``text``, ``direction`` and ``characters``;
    * crops: ``symbol``, which is ``""`` if the crop shows no character;
    * codes: as scenes, and ``code``. Files and codes are in ``out/labels.tsv`` as well, a dataset
      for ``industrial-ocr bench`` and ``calibrate``.

    Args:
        out: the folder; it is created if it is missing.
        kind: kind of pictures.
        count: number of pictures.
        seed: seed of the whole set.
        fonts: folders with font files.
        size: side of the scenes in pixels.
        workers: number of processes; with 0 and 1, this process renders.
        pattern: pattern of the codes, for ``Pattern.parse``.

    Raises:
        PatternError: the pattern cannot be compiled.
        DatasetError: a font folder is missing, or ``out`` has labels already or cannot be written.
    """
    FaceLibrary(fonts)  # raises before anything is written if a folder is missing
    if pattern is not None:
        Pattern.parse(pattern)
    job = partial(_write_one, str(out), seed, (kind, fonts, size, pattern))
    with ExitStack() as files:
        file = files.enter_context(_new_labels(out))
        table = None
        if pattern is not None:
            table = files.enter_context((out / "labels.tsv").open("w", encoding="utf-8"))
        chunk = max(1, min(8, count // max(workers, 1)))
        for label in run_jobs(job, range(count), workers, chunk):
            file.write(json.dumps(label) + "\n")
            if table is not None:
                table.write(f"{label['file']}\t{label['code']}\n")
            yield label


def _new_labels(out: Path) -> TextIO:
    """Opens the file of labels in a folder that has none."""
    table = out / "labels.tsv"  # its pictures would be overwritten
    if table.exists():
        raise DatasetError(f"{table}: is there already; name another folder")
    path = out / "labels.jsonl"
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        return path.open("x", encoding="utf-8")
    except FileExistsError as error:
        reason = "is there already" if path.exists() else "is no folder"
        raise DatasetError(f"{path if path.exists() else out}: {reason}; name another") from error
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written: {error}") from error


def run_jobs(
    job: Callable[[int], T], numbers: Sequence[int], workers: int, chunk: int = 1
) -> Iterator[T]:
    """The results of a job for each number, in order.

    With fewer than two ``workers`` or numbers, this process runs it; else as many processes do,
    each for ``chunk`` numbers at a time. Waiting jobs are canceled when the caller stops.
    """
    if min(workers, len(numbers)) < 2:
        yield from map(job, numbers)
        return
    # New processes, since a fork of one with threads of OpenCV or torch may hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,))
    try:
        yield from pool.map(job, numbers, chunksize=chunk)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_one(
    out: str, seed: int, asked: tuple[Kind, tuple[str, ...], int, str | None], number: int
) -> LabelLine:
    """Writes one picture; ``asked`` are the arguments of ``_renderer``."""
    image, label = _renderer(*asked)(seed, number)
    name = f"images/{number:07d}.png"
    channels = image if image.ndim == 2 else image[..., ::-1]
    written, data = cv2.imencode(".png", channels)
    assert written, f"OpenCV cannot encode {image.shape}"
    try:
        (Path(out) / name).write_bytes(data.tobytes())
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written: {error}") from error
    return {"file": name, **label}


@lru_cache(maxsize=1)
def _renderer(kind: Kind, fonts: tuple[str, ...], size: int, pattern: str | None) -> Render:
    """The renderer of a kind; it is kept, because opening fonts takes long."""
    square = (size, size)
    if pattern is not None:
        asked = Pattern.parse(pattern)
        codes = CodeSceneRenderer(fonts, square, write=asked.sample, groups=asked.groups)
        return partial(_code, codes)
    if kind == "scenes":
        return partial(_scene, SceneRenderer(fonts, square))
    if kind == "strings":
        return partial(_strip, StripRenderer(fonts))
    return partial(_crop, GlyphRenderer(fonts))


def _scene(renderer: SceneRenderer, seed: int, number: int) -> tuple[ImageArray, LabelLine]:
    scene = renderer.render((seed, number))
    return scene.image, {"strings": [_string_label(s) for s in scene.strings]}


def _code(renderer: CodeSceneRenderer, seed: int, number: int) -> tuple[ImageArray, LabelLine]:
    scene, code = renderer.render_code((seed, number))
    return scene.image, {"code": code, "strings": [_string_label(s) for s in scene.strings]}


def _strip(renderer: StripRenderer, seed: int, number: int) -> tuple[ImageArray, LabelLine]:
    strip = renderer.render((seed, number))
    return strip.image, _string_label(strip.string)


def _crop(renderer: GlyphRenderer, seed: int, number: int) -> tuple[ImageArray, LabelLine]:
    """One of the crops of a string, since all of them look alike."""
    crops = renderer.render((seed, number))
    image, symbol = pick(np.random.default_rng((seed, number, 2)), crops)
    return image, {"symbol": symbol}


def _string_label(string: LabeledString) -> LabelLine:
    quads = np.round(string.quads.astype(float), 2).tolist()
    rows = zip(string.symbols, quads, string.space_after, strict=True)
    return {
        "text": string.text,
        "direction": string.direction,
        "characters": [{"symbol": s, "quad": q, "space_after": bool(a)} for s, q, a in rows],
    }


def labeled_picture(out: Path, label: LabelLine) -> ImageArray:
    """A written picture with its quads drawn thinly and its text below, for the contact sheet.

    Returns:
        (H, W, 3) uint8 RGB; strings and crops are higher by a line of text.

    Raises:
        DatasetError: the picture is missing.
    """
    read = cv2.imread(str(out / label["file"]), cv2.IMREAD_COLOR)
    if read is None:
        raise DatasetError(f"{out / label['file']}: cannot be read again")
    image = np.ascontiguousarray(read[..., ::-1], np.uint8)
    for string in label.get("strings", [label]):
        for character in string.get("characters", []):
            draw_outline(image, character["quad"], (255, 60, 0), 1)
    if "strings" in label:
        return image
    caption = label.get("text", label.get("symbol")) or "none"
    face, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.38
    (width, _), _ = cv2.getTextSize(caption, face, scale, 1)
    lack = max(0, width + 2 - image.shape[1])
    framed = cv2.copyMakeBorder(image, 0, 14, 0, lack, cv2.BORDER_CONSTANT, value=(24, 24, 24))
    place = (1, framed.shape[0] - 4)
    cv2.putText(framed, caption, place, face, scale, (255, 255, 0), 1, cv2.LINE_AA)
    return np.asarray(framed, np.uint8)
