"""Writes synthetic pictures and their labels to disk, on any number of processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from industrial_ocr.synthesis.crops import GlyphRenderer, StripRenderer
from industrial_ocr.synthesis.layout import LabelledString
from industrial_ocr.synthesis.scenes import SceneRenderer
from industrial_ocr.types import ImageArray

Kind = Literal["scenes", "crops", "strings"]
Item = tuple[ImageArray, dict[str, Any]]
SHOWN = 48
"""Pictures on the contact sheet."""

_renderers: dict[tuple[str, ...], Callable[[int, int], list[Item]]] = {}


def _string_label(string: LabelledString) -> dict[str, Any]:
    quads = np.round(string.quads.astype(float), 2).tolist()
    rows = zip(string.symbols, quads, string.space_after, strict=True)
    return {
        "text": string.text,
        "direction": string.direction,
        "characters": [{"symbol": s, "quad": q, "space_after": g} for s, q, g in rows],
    }


def _renderer(kind: Kind, fonts: tuple[str, ...], size: int) -> Callable[[int, int], list[Item]]:
    """What renders the items of one seed and number."""
    if kind == "scenes":
        scenes = SceneRenderer(fonts, (size, size))

        def render_scene(seed: int, number: int) -> list[Item]:
            scene = scenes.render((seed, number))
            return [(scene.image, {"strings": [_string_label(s) for s in scene.strings]})]

        return render_scene
    if kind == "strings":
        strips = StripRenderer(fonts)

        def render_strip(seed: int, number: int) -> list[Item]:
            strip = strips.render((seed, number))
            return [(strip.image, _string_label(strip.string))]

        return render_strip
    glyphs = GlyphRenderer(fonts)

    def render_crop(seed: int, number: int) -> list[Item]:
        crops = glyphs.render((seed, number))
        crop, symbol = crops[number % len(crops)]
        return [(cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB).astype(np.uint8), {"symbol": symbol})]

    return render_crop


def _write_one(
    number: int, out: str, kind: Kind, seed: int, fonts: tuple[str, ...], size: int
) -> dict[str, Any]:
    key = (kind, *fonts, str(size))
    if key not in _renderers:
        cv2.setNumThreads(1)
        _renderers[key] = _renderer(kind, fonts, size)
    (image, label), *_ = _renderers[key](seed, number)
    name = f"images/{number:07d}.png"
    cv2.imwrite(str(Path(out) / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return {"file": name, **label}


def write_dataset(
    out: Path, kind: Kind, count: int, seed: int, fonts: tuple[str, ...], size: int, workers: int
) -> Iterator[dict[str, Any]]:
    """Writes ``count`` pictures under ``out/images`` and ``out/labels.jsonl``, yielding each label.

    Picture ``n`` is a function of ``(seed, n)`` alone: the number of workers changes nothing.

    Args:
        out: folder, made if need be.
        kind: ``scenes``, ``crops`` (one character, or none: symbol ``""``) or ``strings``.
        count: pictures.
        seed: of the whole set.
        fonts: folders with font files.
        size: side of the scenes in pixels.
        workers: processes; 0 and 1 render in this one.
    """
    (out / "images").mkdir(parents=True, exist_ok=True)
    job = partial(_write_one, out=str(out), kind=kind, seed=seed, fonts=fonts, size=size)
    with (out / "labels.jsonl").open("w", encoding="utf-8") as labels:

        def note(label: dict[str, Any]) -> dict[str, Any]:
            labels.write(json.dumps(label, ensure_ascii=False) + "\n")
            return label

        if workers > 1:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                yield from map(note, pool.map(job, range(count), chunksize=8))
        else:
            yield from map(note, map(job, range(count)))


def labelled_picture(out: Path, label: dict[str, Any]) -> ImageArray:
    """A written picture with its quads drawn and its text below, for the contact sheet."""
    read = cv2.imread(str(out / label["file"]))
    if read is None:
        raise FileNotFoundError(out / label["file"])
    image = np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)
    for string in label.get("strings", []):
        for character in string["characters"]:
            quad = np.round(np.array(character["quad"])).astype(np.int32)
            cv2.polylines(image, [quad], True, (255, 60, 0), 1)
    caption = label.get("text", label.get("symbol"))
    if caption is None:
        return image
    image = np.asarray(cv2.copyMakeBorder(image, 0, 14, 0, 0, cv2.BORDER_CONSTANT), np.uint8)
    place = (1, image.shape[0] - 3)
    cv2.putText(image, caption or "none", place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 0), 1)
    return image
