"""Measures the package on folders of real labeled photographs (evaluation only).

    python benchmarks/stage_accuracy.py DATA [--only containers,chips,...] [--limit N] [--json FILE]

DATA holds one folder a kind, each with ``images/`` and ``labels.tsv`` (tab-separated: file, text,
and for some kinds boxes as x0,y0,x1,y1). Texts are compared on A-Z0-9 after upper-casing.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import bounds, box_iou
from industrial_ocr.results.read_result import ReadResult

Row = list[str]


def fold(text: str) -> str:
    """A-Z0-9 of the upper-cased text."""
    return "".join(c for c in text.upper() if c.isascii() and c.isalnum())


def rows_of(folder: Path) -> list[Row]:
    """The rows of a folder's labels."""
    with (folder / "labels.tsv").open(encoding="utf-8") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def by_image(folder: Path, limit: int) -> dict[str, list[Row]]:
    """Rows grouped by image, in the order of the labels."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows_of(folder):
        grouped[row[0]].append(row)
    return dict(list(grouped.items())[: limit or None])


def neighbors(result: ReadResult, most: int = 4) -> Iterator[str]:
    """Every string read, and every run of up to ``most`` neighboring ones, folded."""
    texts = [fold(s.text) for s in result.strings]
    for start in range(len(texts)):
        for stop in range(start + 1, min(start + most, len(texts)) + 1):
            yield "".join(texts[start:stop])


def pictures(
    reader: Reader, folder: Path, limit: int, engine: str, contained: bool = False
) -> dict[str, object]:
    """Images whose code is read exactly, as one string or as neighboring ones.

    Of containers that is every code of 11 characters, else the first label; ``contained``: some
    string contains it.
    """
    found, wanted, lost = 0, 0, []
    for name, rows in by_image(folder, limit).items():
        codes = [fold(r[1]) for r in rows]
        codes = [c for c in codes if len(c) == 11] if folder.name == "containers" else codes[:1]
        if not codes:
            continue
        wanted += 1
        result = reader.read(folder / "images" / name, engine=engine)
        if contained:
            right = any(codes[0] in fold(s.text) for s in result.strings)
        else:
            right = set(codes) <= set(neighbors(result))
        found += right
        if not right:
            lost.append(f"{name} {codes} read {[s.text for s in result.strings][:12]}")
    return {"found": found, "of": wanted, "share": found / max(wanted, 1), "lost": lost}


def scenes(reader: Reader, folder: Path, limit: int, engine: str) -> dict[str, object]:
    """Recall at IoU 0.4 of character boxes of A-Z0-9 words taller than 16 px, and precision.

    Precision counts a box as right that meets any labeled character of any word, whatever its
    height or alphabet; boxes on text that nobody labeled count as wrong.
    """
    hit = wanted = right = given = 0
    for name, rows in by_image(folder, limit).items():
        result = reader.read(folder / "images" / name, engine=engine)
        characters = chain.from_iterable(s.characters for s in result.strings)
        boxes = [bounds(c.quad) for c in characters]
        every, counted = [], []
        for row in rows:
            word = [tuple(map(float, c.split(",")[:4])) for c in row[3].split(";") if c]
            every += word
            if row[1].isascii() and row[1].isalnum():
                counted += [b for b in word if b[3] - b[1] > 16]
        given += len(boxes)
        wanted += len(counted)
        if boxes and every:
            right += int((box_iou(boxes, every).max(1) >= 0.4).sum())
        if boxes and counted:
            hit += int((box_iou(counted, boxes).max(1) >= 0.4).sum())
    return {"recall": hit / max(wanted, 1), "precision": right / max(given, 1), "of": wanted}


def glyphs(reader: Reader, folder: Path, limit: int, engine: str) -> dict[str, object]:
    """The classifier alone, case folded, on glyphs marked good and bad."""
    right: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    rows = rows_of(folder)[: limit or None]
    named = reader.classify([folder / "images" / r[0] for r in rows])
    for row, candidates in zip(rows, named, strict=True):
        total[row[2]] += 1
        right[row[2]] += candidates is not None and candidates.symbols[0].upper() == row[1].upper()
    return {**{k: right[k] / total[k] for k in total}, "of": dict(total)}


def words(reader: Reader, folder: Path, limit: int, engine: str) -> dict[str, object]:
    """String crops read exactly."""
    rows = [r for r in rows_of(folder) if fold(r[1])][: limit or None]
    right, lost = 0, []
    for start in range(0, len(rows), 64):
        part = rows[start : start + 64]
        results = reader.recognize([folder / "images" / r[0] for r in part], engine=engine)
        for row, result in zip(part, results, strict=True):
            right += fold(result.text) == fold(row[1])
            if fold(result.text) != fold(row[1]):
                lost.append(f"{row[0]} {row[1]} read {result.text}")
    return {"found": right, "of": len(rows), "share": right / len(rows), "lost": lost}


Measure = Callable[[Reader, Path, int, str], dict[str, object]]
MEASURES: dict[str, tuple[Measure, str]] = {
    "containers": (pictures, "two-stage"),
    "chips": (partial(pictures, contained=True), "two-stage"),
    "plates_us": (pictures, "two-stage"),
    "scenes_ic03": (scenes, "two-stage"),
    "glyphs_scene": (glyphs, "two-stage"),
    "words_ic13": (words, "crnn"),
    "words_svt": (words, "crnn"),
    "words_iiit5k_train": (words, "crnn"),
    "plate_crops_us": (words, "crnn"),
    "plate_crops_es": (words, "two-stage"),
    "plate_crops_cn": (words, "two-stage"),
}


def main() -> None:
    """Runs what was asked for and prints one line a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--engine", choices=["two-stage", "crnn"], help="instead of the usual one")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write everything, losses included, there")
    parser.add_argument("--detector")
    parser.add_argument("--classifier")
    parser.add_argument("--recognizer")
    args = parser.parse_args()
    reader = Reader(detector=args.detector, classifier=args.classifier, recognizer=args.recognizer)
    report: dict[str, object] = {}
    for name in args.only.split(","):
        measure, engine = MEASURES[name]
        if not (args.data / name / "labels.tsv").is_file():
            print(f"{name}: {args.data / name / 'labels.tsv'} is not there, left out")
            continue
        start = time.perf_counter()
        numbers = measure(reader, args.data / name, args.limit, args.engine or engine)
        report[name] = numbers
        short = {
            k: round(v, 4) if isinstance(v, float | np.floating) else v
            for k, v in numbers.items()
            if k != "lost"
        }
        seconds = time.perf_counter() - start
        print(f"{name} ({args.engine or engine}): {short} in {seconds:.0f} s", flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
