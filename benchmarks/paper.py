"""The table of the CRNN paper (arXiv 1507.05717, table 2) beside the shipped CRNN.

    python benchmarks/paper.py DATA --out benchmarks/results/crnn_paper.md

DATA is the folder of labeled photographs (``benchmarks/suite.yaml``); none of them was trained on.
Also times reading under a lexicon of 50 to 100,000 words, and finding near words by rapidfuzz, as
this package does, and by a BK-tree, as the paper does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein
from scipy.stats import binomtest

from industrial_ocr import Engine, Lexicon, Reader
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.synthesis.text import shipped_words
from industrial_ocr.decoding.lexicon import best_word, nearest
from industrial_ocr.image.load import load_image
from industrial_ocr.results.geometry import bounds
from industrial_ocr.results.types import ImageArray

PREFACE = """\
`python benchmarks/paper.py DATA --out FILE`: the table of Shi, Bai and Yao (arXiv 1507.05717,
table 2) beside the shipped CRNN, percent of words read right. As there, only letters and digits
count, without case; words of IC03 and IC13 of less than three characters or with other symbols
are left out. Each word is an image of its own, read by `Reader.recognize(engine="crnn")`.

The paper's network learnt from synthetic words alone. Ours learnt from rendered strings and from
photographs, none of them of these sets; its convolutions are those of PP-OCRv6, whose training
pictures are not known.

