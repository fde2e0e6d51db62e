"""Characters are placed by the frames of their string and the boxes of the detector."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.training.line.characters import (
    BoxedString,
    LineDetectorTask,
    level,
    placed_boxes,
)
from industrial_ocr.training.line.config import Recipe
from industrial_ocr.training.line.strings import LineString

SPANS = np.array([(0, 20), (20, 40), (40, 60)], np.float32)


def placed(*boxes: tuple[float, ...]) -> list[tuple[float, ...]] | None:
    found = placed_boxes("123", SPANS, np.array(boxes, np.float32).reshape(-1, 4))
    return None if found is None else [bounds(q) for q in found[0]]


def test_a_box_belongs_to_the_character_in_whose_span_its_middle_lies() -> None:
    boxes = [(42, 5, 58, 31), (2, 4, 18, 30), (22, 4, 38, 30)]
    assert placed(*boxes) == [(2, 4, 18, 30), (22, 4, 38, 30), (42, 5, 58, 31)]


def test_pieces_are_joined_and_what_is_missing_is_as_large_as_the_others() -> None:
    boxes = [(2, 4, 9, 30), (10, 6, 18, 28), (42, 4, 58, 30)]
    assert placed(*boxes) == [(2, 4, 18, 30), (22, 4, 38, 30), (42, 4, 58, 30)]


def test_a_box_over_two_characters_belongs_to_none_and_most_must_have_one() -> None:
    assert placed((2, 4, 18, 30), (21, 4, 59, 30)) is None
    found = placed_boxes("123", SPANS, np.array([(2, 4, 18, 30), (22, 4, 38, 30), (21, 4, 59, 30)]))
    assert found is not None
    assert found[1] == (True, True, False)


def test_a_point_has_a_narrow_box_between_its_neighbors_and_takes_none_of_theirs() -> None:
    spans = np.array([(0, 20), (20, 30), (30, 50)], np.float32)
    # The center of the first box lies in the span of the point, whose center it covers, too.
    boxes = np.array([(10, 4, 32, 30), (36, 4, 48, 30)], np.float32)
    found = placed_boxes("4.8", spans, boxes)
    assert found is not None
    assert [bounds(q) for q in found[0]] == [
        (10, 4, 32, 30),
        (pytest.approx(34 - 3.4), 4, pytest.approx(34 + 3.4), 30),  # 0.4 of the mean width of 17
        (36, 4, 48, 30),
    ]
    assert found[1] == (True, False, True)


def test_a_detected_point_keeps_its_box_and_only_points_are_no_string() -> None:
    spans = np.array([(0, 20), (20, 30), (30, 50)], np.float32)
    boxes = np.array([(2, 4, 18, 30), (22, 4, 28, 30), (32, 4, 48, 30)], np.float32)
    found = placed_boxes("4.8", spans, boxes)
    assert found is not None
    assert [bounds(q) for q in found[0]] == [tuple(b) for b in boxes]
    assert placed_boxes("...", spans, boxes) is None


def boxed() -> BoxedString:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (32, 120, 3)).astype(np.uint8)
    quads = np.stack([rect_quad(10, 4, 30, 28), rect_quad(40, 4, 60, 28)])
    return BoxedString(
        "a.png", image, ("7", "8"), quads, (True, False), (rect_quad(80, 4, 99, 28),)
    )


def test_samples_are_the_boxes_that_were_found_and_those_of_no_character() -> None:
    assert [s.symbol for s in boxed().samples()] == ["7", REJECT]


def test_a_string_on_a_picture_is_made_level_with_room_around_it() -> None:
    quad = rect_quad(50, 40, 110, 60)
    string = level(LineString("a.png", "7", np.zeros((100, 200, 3), np.uint8), quad))
    assert string.image.shape == (34, 74, 3)  # 0.35 of 20 rows on all sides
    assert bounds(string.quad) == (7, 7, 67, 27)


def test_views_of_the_line_stand_beside_rendered_scenes_with_targets_in_their_boxes() -> None:
    recipe = Recipe(views=3, scenes=1, scene_size=64)
    task = LineDetectorTask(find_entry("detector"), [boxed()], recipe)
    batch, again = task.render(4, 0), task.render(4, 0)
    assert batch["image"].shape == (1, 2, 64, 64)
    assert batch["line"].shape[:2] == (3, 2)
    assert batch["line_target"].shape[2] * 2 == batch["line"].shape[2]
    assert (batch["line"] == again["line"]).all()
    region = batch["line_target"][:, 0].float() / 255
    # Two characters, each with its peak in the middle of its own third of the picture.
    assert region.amax((1, 2)).min() > 0.9
    assert float(region[:, :, : region.shape[2] // 16].max()) < 0.2


def test_what_the_detector_learns_lowers_its_loss() -> None:
    import torch

    recipe = Recipe(views=2, scenes=1, scene_size=64)
    task = LineDetectorTask(find_entry("detector"), [boxed()], recipe)
    model, batch = task.model.eval(), task.render(0, 0)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    first = task.loss(model, batch)
    first.backward()
    optimizer.step()
    assert float(task.loss(model, batch).detach()) < float(first.detach())


@pytest.mark.parametrize("found", [True, False])
def test_a_box_that_was_not_found_is_no_sample(found: bool) -> None:
    string = BoxedString("a", np.zeros((20, 20, 3), np.uint8), ("1",), SQUARE, (found,), ())
    assert len(string.samples()) == found


SQUARE = rect_quad(2, 2, 18, 18)[None]
