"""Reading under a lexicon: a pattern of the words that are near the greedy reading.

Shi, Bai and Yao 2015 (arXiv 1507.05717, section 2.3.2) take the word with the highest p(l|y) among
the words within edit distance delta of the unconstrained reading. The paper finds these words with
a BK-tree; comparing with all words by rapidfuzz is faster. The search is that of any pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from industrial_ocr.decoding.ctc_beam import beam_search
from industrial_ocr.errors import ConfigError, DatasetError
from industrial_ocr.inference.network import MIN_LOG_PROB
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.grammar.words import compile_words
from industrial_ocr.patterns.pattern import Pattern


@dataclass(frozen=True)
class Lexicon:
    """The words that a string may be.

    Attributes:
        words: unique, in any order.
        case: whether upper and lower case differ. If False, the network's probabilities of both
            cases are added in every frame.
    """

    words: tuple[str, ...]
    case: bool = False

    def __post_init__(self) -> None:
        folded = self.words if self.case else tuple(w.upper() for w in self.words)
        object.__setattr__(self, "words", tuple(dict.fromkeys(w for w in folded if w)))
        if not self.words:
            raise ConfigError("a lexicon has at least one word that can be read")

    @staticmethod
    def from_file(path: Path, charset: Charset) -> Lexicon:
        """Loads a file with one word per line, empty lines skipped.

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
        return Lexicon(tuple(words))


def lexicon_finder(source: Path, charset: Charset) -> Callable[[str], Lexicon]:
    """A function that gives the lexicon of an image by the image's name.

    ``source`` is a file for all images, or a folder with a file for each: the words of
    ``images/12.png`` are in ``SOURCE/images/12.txt`` or ``SOURCE/12.txt``.

    Raises:
        DatasetError: as ``Lexicon.from_file``; for a folder, the returned function raises it.
    """
    if not source.is_dir():
        whole = Lexicon.from_file(source, charset)
        return lambda name: whole

    def find(name: str) -> Lexicon:
        own = Path(name).with_suffix(".txt")
        place = source / own
        return Lexicon.from_file(place if place.exists() else source / own.name, charset)

    return find


def nearest(words: Sequence[str], text: str, delta: int = 3) -> tuple[str, ...]:
    """The words within edit distance ``delta`` of a text, or the nearest ones if there are none.

    A lexicon of up to 64 words is returned whole, of a larger one at most 1024 words. The paper
    sets ``delta`` to 3.
    """
    if len(words) <= 64:
        return tuple(words)
    extract = partial(process.extract, text, words, scorer=Levenshtein.distance, limit=1024)
    found = extract(score_cutoff=delta) or extract()
    least = max(delta, found[0][1])
    return tuple(word for word, distance, _ in found if distance <= least)


def narrowed(pattern: Pattern, read: str) -> Pattern:
    """Reduces the pattern of a large lexicon to the words that are near a reading.

    Any other pattern is returned unchanged.
    """
    words = nearest(pattern.words, pattern.normalize(read)) if pattern.words else ()
    if len(words) == len(pattern.words):
        return pattern
    return replace(pattern, words=words, core=compile_words(words, pattern.core.symbols))


def joined_cases(log_probs: ArrayLike, charset: Charset) -> NDArray[np.float64]:
    """(T, C) log-probabilities, those of lowercase letters added to their capitals."""
    table = np.array(log_probs, np.float64)
    place = {s: i + charset.blank for i, s in enumerate(charset.symbols)}
    for symbol, at in place.items():
        upper = place.get(symbol.upper(), at)
        if upper != at:
            table[:, upper] = np.logaddexp(table[:, upper], table[:, at])
            table[:, at] = MIN_LOG_PROB
    return table


def best_word(log_probs: ArrayLike, greedy: str, lexicon: Lexicon, charset: Charset) -> str:
    """The likeliest word of a lexicon, empty if the frames are too few for any.

    Args:
        log_probs: (T, C) of one string, class 0 the blank.
        greedy: the reading without a lexicon.
        lexicon: its words can be encoded in the charset.
        charset: with the blank.
    """
    table = np.asarray(log_probs, np.float64)
    if not lexicon.case:
        table, greedy = joined_cases(table, charset), greedy.upper()
    pattern = _pattern(nearest(lexicon.words, greedy), lexicon.case, charset)
    found = beam_search(table, pattern.automaton(charset), most=1)
    text = "".join(charset.symbols[i] for i in found[0].symbols) if found else ""
    return text if lexicon.case else text.upper()


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...], case: bool, charset: Charset) -> Pattern:
    return Pattern.lexicon(words, charset=charset, ignore_case=not case)


def check_lexicon(lexicon: Lexicon, charset: Charset) -> None:
    """ConfigError if a word has a character that the recognizer does not know.

    Otherwise reading would raise it only where such a word is near the printed one.
    """
    if all(charset.supports(c) for c in set().union(*lexicon.words)):
        return
    unknown = next((w for w in lexicon.words if not charset.supports(w)), None)
    if unknown is not None:
        raise ConfigError(
            f"lexicon: the recognizer does not know all characters of {unknown!r}; "
            "leave out such words, or read with a recognizer that knows them"
        )


def lexicon_of(texts: Iterable[str], charset: Charset) -> Lexicon:
    """A lexicon of the texts that the charset can encode."""
    return Lexicon(tuple(t for t in texts if t and charset.supports(t)))
