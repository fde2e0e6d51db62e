"""Reading the examples under patterns, by every route."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from industrial_ocr.errors import ConfigError, PatternError
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.types import Status

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
GOLDEN = Path(__file__).parents[1] / "golden" / "pictures"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(device="cpu")


@pytest.mark.parametrize("engine", ["two-stage", "agree", "auto"])
def test_a_stacked_container_code(reader: Reader, engine: str) -> None:
    result = reader.read(EXAMPLES / "container.png", engine=engine, pattern="iso6346")
    assert result.code is not None
    assert (result.code.text, result.code.status) == ("TRHU1700369", Status.OK)
    assert result.status is Status.OK
    written = result.to_dict()
    assert written["codes"][0]["text"] == "TRHU1700369"
    assert written["route"] in ("two-stage", "agree")
    assert written["reason"]


def test_a_code_keeps_its_place_when_only_a_part_of_the_picture_is_read(reader: Reader) -> None:
    image = load_image(EXAMPLES / "container.png")
    whole = reader.read(image, pattern="iso6346").code
    part = reader.read(image, roi=(150, 0, image.shape[1], image.shape[0]), pattern="iso6346").code
    assert whole is not None and part is not None
    assert whole.text == part.text
    np.testing.assert_allclose(whole.quad.mean(0), part.quad.mean(0), atol=6)


def test_pictures_without_such_a_code_say_so(reader: Reader) -> None:
    result = reader.read(EXAMPLES / "chip.png", pattern="imei")
    assert (result.code, result.status) == (None, Status.PATTERN_MISMATCH)
    assert result.reason == "neither engine found a code"
    crnn = reader.read(EXAMPLES / "chip.png", engine="crnn", pattern="imei")
    assert "no word, or sequence of words, is similar" in crnn.reason
    blank = np.full((200, 300, 3), 128, np.uint8)
    for engine in ("two-stage", "crnn", "agree", "auto"):
        assert reader.read(blank, engine=engine, pattern="imei").status is Status.NO_TEXT


def test_several_patterns_are_looked_for_at_once(reader: Reader) -> None:
    patterns = [Pattern.preset("iso6346"), "part-74"]
    result = reader.read(EXAMPLES / "chip.png", pattern=patterns)
    assert [(c.text, c.pattern) for c in result.codes] == [("SN74LS193N", "part-74")]


@pytest.mark.parametrize("engine", ["two-stage", "crnn", "auto", "agree"])
def test_a_picture_of_two_labels_gives_two_codes(reader: Reader, engine: str) -> None:
    image = load_image(EXAMPLES / "label.png")
    both = np.concatenate([image, image])
    found = reader.read(both, engine=engine, pattern="LOT[A-Z0-9]{6}-[0-9]").codes
    assert [c.text for c in found] == ["LOT7B4K92-3"] * 2
    assert abs(found[0].quad.mean(0)[1] - found[1].quad.mean(0)[1]) == pytest.approx(
        len(image), abs=8
    )


@pytest.mark.parametrize("engine", ["two-stage", "crnn", "auto", "agree"])
def test_a_code_may_stand_behind_a_word(reader: Reader, engine: str) -> None:
    dotted = reader.read(EXAMPLES / "label.png", engine=engine, pattern="[0-9]{2}/[0-9]{4}").code
    assert dotted is not None and dotted.text == "08/2027"  # of EXP 08/2027
    assert 150 < dotted.quad[:, 0].min() < 230
    plate, pattern = GOLDEN / "plate1.png", r"[A-Z]{2}-[0-9]{3}/[0-9]\.[0-9]"
    code = reader.read(plate, engine=engine, pattern=pattern).code  # of Model: KG-383/5.5
    assert code is not None and (code.text, code.status) == ("KG-383/5.5", Status.OK)
    assert 70 < code.quad[:, 0].min() < 95


def test_crops_take_patterns_and_routes(reader: Reader) -> None:
    image = load_image(EXAMPLES / "chip.png")[95:180, 140:530]
    for engine in ("two-stage", "crnn", "agree"):
        (result,) = reader.recognize([image], engine=engine, pattern="part-74")
        assert (
            result.code is None
            or result.code.text == "SN74LS193N"
            or result.code.status is not Status.OK
        )
    (result,) = reader.recognize([image], engine="two-stage", pattern="part-74")
    assert result.code is not None and result.code.text == "SN74LS193N"


def test_without_a_pattern_both_ways_are_compared_string_by_string(reader: Reader) -> None:
    chip = reader.read(EXAMPLES / "chip.png", engine="agree")
    assert (chip.route, chip.status) == ("agree", Status.OK)
    assert chip.reason.startswith("both engines read the same")
    label = reader.read(EXAMPLES / "label.png", engine="agree")
    doubts = [s.reason for s in label.strings if s.status is not Status.OK]
    assert label.status is (Status.LOW_CONFIDENCE if doubts else Status.OK)
    assert all(doubt in label.reason for doubt in doubts[:1])


def test_bad_patterns_and_engines_are_named(reader: Reader) -> None:
    with pytest.raises(PatternError):
        reader.read(EXAMPLES / "label.png", pattern="[A-")
    with pytest.raises(ConfigError, match="agree"):
        reader.read(EXAMPLES / "label.png", engine="both")
