"""Renders the example pictures of this folder: python examples/make_examples.py FONT_FOLDER ..."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis import materials
from industrial_ocr.datasets.synthesis.built_in_faces import DotFace
from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, FontFace, GlyphSource
from industrial_ocr.datasets.synthesis.layout import Block, boxed, line_of_text, stack_of_text

HERE = Path(__file__).parent


def face(folders: list[str], name: str) -> GlyphSource:
    """The font file of that name in any of the folders."""
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            font = path.suffix.lower() in {".ttf", ".otf", ".woff"}
            if font and path.stem.lower() == name.lower():
                return FontFace(path)
    raise SystemExit(f"no font {name} in {folders}")


def put(image: np.ndarray, block: Block, x: int, y: int, cap: int, ink: tuple[int, ...]) -> None:
    """Prints a block with its top-left at (x, y), capitals ``cap`` pixels high, in place."""
    scale = cap / CAP_HEIGHT
    mask = cv2.resize(block.mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    alpha = cv2.GaussianBlur(mask, (3, 3), 0)[..., None] / 255.0
    view = image[y : y + mask.shape[0], x : x + mask.shape[1]]
    view[...] = (view * (1 - alpha) + np.array(ink) * alpha).astype(np.uint8)


def main(folders: list[str]) -> None:
    """Writes the pictures."""
    rng = np.random.default_rng(4)
    camera = Camera(0.6)
    plain, narrow = face(folders, "DejaVuSans"), face(folders, "LiberationSansNarrow-Bold")

    container = materials.corrugated(rng, 640, 480)
    code = boxed(stack_of_text(narrow, "TRHU 170036 9", 1.3), 3)
    put(container, code, 190, 20, 30, (235, 235, 230))
    put(container, stack_of_text(narrow, "22G1", 1.3), 290, 20, 30, (235, 235, 230))

    chip = np.full((360, 640, 3), 236, np.uint8)
    chip[90:270, 70:570] = materials.epoxy(rng, 180, 500)
    put(chip, line_of_text(plain, "SN74LS193N", 0.05), 150, 110, 38, (120, 120, 122))
    put(chip, line_of_text(plain, "01J47LS E4", 0.05), 150, 180, 38, (120, 120, 122))

    label = materials.cardboard(rng, 300, 640)
    label[40:260, 60:580] = (240, 240, 236)
    put(label, line_of_text(plain, "LOT 7B4K92-3", 0.02), 90, 60, 34, (25, 25, 30))
    put(label, line_of_text(DotFace(5, 7, 1), "EXP 08/2027"), 90, 160, 36, (30, 30, 90))

    for name, image in (("container", container), ("chip", chip), ("label", label)):
        shot = camera.shoot(rng, image, 30)
        cv2.imwrite(str(HERE / f"{name}.png"), cv2.cvtColor(shot, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main(sys.argv[1:] or ["/usr/share/fonts"])
