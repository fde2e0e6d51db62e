"""Writers, one per format; they take samples that the format can hold, see ``convert``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np

from industrial_ocr.datasets.formats import IGNORE, reason, tsv_field
from industrial_ocr.datasets.formats_export import UNCLASSIFIED
from industrial_ocr.datasets.formats_store import import_lmdb
from industrial_ocr.datasets.formats_text import LEXICON
from industrial_ocr.datasets.samples import Label, LabeledCharacter, Sample
from industrial_ocr.datasets.shards import Encoded, write_shard
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.results.types import FloatArray

_SIGNATURES = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8", ".jpg"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"\0\0\0\x0cjP", ".jp2"),
)


NamedSample = tuple[Sample, str]
"""A sample, and the path of its file below the folder of images, with slashes."""


def suffix_of(sample: Sample) -> str:
    """The suffix for the image format that the first bytes show; ``.png`` if they show none."""
    head = sample.data[:12] if sample.data is not None else b""
    if sample.path is not None and sample.path.is_file():
        with sample.path.open("rb") as file:
            head = file.read(12)
    return next((suffix for mark, suffix in _SIGNATURES if head.startswith(mark)), ".png")


def _read(sample: Sample) -> bytes:
    """The encoded image; DatasetError names a sample without one."""
    if sample.data is not None:
        return sample.data
    try:
        return Path(sample.path or "").read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DatasetError(f"{sample.name}: no such image file: {sample.path}") from error


def put_image(sample: Sample, path: Path) -> None:
    """Copies an image byte for byte; DatasetError names a sample without one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_read(sample))


def _number(value: float) -> str:
    """A float32 in the fewest digits that are read back as the same number, without exponent."""
    return str(np.format_float_positional(np.float32(value), trim="-"))


def _numbers(values: Iterable[float]) -> str:
    return ",".join(map(_number, values))


def _is_upright(quad: FloatArray) -> bool:
    return np.array_equal(quad, rect_quad(*bounds(quad)))


def character_column(characters: Iterable[LabeledCharacter]) -> str:
    """Upright boxes of characters as a column of a TSV."""
    return ";".join(f"{_numbers(c.quad[[0, 2]].ravel())},{c.symbol}" for c in characters)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _tsv_row(name: str, label: Label) -> str:
    columns = [name, IGNORE if label.ignore else label.text]
    if label.quad is not None:
        # Two corners are enough if they give the same quad when they are read.
        ends = label.quad[[0, 2]].ravel()
        enough = np.array_equal(label.quad, rect_quad(*ends))
        columns.append(_numbers(ends if enough else label.quad.ravel()))
    if label.characters:
        columns.append(character_column(label.characters))
    if label.kind:
        columns.append(label.kind)
    if label.lexicon:
        columns.append(LEXICON + ",".join(label.lexicon))
    return "\t".join(map(tsv_field, columns))


def write_tsv(items: list[NamedSample], out: Path) -> None:
    """``labels.tsv`` beside ``images/``."""
    lines: list[str] = []
    for sample, name in items:
        lines += [_tsv_row(name, label) for label in sample.labels]
    _write_lines(out / "labels.tsv", lines)


def write_csv(items: list[NamedSample], out: Path) -> None:
    """``labels.csv`` with the columns image_path and text."""
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_path", "text"])
        for sample, name in items:
            writer.writerows([f"images/{name}", label.text] for label in sample.labels)


def write_icdar(items: list[NamedSample], out: Path) -> None:
    """``gt/gt_NAME.txt`` for each image, four corners per line (ICDAR 2015)."""
    for sample, name in items:
        image = Path(name)
        lines = []
        for label in sample.labels:
            assert label.quad is not None
            text = IGNORE if label.ignore else label.text
            lines.append(f"{_numbers(label.quad.ravel())},{text}")
        _write_lines(out / "gt" / image.parent / f"gt_{image.stem}.txt", lines)


def write_paddle_regions(items: list[NamedSample], out: Path) -> None:
    """``Label.txt`` as PPOCRLabel writes it."""
    lines = []
    for sample, name in items:
        regions = []
        for label in sample.labels:
            assert label.quad is not None
            region: dict[str, Any] = {
                "transcription": label.text if label.text or not label.ignore else IGNORE,
                "points": label.quad.astype(float).tolist(),
                "difficult": label.ignore,
            }
            regions.append(region | ({"key_cls": label.kind} if label.kind else {}))
        lines.append(f"images/{name}\t{json.dumps(regions, ensure_ascii=False)}")
    _write_lines(out / "Label.txt", lines)


def write_paddle_texts(items: list[NamedSample], out: Path) -> None:
    """``rec_gt.txt`` of PaddleOCR's recognition."""
    lines = []
    for sample, name in items:
        texts = [IGNORE if label.ignore else label.text for label in sample.labels]
        lines += [f"images/{name}\t{text}" for text in texts]
    _write_lines(out / "rec_gt.txt", lines)


