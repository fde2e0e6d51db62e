"""Readers of label files made of lines: TSV, CSV, ICDAR and PaddleOCR."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from industrial_ocr.datasets.formats import (
    IGNORE,
    MALFORMED,
    NUMBER,
    Rows,
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
_FOUR = rf"{NUMBER},{NUMBER},{NUMBER},{NUMBER},"
_CHARACTER = re.compile(rf"({NUMBER}),({NUMBER}),({NUMBER}),({NUMBER}),(.+)", re.DOTALL)
_CHARACTERS = re.compile(rf"{_FOUR}.+", re.DOTALL)
_NEXT_CHARACTER = re.compile(rf";(?={_FOUR})")
_BROKEN_BOX = re.compile(rf"\s*,?\s*{NUMBER}\s*[,;].*", re.DOTALL)


@dataclass
class _Columns:
    """What the optional columns of a TSV row hold."""

    quad: FloatArray | None = None
    characters: tuple[LabeledCharacter, ...] = ()
    kind: str = ""


def parse_characters(column: str) -> tuple[LabeledCharacter, ...]:
    """``x0,y0,x1,y1,char;...`` where a char may itself be a comma or a semicolon.

    Raises:
        ValueError: an entry that has another shape.
    """
    characters = []
    if column.endswith(";") and not column.endswith(",;"):
        column = column[:-1]
    for entry in _NEXT_CHARACTER.split(column):
        match = _CHARACTER.fullmatch(entry)
        symbol = match[5] if match else ""
        # A longer symbol is a token such as CE; one with separators in it is a broken entry.
        if match is None or (len(symbol) > 1 and ("," in symbol or ";" in symbol)):
            raise ValueError(f"a character is x0,y0,x1,y1,char, got {entry!r}")
        quad = rect_quad(*(float(match[i]) for i in range(1, 5)))
        characters.append(LabeledCharacter(symbol, quad))
    return tuple(characters)


def parse_columns(columns: list[str]) -> _Columns:
    """The optional columns of a TSV row, told apart by their shape.

    Raises:
        ValueError: a column of numbers that is no box, or two columns of one sort.
    """
    parsed = _Columns()
    seen: set[str] = set()
    for column in columns:
        if not column.strip():
            continue
        if _BOX.fullmatch(column) or _QUAD.fullmatch(column):
            sort = "box"
            numbers = [float(n) for n in column.split(",")]
            box = rect_quad(*numbers) if len(numbers) == 4 else np.reshape(numbers, (4, 2))
            parsed.quad = as_quad(box)
        elif _CHARACTERS.fullmatch(column):
            sort = "characters"
            parsed.characters = parse_characters(column)
        elif _BROKEN_BOX.fullmatch(column):
            raise ValueError(f"a box is x0,y0,x1,y1, got {column!r}")
        else:
            sort = "kind"
            parsed.kind = column
        if sort in seen:
            raise ValueError(f"two columns that are both {sort}, the second {column!r}")
        seen.add(sort)
    return parsed


def read_tsv(path: Path, rows: Rows) -> None:
    """``labels.tsv``: file, text, and optionally a box, boxes of characters and a kind.

    A first row that names the columns (``file``, ``text``) is passed over. A field may be quoted,
    as spreadsheets do where it holds a quote or a tab.

    A box is ``x0,y0,x1,y1``, or the four corners of a quad; text ``###`` with a box is ignored.
    """
    for number, (row, line) in enumerate(text_lines(path, rows)):
        file, *columns = tsv_fields(line)
        if number == 0 and _is_header(file, columns) and not Path(rows.find(file)).is_file():
            continue
        if not columns or not file:
            rows.wrong(row, file, "a row is file<TAB>text, got no tab or no file")
            continue
        image = rows.find(file)
        try:
            rest = parse_columns(columns[1:])
        except MALFORMED as error:
            rows.wrong(row, file, reason(error))
            rows.add(image, None)
            continue
        ignore = rest.quad is not None and columns[0] == IGNORE
        text = "" if ignore else columns[0]
        rows.add(image, Label(text, rest.quad, rest.characters, ignore, rest.kind, row))


def _is_header(file: str, columns: list[str]) -> bool:
    """Whether a first row names its columns, as those of a CSV do."""
    return bool(columns) and file.lower() in _FILE_COLUMNS and columns[0].lower() in _TEXT_COLUMNS


_FILE_COLUMNS = ("image_path", "file", "filename", "file_name", "image", "path")
_TEXT_COLUMNS = ("text", "label", "transcription")


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


_SEPARATOR_ROW = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


def read_csv(path: Path, rows: Rows) -> None:
    """A CSV with a header that names a column of image paths and one of texts.

    Commas, semicolons or tabs separate: what a first row ``sep=;``, as Excel writes it, says, else
    as in the header. A text with a separator is quoted.

    Raises:
        DatasetError: the header lacks one of the two columns.
    """
    text, before = read_text(path), 0
    first, _, rest = text.partition("\n")
    if named := _SEPARATOR_ROW.fullmatch(first.strip("\r ")):
        text, before = rest, 1
        separator = named[1]
    else:
        separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise DatasetError(f"{path}:{before + 1}: no CSV: {reason(error)}") from error
    file_at, text_at = _column(header, _FILE_COLUMNS), _column(header, _TEXT_COLUMNS)
    if file_at is None or text_at is None:
        raise DatasetError(
            f"{path}:{before + 1}: the header names a column of images "
            f"({', '.join(_FILE_COLUMNS)}) and one of texts ({', '.join(_TEXT_COLUMNS)}), "
            f"got {', '.join(header) or 'nothing'}"
        )
    while True:
        row = f"{path.name}:{before + reader.line_num + 1}"
        try:
            values = next(reader, None)
        except csv.Error as error:
            rows.wrong(row, "", f"no CSV: {reason(error)}")
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


_COMMA_NUMBERS = rf"\s*,\s*({NUMBER})"
_ICDAR_QUAD = re.compile(rf"\s*({NUMBER}){_COMMA_NUMBERS * 7}\s*,(.*)", re.DOTALL)
_ICDAR_RECT = re.compile(rf"\s*({NUMBER}){_COMMA_NUMBERS * 3}\s*,(.*)", re.DOTALL)
_ICDAR_SPACES = re.compile(rf"\s*({NUMBER})" + rf"\s+({NUMBER})" * 3 + r"\s+(.*)", re.DOTALL)
_LEADING_NUMBER = re.compile(rf"\s*{NUMBER}\s*,")
_ICDAR_SHAPE = "a line is x1,y1,...,x4,y4,text or x0,y0,x1,y1,text"


def _is_rect(line: str) -> bool:
    """Whether a line has four numbers for sure: its text does not begin with a number."""
    match = _ICDAR_RECT.fullmatch(line) or _ICDAR_SPACES.fullmatch(line)
    return match is not None and not _LEADING_NUMBER.match(match[5])


def _parse_icdar(line: str, quads: bool, row: str) -> Label:
    """One line of an ICDAR ground truth; ``quads``: the dataset's lines have eight numbers."""
    match = _ICDAR_QUAD.fullmatch(line) if quads else None
    if match:
        quad: FloatArray = np.reshape([float(n) for n in match.groups()[:8]], (4, 2))
        text, ignore = ignorable([match[9].strip()])
        return Label(text, quad, ignore=ignore, row=row)
    match = _ICDAR_RECT.fullmatch(line) or _ICDAR_SPACES.fullmatch(line)
    if match is None or (quads and _LEADING_NUMBER.match(match[5])):
        raise ValueError(f"{_ICDAR_SHAPE}, got {line!r}")
    text = match[5].strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"')
    text, ignore = ignorable([text])
    return Label(text, rect_quad(*(float(match[i]) for i in range(1, 5))), ignore=ignore, row=row)


