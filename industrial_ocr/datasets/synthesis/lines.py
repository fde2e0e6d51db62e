"""Lines of words of any language in plain print, for a recognizer of another script."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.plain import PlainPrinter
from industrial_ocr.datasets.synthesis.strips import Strip
from industrial_ocr.datasets.synthesis.text import label_text, shipped_words
from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.charset import FIRST_IDEOGRAPH, Charset

ANY_SYMBOLS, ENGLISH = 0.3, 0.25
"""Share of lines that are random symbols, and of those that are English words and codes."""

HEIGHTS = (10.0, 40.0)
"""Smallest and largest height of capitals in pixels."""

MAX_TILT, LENGTH_AND_TILT = 1.5, 9.0
"""Largest slope of a line in degrees, and its product with the number of characters."""


def read_corpus(path: Path, charset: Charset) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The words of a corpus that a charset can spell, and the probability of each.

    Args:
        path: file with one word per line, which may be followed by a space and its count (default
            1). The rest of a line is skipped, as in the dictionary of the package jieba.
        charset: charset of the recognizer.

    Raises:
        DatasetError: the file cannot be read, or the charset can spell none of its words.
    """
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"corpus {path}: cannot be read: {error}") from error
    kept = [row for row in rows if row and charset.supports(row[0])]
    if not kept:
        raise DatasetError(f"corpus {path}: the charset can spell none of its words")
    counts = np.array([float(r[1]) if len(r) > 1 and r[1].isdigit() else 1.0 for r in kept])
    # A power of the counts, as in word2vec, so that rare words are drawn as well.
    chances = np.maximum(counts, 1.0) ** 0.75
    return tuple(row[0] for row in kept), chances / chances.sum()


def joined(words: list[str]) -> str:
    """Words as a line, with spaces unless their language is written without them."""
    line = ""
    for word in words:
        spaced = line and word and max(ord(line[-1]), ord(word[0])) < FIRST_IDEOGRAPH
        line += " " * bool(spaced) + word
    return line


@dataclass
class LineRenderer:
    """Renders lines of a corpus; the same seed gives the same strip. Half of them are inverted.

    Args:
        fonts: folders with font files; only those that have all characters of a line are used.
        corpus: see ``read_corpus``.
        charset: charset of the recognizer.
        length: smallest and largest number of characters of a line.

    Raises:
        DatasetError: see ``read_corpus``; or a font folder does not exist.
    """

    fonts: tuple[str | Path, ...]
    corpus: Path
    charset: Charset
    length: tuple[int, int] = (1, 12)
    faces: FaceLibrary = field(init=False)

    def __post_init__(self) -> None:
        self.faces = FaceLibrary(self.fonts, built_in=0.0)
        self._printer = PlainPrinter(self.faces, shipped_words())
        self._words, self._chances = read_corpus(self.corpus, self.charset)
        self._limits = np.cumsum(self._chances)
        symbols = self.charset.symbols
        self._marks = tuple(s for s in symbols if not s[0].isalnum())
        self._any = tuple(s for s in symbols if s[0].isalnum())

    def text(self, rng: Generator) -> str:
        """Words of the corpus, English words, or random symbols."""
        wanted = int(rng.integers(self.length[0], self.length[1] + 1))
        kind = rng.random()
        if kind < ANY_SYMBOLS:
            return "".join(pick(rng, self._any) for _ in range(wanted))
        words: list[str] = []
        while sum(map(len, words)) < wanted:
            if kind < ANY_SYMBOLS + ENGLISH and rng.random() < 0.5:
                word = label_text(rng, self._printer.words)
            else:
                word = self._words[int(np.searchsorted(self._limits, rng.random() * 0.999999))]
            if self._marks and rng.random() < 0.15:  # a punctuation mark after the word
                word += pick(rng, self._marks)
            words.append(word)
        line = joined(words)
        # Longer lines do not fit the strips of a batch.
        return line[: max(wanted, 1) + 8].strip()

    def render(self, seed: int | tuple[int, ...]) -> Strip:
        """The strip for a seed.

        Raises:
            DatasetError: several lines were tried, and no font has all characters of one.
        """
        rng = np.random.default_rng(seed)
        text = ""
        for _ in range(20):
            text = self.text(rng)
            if not self.charset.supports(text):
                continue
            # A long line is nearly level: in a sloping one, the ends would leave the picture.
            tilt = min(MAX_TILT, LENGTH_AND_TILT / max(len(text), 1))
            printed = self._printer.picture(rng, text, HEIGHTS, tilt)
            if printed is not None:
                image, string = printed
                return Strip(255 - image if rng.random() < 0.5 else image, string)
        raise DatasetError(
            f"no font has the characters of lines such as {text!r}; add fonts of their script, "
            "for Chinese for example Debian's fonts-noto-cjk or fonts-wqy-zenhei"
        )
