"""Homogeneous materials for markings, without any objects.

Every function takes (rng, height, width) and returns (height, width, 3) uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.color import (
    jitter,
    mix,
    multiply,
    palette,
    random_color,
    shade,
    tint,
)
from industrial_ocr.datasets.synthesis.noise import noise
from industrial_ocr.results.types import ImageArray

SurfaceRecipe = Callable[[Generator, int, int], ImageArray]
"""(rng, height, width) -> (height, width, 3) uint8 RGB."""


def paint(rng: Generator, height: int, width: int) -> ImageArray:
    """A painted or molded face of any color, nearly plain, with orange peel and soft mottling."""
    mottled = noise(rng, "brown", height, width, rng.uniform(1, 3))
    fine = noise(rng, "grain" if rng.random() < 0.5 else "white", height, width)
    gray = mix(mottled, fine, rng.uniform(0.1, 0.8), rng.uniform(0, 0.35))
    base = random_color(rng, (0.0, 0.9) if rng.random() < 0.6 else (0, 0.1), (0.08, 1.0))
    return tint(gray, shade(base, rng.uniform(6, 50)))


def gradient(rng: Generator, height: int, width: int) -> ImageArray:
    """A smooth run of two to four related colors."""
    base = random_color(rng, (0, 0.7), (0.1, 1))
    far = jitter(rng, base, 90) if rng.random() < 0.7 else random_color(rng, (0, 0.7), (0.1, 1))
    size = (int(rng.integers(2, 5)), int(rng.integers(2, 5)))
    grid = rng.integers(0, 256, size).astype(np.uint8)
    gray = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    fine = noise(rng, "white", height, width)
    return tint(mix(np.asarray(gray, np.uint8), fine, 0.8, rng.uniform(0, 0.2)), [base, far])


def brushed_metal(rng: Generator, height: int, width: int) -> ImageArray:
    """Rolled, ground or brushed sheet: streaks one way, broad bright bands along or across."""
    angle = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]))
    stretch = rng.uniform(15, 60)
    streaks = noise(rng, "pink", height, width, rng.uniform(0.7, 1.4), stretch, angle)
    bands = noise(rng, "brown", height, width, 3, 6, angle + rng.choice([0, np.pi / 2]))
    gray = mix(streaks, bands, rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.9))
    level = rng.uniform(40, 215)
    base = [level + d for d in rng.uniform(-8, 8, 3)]
    if rng.random() < 0.15:
        base = jitter(rng, (176, 132, 70), 30)
    return tint(gray, shade(base, rng.uniform(25, 110)))


def cast_metal(rng: Generator, height: int, width: int) -> ImageArray:
    """Cast, forged, sand-blasted or galvanised metal: relief lit from one side."""
    relief = noise(rng, "relief", height, width, rng.uniform(0.8, 3))
    patches = noise(rng, "brown" if rng.random() < 0.7 else "blobs", height, width, 2)
    gray = mix(relief, patches, rng.uniform(0.4, 1.0), rng.uniform(0.1, 0.7))
    level = rng.uniform(35, 190)
    tone = rng.choice([0, 0, 14, 30])
    base = [level + tone, level, level - tone]
    return tint(gray, shade(base, rng.uniform(20, 80)))


def epoxy(rng: Generator, height: int, width: int) -> ImageArray:
    """The dark molding compound of chips: nearly black, fine grain, sparse bright fillers."""
    grain = "white" if rng.random() < 0.7 else "grain"
    fine = noise(rng, grain, height, width, float(rng.choice([1.0, rng.uniform(0.7, 1.4)])))
    broad = noise(rng, "brown", height, width, rng.uniform(1, 4))
    gray = mix(fine, broad, rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.5))
    if rng.random() < 0.35:
        sparks = noise(rng, "speckle", height, width, rng.uniform(0.8, 1.6))
        gray = mix(gray, sparks, 1.0, rng.uniform(0.2, 0.7))
    level = rng.uniform(14, 75)
    base = [level + d for d in rng.uniform(-5, 5, 3)]
    return tint(gray, shade(base, rng.uniform(12, 50)))


def corrugated(rng: Generator, height: int, width: int) -> ImageArray:
    """Container steel: trapezoid folds shaded by one light, dirt, runs of rust, scratches."""
    period = float(rng.uniform(10, 40) if rng.random() < 0.5 else rng.uniform(30, 140))
    bend = rng.uniform(-0.15, 0.15) * (np.arange(width) / width) ** 2
    phase = (np.arange(width) / period * (1 + bend) + rng.random()) % 1
    edge = rng.uniform(0.04, 0.16)
    lit, dark, step = rng.uniform(0, 75), rng.uniform(-95, -25), rng.uniform(-25, 25)
    at = [0, edge, edge * 1.5, 0.5, 0.5 + edge, 0.5 + edge * 1.5, 1]
    value = [lit, lit * 0.6, step, step, dark, 0, 0]
    if rng.random() < 0.5:
        value = value[::-1]
    profile = np.clip(128 + np.interp(phase, at, value), 0, 255).astype(np.uint8)[None]
    soft = int(period * rng.uniform(0, 0.25))
    if soft > 1:
        profile = np.asarray(cv2.blur(profile, (soft, 1)), np.uint8)
    folds = np.asarray(cv2.resize(profile, (width, height)), np.uint8)
    dirt = noise(rng, "pink", height, width, rng.uniform(1, 3), 4, np.pi / 2)
    gray = mix(folds, dirt, rng.uniform(0.5, 1.3), rng.uniform(0.1, 0.4))
    colors = palette(
        "702822 8c3428 5a2222 182c6e 1e50a0 243042 3c4654 787670 a0a09c 285c38 1e6e3c "
        "cd6024 d2d0c8 3c3c3a 1e4650"
    )
    return tint(gray, shade(jitter(rng, pick(rng, colors), 25), rng.uniform(35, 100)))


def cardboard(rng: Generator, height: int, width: int) -> ImageArray:
    """Brown or white board: fibres every way, faint flutes one way."""
    fibre = noise(rng, "pink", height, width, 1, 4)
    angle = float(rng.choice([0, np.pi / 2])) + rng.uniform(-0.05, 0.05)
    flutes = noise(rng, "grain", height, width, rng.uniform(1, 2.5), 120, angle)
    gray = mix(fibre, flutes, rng.uniform(0.3, 0.8), rng.uniform(0.05, 0.5))
    base = jitter(rng, (182, 144, 100) if rng.random() < 0.75 else (215, 212, 205), 30)
    return tint(gray, shade(base, rng.uniform(15, 45)))


def concrete(rng: Generator, height: int, width: int) -> ImageArray:
    """Concrete, stone, plaster or asphalt: blotches, aggregate, sometimes cracks."""
    fine = noise(rng, "white" if rng.random() < 0.5 else "grain", height, width, 1.3)
    broad = noise(rng, "pink", height, width, rng.uniform(1, 3))
    gray = mix(broad, fine, rng.uniform(0.4, 1), rng.uniform(0.15, 0.8))
    level = rng.uniform(45, 215)
    base = [level * f for f in rng.uniform(0.93, 1.03, 3)]
    image = tint(gray, shade(base, rng.uniform(20, 70)))
    if rng.random() < 0.3:
        lines = noise(rng, "ridged", height, width, rng.uniform(2, 5))
        multiply(image, cv2.LUT(lines, _crack_table()))
    return image


def _crack_table() -> ImageArray:
    """Turns the crests of ridged noise into thin dark lines, everything else into 128."""
    table = np.full(256, 128, np.uint8)
    table[176:] = np.linspace(128, 50, 80).astype(np.uint8)
    return table


def fabric(rng: Generator, height: int, width: int) -> ImageArray:
    """A weave: two crossed thread directions at a pitch of a few pixels."""
    pitch = rng.uniform(2.2, 9)
    x = np.sin(np.arange(width) * (2 * np.pi / pitch) + rng.uniform(0, 6))
    y = np.sin(np.arange(height) * (2 * np.pi / pitch * rng.uniform(0.8, 1.25)))
    weave = (128 + 60 * np.outer(y, x).astype(np.float32)).astype(np.uint8)
    worn = noise(rng, "pink", height, width, 1.5)
    gray = mix(weave, worn, rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.8))
    return tint(gray, shade(random_color(rng, (0, 0.7), (0.1, 0.95)), rng.uniform(15, 60)))


def wood(rng: Generator, height: int, width: int) -> ImageArray:
    """Raw, painted or weathered boards with grain along them and gaps between."""
    upright = rng.random() < 0.5
    angle = np.pi / 2 if upright else 0.0
    grain = noise(rng, "pink", height, width, rng.uniform(0.8, 1.6), 14, angle)
    rings = noise(rng, "brown", height, width, rng.uniform(0.4, 1.2), 9, angle)
    gray = mix(grain, rings, rng.uniform(0.4, 1), rng.uniform(0.3, 0.9))
    colors = palette("96683e c4a070 603e26 827e78 464442")
    base = jitter(rng, pick(rng, colors), 25)
    image = tint(gray, shade(base, rng.uniform(25, 80)))
    if rng.random() < 0.7:
        pitch, at = int(rng.integers(30, 140)), int(rng.integers(0, 60))
        while at < (width if upright else height):
            line = image[:, at : at + 2] if upright else image[at : at + 2]
            line //= 3
            at += pitch
    return image


def foil(rng: Generator, height: int, width: int) -> ImageArray:
    """Crumpled film, bag or foil: facets, sharp folds, glints."""
    folds = noise(rng, "crumple", height, width, rng.uniform(1, 4))
    broad = noise(rng, "brown", height, width, 2)
    gray = mix(folds, broad, rng.uniform(0.5, 1.1), rng.uniform(0.2, 0.7))
    base = random_color(rng, (0, 0.75), (0.15, 0.9))
    glint = [255.0, 255.0, 255.0] if rng.random() < 0.6 else [c + 60 for c in base]
    return tint(gray, [[c * 0.4 for c in base], base, glint])


def foliage(rng: Generator, height: int, width: int) -> ImageArray:
    """Leaves or grass: busy, contrasty, green to brown."""
    leaves = noise(rng, "leaves", height, width, rng.uniform(0.8, 2.5))
    broad = noise(rng, "brown", height, width, 2)
    gray = mix(leaves, broad, rng.uniform(0.6, 1.2), rng.uniform(0.2, 0.7))
    base = jitter(rng, (84, 104, 52) if rng.random() < 0.8 else (120, 104, 66), 25)
    return tint(gray, [[c * 0.15 for c in base], base, [min(255, c * 2 + 20) for c in base]])


def bricks(rng: Generator, height: int, width: int) -> ImageArray:
    """Brick, tile or paving in running bond with joints."""
    long = int(rng.integers(14, 80))
    tall = max(6, int(long * rng.uniform(0.3, 0.7)))
    rows, columns = height // tall + 2, width // long + 2
    cells = rng.integers(90, 166, (rows, columns)).astype(np.uint8)
    gray = np.repeat(np.repeat(cells, tall, 0), long, 1)
    for row in range(rows):
        band = gray[row * tall : (row + 1) * tall]
        band[:, (row % 2) * (long // 2) :: long] = 30
        band[:1] = 30
        if tall > 14:
            band[:, (row % 2) * (long // 2) + 1 :: long] = 40
    y, x = int(rng.integers(0, tall)), int(rng.integers(0, long))
    gray = np.ascontiguousarray(gray[y : y + height, x : x + width])
    rough = noise(rng, "pink", height, width, 1.2)
    colors = palette("96543c aa9678 8c8882 c8c4bc 6e3c32")
    base = jitter(rng, pick(rng, colors), 20)
    gray = mix(gray, rough, rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.7))
    return tint(gray, shade(base, rng.uniform(25, 75)))


MATERIALS: tuple[tuple[SurfaceRecipe, float], ...] = (
    (paint, 9),
    (gradient, 5),
    (brushed_metal, 8),
    (cast_metal, 7),
    (epoxy, 10),
    (corrugated, 10),
    (cardboard, 4),
    (concrete, 5),
    (fabric, 2),
    (wood, 3),
    (foil, 4),
    (foliage, 1),
    (bricks, 2),
)
"""All materials, with their relative frequencies as surfaces."""


def any_material(rng: Generator, height: int, width: int) -> ImageArray:
    """One of the materials, each with the same chance."""
    return pick(rng, MATERIALS)[0](rng, height, width)
