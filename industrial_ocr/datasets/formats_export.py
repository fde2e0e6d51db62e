"""Readers of the exports of annotation tools: Label Studio's JSON and CVAT's XML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from numpy.typing import ArrayLike

from industrial_ocr.datasets.formats import (
    MALFORMED,
    Rows,
    ignorable,
    is_text,
    polygon_quad,
    read_json_list,
    reason,
)
from industrial_ocr.datasets.samples import Label
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import IMAGE_SUFFIXES
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import FloatArray, as_quad

UNCLASSIFIED = "unclassified"
"""Name of a label without a kind in CVAT, which requires a name."""

_UPLOAD_HASH = re.compile(r"^[0-9a-f]{8}-(?=.)")
_CLASSES = ("rectanglelabels", "polygonlabels", "labels")
_SHAPES = {"rectangle", "polygon", "textarea", *_CLASSES}


def _rotated(quad: ArrayLike, degrees: float, pivot: ArrayLike) -> FloatArray:
    """A quad rotated clockwise on the screen around a point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    center = np.asarray(pivot, np.float64)
    offsets = np.asarray(quad, np.float64) - center
    return as_quad(offsets @ np.array([[cos, sin], [-sin, cos]]) + center)


def _spellings(url: str) -> list[str]:
    """Possible paths of the image of a Label Studio URL, the most probable first.

    ``/data/upload/1/0a1b2c3d-name.jpg`` has a hash that the original file name lacks;
    ``/data/local-files/?d=folder/name.jpg`` has the path in its query.
    """
    parts = urlsplit(url)
    path = parse_qs(parts.query).get("d", [""])[0] or unquote(parts.path)
    name = path.replace("\\", "/").rpartition("/")[2]
    original = _UPLOAD_HASH.sub("", name)
    # An absolute path is one on the server, not on this machine.
    return [s for s in (path.lstrip("/"), name, original) if s]


def _image_url(data: dict[str, Any]) -> str:
    """The first value of a task that looks like the address of an image."""
    for value in data.values():
        if isinstance(value, str):
            path = _spellings(value)
            if path and Path(path[0]).suffix.lower() in IMAGE_SUFFIXES:
                return value
    raise ValueError("no field has the address of an image")


def _shape_quad(value: dict[str, Any], width: float, height: float) -> FloatArray | None:
    """The quad of a region, which is given in percent of the image; None if it has no shape."""
    scale = np.array([width / 100, height / 100])
    if "points" in value:
        return polygon_quad(np.asarray(value["points"], np.float64) * scale)
    if "width" not in value:
        return None
    x, y, wide, tall = (float(value[k]) for k in ("x", "y", "width", "height"))
    box = np.array([[x, y], [x + wide, y], [x + wide, y + tall], [x, y + tall]]) * scale
    # Label Studio rotates a rectangle around its top-left corner, in pixels.
    return _rotated(box, float(value.get("rotation") or 0), box[0])


def _is_texts(value: Any) -> bool:
    texts = [value] if isinstance(value, str) else value
    return isinstance(texts, list) and all(isinstance(t, str) for t in texts)


def _texts(value: Any) -> list[str]:
    if not _is_texts(value):
        raise ValueError(f"a text was expected, got {value!r}")
    return [value] if isinstance(value, str) else value


def _region_label(results: list[dict[str, Any]], row: str) -> Label:
    """The label of one region from its results, each of which has a part of it."""
    quad, kind, texts = None, "", list[str]()
    for result in results:
        if result["type"] not in _SHAPES:
            raise ValueError(f"a region of type {result['type']!r} is not read")
        value = result["value"]
        if quad is None and ("points" in value or "width" in value):
            width, height = result["original_width"], result["original_height"]
            quad = _shape_quad(value, float(width), float(height))
        for name in _CLASSES:
            kind = kind or "".join(value.get(name, [])[:1])
        if "text" in value:
            texts += _texts(value["text"])
    text, ignore = ignorable(" ".join(texts))
    return Label(text, quad, (), ignore, kind, row)


