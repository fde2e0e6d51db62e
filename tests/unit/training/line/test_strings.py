"""Labels are placed where they are read or likely, and named where they are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Character, TextString
from industrial_ocr.review.collecting import picture_digest
from industrial_ocr.training.line import strings
from industrial_ocr.training.line.strings import best_reading, gather, spelled

DIGITS = Charset(tuple("0123456789"), blank=True)


def reading(text: str, x: float = 0.0, second: str = "") -> Any:
    """A string at some place; its frames show its text with 0.6, and a second one with 0.3."""
    quad = rect_quad(x, 10, x + 60, 30)
    table = np.full((2 * len(text) + 1, DIGITS.classes), 0.01)
    table[::2, 0] = 0.9
    for i, c in enumerate(text):
        table[2 * i + 1, DIGITS.encode(c)[0]] = 0.6
    for i, c in enumerate(second):
        table[2 * i + 1, DIGITS.encode(c)[0]] = 0.3
    frames = StringFrames(np.log(table).astype(np.float32), (quad,), (60,), DIGITS)
    return TextString(text, 0.9, quad, (), "horizontal", score_sequence([0.9])), frames


class Models:
    """What ``gather`` asks of the models of a reader, with strings that were found already."""

    def __init__(self, *readings: Any) -> None:
        self.readings = list(readings)
        self.detector = self.config = None
        self.recognizer: Any = type("Recognizer", (), {"charset": DIGITS})


@pytest.fixture(autouse=True)
def found_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings, "find_strings", lambda *_: [[]])
    monkeypatch.setattr(strings, "read_frames", lambda *args: [args[2].readings])


def dataset(tmp_path: Path, task: Any, *labels: Label) -> Dataset:
    file = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 200, 3)).astype(np.uint8)).save(
        file
    )
    return Dataset("line", tmp_path, "tsv", task, (Sample("a.png", file, labels),))


def gathered(data: Dataset, *readings: Any) -> Any:
    models: Any = Models(*readings)
    return gather(data, models)


def test_white_space_does_not_count() -> None:
    assert spelled(" 12 3\t4 ") == "1234"


def test_a_crop_is_taken_as_a_whole(tmp_path: Path) -> None:
    found = gathered(dataset(tmp_path, "recognize", Label("12 34")))
    (picture,) = found.pictures
    assert picture.texts == ("12 34",)
    assert [s.quad.tolist() for s in picture.strings] == [rect_quad(0, 0, 200, 40).tolist()]
    assert not found.problems


def test_symbols_that_the_recognizer_lacks_are_named(tmp_path: Path) -> None:
    found = gathered(dataset(tmp_path, "recognize", Label("1Ω2Δ")))
    assert found.problems == ("a.png '1Ω2Δ': the recognizer does not know Ω Δ",)
    assert not found.pictures


def test_a_label_that_is_too_long_for_its_picture_is_named(tmp_path: Path) -> None:
    found = gathered(dataset(tmp_path, "recognize", Label("1" * 30)))
    assert found.problems == (f"a.png {'1' * 30!r}: its picture is too small for the label",)


def test_on_a_whole_picture_the_string_that_reads_nearest_is_cut(tmp_path: Path) -> None:
    found = gathered(dataset(tmp_path, "read", Label("4567")), reading("12"), reading("4507", 100))
    ((string,),) = [p.strings for p in found.pictures]
    assert string.text == "4567"
    # The string begins at x = 100, y = 10 and is 20 high; so much is left around it.
    assert string.quad.tolist() == rect_quad(20, 10, 80, 30).tolist()
    assert string.image.shape == (40, 101, 3)


def test_what_cannot_be_placed_is_named_and_still_measured(tmp_path: Path) -> None:
    found = gathered(dataset(tmp_path, "read", Label("9999")), reading("1234"))
    assert found.problems == ("a.png '9999': no similar string was found",)
    assert [(p.texts, p.strings) for p in found.pictures] == [(("9999",), ())]


def test_a_box_says_where_to_look_and_is_cut_itself_if_nothing_is_near(tmp_path: Path) -> None:
    box = rect_quad(90, 5, 180, 35)
    label = Label("1234", quad=box)
    # The string that reads so begins at x = 0, outside the box, which is 30 high.
    (picture,) = gathered(dataset(tmp_path, "read", label), reading("1234")).pictures
    assert picture.strings[0].quad[0].tolist() == [30, 5]


def test_a_box_is_clipped_to_the_picture_and_named_if_nothing_is_left(tmp_path: Path) -> None:
    part, outside = rect_quad(150, 5, 230, 35), rect_quad(300, 5, 380, 35)
    labels = Label("12", quad=part), Label("34", quad=outside)
    found = gathered(dataset(tmp_path, "read", *labels))
    # The picture is 200 x 40; the box is 30 high, and so much is left on its left side.
    (string,) = found.pictures[0].strings
    assert string.quad.tolist() == rect_quad(30, 5, 80, 35).tolist()
    assert string.image.shape == (40, 80, 3)
    assert found.problems == ("a.png '34': its box is outside the picture",)


def test_a_string_that_reads_otherwise_is_the_labels_if_that_is_likely_there() -> None:
    # 12 has a probability of 0.9^3 0.3^2 = 0.066 and a little more, -1.4 for each character.
    there = reading("78", second="12")
    assert best_reading("12", [reading("45"), there], DIGITS) is there
    assert best_reading("12", [reading("78")], DIGITS) is None


def test_a_label_that_is_a_part_of_a_longer_string_is_cut_out_of_it(tmp_path: Path) -> None:
    longer = reading("991299")
    characters = tuple(
        Character(c, rect_quad(10 * i, 10, 10 * i + 10, 30), 0.9) for i, c in enumerate("991299")
    )
    longer = replace(longer[0], characters=characters), longer[1]
    found = gathered(dataset(tmp_path, "read", Label("12")), longer)
    # The third and the fourth character, from x = 20 to 40, with their height of 20 around.
    (string,) = found.pictures[0].strings
    assert string.quad.round().tolist() == rect_quad(20, 10, 40, 30).tolist()


def test_a_picture_of_the_review_page_has_the_hash_of_its_source(tmp_path: Path) -> None:
    data = dataset(tmp_path, "recognize", Label("12"))
    image = np.asarray(Image.open(tmp_path / "a.png"))
    assert gathered(data).pictures[0].pixels == picture_digest(image)
    name = "0123456789abcdef0123456700010002.png"  # hash of the source, then the place in it
    answered = replace(data, format="review", samples=(replace(data.samples[0], name=name),))
    assert gathered(answered).pictures[0].pixels == "0123456789abcdef01234567"


def test_single_characters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="retrain takes characters"):
        gathered(dataset(tmp_path, "classify", Label("1")))


def test_the_hash_depends_on_labels(tmp_path: Path) -> None:
    one, two = (gathered(dataset(tmp_path, "recognize", Label(t))).sha256 for t in ("12", "13"))
    assert one != two
