"""Which hints of another reader are believed; strips of photographs and their tables."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from industrial_ocr.config import shipped_folder
from industrial_ocr.datasets.photos import (
    PhotoString,
    PhotoStrips,
    agrees,
    believable,
    in_sight,
    read_hints,
    read_strings,
    write_strings,
)
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.geometry import rect_quad

SYMBOLS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def hint(text: str, score: float = 0.99, x1: float = 90) -> PhotoString:
    return PhotoString("a.png", "wagons", "1.jpg", rect_quad(10, 10, x1, 30), text, score)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty photographs of one line each."""
    (tmp_path / "images").mkdir()
    windows, lines = [], []
    for i in range(20):
        picture = Image.new("RGB", (100, 40), (200, 190, 180))
        ImageDraw.Draw(picture).text((20, 14), f"AB {i}", fill=(20, 20, 40))
        picture.save(tmp_path / "images" / f"{i}.png")
        windows.append(f"{i}.png\twagons\t{i}.jpg\t0\t0\t1.0")
        lines.append(f"{i}.png\t18\t12\t50\t12\t50\t27\t18\t27\t0.98\tAB {i}")
    (tmp_path / "windows.tsv").write_text("\n".join(windows) + "\n", encoding="utf-8")
    (tmp_path / "lines.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_a_hint_is_used_where_all_of_it_is_in_sight() -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    assert in_sight(hint("AB 12"), image, SYMBOLS)
    assert not in_sight(hint("ABÄ"), image, SYMBOLS)
    assert not in_sight(hint(" "), image, SYMBOLS)
    assert not in_sight(hint("AB12", x1=110), image, SYMBOLS), "cut off by the edge"
    assert not in_sight(hint("AB12", x1=20), image, SYMBOLS), "stands upright"


def test_spaces_and_the_case_of_letters_alike_in_both_are_no_disagreement() -> None:
    assert agrees("PO Box 12", ["P0B0x12", "poBox12"])
    assert not agrees("AB12", ["AB12X", "A812", "aB12"])


def test_a_contradicted_hint_needs_a_reader_that_stays_with_it() -> None:
    assert believable(hint("HONDA", 0.91), ["HUNDA"], ["HONDA", "HONDA"])
    assert believable(hint("HONDA"), ["HUNDA"], ["HONDA", "HONOA"])
    assert not believable(hint("HONDA", 0.93), ["HUNDA"], ["HONDA", "HONOA"])
    assert not believable(hint("HONDA"), ["HUNDA"], ["HUNDA", "HONOA"])
    assert not believable(hint("HONDA"), ["7"], ["HONDA", "HONDA"]), "another place"


def test_strips_come_from_the_photographs_that_are_not_held_out(
    photos: Path, tmp_path: Path
) -> None:
    strings = read_hints(photos)
    strings[0] = replace(strings[0], known=False)
    labels = tmp_path / "labels.tsv"
    write_strings(labels, strings)
    again = read_strings(labels)
    assert [(s.file, s.text, s.known) for s in again] == [
        (s.file, s.text, s.known) for s in strings
    ]
    assert all(np.array_equal(a.quad, b.quad) for a, b in zip(again, strings, strict=True))
    ours, kept = PhotoStrips(photos, labels), PhotoStrips(photos, labels, held_out=True)
    files = {s.file for s in ours.strings}
    assert files and not files & {s.file for s in kept.strings}
    assert len(ours.strings) + len(kept.strings) == 20
    image, text = ours.render((3, 1))
    assert image.ndim == 3 and text.startswith("AB") and " " not in text
    assert np.array_equal(image, ours.render((3, 1))[0])


def test_the_table_of_photographs_is_whole() -> None:
    with (shipped_folder("configs") / "photos.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    columns = ["source", "repository", "commit", "path", "license", "strings", "shows"]
    assert all(list(r) == columns and all(r.values()) for r in rows)
    assert all(re.match(r"CC BY 4\.0|MIT|Apache-2\.0|Public Domain", r["license"]) for r in rows)
    assert len({r["source"] for r in rows}) == len(rows)


def test_a_broken_table_is_named(photos: Path, tmp_path: Path) -> None:
    (photos / "lines.tsv").write_text("0.png\t1\t2\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"lines\.tsv:1: 3 columns"):
        read_hints(photos)
    table = "0.png" + 8 * "\t1" + "\thigh\tAB\n"
    (photos / "lines.tsv").write_text(table, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"lines\.tsv:1: not a score: high"):
        read_hints(photos)
    with pytest.raises(DatasetError, match="cannot read"):
        PhotoStrips(photos, tmp_path / "none.tsv")
