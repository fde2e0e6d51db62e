"""What a detector learns on photographs: the targets, where they hold, and the training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from industrial_ocr.cli.train import _settings
from industrial_ocr.datasets.photos import (
    PhotoScenes,
    PhotoString,
    is_held_out,
    training_files,
    write_strings,
)
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.errors import ConfigError, DatasetError
from industrial_ocr.image.load import load_image
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.training import teacher_maps
from industrial_ocr.training.config import DetectorTrainConfig
from industrial_ocr.training.detector import DetectorTask
from industrial_ocr.training.line.characters import BoxedString
from industrial_ocr.training.loop import VALIDATION_SEED, Trainer
from industrial_ocr.training.teacher_maps import (
    MapWriter,
    PlacedString,
    learned_maps,
    placed_strings,
    seen_parts,
    sure_characters,
)


def pair(*sure: bool) -> PlacedString:
    """Two characters of 16x20 pixels in the quad of their string."""
    quads = np.stack([rect_quad(20, 20, 36, 40), rect_quad(40, 20, 56, 40)])
    string = LabeledString("AB", ("A", "B"), quads, (False, False), "horizontal")
    return PlacedString(rect_quad(20, 20, 56, 40), string, sure)


def test_text_is_seen_where_a_part_of_the_maps_has_a_clear_peak() -> None:
    teacher = np.zeros((2, 20, 40), np.uint8)
    teacher[0, 2:8, 2:12] = 30
    teacher[0, 4, 5] = 200
    teacher[1, 12:18, 2:12] = 45  # nowhere clear
    expected = np.zeros((20, 40), bool)
    expected[2:8, 2:12] = True
    assert np.array_equal(seen_parts(teacher) > 0, expected)


def test_characters_and_background_are_learned_and_what_is_between_them_is_not() -> None:
    teacher = np.zeros((2, 60, 80), np.uint8)
    teacher[0, 8:22, 8:30] = 200  # the string, seen larger than it is
    teacher[0, 8:22, 31:36] = 60  # the next one, without a hint
    teacher[0, 40:50, 10:30] = 200
    unknown = rect_quad(100, 20, 140, 40)  # a hint alone
    maps = learned_maps(teacher, [pair(True, True)], [unknown])
    region, affinity, learned = maps.transpose(2, 0, 1)
    assert region[15, 14] > 235 and region[15, 24] > 235 and affinity[15, 19] > 200
    assert not region[:, 31:].any() and not region[24:].any()
    assert set(np.unique(learned)) == {0, 255}
    assert (learned[8:22, 8:30] == 255).all(), "the string and what is around it"
    assert not learned[8:22, 31:36].any(), "however near"
    assert not learned[40:50, 10:30].any() and not learned[11:19, 51:69].any()
    assert not learned[30:38].any() and not learned[:, 72:].any(), "small print may be there"


def test_background_is_learned_everywhere_where_nobody_sees_text() -> None:
    teacher = np.zeros((2, 60, 80), np.uint8)
    teacher[0, 40:50, 10:30] = 200
    maps = learned_maps(teacher, [], [])
    assert not maps[..., :2].any() and not maps[40:50, 10:30].any()
    assert (maps[:38, :, 2] == 255).all()


def test_an_uncertain_place_hides_a_neighbor_that_reaches_into_it() -> None:
    teacher = np.zeros((2, 60, 80), np.uint8)
    maps = learned_maps(teacher, [pair(True, True)], [rect_quad(48, 20, 80, 40)])
    assert not maps[11:19, 25:39].any()
    assert maps[15, 14, 0] > 235


def test_an_unsure_character_is_not_learned_but_its_neighbor_is() -> None:
    teacher = np.zeros((2, 60, 80), np.uint8)
    maps = learned_maps(teacher, [pair(True, False)], [])
    assert not maps[11:19, 21:27].any()
    assert maps[15, 14, 0] > 235 and (maps[10:20, 10:18, 2] == 255).all()


@pytest.fixture(scope="module")
def window() -> np.ndarray:
    picture = Image.new("RGB", (240, 100), (205, 200, 190))
    font = ImageFont.load_default(26)
    ImageDraw.Draw(picture).text((40, 30), "R2 D4K", font=font, fill=(30, 30, 40))
    return np.asarray(picture)


def hint(text: str) -> PhotoString:
    return PhotoString("a.png", "wagons", "1.jpg", rect_quad(38, 33, 136, 60), text)


def test_characters_are_placed_where_there_is_a_box_or_the_class_agrees(window: np.ndarray) -> None:
    models = Reader(device="cpu", threads=1).models
    placed = placed_strings(window, [hint("X27D88"), hint("R2 D4K")], models)
    assert list(placed) == [1]
    assert placed[1].sure == (True,) * 5
    right = placed[1].characters
    found = (True, False, True, False, False)
    boxed = BoxedString("0", window, ("8", "2", "D", "8", "K"), right.quads, found, ())
    assert sure_characters(boxed, models) == (True, True, True, False, True)
    assert right.symbols == ("R", "2", "D", "4", "K")
    assert right.space_after == (False, True, False, False, False)
    dark = window.min(2) < 120
    for quad in right.quads:
        x0, y0, x1, y1 = bounds(quad)
        ink = dark[round(y0) : round(y1), round(x0) : round(x1)].sum()
        around = dark[round(y0) - 2 : round(y1) + 2, round(x0) - 2 : round(x1) + 2].sum()
        assert ink > 0.85 * around and 10 < x1 - x0 < 24 and 14 < y1 - y0 < 26


def names() -> tuple[str, str]:
    """A photograph that is for training, and one that is held out."""
    every = [f"{i}.jpg" for i in range(30)]
    held = next(n for n in every if is_held_out("wagons", n))
    return next(n for n in every if not is_held_out("wagons", n)), held


@pytest.fixture
def photos(tmp_path: Path, window: np.ndarray) -> Path:
    """Two photographs, one of them held out, with a line each."""
    (tmp_path / "images").mkdir()
    for name in names():
        cv2.imwrite(str(tmp_path / "images" / name), window)
    rows = [f"{name}\twagons\t{name}" for name in names()]
    (tmp_path / "windows.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    lines = [f"{n}\t38\t33\t136\t33\t136\t60\t38\t60\t0.98\tR2 D4K" for n in names()]
    (tmp_path / "lines.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    quad = rect_quad(38, 33, 136, 60)
    write_strings(
        tmp_path / "labels.tsv", [PhotoString(n, "wagons", n, quad, "R2 D4K") for n in names()]
    )
    (tmp_path / "maps").mkdir()
    return tmp_path


@pytest.fixture
def mapped(photos: Path) -> Path:
    """With maps that are learned in the left half alone."""
    maps = np.zeros((50, 120, 3), np.uint8)
    maps[20:26, 22:28, 2] = 200  # OpenCV's order: this is the region
    maps[:, :60, 0] = 255
    for name in names():
        cv2.imwrite(str(photos / "maps" / f"{name}.png"), maps)
    return photos


def test_maps_are_written_once_and_for_the_same_hints(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = np.zeros((2, 50, 120), np.uint8)
    calls: list[tuple[Any, ...]] = []

    def look(*given: Any) -> np.ndarray:
        calls.append(given)
        return teacher

    monkeypatch.setattr(teacher_maps, "teacher_maps", look)
    monkeypatch.setattr(teacher_maps.Loader, "detector", FakeDetector.network)
    monkeypatch.setattr(teacher_maps, "Reader", FakeReader)
    monkeypatch.setattr(teacher_maps, "placed_strings", lambda image, strings, models: {})
    train, held = names()
    assert training_files(photos) == [train]
    out = photos / "maps"
    writer = MapWriter(photos, photos / "labels.tsv", out)
    assert writer.write(train) == (1, 0)
    writer.write(train)
    assert len(calls) == 1, "the teacher looks once"
    maps = load_image(out / f"{train}.png")
    assert not maps.any(), "its string is not placed"
    (photos / "labels.tsv").write_text("", encoding="utf-8")
    with pytest.raises(DatasetError, match="other hints"):
        MapWriter(photos, photos / "labels.tsv", out)


class FakeDetector:
    """Stands for the published CRAFT, which is not shipped."""

    @staticmethod
    def network(loader: Any, name: str) -> tuple[Any]:
        loader.weights["detector"] = "0"
        return (lambda batch: batch,)


class FakeReader:
    """Has no networks."""

    models, weights = None, {"detector": "1"}

    def __init__(self, threads: int) -> None:
        """Takes what a Reader takes."""


def test_parts_of_photographs_are_shown_with_their_maps(mapped: Path) -> None:
    scenes = PhotoScenes(mapped, mapped / "maps", 128)
    beyond = 0
    for seed in range(12):
        image, maps = scenes.render((7, seed))
        assert image.shape == (128, 128, 3) and maps.shape == (3, 64, 64)
        again = scenes.render((7, seed))
        assert np.array_equal(image, again[0]) and np.array_equal(maps, again[1])
        bright = cv2.resize(image.min(2), (64, 64), interpolation=cv2.INTER_AREA)
        if (maps[0] > 150).any():
            assert bright[maps[0] > 150].mean() < bright[maps[0] == 0].mean()
        beyond += not maps[2, -1].any()
    assert beyond, "a photograph smaller than the part ends somewhere, and nothing is learned there"
    with pytest.raises(DatasetError, match="no maps"):
        PhotoScenes(mapped, mapped / "images", 128)


def task(photos: Path, out: Path, **changes: Any) -> DetectorTask:
    narrow = {"stem_type": "deep", "stem_width": 8, "channels": [16, 16, 16, 16]}
    plain: dict[str, Any] = {
        "out": out, "workers": 0, "device": "cpu", "precision": "fp32", "batch_size": 2,
        "scene_size": 64, "copies": 2, "backbone_options": narrow, "steps": 3, "mining_start": 0.0,
        "decoder_channels": (8, 8, 8, 8), "photos": photos, "photo_maps": photos / "maps",
        "photo_share": 1.0, "validation_samples": 2, "ema_decay": 0.5,
    }  # fmt: skip
    return DetectorTask(DetectorTrainConfig(**{**plain, **changes}))


class Drawn(nn.Module):
    """A network whose maps are its weights."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.full(shape, 0.4))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The maps, whatever the image."""
        return self.maps


