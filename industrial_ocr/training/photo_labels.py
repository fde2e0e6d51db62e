"""Chooses strings for training from those that another recognizer has read on photographs.

The other recognizer is that of RapidOCR (``pip install 'industrial-ocr[bench]'``). A string is kept
if our own network gives the same text, or if the other recognizer gives the same text in other
crops. On held-out photographs, only the other recognizer decides: our network must not choose the
strings on which it is measured.

    python -m industrial_ocr.training.photo_labels PHOTOS --out labels.tsv --without playing-cards
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.config import RecognitionConfig
from industrial_ocr.datasets.photos import (
    PhotoString,
    agrees,
    believable,
    in_sight,
    read_hints,
    reread,
    write_strings,
)
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.image.load import load_image
from industrial_ocr.inference.loading import Loader
from industrial_ocr.recognition.recognizer import Recognizer
from industrial_ocr.results.geometry import edge_lengths, expand_quad, quad_crop
from industrial_ocr.results.types import FloatArray, ImageArray

OWN_VIEWS = ((0.0, 0.0), (-0.08, -0.1))
"""Margins of the crops that our network reads, in heights of the string: left and right, then top
and bottom."""
OTHER_VIEWS = ((-0.06, -0.06), (0.1, 0.12))
"""Margins of the crops that the other recognizer reads again."""
OtherReader = Callable[[ImageArray], str]


def rapidocr_reader() -> OtherReader:
    """A function that reads an RGB strip with RapidOCR's recognizer."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})

    def read(strip: ImageArray) -> str:
        answer = engine(np.ascontiguousarray(strip[..., ::-1]), use_det=False, use_cls=False)
        return "".join(getattr(answer, "txts", None) or ())

    return read


def own_readings(
    recognizer: Recognizer, image: ImageArray, hints: list[PhotoString]
) -> list[list[str]]:
    """The texts that our network reads at each string, one for each of ``OWN_VIEWS``."""
    cuts = product(hints, OWN_VIEWS)
    quads = [[_cut_otherwise(hint.quad, *view)] for hint, view in cuts]
    frames = recognizer.recognize([image], [quads], RecognitionConfig())[0]
    texts = [
        "".join(s.symbol for s in greedy_decode(f.log_probs, recognizer.charset)) for f in frames
    ]
    return [texts[i : i + len(OWN_VIEWS)] for i in range(0, len(texts), len(OWN_VIEWS))]


def _cut_otherwise(quad: FloatArray, x: float, y: float) -> FloatArray:
    height = edge_lengths(quad)[1]
    return expand_quad(quad, x * height, y * height)


def chosen(
    folder: Path, recognizer: Recognizer, other: OtherReader, without: Collection[str] = ()
) -> Iterator[PhotoString]:
    """The chosen strings of a folder of photographs, without those of the sources ``without``."""
    files: dict[str, list[PhotoString]] = defaultdict(list)
    for hint in read_hints(folder):
        if hint.source not in without:
            files[hint.file].append(hint)
    symbols = frozenset(recognizer.charset.symbols)
    for name, all_of_it in files.items():
        image = load_image(folder / "images" / name)
        hints = [h for h in all_of_it if in_sight(h, image, symbols)]
        for hint, own in zip(hints, own_readings(recognizer, image, hints), strict=True):
            known = agrees(hint.text, own)
            if known and not hint.held_out:
                yield hint
                continue
            places = (_cut_otherwise(hint.quad, *view) for view in OTHER_VIEWS)
            again = [other(quad_crop(image, place)) for place in places]
            if reread(hint, again) if hint.held_out else believable(hint, own, again):
                yield replace(hint, known=known)


def main() -> None:
    """Writes the table of ``datasets.photos.write_strings``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recognizer", help="name or .safetensors file; default: the shipped one")
    parser.add_argument("--without", action="append", default=[], help="a source, repeatable")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    network = Loader().recognizer(args.recognizer)
    found = list(chosen(args.photos, Recognizer(*network), rapidocr_reader(), set(args.without)))
    write_strings(args.out, found)
    for source, count in sorted(Counter(s.source for s in found).items()):
        print(f"{count:6} {source}")
    print(f"{len(found)} strings, {sum(not s.known for s in found)} of them new to the network")


if __name__ == "__main__":
    main()
