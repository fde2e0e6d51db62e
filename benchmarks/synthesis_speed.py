"""Measures how many labeled pictures one core renders a second.

    python benchmarks/synthesis_speed.py --fonts /usr/share/fonts [--fonts DIR]

Fonts are loaded first, since training loads them only once.
"""

from __future__ import annotations

import argparse
import time

import cv2

from industrial_ocr.datasets.synthesis.crops import GlyphRenderer
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS

TARGET_SCENES, TARGET_CROPS = 40, 1500


def main() -> None:
    """Prints both rates in pictures per second of processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--count", type=int, default=400)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    fonts = tuple(args.fonts)
    scenes = SceneRenderer(fonts)
    scenes.faces.load(DEFAULT_SYMBOLS)
    for seed in range(50):
        scenes.render(seed)
    start = time.process_time()
    for seed in range(args.count):
        scenes.render((1, seed))
    rate = args.count / (time.process_time() - start)
    print(f"scenes 384x384: {rate:.1f} /s and core (target {TARGET_SCENES})", flush=True)
    glyphs = GlyphRenderer(fonts)
    glyphs.strips.faces = scenes.faces
    for seed in range(200):
        glyphs.render(seed)
    start = time.process_time()
    crops = sum(len(glyphs.render((1, seed))) for seed in range(4 * args.count))
    rate = crops / (time.process_time() - start)
    print(f"character crops 40x40: {rate:.0f} /s and core (target {TARGET_CROPS})")


if __name__ == "__main__":
    main()