def test_places_that_are_not_learned_teach_nothing(mapped: Path, tmp_path: Path) -> None:
    learner = task(mapped, tmp_path / "run")
    batch = next(b for b in (learner.render(n, 0) for n in range(9)) if not b["learned"].all())
    model = Drawn(batch["target"].shape)
    learner.progress = 0.5
    learner.loss(model, batch).backward()
    grown = model.maps.grad
    assert grown is not None
    hidden = ~batch["learned"].expand_as(grown)
    assert hidden.any() and not grown[hidden].any()
    assert (grown[~hidden] != 0).float().mean() > 0.9


def test_a_stopped_training_on_photographs_goes_on_alike(
    mapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectorTask, "validate", lambda *a: {"score": 0.5})
    monkeypatch.setattr("industrial_ocr.training.loop.add_onnx", lambda entry: entry)
    whole = Trainer(task(mapped, tmp_path / "a"))
    whole.run()
    Trainer(task(mapped, tmp_path / "b"), max_seconds=1e-9).run()
    rest = Trainer(task(mapped, tmp_path / "b"))
    rest.resume()
    assert rest.step == 1
    rest.run()
    for one, two in zip(whole.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_validation_has_no_photographs(mapped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = task(mapped, mapped / "run")
    shown: list[bool] = []

    def scene(seed: tuple[int, ...], photo: bool) -> tuple[np.ndarray, np.ndarray]:
        shown.append(photo)
        return np.zeros((64, 64), np.uint8), np.zeros((3, 32, 32), np.uint8)

    monkeypatch.setattr(learner, "_scene", scene)
    learner.render(0, VALIDATION_SEED)
    learner.render(0, 0)
    assert shown == [False, True]


def test_a_folder_of_photographs_completes_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "detector.yaml"
    recipe.write_text("name: own\n", encoding="utf-8")
    found = _settings(DetectorTrainConfig, recipe, {"photos": tmp_path})
    assert isinstance(found, DetectorTrainConfig)
    assert (found.photo_maps, found.photo_share) == (tmp_path / "maps", 0.3)
    recipe.write_text("photos: a\nphoto_share: 0.6\nphoto_maps: other\n", encoding="utf-8")
    found = _settings(DetectorTrainConfig, recipe, {"photos": tmp_path})
    assert isinstance(found, DetectorTrainConfig)
    assert (found.photo_maps, found.photo_share) == (Path("other"), 0.6)
    recipe.write_text("photo_share: 0.6\n", encoding="utf-8")
    found = _settings(DetectorTrainConfig, recipe, {"photos": tmp_path})
    assert isinstance(found, DetectorTrainConfig)
    assert (found.photo_maps, found.photo_share) == (tmp_path / "maps", 0.6)
    with pytest.raises(ConfigError, match="photo_share needs"):
        _settings(DetectorTrainConfig, recipe, {})
    with pytest.raises(ValueError, match="photo_maps"):
        DetectorTrainConfig(photos=tmp_path, photo_share=0.5)
