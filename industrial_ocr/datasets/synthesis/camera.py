"""Effects of optics, sensor and file format on a picture, mostly by albumentations."""

from __future__ import annotations

import os

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.noise import sensor_noise
from industrial_ocr.results.types import ImageArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A  # noqa: E402  (the switch above must come first: no network at import)


class Camera:
    """Blur, motion, defocus, noise, JPEG, gamma, color cast and lost resolution.

    All random numbers come from the caller's generator, so that a seed fixes the picture.
    ``strength`` scales the chance of each effect; it is 1 for scenes.
    """

    def __init__(self, strength: float = 1.0) -> None:
        self._chance = strength
        self._blurs = (
            A.MotionBlur(blur_limit=(3, 9), p=1),
            A.Defocus(radius=(1, 3), alias_blur=(0.1, 0.3), p=1),
            A.GaussianBlur(sigma_limit=(0.4, 1.6), blur_limit=0, p=1),
        )
        self._tones = (
            A.RandomGamma(gamma_limit=(50, 190), p=1),
            A.RGBShift(r_shift_limit=25, g_shift_limit=25, b_shift_limit=25, p=1),
            A.RandomBrightnessContrast(0.25, 0.35, p=1),
        )
        self._jpeg = A.ImageCompression(quality_range=(25, 92), p=1)

    def _apply(
        self, rng: Generator, transform: A.ImageOnlyTransform, image: ImageArray
    ) -> ImageArray:
        transform.set_random_seed(int(rng.integers(2**31)))
        result: ImageArray = transform(image=image)["image"]
        return result

    def shoot(self, rng: Generator, image: ImageArray, detail: float) -> ImageArray:
        """The picture (H, W, 3) uint8 RGB with random camera effects.

        ``detail`` is the height of the smallest text in pixels; blur keeps it legible.
        """
        chance = self._chance
        if rng.random() < 0.3 * chance and detail > 14:
            image = self._apply(rng, pick(rng, self._blurs), image)
        if rng.random() < 0.15 * chance and detail > 16:
            height, width = image.shape[:2]
            factor = rng.uniform(max(0.4, 9 / detail), 0.95)
            small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            mode = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[int(rng.integers(3))]
            image = np.asarray(cv2.resize(small, (width, height), interpolation=mode), np.uint8)
        if rng.random() < 0.35 * chance:
            image = self._apply(rng, pick(rng, self._tones), image)
        if rng.random() < 0.5 * chance:
            noise = sensor_noise(rng, image.shape, float(min(rng.exponential(4), 16)))
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.3 * chance:
            image = self._apply(rng, self._jpeg, image)
        return image