def icdar_files(folder: Path) -> tuple[list[tuple[Path, Path | None]], list[Path]]:
    """Images with their ground truths (None where there is none), and those without image."""
    images = folder / "images" if (folder / "images").is_dir() else folder
    own = [b for b in (folder / "gt", folder / "labels") if b.is_dir()]
    pairs: list[tuple[Path, Path | None]] = []
    used = set()
    for image in image_files(images):
        inside = image.relative_to(images).parent
        truth = next(
            (
                file
                for base in (*own, images)
                for name in (f"gt_{image.stem}.txt", f"{image.stem}.txt")
                if (file := base / inside / name).is_file()
            ),
            None,
        )
        used.add(truth)
        pairs.append((image, truth))
    named = {f for base in own for f in base.rglob("*.txt")} | set(images.rglob("gt_*.txt"))
    return pairs, sorted(named - used)


def read_icdar(folder: Path, rows: Rows) -> None:
    """A folder of images, each with ``gt_NAME.txt`` or ``NAME.txt`` beside it, in gt or in labels.

    Lines are ``x1,y1,...,x4,y4,text`` (ICDAR 2015), ``x0,y0,x1,y1,text`` or, of ICDAR 2013,
    ``x0 y0 x1 y1 "text"``. Texts may hold commas: a line of a text that begins with numbers could
    be of either shape, so the lines whose shape is sure decide.
    """
    pairs, alone = icdar_files(folder)
    for truth in alone:
        row = truth.relative_to(folder).as_posix()
        rows.wrong(row, "", "no image belongs to this file", "missing-image")
    lines = {}
    for image, file in pairs:
        name = image.relative_to(folder).as_posix()
        if file is None:
            message = f"has no gt_{image.stem}.txt or {image.stem}.txt"
            rows.wrong("", name, message, "no-label")
        else:
            lines[image] = list(text_lines(file, rows))
    everything = [line for of_image in lines.values() for _, line in of_image]
    corners = sum(_ICDAR_QUAD.fullmatch(line) is not None for line in everything)
    sides = sum(_is_rect(line) for line in everything)
    for image, of_image in lines.items():
        rows.add(os.path.abspath(image), None)
        for row, line in of_image:
            try:
                label = _parse_icdar(line, corners >= sides, row)
            except MALFORMED as error:
                rows.wrong(row, image.name, reason(error))
            else:
                rows.add(os.path.abspath(image), label)