def _results(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of the annotation that counts: the ground truth, else the last valid one."""
    annotations = task.get("annotations", task.get("completions")) or []
    valid = [a for a in annotations if not a.get("was_cancelled")]
    chosen = [a for a in valid if a.get("ground_truth")] or valid
    return list(chosen[-1]["result"]) if chosen else []


def _regions(task: dict[str, Any]) -> Iterable[list[dict[str, Any]]]:
    """The results of a task, grouped by region, without relations and choices."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, result in enumerate(_results(task)):
        if result["type"] not in ("relation", "choices", "taxonomy", "rating"):
            groups.setdefault(result.get("id") or str(number), []).append(result)
    return groups.values()


def _minimal_regions(task: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The regions of a JSON-MIN task, which has a list of boxes and one of texts."""
    lists = (v for v in task.values() if isinstance(v, list) and v and isinstance(v[0], dict))
    shapes = next(lists, [])
    names = [k for k in ("transcription", "text", "label") if _is_texts(task.get(k))]
    if not names:
        raise ValueError("has neither annotations nor a text")
    texts = _texts(task[names[0]])
    if shapes and len(shapes) != len(texts):
        raise ValueError(f"{len(shapes)} boxes but {len(texts)} texts; export as JSON instead")
    return [
        [{"type": "textarea", **shape, "value": {**shape, "text": text}}]
        for shape, text in zip(shapes or repeat({}, len(texts)), texts, strict=True)
    ]


def read_label_studio(path: Path, rows: Rows) -> None:
    """Reads Label Studio's JSON or JSON-MIN: rectangles, polygons and texts.

    Images are searched by name, with and without the hash of an upload, in the folder of the export
    and in its ``images/``. A text without a region labels the whole image.
    """
    for number, task in enumerate(read_json_list(path), 1):
        row = f"{path.name}: task {number}"
        image = ""
        try:
            row = f"{path.name}: task {task.get('id', number)}"
            minimal = "data" not in task
            image = _image_url(task if minimal else task["data"])
            if not is_text(image):
                image = ""
                raise ValueError("the image's address is not valid UTF-8")
            regions = _minimal_regions(task) if minimal else _regions(task)
            file = rows.find(*_spellings(image))
            rows.add(file, None)
        except MALFORMED as error:
            rows.wrong(row, image, reason(error))
            continue
        for region in regions:
            parse = partial(_region_label, region, row)
            rows.add_parsed(file, image, row, parse, "a region is wrong: ")


def _parse_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        DatasetError: the file cannot be read, is not XML, or declares a document type. CVAT never
            does; entities could need unlimited memory or read other files.
    """

    def refuse(*_: object) -> None:
        raise DatasetError(f"{path}: declares a document type (DTD), which is not read")

    try:
        data = path.read_bytes()
        # A first pass, because expat calls the handlers before it expands any entity.
        checker = expat.ParserCreate()
        checker.StartDoctypeDeclHandler = refuse
        checker.EntityDeclHandler = refuse
        checker.Parse(data, True)
        return ElementTree.fromstring(data)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise DatasetError(f"{path}: not XML: {reason(error)}") from error


def _cvat_label(shape: ElementTree.Element, row: str) -> Label:
    """The label of one shape; a tag labels the whole image."""
    quad: FloatArray | None = None
    if shape.tag == "box":
        box = rect_quad(*(float(shape.attrib[k]) for k in ("xtl", "ytl", "xbr", "ybr")))
        # CVAT rotates a box clockwise around its center.
        quad = _rotated(box, float(shape.get("rotation", 0)), box.mean(axis=0))
    elif shape.tag in ("polygon", "points"):
        points = [p.split(",") for p in shape.attrib["points"].split(";") if p.strip()]
        quad = polygon_quad([list(map(float, point)) for point in points])
    elif shape.tag != "tag":
        raise ValueError(f"a {shape.tag} is not read, only box, polygon, points and tag")
    attributes = {a.get("name", "").lower(): a.text or "" for a in shape.findall("attribute")}
    names = ("text", "transcription", "label")
    text, ignore = ignorable(next((attributes[n] for n in names if n in attributes), ""))
    ignore = ignore or attributes.get("ignore", "").lower() in ("true", "1", "yes")
    kind = shape.attrib["label"]
    return Label(text, quad, (), ignore, "" if kind == UNCLASSIFIED else kind, row)


def read_cvat(path: Path, rows: Rows) -> None:
    """Reads CVAT for images 1.1: boxes, polygons and points; a tag labels the whole image.

    The attribute ``text``, ``transcription`` or ``label`` is the text, ``ignore`` says that the
    label does not count, the shape's label is the kind.

    Raises:
        DatasetError: the file is not such XML, or is CVAT's format for videos.
    """
    root = _parse_xml(path)
    if root.tag != "annotations":
        raise DatasetError(f"{path}: the root is <{root.tag}>, expected <annotations> of CVAT")
    if root.find("track") is not None:
        raise DatasetError(f"{path}: has video tracks; export as CVAT for images 1.1")
    for image in root.iterfind("image"):
        name = image.get("name", "")
        row = f"{path.name}: image {image.get('id', '?')}"
        if not name:
            rows.wrong(row, "", "the image has no name")
            continue
        subset = image.get("subset", "")
        file = rows.find(name, bases=("images", "", f"images/{subset}", subset))
        rows.add(file, None)
        for shape in image:
            parse = partial(_cvat_label, shape, row)
            rows.add_parsed(file, name, row, parse, f"a {shape.tag} is wrong: ")
