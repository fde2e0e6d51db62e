"""Every kind of source gives samples; what cannot be used is listed or one clear error."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.datasets.synthesis.faces import built_in_faces
from industrial_ocr.datasets.synthesis.layout import line_of_text
from industrial_ocr.datasets.synthesis.strips import Strip
from industrial_ocr.errors import DatasetError
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining import sources, string_samples
from industrial_ocr.training.retraining.font_samples import render_symbols
from industrial_ocr.training.retraining.samples import (
    SampleSet,
    check_symbol,
    new_symbols,
    sample_at,
)
from industrial_ocr.training.retraining.sources import read_samples, split_symbols
from industrial_ocr.training.retraining.string_samples import read_strings, symbols_of


def no_models() -> Models:
    raise AssertionError("nothing needs to be found here")


def read(path: Path, symbols: tuple[str, ...] = ()) -> SampleSet:
    return read_samples(path, symbols, 3, 0, no_models)


def picture(path: Path, value: int = 0, size: tuple[int, int] = (30, 20)) -> Path:
    image = np.full(size, 200, np.uint8)
    image[5:-5, 5:-5] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize(
    ("folder", "symbol"),
    [
        ("A", "A"),
        ("slash", "/"),
        ("U+03A9", "Ω"),
        ("U+0043_U+0045", "CE"),
        ("CE", "CE"),
        ("U+0061", "a"),
        ("a_lower", "a"),
        ("→", "→"),
    ],
)
def test_folder_names_are_symbols(tmp_path: Path, folder: str, symbol: str) -> None:
    picture(tmp_path / folder / "1.png")
    (sample,) = read(tmp_path).samples
    assert sample.symbol == symbol
    np.testing.assert_array_equal(sample.quad, rect_quad(0, 0, 20, 30))


def test_an_empty_class_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    picture(tmp_path / "A" / "1.png")
    (tmp_path / "U+03A9").mkdir()
    with pytest.raises(DatasetError, match=r"U\+03A9: the folder of 'Ω' has no pictures"):
        read(tmp_path)


def test_a_folder_name_that_is_no_code_point_is_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "U+FFFFFF" / "1.png")
    with pytest.raises(DatasetError, match="its name is not a symbol"):
        read(tmp_path)


def test_broken_pictures_are_listed_and_an_error_where_none_is_left(tmp_path: Path) -> None:
    picture(tmp_path / "A" / "1.png")
    (tmp_path / "A" / "2.png").write_bytes(b"no picture")
    found = read(tmp_path)
    assert found.counts == {"A": 1}
    assert len(found.problems) == 1 and "2.png" in found.problems[0]
    (tmp_path / "A" / "1.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="no picture can be used; 2 problems"):
        read(tmp_path)


@pytest.mark.parametrize("symbol", ["a" * 300, "A B", "", "\x07"])
def test_what_cannot_be_a_symbol(symbol: str) -> None:
    with pytest.raises(DatasetError) as error:
        check_symbol(symbol, "labels.tsv:3")
    assert "labels.tsv:3" in str(error.value) and len(str(error.value)) < 120


def test_a_folder_name_of_200_characters_is_an_error(tmp_path: Path) -> None:
    picture(tmp_path / ("x" * 200) / "1.png")
    with pytest.raises(DatasetError, match="200 characters, a symbol 16 at most"):
        read(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        read(tmp_path / "missing")
    with pytest.raises(DatasetError, match="no labeled dataset recognized"):
        read(tmp_path)


# Corrections


def item(folder: Path, name: str, **changes: object) -> None:
    picture(folder / "items" / f"{name}.png", size=(60, 60))
    data = {"id": name, "symbol": "O", "quad": rect_quad(10, 10, 40, 50).tolist()} | changes
    (folder / "items" / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")


def corrections(folder: Path, *rows: tuple[str, str, str]) -> Path:
    file = folder / "corrections.jsonl"
    lines = [
        json.dumps({"id": i, "action": a, "symbol": s, "time": "2026-01-01T00:00:00+00:00"})
        for i, a, s in rows
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


ONE, TWO, THREE, FOUR = (c * 8 for c in "abcd")


def test_the_last_answer_that_is_not_undone_counts(tmp_path: Path) -> None:
    for name in (ONE, TWO, THREE, FOUR):
        item(tmp_path, name)
    corrections(
        tmp_path,
        (ONE, "label", "X"),
        (ONE, "label", "Ω"),
        (TWO, "label", "Δ"),
        (TWO, "label", "Y"),
        (TWO, "undo", ""),
        (THREE, "nothing", ""),
        (FOUR, "skip", ""),
    )
    found = read(tmp_path)
    assert [(s.source, s.symbol) for s in found.samples] == [
        (f"item {ONE}", "Ω"),
        (f"item {TWO}", "Δ"),
        (f"item {THREE}", REJECT),
    ]
    assert found.problems == ()
    assert found.samples[0].image.shape == (60, 60)


def test_broken_lines_and_items_are_listed(tmp_path: Path) -> None:
    item(tmp_path, ONE)
    item(tmp_path, TWO, quad=[[1, 2]])
    item(tmp_path, THREE, quad=rect_quad(500, 500, 540, 540).tolist())
    file = corrections(tmp_path, *((name, "label", "Ω") for name in (ONE, TWO, THREE, FOUR)))
    with file.open("a", encoding="utf-8") as more:
        more.write('{"id": "torn')
    found = read(file)
    assert found.counts == {"Ω": 1}
    listed = "\n".join(found.problems)
    for part in (
        "corrections.jsonl:5: not an answer",
        TWO,
        f"{THREE}: item {THREE}: the box of",
        FOUR,
    ):
        assert part in listed


def test_a_sample_keeps_what_jittered_windows_need() -> None:
    gray = np.zeros((400, 400), np.uint8)
    sample = sample_at("A", gray, rect_quad(200, 200, 220, 240), "x")
    assert sample.image.shape == (121, 101)
    np.testing.assert_allclose(sample.quad[0], [40, 40])


# Fonts


def test_symbols_of_the_command_line() -> None:
    assert split_symbols("ΩΔΩ") == ("Ω", "Δ")
    assert split_symbols("CE Ω") == ("CE", "Ω")
    assert split_symbols("") == ()


def test_rendered_symbols_stand_where_they_say() -> None:
    face = next(f for f in built_in_faces() if f.name.startswith("hershey"))
    samples = render_symbols(face, ("#", "&"), 2, 7)
    assert [s.symbol for s in samples] == ["#", "#", "&", "&"]
    # A hash has ink in the middle of its quad, whatever stands beside it.
    again = render_symbols(face, ("#", "&"), 2, 7)
    for one, two in zip(samples, again, strict=True):
        np.testing.assert_array_equal(one.image, two.image)


def test_a_symbol_is_where_its_quad_says(monkeypatch: pytest.MonkeyPatch) -> None:
    face = next(f for f in built_in_faces() if f.name.startswith("hershey"))
    seen: list[tuple[str, str]] = []

    def good(strip: Strip, at: int) -> bool:
        seen.append((strip.string.symbols[at], strip.string.text))
        return True

    (sample,) = render_symbols(face, ("#",), 1, 7, good=good)
    ((private, text),) = seen
    assert not private.isascii() and sum(not c.isascii() for c in text) == 1
    assert sample.symbol == "#"


def test_a_font_that_is_none_or_no_symbols(tmp_path: Path) -> None:
    font = tmp_path / "a.ttf"
    font.write_bytes(b"no font")
    with pytest.raises(DatasetError, match="not a usable font"):
        read(font, ("Ω",))
    with pytest.raises(DatasetError, match="--symbols"):
        read(font)


# Whole pictures


def test_labels_become_symbols_longest_token_first() -> None:
    assert symbols_of("A CEΩ", ("A", "C", "E"), ("CE",)) == ("A", "CE", "Ω")


def string_picture(text: str) -> ImageArray:
    """Stroke letters, dark on light, 32 pixels high."""
    face = next(f for f in built_in_faces() if f.name == "hershey-0-6")
    mask = line_of_text(face, text, 0.12).mask
    page = np.full((mask.shape[0] + 120, mask.shape[1] + 120), 0, np.uint8)
    page[60:-60, 60:-60] = mask
    return np.repeat((225 - page // 255 * 190)[..., None], 3, axis=2).astype(np.uint8)


def dataset(tmp_path: Path, text: str, label: str) -> Dataset:
    path = tmp_path / "p.png"
    cv2.imwrite(str(path), string_picture(text))
    sample = Sample("p.png", path, (Label(label, row="labels.tsv:1"),))
    return Dataset("d", tmp_path, "tsv", "read", (sample,))


@pytest.fixture(scope="module")
def models() -> Models:
    return Reader().models


def test_a_string_gives_its_characters(tmp_path: Path, models: Models) -> None:
    # The picture shows a &, the label calls it by a symbol that the classifier does not know.
    found = read_strings(dataset(tmp_path, "A47&K2", "A47ΩK2"), (), models)
    assert found.problems == ()
    assert [s.symbol for s in found.samples] == list("A47ΩK2")
    assert new_symbols(found.samples, models.classifier.charset.symbols) == ("Ω",)


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("ZZTOP9", "no detected string is similar"),
        ("A47ΩΩK2", "there is no box for Ω"),
        ("A4K2", "more boxes than the label"),
    ],
)
def test_a_label_that_does_not_fit_is_listed(
    tmp_path: Path, models: Models, label: str, why: str
) -> None:
    found = read_strings(dataset(tmp_path, "A47&K2", label), (), models)
    assert found.samples == ()
    assert len(found.problems) == 1
    assert repr(label) in found.problems[0] and why in found.problems[0]


def test_labels_of_single_characters_need_nothing_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: Models
) -> None:
    monkeypatch.setattr(string_samples, "find_strings", None)
    for name in ("1", "2"):
        picture(tmp_path / "images" / f"{name}.png")
    (tmp_path / "labels.tsv").write_text("1.png\tΩ\n2.png\tA\n3.png\tB\n", encoding="utf-8")
    found = sources.read_samples(tmp_path, (), 3, 0, lambda: models)
    assert [s.symbol for s in found.samples] == ["Ω", "A"]
    assert any("3.png" in p for p in found.problems)


def test_the_parts_of_a_dataset_are_no_symbols_and_only_train_is_learned(tmp_path: Path) -> None:
    for name in (
        "train/A/1.png",
        "train/B/1.png",
        "dev/C/1.png",
        "val/A/2.png",
        "__MACOSX/train/C/1.png",
    ):
        picture(tmp_path / name)
    found = read(tmp_path)
    assert found.counts == {"A": 1, "B": 1}
    assert found.problems == tuple(
        f"{p}: left out; it is for measuring" for p in ("dev/C", "val/A")
    )
    assert read(tmp_path / "val").counts == {"A": 1}


@pytest.mark.parametrize("name", ["set/A/1.png", "set/train/A/1.png", "set/images/1.png"])
def test_the_folder_around_a_dataset_is_no_symbol(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name)
    with pytest.raises(DatasetError, match="set: .* give that folder itself"):
        read(tmp_path)


def test_pictures_of_a_symbol_may_lie_in_folders(tmp_path: Path) -> None:
    for name in ("A/camera 1/1.png", "CE/1.png", "CE/camera 1/2.png"):
        picture(tmp_path / name)
    assert read(tmp_path).counts == {"A": 1, "CE": 2}


def test_a_part_of_a_dataset_without_symbols_is_an_error_that_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "1.png")
    picture(tmp_path / "A" / "1.png")
    with pytest.raises(DatasetError, match="train: this is the name of a part of a dataset"):
        read(tmp_path)
