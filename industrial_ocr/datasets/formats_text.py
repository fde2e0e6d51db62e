"""Readers of label files made of lines: TSV, CSV, ICDAR and PaddleOCR."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.datasets.formats import (
    IGNORE,
    MALFORMED,
    NUMBER,
    Rows,
    csv_separator,
    ignorable,
    image_files,
    is_text,
    polygon_quad,
    read_text,
    reason,
    text_lines,
    tsv_fields,
)
from industrial_ocr.datasets.samples import Label, LabeledCharacter
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import FloatArray, as_quad

_BOX = re.compile(rf"{NUMBER}(?:\s*,\s*{NUMBER}){{3}}")
_QUAD = re.compile(rf"{NUMBER}(?:\s*,\s*{NUMBER}){{7}}")
_FOUR_NUMBERS = f"({NUMBER})," * 4
_CHARACTER = re.compile(rf"{_FOUR_NUMBERS}(.+)", re.DOTALL)
_NEXT_CHARACTER = re.compile(rf";(?={f'{NUMBER},' * 4})")
LEXICON = "lexicon:"
"""Beginning of a column of words."""
_BROKEN_BOX = re.compile(rf"\s*,?\s*{NUMBER}\s*[,;].*", re.DOTALL)


def parse_characters(column: str) -> tuple[LabeledCharacter, ...]:
    """Parses ``x0,y0,x1,y1,char;...``, where a char may itself be a comma or a semicolon.

    Raises:
        ValueError: an entry has another form.
    """
    characters = []
    if column.endswith(";") and not column.endswith(",;"):
        column = column[:-1]
    for entry in _NEXT_CHARACTER.split(column):
        match = _CHARACTER.fullmatch(entry)
        symbol = match[5] if match else ""
        # A longer symbol is a token such as CE; with separators in it the entry is malformed.
        if match is None or (len(symbol) > 1 and ("," in symbol or ";" in symbol)):
            raise ValueError(f"a character must be x0,y0,x1,y1,char, got {entry!r}")
        quad = rect_quad(*(float(match[i]) for i in range(1, 5)))
        characters.append(LabeledCharacter(symbol, quad))
    return tuple(characters)


def parse_columns(columns: list[str]) -> Label:
    """The label in the optional columns of a TSV row, recognized by their form, without its text.

    Raises:
        ValueError: a column of numbers is not a box, or two columns have the same form.
    """
    found: dict[str, Any] = {}
    value: Any
    for column in columns:
        if not column.strip():
            continue
        if _BOX.fullmatch(column) or _QUAD.fullmatch(column):
            sort = "box"
            numbers = [float(n) for n in column.split(",")]
            box = rect_quad(*numbers) if len(numbers) == 4 else np.reshape(numbers, (4, 2))
            value = as_quad(box)
        elif _CHARACTER.fullmatch(column):
            sort = "characters"
            value = parse_characters(column)
        elif column.startswith(LEXICON):
            sort = "lexicon"
            value = tuple(filter(None, column.removeprefix(LEXICON).split(",")))
        elif _BROKEN_BOX.fullmatch(column):
            raise ValueError(f"a box must be x0,y0,x1,y1, got {column!r}")
        else:
            sort, value = "kind", column
        if sort in found:
            raise ValueError(f"two columns that are both {sort}, the second {column!r}")
        found[sort] = value
    return Label("", found.pop("box", None), **found)


def read_tsv(path: Path, rows: Rows) -> None:
    """Reads ``labels.tsv``: file, text; optionally a box, boxes of characters, a kind, a lexicon.

    A box is ``x0,y0,x1,y1``, or the four corners of a quad; a label ``###`` with a box is ignored.
    A lexicon is ``lexicon:WORD,WORD``.
    A first row that names the columns (``file``, ``text``) is skipped. A field may be quoted, as
    spreadsheets do if it contains a quote or a tab.
    """
    for number, (row, line) in enumerate(text_lines(path, rows)):
        file, *columns = tsv_fields(line)
        if number == 0 and _is_header(file, columns) and not Path(rows.find(file)).is_file():
            continue
        if not columns or not file:
            rows.wrong(row, file, "a row must be file<TAB>text; there is no tab or no file")
            continue
        image = rows.find(file)
        try:
            label = parse_columns(columns[1:])
        except MALFORMED as error:
            rows.wrong(row, file, reason(error))
            rows.add(image, None)
            continue
        ignore = label.quad is not None and columns[0] == IGNORE
        text = "" if ignore else columns[0]
        rows.add(image, replace(label, text=text, ignore=ignore, row=row))


def _is_header(file: str, columns: list[str]) -> bool:
    """Whether a first row names the columns."""
    return bool(columns) and file.lower() in _FILE_COLUMNS and columns[0].lower() in _TEXT_COLUMNS


_FILE_COLUMNS = ("image_path", "file", "filename", "file_name", "image", "path")
_TEXT_COLUMNS = ("text", "label", "transcription")


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def read_csv(path: Path, rows: Rows) -> None:
    """Reads a CSV whose header names a column of image paths and one of texts.

    For the separator see ``csv_separator``. A text with a separator is quoted.

    Raises:
        DatasetError: the header lacks one of the two columns.
    """
    text = read_text(path)
    separator, table = csv_separator(text)
    before = 0 if table == text else 1
    reader = csv.reader(io.StringIO(table, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise DatasetError(f"{path}:{before + 1}: not CSV: {reason(error)}") from error
    file_at, text_at = _column(header, _FILE_COLUMNS), _column(header, _TEXT_COLUMNS)
    if file_at is None or text_at is None:
        raise DatasetError(
            f"{path}:{before + 1}: the header must name a column of images "
            f"({', '.join(_FILE_COLUMNS)}) and one of texts ({', '.join(_TEXT_COLUMNS)}), "
            f"got {', '.join(header) or 'nothing'}"
        )
    while True:
        row = f"{path.name}:{before + reader.line_num + 1}"
        try:
            values = next(reader, None)
        except csv.Error as error:
            rows.wrong(row, "", f"not CSV: {reason(error)}")
            continue
        if values is None:
            return
        if not any(values):
            continue
        if not all(map(is_text, values)):
            rows.wrong(row, "", "is not valid UTF-8")
            continue
        if len(values) != len(header):
            message = (
                f"{len(values)} columns, the header has {len(header)}; quote a text with commas"
            )
            rows.wrong(row, values[0], message)
        elif not values[file_at]:
            rows.wrong(row, "", "names no image")
        else:
            image = rows.find(values[file_at], bases=("", "images"))
            rows.add(image, Label(values[text_at], row=row))


_ICDAR_QUAD = re.compile(rf"\s*({NUMBER})\s*," * 8 + "(.*)", re.DOTALL)
_ICDAR_RECT = re.compile(rf"\s*({NUMBER})\s*," * 4 + "(.*)", re.DOTALL)
_ICDAR_SPACES = re.compile(r"\s*" + rf"({NUMBER})\s+" * 4 + "(.*)", re.DOTALL)
_LEADING_NUMBER = re.compile(rf"\s*{NUMBER}\s*,")


def _is_rect(line: str) -> bool:
    """Whether a line certainly has four numbers: its text does not begin with a number."""
    match = _ICDAR_RECT.fullmatch(line) or _ICDAR_SPACES.fullmatch(line)
    return match is not None and not _LEADING_NUMBER.match(match[5])


def _parse_icdar(line: str, quads: bool, row: str) -> Label:
    """One line of an ICDAR ground truth; ``quads``: the dataset's lines have eight numbers."""
    match = _ICDAR_QUAD.fullmatch(line) if quads else None
    if match:
        quad: FloatArray = np.reshape([float(n) for n in match.groups()[:8]], (4, 2))
        text, ignore = ignorable(match[9].strip())
        return Label(text, quad, ignore=ignore, row=row)
    match = _ICDAR_RECT.fullmatch(line) or _ICDAR_SPACES.fullmatch(line)
    if match is None or (quads and _LEADING_NUMBER.match(match[5])):
        raise ValueError(f"a line must be x1,y1,...,x4,y4,text or x0,y0,x1,y1,text, got {line!r}")
    text = match[5].strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"')
    text, ignore = ignorable(text)
    return Label(text, rect_quad(*(float(n) for n in match.groups()[:4])), ignore=ignore, row=row)