def _add_regions(rows: Rows, image: str, row: str, written: str, cell: str) -> None:
    """Adds the JSON list of one line of PPOCRLabel's ``Label.txt``."""
    rows.add(image, None)
    try:
        regions = json.loads(cell)
        if not isinstance(regions, list):
            raise ValueError("a JSON list of regions was expected")
    except (ValueError, RecursionError) as error:
        rows.wrong(row, written, f"no regions: {reason(error)}")
        return
    for region in regions:
        try:
            text, ignore = ignorable([region["transcription"]])
            ignore = ignore or bool(region.get("difficult", False))
            quad, kind = polygon_quad(region["points"]), region.get("key_cls") or "None"
            label = Label(text, quad, (), ignore, "" if kind == "None" else str(kind), row)
        except MALFORMED as error:
            rows.wrong(row, written, f"a region is wrong: {reason(error)}")
        else:
            rows.add(image, label)


def read_paddle(path: Path, rows: Rows) -> None:
    """PPOCRLabel's ``Label.txt`` (regions) or PaddleOCR's ``rec_gt.txt`` (one text an image).

    Which of the two it is its name or the majority of its lines says. Regions that are
    ``difficult`` or ``###`` are ignored; ``key_cls`` is the kind.
    """
    lines = list(text_lines(path, rows))
    cells = [line.partition("\t")[2].strip() for _, line in lines]
    listed = sum(cell.startswith("[{") or cell == "[]" for cell in cells)
    regions = path.name.lower() == "label.txt" or 2 * listed > len(cells)
    for row, line in lines:
        written, tab, cell = line.partition("\t")
        if not tab or not written:
            rows.wrong(row, written, "a row is path<TAB>label, got no tab or no path")
            continue
        image = rows.find(written, bases=("", "..", "images"))
        if regions:
            _add_regions(rows, image, row, written, cell)
        else:
            text, ignore = ignorable([cell])
            rows.add(image, Label(text, ignore=ignore, row=row))