The sets at hand are not all of the paper's: IIIT5k are 500 of its training words, not the 3,000
of the test; SVT are its 647 words; IC03 are the words cut by their boxes out of 60 scenes, not
all 860; IC13 are 857 of the 1,015 words. The original lexicons are not at hand. They are made by
the paper's rule: the word and others of the same set drawn at random (50; for 1k the whole set
and the most common words of the shipped list), all words of the set (full), or these and the
50,000 most common words of the shipped list instead of Hunspell's (50k).
"""
LEXICONS = """
A lexicon of up to 64 words is searched as a whole; of a larger one, only the words within edit
distance 3 of the reading without a lexicon. Milliseconds of processor time a word,
median of 20 words. The paper finds near words by a BK-tree; this package compares with all of
them by rapidfuzz, in about a tenth of the time.
"""
DELTA = 3
SIZES = (50, 1_000, 10_000, 50_000, 100_000)


@dataclass(frozen=True)
class Column:
    """A column of the paper's table.

    Attributes:
        title: set and size of the lexicon.
        paper: its CRNN's percentage.
        dataset: our folder.
        words: of each image's lexicon; 0: none; -1: all words of the set; -2: a dictionary.
    """

    title: str
    paper: float
    dataset: str
    words: int


COLUMNS = (
    Column("IIIT5k, 50", 97.6, "words_iiit5k_train", 50),
    Column("IIIT5k, 1k", 94.4, "words_iiit5k_train", 1000),
    Column("IIIT5k, none", 78.2, "words_iiit5k_train", 0),
    Column("SVT, 50", 96.4, "words_svt", 50),
    Column("SVT, none", 80.8, "words_svt", 0),
    Column("IC03, 50", 98.7, "scenes_ic03", 50),
    Column("IC03, full", 97.6, "scenes_ic03", -1),
    Column("IC03, 50k", 95.5, "scenes_ic03", -2),
    Column("IC03, none", 89.4, "scenes_ic03", 0),
    Column("IC13, none", 86.7, "words_ic13", 0),
)


def plain(text: str) -> str:
    """Letters and digits in upper case: what counts."""
    return "".join(c for c in text.upper() if c.isascii() and c.isalnum())


def words_of(data: Path, name: str, limit: int) -> list[tuple[ImageArray, str]]:
    """Images of single words and their texts; those of scenes are cut out by their boxes.

    As in the paper, words of IC03 and IC13 with other characters than letters and digits or of
    less than three characters are left out.
    """
    dataset = load_dataset(data / name)
    found = []
    for sample in dataset.samples:
        image = load_image(sample.source)
        for label in sample.labels:
            strict = name in ("scenes_ic03", "words_ic13")
            if strict and (len(label.text) < 3 or len(plain(label.text)) < len(label.text)):
                continue
            crop = image
            if label.quad is not None:
                x0, y0, x1, y1 = (max(0, round(v)) for v in bounds(label.quad))
                crop = image[y0 : y1 + 1, x0 : x1 + 1]
            if plain(label.text) and min(crop.shape[:2]) > 1:
                found.append((crop, plain(label.text)))
    return found[: limit or None]


def lexicons(texts: Sequence[str], words: int) -> Iterator[Lexicon]:
    """The lexicon of each image by the paper's rule: its word and others of the same set.

    If the set has too few words, the most common ones of the shipped list are added.
    """
    own = sorted(set(texts))
    common = [w for w in dict.fromkeys(map(plain, shipped_words())) if w not in set(own)]
    if words < 0:
        whole = Lexicon(tuple([*own, *common[: 50_000 if words == -2 else 0]]))
        yield from (whole for _ in texts)
        return
    for number, text in enumerate(texts):
        others = [w for w in own if w != text]
        if len(others) >= words - 1:
            others = random.Random(number).sample(others, words - 1)
        yield Lexicon((text, *others, *common[: words - 1 - len(others)]))


def remember(recognizer: Any) -> dict[Any, Any]:
    """Makes a recognizer cache its scores by strip, for all lexicons; returns the cache."""
    compute, seen = recognizer._scores, {}

    def scores(strips: Sequence[ImageArray], width: int) -> Any:
        key = (width, *(strip.tobytes() for strip in strips))
        if key not in seen:
            seen[key] = compute(strips, width)
        return seen[key]

    recognizer._scores = scores
    return seen


def measured(
    reader: Reader, data: Path, sets: Sequence[str], limit: int
) -> list[tuple[Column, int, int]]:
    """Columns with the number of right words and of all."""
    seen = remember(reader._recognizer)
    rows = []
    for name in sets:
        columns = [column for column in COLUMNS if column.dataset == name]
        words = words_of(data, name, limit)
        texts = [text for _, text in words]
        asked = [lexicons(texts, c.words) if c.words else repeat(None) for c in columns]
        right = [0] * len(columns)
        for image, text in words:
            seen.clear()
            for number, own in enumerate(asked):
                (result,) = reader.recognize([image], engine=Engine.CRNN, lexicon=next(own))
                right[number] += plain(result.text) == text
        rows += [(c, n, len(words)) for c, n in zip(columns, right, strict=True)]
        print(name, right, len(words), flush=True)
    return rows


class BkTree:
    """Burkhard and Keller 1973: words below a node by their distance to it."""

    def __init__(self, words: Sequence[str]) -> None:
        self._root: tuple[str, dict] = (words[0], {})
        for word in words[1:]:
            node = self._root
            while (distance := Levenshtein.distance(word, node[0])) in node[1]:
                node = node[1][distance]
            node[1][distance] = (word, {})

    def near(self, text: str) -> list[str]:
        """Words within ``DELTA`` of a text."""
        found, open_nodes = [], [self._root]
        while open_nodes:
            word, below = open_nodes.pop()
            distance = Levenshtein.distance(text, word)
            if distance <= DELTA:
                found.append(word)
            near = range(distance - DELTA, distance + DELTA + 1)
            open_nodes += [below[d] for d in near if d in below]
        return found


def timed(call, arguments: Sequence) -> float:
    """Median milliseconds of processor time of a call."""
    times = []
    for argument in arguments:
        start = time.process_time()
        call(argument)
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def lexicon_times(data: Path, reader: Reader, count: int = 20) -> Iterator[str]:
    """Rows: words, milliseconds by rapidfuzz and BK-tree to find near words, and in all."""
    words = words_of(data, "words_svt", count)
    frames, read = [], []
    for image, _ in words:
        frames.append(reader.evidence(image, one_string=True)[1][0].log_probs)
        read.append(plain(reader.recognize([image])[0].text))
    rng = random.Random(0)
    own = list(dict.fromkeys([*map(plain, shipped_words())]))
    rng.shuffle(own)
    own = [text for _, text in words] + own
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    own += ["".join(rng.choices(letters, k=rng.randint(3, 10))) for _ in range(SIZES[-1])]
    for size in SIZES:
        lexicon = Lexicon(tuple(dict.fromkeys(own))[:size])
        tree = BkTree(lexicon.words)
        for text in read[:3]:
            listed = set(nearest(lexicon.words, text))
            assert size <= 64 or len(listed) >= 1024 or set(tree.near(text)) <= listed
        fuzzy = timed(partial(nearest, lexicon.words), read)
        pairs = list(zip(frames, read, strict=True))
        whole = timed(lambda p, x=lexicon: best_word(p[0], p[1], x, reader.charset), pairs)
        bk = timed(tree.near, read)
        yield f"| {size:,} | {fuzzy:.2f} | {bk:.2f} | {whole:.1f} |"


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", help="only these folders")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    reader = Reader(threads=args.threads)
    sets = args.sets or dict.fromkeys(column.dataset for column in COLUMNS)
    rows = measured(reader, args.data, list(sets), args.limit)
    lines = [
        PREFACE,
        "| set, words of the lexicon | paper | shipped CRNN | 95 % interval | words |",
        "|---|---|---|---|---|",
    ]
    for column, right, total in rows:
        interval = binomtest(right, total).proportion_ci(method="wilson")
        low, high = 100 * interval.low, 100 * interval.high
        share = f"{100 * right / total:.1f} | {low:.1f}-{high:.1f}"
        lines.append(f"| {column.title} | {column.paper} | {share} | {total} |")
    lines += [
        LEXICONS,
        "| words | near words, rapidfuzz (ms) | near words, BK-tree (ms) | whole decoding (ms) |",
    ]
    lines += ["|---|---|---|---|", *lexicon_times(args.data, reader)]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
