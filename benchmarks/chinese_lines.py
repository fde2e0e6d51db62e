"""Rendered lines of Chinese and of Chinese and English, read by our recognizer and by PP-OCR's.

    pip install jieba
    python benchmarks/chinese_lines.py --fonts DIR ... --corpus dict.txt \
        --plates DATA/plate_crops_cn --out benchmarks/results/chinese_lines.md

DIR are folders of CJK fonts, one a row; the corpus is that of ``configs/train/recognizer-zh.yaml``.
The labels of the license plates leave out their first character, the ideograph of a province.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from industrial_ocr import Reader
from industrial_ocr.datasets.synthesis.lines import LineRenderer
from industrial_ocr.datasets.synthesis.strips import Strip
from industrial_ocr.evaluation.metrics import VERBATIM
from industrial_ocr.patterns.charset import FIRST_IDEOGRAPH, Charset

CHARSET = Path(__file__).resolve().parents[1] / "configs" / "charsets" / "zh.txt"
PREFACE = """\
`python benchmarks/chinese_lines.py --fonts DIR ... --corpus dict.txt --count {count}
--plates DIR --out FILE`:
lines as `configs/train/recognizer-zh.yaml` renders them, but for their length, in fonts that were
not used for training `crnn-zh`. Characters right: 1 - edit distance / length, summed over
all lines, spaces left out, after NFKC (full-width marks count as plain ones).
Mixed lines hold ideographs, and letters or digits. Lines of more than 12 characters are read in
pieces (`division="blanks"`). Processor time of one thread, on a busy machine.
"""
SEED = 31_000_001
LENGTHS = ((4, 12), (20, 60))
ALL = "all fonts"


class Group(NamedTuple):
    """What a row of the table is about."""

    font: str
    kind: str
    length: str
    recognizer: str


def kind_of(text: str) -> str:
    """``Chinese``, ``mixed`` or ``other``."""
    ideographs = any(ord(c) >= FIRST_IDEOGRAPH for c in text)
    latin = any(c.isascii() and c.isalnum() for c in text)
    return "other" if not ideographs else "mixed" if latin else "Chinese"


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, nargs="+", required=True, help="folders")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--plates", type=Path, help="folder of crops with labels")
    parser.add_argument("--recognizers", nargs="+", default=["crnn-zh", "pp-ocrv6"])
    parser.add_argument("--count", type=int, default=120, help="lines of each length and folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    charset = Charset(tuple(CHARSET.read_text(encoding="utf-8").split()), blank=True)
    readers = {r: Reader(recognizer=r, threads=args.threads) for r in args.recognizers}
    sums: dict[Group, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0.0])
    for folder in args.fonts:
        for length in LENGTHS:
            renderer = LineRenderer((folder,), args.corpus, charset, length)
            for number in range(args.count):
                strip = renderer.render((SEED, length[0], number))
                kind = kind_of(strip.string.text)
                for name, reader in readers.items():
                    values = _read(reader, strip, length[0] > 12)
                    for font in (folder.name, ALL):
                        group = Group(font, kind, f"{length[0]}-{length[1]}", name)
                        sums[group] = [a + b for a, b in zip(sums[group], values, strict=True)]
    lines = [
        PREFACE.format(count=args.count),
        "| font | line | characters | recognizer | lines | lines right % | characters right % "
        "| CPU ms a line |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, (count, right, size, distance, seconds) in sorted(sums.items()):
        lines.append(
            f"| {' | '.join(group)} | {count:.0f} | {100 * right / count:.1f} | "
            f"{100 * (1 - distance / size):.1f} | {1000 * seconds / count:.0f} |"
        )
        print(lines[-1], flush=True)
    if args.plates:
        lines += ["", "| license plates | recognizer | all but the first character right % |"]
        lines += ["|---|---|---|"]
        for name, reader in readers.items():
            lines.append(_plates_row(args.plates, name, reader))
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plates_row(folder: Path, name: str, reader: Reader) -> str:
    """The row of a recognizer: how many of its readings end with the label."""
    rows = [row.split("\t") for row in (folder / "labels.tsv").read_text().splitlines()]
    results = reader.recognize([folder / "images" / row[0] for row in rows])
    right = 0
    for (_, label), result in zip(rows, results, strict=True):
        read = "".join(s.text for s in (*result.strings, *result.left_out))
        right += "".join(c for c in read if c.isalnum()).upper().endswith(label)
    return f"| {len(rows)} | {name} | {100 * right / len(rows):.1f} |"


def _read(reader: Reader, strip: Strip, long: bool) -> tuple[float, ...]:
    """The numbers of a line: 1, whether it is right, its length, edit distance and seconds."""
    start = time.process_time()
    (result,) = reader.recognize([strip.image], division="blanks" if long else None)
    seconds = time.process_time() - start
    read = "".join(s.text for s in (*result.strings, *result.left_out))
    truth, found = ("".join(VERBATIM.normalize(t).split()) for t in (strip.string.text, read))
    distance = Levenshtein.distance(truth, found)
    return 1, distance == 0, len(truth), distance, seconds


if __name__ == "__main__":
    main()
