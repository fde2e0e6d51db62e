"""Crops of characters on photographs: which are cut, and how the classifier learns them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.datasets.photos import CROP_MARGIN, PhotoCrops, PhotoString
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.errors import DatasetError
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.reader import Reader
from industrial_ocr.recognition.classifier import glyph_crops
from industrial_ocr.results.files import sha256_of
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training import photo_crops
from industrial_ocr.training.classifier import ClassifierTask
from industrial_ocr.training.config import ClassifierTrainConfig
from industrial_ocr.training.loop import VALIDATION_SEED, Trainer
from industrial_ocr.training.photo_crops import (
    PhotoCrop,
    character_crops,
    cut,
    learned_characters,
    reject_crops,
    write_crops,
)

SIZE = 32
INNER = slice(CROP_MARGIN, -CROP_MARGIN)


@pytest.fixture(scope="module")
def models() -> Models:
    return Reader(device="cpu", threads=1).models


@pytest.fixture(scope="module")
def window() -> ImageArray:
    picture = Image.new("RGB", (240, 100), (205, 200, 190))
    font = ImageFont.load_default(26)
    ImageDraw.Draw(picture).text((40, 30), "R2 D4K", font=font, fill=(30, 30, 40))
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("sure", "clear", "learned"),
    [
        ((True, True, True), False, [0, 1, 2]),
        ((True, False, True), False, [0, 1, 2]),  # misread between two that are read
        ((True, False), False, [0]),  # perhaps half of a character
        ((True, False, False, True), False, [0, 3]),  # perhaps badly aligned
        ((True, False, False, True), True, [0, 1, 2, 3]),
    ],
)
def test_a_misread_character_is_learned_where_the_boxes_are_clear(
    sure: tuple[bool, ...], clear: bool, learned: list[int]
) -> None:
    assert learned_characters(sure, clear) == learned


def test_a_stored_crop_is_that_of_reading_with_a_margin() -> None:
    gray = np.random.default_rng(1).integers(0, 255, (80, 90)).astype(np.uint8)
    quad = rect_quad(30, 20, 50, 52)
    stored = cut(gray, quad, 40)
    assert stored.shape == (40 + 2 * CROP_MARGIN,) * 2
    (crop,) = glyph_crops(gray, [quad], 40)
    assert np.abs(stored[INNER, INNER].astype(int) - crop).max() <= 2


def test_the_characters_of_a_string_are_cut_as_they_are_read(
    window: ImageArray, models: Models
) -> None:
    quad = rect_quad(38, 33, 136, 60)
    wrong = PhotoString("a.png", "wagons", "1.jpg", quad, "X27D88")
    right = PhotoString("a.png", "wagons", "1.jpg", quad, "R2 D4K")
    crops = list(character_crops(window, [wrong, right], models))
    assert [symbol for _, symbol in crops] == ["R", "2", "D", "4", "K"]
    images = np.stack([image[INNER, INNER] for image, _ in crops])
    classes = models.classifier.probabilities(images, 8).argmax(1)
    assert [models.classifier.charset.symbols[i] for i in classes] == ["R", "2", "D", "4", "K"]


def test_a_box_is_without_a_character_where_the_teacher_sees_no_text(
    window: ImageArray, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = np.zeros((3, 2, 50, 120), np.uint8)
    maps[1, 0, :, :44] = 255  # over R2 and the left of D
    maps[2] = 255
    counts = []
    for seen in maps:
        monkeypatch.setattr(photo_crops, "teacher_maps", lambda image, teacher, seen=seen: seen)
        crops = list(reject_crops(window, models, models.detector, np.random.default_rng(0)))
        counts.append(len(crops))
    assert counts[0] >= 5 and 2 <= counts[1] <= counts[0] - 3 and counts[2] == 0


def made(path: Path) -> Path:
    """Crops whose gray value says what they are; a tenth of them is held out."""
    crops: list[PhotoCrop] = []
    counts = {"7": 90, "K": 10, REJECT: 40}
    for number, (symbol, count) in enumerate(counts.items()):
        for i in range(count):
            held_out = i % 10 == 0
            image = np.full((SIZE + 2 * CROP_MARGIN,) * 2, 60 * number + 20 * held_out, np.uint8)
            crops.append((image, symbol, "wagons", held_out))
    write_crops(path, crops)
    return path


def test_crops_are_drawn_with_their_symbols_and_rare_symbols_more_often(tmp_path: Path) -> None:
    shown = PhotoCrops(made(tmp_path / "c.npz"), SIZE)
    drawn = shown.draw((3, 1), 400)
    assert all(
        np.array_equal(a, b) for (a, _), (b, _) in zip(drawn, shown.draw((3, 1), 400), strict=True)
    )
    shares = {s: sum(d == s for _, d in drawn) / 400 for s in ("7", "K", REJECT)}
    # Square roots of 81, 9 and 36, and half of that for K, which looks like k.
    expected = {"7": 9 / 16.5, "K": 1.5 / 16.5, REJECT: 6 / 16.5}
    assert shares == pytest.approx(expected, abs=0.08)
    assert all(image.shape == (SIZE, SIZE) and image.dtype == np.uint8 for image, _ in drawn)


def test_held_out_crops_are_drawn_as_they_are_and_never_learned(tmp_path: Path) -> None:
    file = made(tmp_path / "c.npz")
    held_out = PhotoCrops(file, SIZE, held_out=True)
    assert len(held_out.symbols) == 14 and len(PhotoCrops(file, SIZE).symbols) == 126
    values = {symbol: {int(v) for v in np.unique(i)} for i, symbol in held_out.draw((0,), 200)}
    assert values == {"7": {20}, "K": {80}, REJECT: {140}}


def test_a_drawn_crop_is_a_varied_view_of_the_stored_one(tmp_path: Path) -> None:
    stored = np.full((SIZE + 2 * CROP_MARGIN,) * 2, 200, np.uint8)
    stored[10:30, 15:25] = 20
    write_crops(tmp_path / "c.npz", [(stored, "I", "wagons", False)])
    plain = stored[INNER, INNER].astype(int)
    views = [v for v, _ in PhotoCrops(tmp_path / "c.npz", SIZE).draw((5,), 40)]
    alike = np.array([np.corrcoef(plain.ravel(), v.ravel())[0, 1] for v in views])
    assert 10 < (alike < 0).sum() < 30, "half are inverted"
    assert abs(alike).min() > 0.6 and 0.7 < abs(alike).mean() < 0.99


def test_files_of_another_kind_or_size_are_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "c.npz")
    with pytest.raises(DatasetError, match="no crops of 40x40"):
        PhotoCrops(file, 40)
    damaged = bytearray(file.read_bytes())
    damaged[60:100] = bytes(40)
    file.write_bytes(damaged)
    with pytest.raises(DatasetError, match="not a file of"):
        PhotoCrops(file, SIZE)
    np.savez(file, images=np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(DatasetError, match="not a file of"):
        PhotoCrops(file, SIZE)
    with pytest.raises(DatasetError, match="no crops for"):
        write_crops(file, [])


def settings(out: Path, **changes: object) -> ClassifierTrainConfig:
    plain: dict[str, object] = {
        "out": out, "workers": 0, "device": "cpu", "batch_size": 8, "crop_size": SIZE, "steps": 1,
        "backbone": "mobilenetv4_conv_small_050", "photo_crops": made(out / "c.npz"),
        "photo_share": 0.25, "photo_sources": "configs/photos.tsv", "validation_samples": 16,
    }  # fmt: skip
    return ClassifierTrainConfig.model_validate(plain | changes)


def test_a_share_of_the_batch_is_of_photographs(tmp_path: Path) -> None:
    task = ClassifierTask(settings(tmp_path))
    batch = task.render(0, 0)
    assert batch["photo"].tolist() == [True, True] + 6 * [False]
    held_out = task.render(0, VALIDATION_SEED)["image"][:2]
    assert {int(v) for v in held_out.unique()} <= {20, 80, 140}
    with pytest.raises(ValueError, match="photo_share needs photo_crops"):
        ClassifierTrainConfig(photo_share=0.3)


def test_rendered_and_photographed_crops_are_measured_apart(tmp_path: Path) -> None:
    task = ClassifierTask(settings(tmp_path))
    labels = [task._class[s] for s in ("7", "K", "7", "K", "7", REJECT)]
    said = [task._class[s] for s in ("7", "k", "1", "K", "7", "7")]
    batch = {
        "image": torch.zeros((6, SIZE, SIZE), dtype=torch.uint8),
        "label": torch.tensor(labels),
        "photo": torch.tensor([True] * 3 + [False] * 3),
    }
    logits = torch.nn.functional.one_hot(torch.tensor(said), len(task._class)).float()

    class Says(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return logits

    assert task.validate(Says(), iter([batch])) == {
        "score": 4 / 5,
        "accuracy": 1.0,
        "accuracy_case_folded": 1.0,
        "reject_recall": 0.0,
        "accuracy_of_photos": 1 / 3,
        "accuracy_of_photos_case_folded": 2 / 3,
        "reject_recall_of_photos": 0.0,
    }


def test_the_manifest_names_the_sources_and_the_hash_of_the_crops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("industrial_ocr.training.loop.add_onnx", lambda entry: entry)
    Trainer(ClassifierTask(settings(tmp_path))).run()
    (entry,) = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["models"]
    assert entry["recipe"]["photo_sources"] == "configs/photos.tsv"
    assert entry["recipe"]["photo_crops_sha256"] == sha256_of(tmp_path / "c.npz")
    assert "photo_crops" not in entry["recipe"]
    assert "accuracy_of_photos" in entry["metrics"]