def icdar_files(folder: Path) -> tuple[list[tuple[Path, Path | None]], list[Path]]:
    """Images with their label files (None if missing), and label files without an image."""
    images = folder / "images" if (folder / "images").is_dir() else folder
    truth_folders = [f for f in (folder / "gt", folder / "labels") if f.is_dir()]
    pairs: list[tuple[Path, Path | None]] = []
    for image in image_files(images):
        inside = image.relative_to(images).parent
        names = (f"gt_{image.stem}.txt", f"{image.stem}.txt")
        places = (base / inside / name for base, name in product((*truth_folders, images), names))
        pairs.append((image, next((file for file in places if file.is_file()), None)))
    truths = set(images.rglob("gt_*.txt"))
    for base in truth_folders:
        truths.update(base.rglob("*.txt"))
    return pairs, sorted(truths - {truth for _, truth in pairs})


def read_icdar(folder: Path, rows: Rows) -> None:
    """Reads images, each with ``gt_NAME.txt`` or ``NAME.txt`` beside it, in gt or in labels.

    Lines are ``x1,y1,...,x4,y4,text`` (ICDAR 2015), ``x0,y0,x1,y1,text`` or ``x0 y0 x1 y1 "text"``
    (ICDAR 2013). Because a text may itself begin with numbers and commas, a line can have both
    forms; then it has that of most lines of the dataset.
    """
    pairs, alone = icdar_files(folder)
    for truth in alone:
        row = truth.relative_to(folder).as_posix()
        rows.wrong(row, "", "no image belongs to this file", "missing-image")
    lines = {}
    for image, file in pairs:
        if file is None:
            name = image.relative_to(folder).as_posix()
            message = f"has no gt_{image.stem}.txt or {image.stem}.txt"
            rows.wrong("", name, message, "no-label")
        else:
            lines[image] = list(text_lines(file, rows))
    every_line = [line for _, line in chain.from_iterable(lines.values())]
    quads = sum(_ICDAR_QUAD.fullmatch(line) is not None for line in every_line)
    rects = sum(_is_rect(line) for line in every_line)
    for image, of_image in lines.items():
        path = os.path.abspath(image)
        rows.add(path, None)
        for row, line in of_image:
            parse = partial(_parse_icdar, line, quads >= rects, row)
            rows.add_parsed(path, image.name, row, parse)


