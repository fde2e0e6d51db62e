"""Reading under a lexicon: the word of highest CTC probability among those near the greedy reading.

Shi, Bai and Yao 2015 (arXiv 1507.05717, section 2.3.2): of the words within edit distance delta of
the unconstrained reading, the one of highest p(l|y). The paper finds them with a BK-tree; rapidfuzz
compares with all of them in less time. Numpy and rapidfuzz only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from industrial_ocr.charset import Charset
from industrial_ocr.decoding.ctc import label_log_probabilities
from industrial_ocr.errors import DatasetError

DELTA = 3
"""The paper's choice: larger gains little and costs much."""
EXACT = 64
"""A lexicon of at most so many words is searched whole."""


@dataclass(frozen=True)
class Lexicon:
    """Words a string may be.

    Attributes:
        words: unique, in any order.
        case: False: upper and lower case are the same letter, for the lexicon and for the
            network, whose probabilities of the two are then added frame by frame.
    """

    words: tuple[str, ...]
    case: bool = False

    def __post_init__(self) -> None:
        folded = self.words if self.case else tuple(w.upper() for w in self.words)
        object.__setattr__(self, "words", tuple(dict.fromkeys(w for w in folded if w)))
        if not self.words:
            raise ValueError("a lexicon has one word at least")

    @staticmethod
    def from_file(path: Path, charset: Charset, case: bool = False) -> Lexicon:
        """One word a line, empty lines skipped.

        Raises:
            DatasetError: the file is missing, empty or no UTF-8, or a word has a character that
                the charset lacks; names the line.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path}: the lexicon cannot be read: {error}") from error
        words = []
        for number, line in enumerate(lines, 1):
            word = line.strip()
            if not word:
                continue
            try:
                charset.encode(word)
            except ValueError as error:
                raise DatasetError(f"{path}:{number}: {error}") from error
            words.append(word)
        if not words:
            raise DatasetError(f"{path}: the lexicon holds no word")
        return Lexicon(tuple(words), case)

    @cached_property
    def _classes(self) -> dict[int, list[list[int]]]:
        return {}

    def labels(self, charset: Charset) -> list[list[int]]:
        """The classes of every word; those of a charset are kept."""
        key = hash(charset)
        if key not in self._classes:
            self._classes[key] = [charset.encode(w) for w in self.words]
        return self._classes[key]

    def near(self, text: str, delta: int = DELTA) -> list[int]:
        """Indices of the words within an edit distance; all of them in a small lexicon, or where
        no word is that near."""
        if len(self.words) <= EXACT:
            return list(range(len(self.words)))
        text = text if self.case else text.upper()
        distances = process.cdist(
            [text], self.words, scorer=Levenshtein.distance, score_cutoff=delta, dtype=np.int32
        )[0]
        found = np.flatnonzero(distances <= delta).tolist()
        return found or list(range(len(self.words)))


def fold_case(log_probs: ArrayLike, charset: Charset) -> NDArray[np.float64]:
    """(T, C) log-probabilities in which each upper-case letter also has its lower case's share.

    The lower-case classes keep their own; a label of upper-case letters never asks for them.
    """
    table = np.array(log_probs, np.float64)
    place = {s: i + charset.blank for i, s in enumerate(charset.symbols)}
    for symbol, at in place.items():
        upper = place.get(symbol.upper())
        if upper is not None and upper != at:
            table[:, upper] = np.logaddexp(table[:, upper], table[:, at])
    return table


def best_word(
    log_probs: ArrayLike, greedy: str, lexicon: Lexicon, charset: Charset, delta: int = DELTA
) -> tuple[str, float]:
    """The likeliest word of a lexicon.

    Args:
        log_probs: (T, C) of one string, class 0 the blank.
        greedy: the unconstrained reading.
        lexicon: its words can be encoded in the charset.
        charset: with ``blank=True`` and C classes.
        delta: largest edit distance between the greedy reading and a word that is looked at.

    Returns:
        The word and its log p(l|y); under a lexicon without case that of all its spellings, as
        far as a letter and its other case never follow each other without a blank.
    """
    table = np.asarray(log_probs, np.float64)
    if not lexicon.case:
        table = fold_case(table, charset)
    chosen = lexicon.near(greedy, delta)
    every: Sequence[Sequence[int]] = lexicon.labels(charset)
    scores = label_log_probabilities(table, [every[i] for i in chosen])
    best = int(np.argmax(scores))
    return lexicon.words[chosen[best]], float(min(scores[best], 0.0))


def lexicon_of(texts: Iterable[str], charset: Charset, case: bool = False) -> Lexicon:
    """A lexicon of those texts that the charset can spell."""
    return Lexicon(tuple(t for t in texts if t and charset.supports(t)), case)
