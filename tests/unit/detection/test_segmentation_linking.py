"""Boxes and strings on ideal maps, made by the detector's own training targets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.detection.box_hypotheses import propose
from industrial_ocr.detection.linking import as_one_string, link_characters
from industrial_ocr.detection.orientation import orientations, string_quad
from industrial_ocr.detection.segmentation import _basins, character_boxes
from industrial_ocr.results.geometry import iou, oriented_quad, rect_quad
from industrial_ocr.results.types import BoxString, Direction, FloatArray, ScoreMaps

pytest.importorskip("torch", reason="the maps are drawn by the training's own code")

from industrial_ocr.training.detector import score_targets  # noqa: E402

SIZE = (480, 640)


def line(
    text: str, x: float, y: float, size: float = 30, angle: float = 0, spacing: float = 0.85
) -> LabeledString:
    """A line of letters 0.6 wide and 1 high, turned clockwise by ``angle`` degrees."""
    axis = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    quads, symbols, spaces, step = [], [], [], 0.0
    for i, c in enumerate(text):
        if c == " ":
            step += 0.7 * size
            continue
        center = np.array([x, y]) + axis * step
        quads.append(oriented_quad(center, axis, 0.6 * size, size))
        symbols.append(c)
        spaces.append(text[i + 1 : i + 2] == " ")
        step += spacing * size
    return LabeledString(text, tuple(symbols), np.stack(quads), tuple(spaces), "horizontal")


def stack(text: str, x: float, y: float, size: float = 30, pitch: float = 1.4) -> LabeledString:
    quads = [
        rect_quad(x - 0.3 * size, y + i * pitch * size, x + 0.3 * size, y + (i * pitch + 1) * size)
        for i in range(len(text))
    ]
    return LabeledString(text, tuple(text), np.stack(quads), (False,) * len(text), "vertical")


def arc(text: str, x: float, y: float, radius: float, size: float = 30) -> LabeledString:
    quads = []
    for i in range(len(text)):
        a = (i - (len(text) - 1) / 2) * 0.9 * size / radius
        center = (x + radius * np.sin(a), y - radius * np.cos(a))
        quads.append(oriented_quad(center, (np.cos(a), np.sin(a)), 0.6 * size, size))
    return LabeledString(text, tuple(text), np.stack(quads), (False,) * len(text), "horizontal")


def maps_of(strings: Sequence[LabeledString]) -> ScoreMaps:
    region, affinity = score_targets(tuple(strings), SIZE)
    return ScoreMaps(region, affinity, (2.0, 2.0))


def found_in(maps: ScoreMaps) -> list[BoxString]:
    return link_characters(character_boxes(maps, 0.45, 0.25), maps, 0.25)


def fits(found: BoxString, wanted: LabeledString, least: float = 0.7) -> bool:
    """Whether some way up has every character at its place, in order."""
    return any(
        len(way.boxes) == len(wanted.quads)
        and all(iou(b.quad, q) >= least for b, q in zip(way.boxes, wanted.quads, strict=True))
        for way in orientations(found)
    )


LAYOUTS: dict[str, list[LabeledString]] = {
    "horizontal": [line("ABC123", 100, 100)],
    "two letters": [line("AB", 100, 100)],
    "touching": [line("ABC123", 100, 100, spacing=0.62)],
    "small": [line("ABC123", 100, 100, size=14)],
    "slanted": [line("ABC123", 100, 100, angle=20)],
    "steeply slanted": [line("ABC123", 150, 100, angle=50)],
    "upside down": [line("ABC123", 400, 100, angle=180)],
    "turned right": [line("ABC123", 100, 60, angle=90)],
    "turned left": [line("ABC123", 100, 400, angle=-90)],
    "stack": [stack("ABC1234", 100, 40)],
    "wide stack": [stack("ABC12", 100, 40, pitch=1.9)],
    "two parallel stacks": [stack("ABC1234", 100, 40), stack("22G1", 150, 40)],
    "arc": [arc("ABC1234", 300, 400, 250)],
    "two lines": [line("ABC123", 100, 100), line("DEF456", 100, 145)],
    "a space": [line("ABC 123", 100, 100)],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_strings_are_found_whole_and_at_their_place(name: str) -> None:
    wanted = LAYOUTS[name]
    found = found_in(maps_of(wanted))
    assert len(found) == len(wanted)
    for string in wanted:
        assert any(fits(f, string) for f in found), string.text


def test_a_hill_without_a_peak_of_its_own_joins_what_is_behind_its_highest_saddle() -> None:
    row = np.array([0.9, 0.5, 0.3, 0.34, 0.31, 0.6, 0.3, 0.2, 0.34], np.float32)
    labels = _basins(row[None], text_threshold=0.4, low_text=0.25)
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2, 2, 0, 0]]


def test_two_peaks_with_a_high_saddle_are_one_character() -> None:
    row = np.array([0.5, 0.9, 0.9, 0.72, 0.8, 0.8, 0.5, 0.7, 0.7], np.float32)
    labels = _basins(row[None], text_threshold=0.4, low_text=0.25)
    assert labels.tolist() == [[1, 1, 1, 1, 1, 1, 1, 3, 3]]


def test_a_wide_gap_becomes_a_space() -> None:
    (string,) = found_in(maps_of(LAYOUTS["a space"]))
    assert string.space_after == (False, False, True, False, False, False)


@pytest.mark.parametrize(("down", "strings"), [(0, 1), (5, 1), (15, 2)])
def test_a_line_goes_on_close_beside_its_axis(down: int, strings: int) -> None:
    """Where no affinity is, as between a comma and a dash."""
    maps = maps_of([line("ABC", 80, 100), line("DEF", 148, 100 + down)])
    empty = np.zeros_like(maps.affinity)
    empty[:, :70] = maps.affinity[:, :70]
    empty[:, 78:] = maps.affinity[:, 78:]
    assert len(found_in(ScoreMaps(maps.region, empty, maps.scale))) == strings


@pytest.mark.parametrize("down, strings", [(0, 1), (6, 1), (10, 2)])
def test_a_mark_beside_a_straight_line_is_not_a_part_of_it(down: int, strings: int) -> None:
    """CE in a circle behind the words of a nameplate; after three letters, a slope is allowed."""
    words = line("ABCDEF", 80, 100)
    assert len(found_in(maps_of([words, line("CE", 260, 100 + down)]))) == strings
    assert len(found_in(maps_of([line("DEF", 80, 100), line("CE", 183, 100 + down)]))) == 1


def test_strings_far_apart_stay_apart() -> None:
    assert len(found_in(maps_of([line("ABC", 80, 100), line("123", 400, 100)]))) == 2


def test_reading_order_is_rows_from_the_top_then_from_the_left() -> None:
    strings = [line("EF", 300, 200), line("AB", 80, 100), line("CD", 400, 104)]
    starts = [round(float(s.boxes[0].center[0]) / 10) * 10 for s in found_in(maps_of(strings))]
    assert starts == [80, 400, 300]


def test_no_text_gives_no_boxes_and_no_strings() -> None:
    empty = maps_of([])
    assert character_boxes(empty, 0.45, 0.25) == []
    assert link_characters([], empty, 0.25) == []


@pytest.mark.parametrize("diagonal", [False, True])
def test_blobs_of_one_pixel_width_have_boxes_with_an_area(diagonal: bool) -> None:
    region = np.zeros((40, 60), np.float32)
    for start in (5, 30):
        for i in range(12):
            region[20 + i * diagonal, start + i] = 0.9
    boxes = character_boxes(ScoreMaps(region, np.zeros_like(region), (1.0, 1.0)), 0.45, 0.25)
    across = np.array([-1.0, 1.0] if diagonal else [0.0, 1.0]) / (np.sqrt(2) if diagonal else 1)
    assert len(boxes) == 2
    assert [box.extent(across) for box in boxes] == pytest.approx([1.0, 1.0], abs=0.01)
    spaces = (False,) * len(boxes)
    found = BoxString(tuple(sorted(boxes, key=lambda b: b.center[0])), spaces, "horizontal")
    for way in orientations(found):
        propose(way)


def test_weak_and_tiny_blobs_do_not_come_out() -> None:
    maps = maps_of([line("AB", 100, 100)])
    region: FloatArray = maps.region.copy()
    cv2.circle(region, (200, 150), 8, 0.3, -1)
    region[100, 250] = 0.9
    assert len(character_boxes(ScoreMaps(region, maps.affinity, maps.scale), 0.45, 0.25)) == 2


def test_a_split_blob_is_one_character() -> None:
    maps = maps_of([line("A", 100, 100, size=60)])
    region = maps.region.copy()
    region[:, 50] *= 0.97
    assert len(character_boxes(ScoreMaps(region, maps.affinity, maps.scale), 0.45, 0.25)) == 1


def test_boxes_are_in_source_pixels_whatever_the_scale() -> None:
    maps = maps_of([line("A", 100, 100)])
    (box,) = character_boxes(ScoreMaps(maps.region, maps.affinity, (4.0, 6.0)), 0.45, 0.25)
    assert np.allclose(box.center, (200, 300), atol=4)


@pytest.mark.parametrize(
    ("string", "direction", "ways"),
    [
        (line("ABC", 100, 100), "horizontal", 2),
        (stack("ABC", 100, 100), "vertical", 3),
        (line("A", 100, 100), "horizontal", 1),
    ],
)
def test_orientations_begin_with_the_likeliest(
    string: LabeledString, direction: Direction, ways: int
) -> None:
    (found,) = found_in(maps_of([string]))
    turned = orientations(found)
    assert turned[0].direction == direction
    assert len(turned) == ways


def test_heights_follow_the_string() -> None:
    """A dot's box grows to the height of its string."""
    string = line("ABCDE", 100, 100)
    quads = string.quads.copy()
    quads[2] = rect_quad(143, 100, 159, 116)
    maps = maps_of([LabeledString("AB.DE", tuple("AB.DE"), quads, (False,) * 5, "horizontal")])
    (found,) = found_in(maps)
    heights = [float(np.linalg.norm(b.quad[3] - b.quad[0])) for b in orientations(found)[0].boxes]
    assert min(heights) > 0.7 * max(heights)


def test_string_quad_encloses_its_characters() -> None:
    (found,) = found_in(maps_of([line("ABC123", 100, 100, angle=20)]))
    way = orientations(found)[0]
    outline = string_quad(way)
    for box in way.boxes:
        for corner in box.quad:
            assert cv2.pointPolygonTest(outline, (float(corner[0]), float(corner[1])), True) > -1


def test_one_string_joins_what_the_gaps_tore_apart() -> None:
    maps = maps_of([line("ABC", 60, 100), line("12", 300, 100), line("x", 250, 250, size=12)])
    (joined,) = as_one_string(found_in(maps))
    assert len(joined.boxes) == 5
    xs = [float(b.center[0]) for b in joined.boxes]
    assert xs == sorted(xs)