def _region_label(region: dict[str, Any], row: str) -> Label:
    """The label of a region of PPOCRLabel."""
    if not isinstance(region["transcription"], str):
        raise ValueError(f"a text was expected, got {region['transcription']!r}")
    text, ignore = ignorable(region["transcription"])
    ignore = ignore or bool(region.get("difficult", False))
    quad, kind = polygon_quad(region["points"]), region.get("key_cls") or "None"
    return Label(text, quad, (), ignore, "" if kind == "None" else str(kind), row)


def _add_regions(rows: Rows, image: str, row: str, written: str, cell: str) -> None:
    """Adds the regions of one line of PPOCRLabel's ``Label.txt``."""
    rows.add(image, None)
    try:
        regions = json.loads(cell)
        if not isinstance(regions, list):
            raise ValueError("expected a JSON list of regions")
    except (ValueError, RecursionError) as error:
        rows.wrong(row, written, f"no regions: {reason(error)}")
        return
    for region in regions:
        rows.add_parsed(
            image, written, row, partial(_region_label, region, row), "a region is wrong: "
        )


def read_paddle(path: Path, rows: Rows) -> None:
    """Reads PPOCRLabel's ``Label.txt`` (regions) or PaddleOCR's ``rec_gt.txt`` (a text per image).

    The file's name or most of its lines say which of the two it is. Regions that are
    ``difficult`` or ``###`` are ignored; ``key_cls`` is the kind.
    """
    lines = list(text_lines(path, rows))
    cells = [line.partition("\t")[2].strip() for _, line in lines]
    listed = sum(cell.startswith("[{") or cell == "[]" for cell in cells)
    regions = path.name.lower() == "label.txt" or 2 * listed > len(cells)
    for row, line in lines:
        written, tab, cell = line.partition("\t")
        if not tab or not written:
            rows.wrong(row, written, "a row must be path<TAB>label; there is no tab or no path")
            continue
        image = rows.find(written, bases=("", "..", "images"))
        if regions:
            _add_regions(rows, image, row, written, cell)
        else:
            text, ignore = ignorable(cell)
            rows.add(image, Label(text, ignore=ignore, row=row))