def _size(sample: Sample) -> tuple[int, int]:
    """Width and height of the image, after its EXIF orientation is applied."""
    try:
        height, width = load_image(sample.source).shape[:2]
    except ImageError as error:
        raise DatasetError(f"{sample.name}: {reason(error)}") from error
    return width, height


def _studio_results(label: Label, number: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The results of one region: shape, class and text with one id."""
    shape: dict[str, Any] = {}
    kind = "rectangle"
    if label.quad is not None:
        percent = label.quad.astype(float) * 100 / np.array(size)
        if _is_upright(label.quad):
            (x0, y0), (x1, y1) = percent[0].tolist(), percent[2].tolist()
            shape = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rotation": 0}
        else:
            shape, kind = {"points": percent.tolist()}, "polygon"
    common = {
        "id": f"region{number}",
        "to_name": "image",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
    }
    text = IGNORE if label.ignore else label.text
    results: list[dict[str, Any]] = []
    if shape:
        results.append({"from_name": kind, "type": kind, "value": shape})
    if label.kind:
        value = {**shape, "labels": [label.kind]}
        results.append({"from_name": "label", "type": "labels", "value": value})
    value = {**shape, "text": [text]}
    results.append({"from_name": "transcription", "type": "textarea", "value": value})
    return [common | result for result in results]


def write_label_studio(items: list[NamedSample], out: Path) -> None:
    """``label-studio.json``, which Label Studio can import (local files, its OCR template)."""
    tasks = []
    for number, (sample, name) in enumerate(items, 1):
        size = _size(sample)
        results = []
        for region, label in enumerate(sample.labels, 1):
            results += _studio_results(label, region, size)
        url = f"/data/local-files/?d={quote(f'images/{name}')}"
        annotations = [{"id": number, "was_cancelled": False, "result": results}]
        tasks.append({"id": number, "data": {"ocr": url}, "annotations": annotations})
    text = json.dumps(tasks, ensure_ascii=False, indent=1)
    _write_lines(out / "label-studio.json", [text])


def _cvat_shape(image: ElementTree.Element, label: Label) -> None:
    tag, attributes = "tag", {"label": label.kind or UNCLASSIFIED, "source": "manual"}
    if label.quad is not None:
        attributes |= {"occluded": "0", "z_order": "0"}
        if _is_upright(label.quad):
            tag, corners = "box", map(_number, bounds(label.quad))
            attributes |= dict(zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True))
        else:
            tag = "polygon"
            attributes["points"] = ";".join(_numbers(corner) for corner in label.quad)
    shape = ElementTree.SubElement(image, tag, attributes)
    ElementTree.SubElement(shape, "attribute", {"name": "text"}).text = label.text
    if label.ignore:
        ElementTree.SubElement(shape, "attribute", {"name": "ignore"}).text = "true"


def write_cvat(items: list[NamedSample], out: Path) -> None:
    """``annotations.xml`` of CVAT for images 1.1."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for number, (sample, name) in enumerate(items):
        width, height = map(str, _size(sample))
        attributes = {"id": str(number), "name": name, "width": width, "height": height}
        image = ElementTree.SubElement(root, "image", attributes)
        for label in sample.labels:
            _cvat_shape(image, label)
    ElementTree.indent(root)
    tree = ElementTree.ElementTree(root)
    tree.write(out / "annotations.xml", encoding="utf-8", xml_declaration=True)


def write_imagefolder(items: list[NamedSample], out: Path) -> None:
    """One folder per symbol; the names of the items begin with the symbol."""
    for sample, name in items:
        put_image(sample, out / name)


def write_lmdb(items: list[NamedSample], out: Path) -> None:
    """``image-%09d``, ``label-%09d`` and ``num-samples``, as CRNN's training code expects them."""
    lmdb = import_lmdb()
    # The size of the map is only an upper limit: unused space takes none on disk.
    sizes = [len(_read(sample)) for sample, _ in items]
    map_size = 2 * sum(sizes) + 16_384 * len(items) + (16 << 20)
    try:
        with (
            lmdb.open(str(out), map_size=map_size, lock=False) as database,
            database.begin(write=True) as transaction,
        ):
            for number, (sample, _) in enumerate(items, 1):
                transaction.put(f"image-{number:09d}".encode(), _read(sample))
                text = sample.labels[0].text.encode()
                transaction.put(f"label-{number:09d}".encode(), text)
            transaction.put(b"num-samples", str(len(items)).encode())
    except lmdb.Error as error:
        raise DatasetError(f"{out}: cannot be written: {reason(error)}") from error


def write_webdataset(items: list[NamedSample], out: Path) -> None:
    """Shards of 10,000 images each, for ``train recognizer --data``."""
    size = 10_000
    for start in range(0, len(items), size):
        own = (_encoded(sample) for sample, _ in items[start : start + size])
        write_shard(out / f"{start // size:05d}.tar", own)


def _encoded(sample: Sample) -> Encoded:
    return suffix_of(sample), _read(sample), sample.labels[0].text
