"""A picture that was shifted and turned is found again."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.image.registration import register

TEXT = np.array([[58, 40], [200, 40], [200, 75], [58, 75]], np.float32)


def picture(text: str = "HK74XR92", size: tuple[int, int] = (320, 120)) -> np.ndarray:
    canvas = Image.new("RGB", size, (200, 200, 200))
    font = ImageFont.load_default(30)
    ImageDraw.Draw(canvas).text((60, 40), text, fill=(40, 40, 40), font=font)
    return np.asarray(canvas)


def test_shift_and_rotation_are_found_despite_glare_and_another_size() -> None:
    reference = picture()
    true = cv2.getRotationMatrix2D((130, 60), 2.0, 1.0)
    true[:, 2] += 9, -5
    light = (200, 200, 200)
    other = cv2.warpAffine(reference, true, (300, 140), borderMode=0, borderValue=light)
    x = np.arange(300)
    glare = 90 * np.exp(-(((x - 90) / 60) ** 2))[None, :, None]
    other = np.clip(other + glare, 0, 255).astype(np.uint8)
    (matrix,) = register(reference, [other], TEXT, 22.0)
    assert matrix is not None
    found, wanted = (TEXT @ m[:, :2].T + m[:, 2] for m in (matrix, true))
    assert np.abs(found - wanted).max() < 1.0


def test_a_picture_without_the_text_is_not_registered() -> None:
    noise = np.random.default_rng(0).integers(150, 250, (120, 320, 3)).astype(np.uint8)
    matrices = register(picture(), [noise, np.full_like(noise, 200)], TEXT, 22.0)
    assert matrices == [None, None]
