"""A check finds every kind of fault, names its row, and finds nothing in a sound dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.check import check_dataset
from industrial_ocr.datasets.load import read_dataset
from industrial_ocr.datasets.samples import Dataset, Label, Sample, Task
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad


def png(value: int, width: int = 100, height: int = 40) -> bytes:
    pixels = np.full((height, width, 3), (value % 256, value // 256, 0), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def sample(number: int, *labels: Label, data: bytes | None = None) -> Sample:
    return Sample(f"{number}.png", None, labels, png(number) if data is None else data)


def made(*samples: Sample, task: Task = "read") -> Dataset:
    return Dataset("set", Path("set"), "tsv", task, samples)


def found(dataset: Dataset, **options: Any) -> list[tuple[str, str, str]]:
    problems = check_dataset(dataset, **options)
    assert not any("\n" in str(p) for p in problems)
    return [(p.row, p.image, p.kind) for p in problems]


def box(*numbers: float, text: str = "AB", row: str = "r:1") -> Label:
    quad = rect_quad(*numbers) if len(numbers) == 4 else np.reshape(numbers, (4, 2))
    return Label(text, quad, row=row)


def test_a_sound_dataset_has_no_problem() -> None:
    ignored = Label("", rect_quad(0, 0, 9, 9), ignore=True)
    dataset = made(
        sample(1, box(0, 0, 100, 40, text="ABA"), box(1, 1, 9, 9, text="B")),
        sample(2, ignored),
        sample(3),
    )
    problems = check_dataset(dataset, Charset())
    assert not problems


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (box(-1, -1, 101, 41), None),
        (box(-1.5, 0, 9, 9), "box-outside-image"),
        (box(0, 0, 101.5, 9), "box-outside-image"),
        (box(0, 30, 9, 42), "box-outside-image"),
        (box(5, 5, 5, 9), "degenerate-box"),
        (box(9, 0, 1, 9), "degenerate-box"),
        (box(1, 1, 9, 9, 9, 1, 1, 9), "degenerate-box"),
        (box(1, 1, 90, 1, 3, 3, 1, 30), "degenerate-box"),
        (box(1, 1, 90, 5, 85, 30, 1, 30), None),
        (Label("", row="r:1"), "empty-label"),
        (Label(" ", row="r:1"), "empty-label"),
        (Label("A?€", row="r:1"), "outside-charset"),
        (Label("A b", row="r:1"), None),
        (Label("?", rect_quad(0, 0, 9, 9), ignore=True, row="r:1"), None),
    ],
)
def test_labels_are_held_against_image_and_charset(label: Label, kind: str | None) -> None:
    expected = [] if kind is None else [("r:1", "1.png", kind)]
    assert found(made(sample(1, label)), charset=Charset()) == expected


def test_messages_say_what_is_wrong() -> None:
    dataset = made(
        sample(1, Label("A?€?", row="r:1"), box(9, 0, 1, 9), box(0, 0, 200, 9, text="CD"))
    )
    first, second, third = check_dataset(dataset, Charset())
    assert "outside the charset: '?' '€'" in first.message
    assert "box of 'AB': its corners run anticlockwise: 9,0 1,0 1,9 9,9" in second.message
    assert "box of 'CD' leaves the image of 100x40" in third.message
    assert str(first).startswith("r:1 (1.png): ")


def test_boxes_of_characters_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    row = "a.png\tAB\t1,2,6,12,A;6,2,211,12,B"
    (tmp_path / "labels.tsv").write_text(row)
    dataset, problems = read_dataset(tmp_path)
    problems = check_dataset(dataset, problems=problems)
    assert [p.kind for p in problems] == ["box-outside-image"]
    assert "character 'B'" in problems[0].message


@pytest.mark.parametrize(
    ("data", "kind", "complaint"),
    [
        (png(1)[:-30], "unreadable-image", "truncated"),
        (b"no image", "unreadable-image", "not an image"),
        (b"", "unreadable-image", "empty"),
        (None, "missing-image", "no such image file"),
    ],
)
def test_images_are_decoded_to_their_end(
    tmp_path: Path, data: bytes | None, kind: str, complaint: str
) -> None:
    path = tmp_path / "a.png"
    if data is not None:
        path.write_bytes(data)
    bad = Sample("a.png", path, (box(0, 0, 500, 9),))
    problems = check_dataset(made(bad, sample(2)))
    assert [(p.row, p.image, p.kind) for p in problems] == [("r:1", "a.png", kind)]
    assert complaint in problems[0].message


def test_an_image_that_is_a_folder_is_no_crash(tmp_path: Path) -> None:
    assert [k for *_, k in found(made(Sample("d", tmp_path, ())))] == ["unreadable-image"]


def test_the_same_image_and_the_same_row_twice() -> None:
    one = sample(1, Label("AB", row="r:1"))
    twin = Sample("2.png", None, (Label("CD", row="r:2"),), one.data)
    again = sample(3, box(0, 0, 9, 9, row="r:3"), box(0, 0, 9, 9, row="r:4"), box(0, 0, 9, 8))
    problems = check_dataset(made(one, twin, again))
    assert [(p.row, p.kind) for p in problems] == [
        ("r:2", "duplicate-image"),
        ("r:4", "duplicate-row"),
    ]
    assert "the same file as 1.png, which is labeled ['AB'], not ['CD']" in str(problems[0])
    assert "r:3" in problems[1].message
    assert sorted(p.kind for p in problems) == ["duplicate-image", "duplicate-row"]


def test_crops_have_one_label() -> None:
    two = sample(2, Label("A", row="r:1"), Label("B", row="r:2"))
    expected = [("", "1.png", "no-label"), ("r:1", "2.png", "several-labels")]
    assert found(made(sample(1), two, task="recognize")) == expected
    assert found(made(sample(1), two, task="read")) == []


def test_no_samples_and_problems_of_reading_are_reported(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("a.png\n")
    dataset, problems = read_dataset(tmp_path)
    problems = check_dataset(dataset, problems=problems)
    assert [p.kind for p in problems] == ["malformed-row", "no-samples"]
    assert problems[0].row == "labels.tsv:1"


@pytest.mark.slow
def test_ten_thousand_crops_are_all_checked(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(10_000):
        (tmp_path / f"images/{number}.png").write_bytes(png(number, 12, 8))
    lines = [f"{n}.png\tAB{n}" for n in range(10_000)]
    lines[5000] = "5000.png"
    lines[7000] = "7000.png\tA?"
    (tmp_path / "labels.tsv").write_text("\n".join(lines))
    (tmp_path / "images/9999.png").write_bytes(png(9999, 12, 8)[:-30])
    dataset, problems = read_dataset(tmp_path)
    seen: list[tuple[int, int]] = []
    problems = check_dataset(
        dataset, Charset(), lambda done, total: seen.append((done, total)), problems
    )
    assert [(p.row, p.kind) for p in problems] == [
        ("labels.tsv:5001", "malformed-row"),
        ("labels.tsv:7001", "outside-charset"),
        ("labels.tsv:10000", "unreadable-image"),
    ]
    assert seen == [(n, 9_999) for n in range(1, 10_000)]
