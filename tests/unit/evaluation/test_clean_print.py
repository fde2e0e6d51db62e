"""The benchmark of clean print: the same pictures for the same seed, and what counts as right."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import clean_print
import numpy as np
import pytest
from cleanprint import engines, faces, render, scoring, tables, texts, verifying
from PIL import ImageFont

from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[faces.Face]]:
    """The one font that comes with Pillow."""
    path = tmp_path_factory.mktemp("fonts") / "pillow.ttf"
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont) and isinstance(font.path, io.BytesIO)
    path.write_bytes(font.path.getvalue())
    face = faces.load_face(path, "pillow")
    assert face is not None
    return {"pillow": [face]}


def row(picture: render.Picture, *strings: dict[str, Any], ok: bool = True) -> dict[str, Any]:
    """A recorded reading."""
    return {"picture": picture.to_dict(), "reading": {"ok": ok, "strings": list(strings)}}


def string(text: str, quad: Any, ok: bool = True) -> dict[str, Any]:
    return {"text": text, "quad": quad, "ok": ok, "confidence": 0.9}


def test_pictures_show_their_text_at_its_size_and_a_seed_fixes_them(
    family: dict[str, list[faces.Face]],
) -> None:
    for number in range(10):
        one, two = (render.render(family, "test", 5, number) for _ in range(2))
        assert np.array_equal(one.image, two.image) and one.to_dict() == two.to_dict()
        (line,) = one.lines
        assert line.text == " ".join(line.text.split())
        assert set(line.text) <= {*DEFAULT_SYMBOLS, " "}
        x0, y0 = np.maximum(np.min(line.quad, axis=0).astype(int), 0)
        x1, y1 = np.max(line.quad, axis=0).astype(int) + 1
        gray = one.image.astype(float).mean(2)
        inside = np.abs(gray[y0:y1, x0:x1] - one.ground).max()
        assert inside > 0.5 * abs(one.ink - one.ground)
        assert 8 <= line.height <= 96


def test_another_split_shows_other_texts(family: dict[str, list[faces.Face]]) -> None:
    shown = [render.render(family, s, 5, 0).lines[0].text for s in render.SPLITS]
    assert shown[0] != shown[1]


def test_a_tight_cut_ends_at_the_ink() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 15:45] = 255
    cut, step = render._frame_ink(mask, 0)
    assert cut.shape == (10, 30) and step == (-15, -10)
    cut, step = render._frame_ink(mask, 3)
    assert cut.shape == (16, 36) and step == (-12, -7)


def test_places_turn_with_the_mask() -> None:
    mask = np.zeros((60, 200), np.uint8)
    mask[28:32, 20:180] = 255
    turned, ((corner, *_),) = render._turn(mask, [[[20, 28], [180, 28], [180, 32], [20, 32]]], 3)
    rows, cols = np.nonzero(turned > 128)
    assert corner[0] == pytest.approx(cols.min(), abs=2)
    assert corner[1] == pytest.approx(rows[cols < cols.min() + 5].min(), abs=2)


@pytest.mark.parametrize("kind", texts.KINDS)
def test_texts_are_spelled_with_the_charset(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        text = texts.KINDS[kind](rng)
        assert text == " ".join(text.split()) and set(text) <= {*DEFAULT_SYMBOLS, " "}
        assert len(text) <= 60 and (kind != "long" or len(text) >= 30)


def test_nameplates_have_six_to_ten_lines_and_a_logo(
    family: dict[str, list[faces.Face]],
) -> None:
    picture = render.render(family, "dev", 5, render.PLATE_EVERY - 1)
    asked = [line for line in picture.lines if line.asked]
    assert picture.plate and 6 <= len(asked) <= 10 and len(picture.lines) == len(asked) + 1
    read = [string(line.text, line.quad) for line in picture.lines]
    outcomes, extra = scoring.score(row(picture, *read))
    assert all(o.right and o.ok for o in outcomes) and not extra
    far = [[0, 9000], [9, 9000], [9, 9010], [0, 9010]]
    outcomes, extra = scoring.score(row(picture, *read[1:], string("IIIII", far)))
    assert [o.right for o in outcomes].count(False) == 1 and not outcomes[0].ok
    assert [s["text"] for s in extra] == ["IIIII"]


QUAD = [[0, 0], [90, 0], [90, 10], [0, 10]]
HEAD = [[90, 10], [0, 10], [0, 0], [90, 0]]


def outcome(
    truth: str, *strings: dict[str, Any], ok: bool = True, **line: Any
) -> scoring.ReadOutcome:
    """What comes of one string."""
    own = render.Line(truth, "code", 20.0, "pillow", QUAD, **{"twins": [], "scaled": [], **line})
    picture = render.Picture(0, np.zeros((10, 90, 3), np.uint8), False, (own,), 255, 0, 0.5)
    recorded = picture.to_dict()
    return scoring._outcome(recorded, recorded["lines"][0], strings, ok and bool(strings))


def test_spaces_count_apart() -> None:
    read = outcome("LOT 12", string("LOT12", QUAD))
    assert read.right and not read.spaced and not read.passed_wrong
    left, right = (np.add(QUAD, (x, 0)).tolist() for x in (0, 100))
    read = outcome("LOT 12", string("12", right), string("LOT", left))
    assert read.right and read.spaced


def test_a_lost_mark_passes_wrong_only_if_it_is_ok() -> None:
    assert outcome("-40C", string("40C", QUAD)).passed_wrong
    assert not outcome("-40C", string("40C", QUAD), ok=False).passed_wrong
    assert not outcome("-40C").ok


def test_typographic_marks_of_rivals_are_the_charsets() -> None:
    assert outcome("-1'200", string("\u22121\u2019200", QUAD)).right


def test_a_logo_may_be_read_with_its_circle() -> None:
    assert outcome("CE", string("(cE)", QUAD), asked=False).right
    assert not outcome("CE", string("(GE)", QUAD), asked=False).right


def test_shapes_of_a_font_count_as_one() -> None:
    assert outcome("BO0", string("B00", QUAD), twins=["0O"]).right
    apart = outcome("BO0", string("B00", QUAD))
    assert apart.nearly and not apart.right and apart.passed_wrong
    assert not outcome("BO0", string("BQ0", QUAD)).nearly
    scaled = ["Ss", "Xx"]
    assert outcome("SXS", string("sxs", QUAD), scaled=scaled).right
    assert not outcome("SX1", string("sx1", QUAD), scaled=scaled).right


def test_upright_texts_read_on_their_head_are_seen() -> None:
    assert outcome("H0000-08", string("80-0000H", QUAD)).on_head
    assert outcome("LOT 00000", string("AB", HEAD)).on_head
    assert not outcome("H0000-08", string("H0000-8", QUAD)).on_head
    assert not outcome("8008", string("8008", QUAD)).on_head


def test_groups_are_shapes_at_the_size_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, tops = np.full((len(DEFAULT_SYMBOLS), 2), 60.0), np.full(len(DEFAULT_SYMBOLS), 96.0)
    overlap = np.eye(len(DEFAULT_SYMBOLS))
    place = {s: i for i, s in enumerate(DEFAULT_SYMBOLS)}
    for one, two in ("Il", "Ss"):
        overlap[place[one], place[two]] = overlap[place[two], place[one]] = 1
    sizes[place["l"]] = 60, 64  # 3 % higher than I
    sizes[place["s"]] = 42, 42
    shapes = faces._Shapes(sizes, tops, overlap)
    monkeypatch.setattr(faces, "_shapes", lambda path, cap: shapes)
    face = faces.Face(Path("a.ttf"), "a", 0.7)
    assert faces.twins(face, 10) == ["Il"] and faces.twins(face, 60) == []
    assert faces.scaled_twins(face) == ["Il", "Ss"]


def test_a_glyph_that_is_drawn_alike_has_the_shape(
    family: dict[str, list[faces.Face]],
) -> None:
    (face,) = family["pillow"]
    overlap = faces._shapes(face.path, face.cap).overlap
    assert np.allclose(overlap.diagonal(), 1) and np.allclose(overlap, overlap.T)
    place = {s: i for i, s in enumerate(DEFAULT_SYMBOLS)}
    assert overlap[place["O"], place["0"]] > overlap[place["O"], place["X"]]
    assert not any(s in g and s.lower() in g for g in faces.twins(face, 8) for s in "CSVWXZ")


def test_wrong_expectations_differ_in_a_shape() -> None:
    for seed in range(200):
        texts_of = verifying.expectations("-40O.1", ["8B"], np.random.default_rng(seed))
        assert texts_of.pop(verifying.RIGHT) == "-40O.1"
        assert set(texts_of) == set(verifying.WRONG)
        assert len(texts_of["mark missing"]) == 5 and len(texts_of["mark added"]) == 7
        changed = texts_of["one changed"]
        ((one, other),) = [(a, b) for a, b in zip("-40O.1", changed, strict=True) if a != b]
        assert other not in verifying.alike(one, (*verifying.ALIKE, "8B"))


def test_a_rival_gets_a_border_of_ground_where_the_cut_is_close() -> None:
    image = np.full((20, 60, 3), 200, np.uint8)
    image[:, 5:30] = 10  # print that touches the edge
    line = render.Line("W", "code", 20.0, "pillow", QUAD, [], [])
    close = render.Picture(0, image, False, (line,), 200, 10, 0.0)
    wide, border = engines.padded(close, 0.5)
    assert border == 20 and wide.shape == (60, 100, 3) and (wide[0] == 200).all()
    free = render.Picture(0, image, False, (line,), 200, 10, 1.0)
    assert engines.padded(free, 0.5)[1] == 0


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "test-crnn.jsonl"
    log = clean_print.Log(path, {"seed": 1})
    log.add({"picture": {"number": 0}})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"picture": {"num')  # killed while it wrote
    again = clean_print.Log(path, {"seed": 1})
    assert again.done == {0}
    again.add({"picture": {"number": 1}})
    assert clean_print.Log(path, {"seed": 1}).done == {0, 1}
    with pytest.raises(SystemExit, match="another --out"):
        clean_print.Log(path, {"seed": 2})


def test_every_sixteenth_picture_is_no_string() -> None:
    assert list(clean_print.singles(17)) == [*range(15), 16, 17]


def test_tables_count_what_passes_wrong() -> None:
    lost = outcome("-40C", string("40C", QUAD))
    right = outcome("W12", string("W12", QUAD))
    table = tables.bands({"crnn": [lost, right, right, right]})
    (line,) = [text for text in table.splitlines() if text.startswith("| crnn")]
    shares = [cell.split(" ")[1] for cell in line.split("|")[2:9]]
    assert shares == ["4", "75.0", "75.0", "75.0", "75.0", "25.0", "0"]
    assert line.count("(4.6-69.9): 1") == 1


def test_verdicts_are_counted_by_what_was_expected(
    family: dict[str, list[faces.Face]],
) -> None:
    picture = render.render(family, "dev", 5, 0).to_dict()
    picture["lines"][0]["height"] = 30
    fail = dict.fromkeys(verifying.ENGINES, "fail")
    rows = [
        {"what": verifying.RIGHT, "verdicts": {**fail, "crnn": "pass"}},
        {"what": "mark missing", "verdicts": {**fail, "crnn": "pass"}},
        {"what": "mark added", "verdicts": fail},
    ]
    lines = tables.verification([{"picture": picture, "verify": rows}]).splitlines()
    (wrong,) = [text for text in lines if text.startswith("| crnn | **all wrong")][:1]
    assert wrong.split("|")[3].strip() == "2" and wrong.split("|")[4].startswith(" 50.0")
