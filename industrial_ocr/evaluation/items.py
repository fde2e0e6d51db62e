"""From what an engine read in an image to its answer for every labeled code.

The rules, the same for every engine:

* ``recognize`` and ``classify``: the image is the item; the reading is everything read in it,
  joined, its confidence that of the weakest string.
* With a pattern: an engine that knows patterns answers with the codes it found. For the others the
  answer is the first match of the pattern, looked for in each string in reading order, then in
  neighboring strings joined; matches that fail the pattern's check come last. Answers are judged
  against the labels that match the pattern. An image with several such labels takes so many codes.
* ``read`` without one: the answer for a label is the string, or run of up to four neighboring
  strings, or run of up to six words set apart by spaces, that equals it; failing that the one
  nearest to it in edit distance, if less than half of it would have to change. Failing that too,
  the code was missed. (An engine is thus not asked which of its strings or words is the code; that
  is what patterns are for.)

Texts are folded before they are compared (see ``metrics.fold``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.samples import Label
from industrial_ocr.evaluation.metrics import CODES, Folding, Item, Matching, fold, nearest_part
from industrial_ocr.evaluation.readings import ReadString
from industrial_ocr.evaluation.records import Record
from industrial_ocr.patterns.pattern import Pattern

MOST_NEIGHBORS, MOST_WORDS = 4, 6
MOST_CHANGED = 0.5


@dataclass(frozen=True)
class Rules:
    """How readings are turned into answers and compared.

    Attributes:
        folding: what of a text counts.
        matching: a reading equals the truth, or contains it.
        pattern: of the codes that are asked for; None for none.
        labels: a regular expression over folded text; labels that do not match it as a whole do
            not count. None: all count.
        decode: engines that know patterns read under it; else it is looked for in what they read,
            as for the others.
    """

    folding: Folding = CODES
    matching: Matching = "exact"
    pattern: Pattern | None = None
    labels: re.Pattern[str] | None = None
    decode: bool = True

    @property
    def read_under(self) -> Pattern | None:
        """The pattern that engines read under, if they know any."""
        return self.pattern if self.decode else None

    def fold(self, text: str) -> str:
        """The text as it is compared."""
        return fold(text, self.folding.case, self.folding.alphabet)


@dataclass(frozen=True)
class Candidate:
    """Neighboring strings taken as one.

    Attributes:
        text: folded and joined.
        confidence: of the weakest, None where the engine gives none.
        strings: indices of the strings.
    """

    text: str
    confidence: float | None
    strings: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """An engine's answer for one label, with where it came from.

    Attributes:
        item: what the metrics count.
        record: the reading it is from.
        label: the truth.
        strings: indices of the strings of the record that it was taken from.
    """

    item: Item
    record: Record
    label: Label
    strings: tuple[int, ...]


def _weakest(strings: Sequence[ReadString]) -> float | None:
    known = [s.confidence for s in strings if s.confidence is not None]
    return min(known) if known else None


def candidates(strings: Sequence[ReadString], rules: Rules) -> list[Candidate]:
    """Every string, every word of it, and runs of neighbors of either; none with empty text."""
    whole = [(rules.fold(s.text), i) for i, s in enumerate(strings)]
    words = [(rules.fold(w), i) for i, s in enumerate(strings) for w in s.text.split()]
    found: dict[tuple[str, tuple[int, ...]], Candidate] = {}
    for units, most in ((whole, MOST_NEIGHBORS), (words, MOST_WORDS)):
        for length in range(1, most + 1):
            for start in range(len(units) - length + 1):
                run = units[start : start + length]
                # A run that begins or ends with nothing is a shorter run already seen.
                if run[0][0] and run[-1][0]:
                    text = "".join(t for t, _ in run)
                    own = tuple(dict.fromkeys(i for _, i in run))
                    weakest = _weakest([strings[i] for i in own])
                    found.setdefault((text, own), Candidate(text, weakest, own))
    return list(found.values())


def nearest(label: str, found: Sequence[Candidate], matching: Matching) -> Candidate | None:
    """The candidate that answers for a label (see the rules above)."""
    if matching == "contains":
        inside = [c for c in found if label in c.text]
        if inside:
            return inside[0]
    equal = [c for c in found if c.text == label]
    if equal:
        return max(equal, key=lambda c: 1.0 if c.confidence is None else c.confidence)
    best: Candidate | None = None
    least = MOST_CHANGED * len(label)
    for candidate in found:
        distance = _distance(label, candidate.text, matching)
        if distance < least:
            best, least = candidate, distance
    return best


def _distance(label: str, text: str, matching: Matching) -> float:
    """Edit distance; where the label may stand inside the text, what surrounds it costs nothing."""
    if matching == "contains":
        start, end = nearest_part(label, text)
        text = text[start:end]
    return Levenshtein.distance(label, text)


def _codes_in(text: str, pattern: Pattern) -> Iterator[str]:
    """Codes that stand in a folded text, from the left, the longest first."""
    lengths = sorted(pattern.lengths, reverse=True)
    start = 0
    while start < len(text):
        for length in lengths:
            part = text[start : start + length]
            if len(part) == length and (match := pattern.match(part)) is not None:
                yield match.code
                start += length - 1
                break
        start += 1


def matches(found: Sequence[Candidate], pattern: Pattern) -> list[Candidate]:
    """Different codes in what an engine read that knows no patterns.

    In reading order, single strings before joined ones; those that fail the pattern's check come
    last, with confidence 0: nobody would accept them.
    """
    codes: dict[str, Candidate] = {}
    for candidate in found:
        for code in _codes_in(candidate.text, pattern):
            codes.setdefault(code, Candidate(code, candidate.confidence, candidate.strings))
    good = {text: pattern.verify(text).ok for text in codes}
    wrong = [replace(c, confidence=0.0) for t, c in codes.items() if not good[t]]
    return [c for t, c in codes.items() if good[t]] + wrong


def _of_pattern(
    labels: Sequence[Label], found: Sequence[Candidate], rules: Rules
) -> Iterator[tuple[Label, Candidate | None]]:
    """An answer for each label that is a code, of as many codes as there are labels."""
    assert rules.pattern is not None
    asked = [x for x in labels if rules.pattern.match(rules.fold(x.text)) is not None]
    texts = [rules.pattern.normalize(rules.fold(x.text)) for x in asked]
    given = found[: len(asked)]
    right = {c.text: c for c in given if c.text in texts}
    wrong = [c for c in given if c.text not in texts]
    for label, text in zip(asked, texts, strict=True):
        yield label, right[text] if text in right else wrong.pop(0) if wrong else None


def _given_codes(record: Record, rules: Rules) -> list[Candidate]:
    """The codes of an image: the engine's own, or those that stand in what it read."""
    assert rules.pattern is not None
    if record.codes is not None:
        return [Candidate(rules.fold(c.text), c.vouched, ()) for c in record.codes]
    return matches(candidates(record.strings, rules), rules.pattern)


def answers(record: Record, rules: Rules) -> list[Answer]:
    """The engine's answers for every label of an image that counts."""
    labels = [x for x in record.labels if not x.ignore]
    if rules.labels is not None:
        labels = [x for x in labels if rules.labels.fullmatch(rules.fold(x.text))]
    if rules.pattern is not None:
        pairs: Iterable[tuple[Label, Candidate | None]] = _of_pattern(
            labels, _given_codes(record, rules), rules
        )
    elif record.task != "read":
        texts = [rules.fold(s.text) for s in record.strings]
        whole = Candidate(
            "".join(texts), _weakest(record.strings), tuple(range(len(record.strings)))
        )
        pairs = [(x, whole) for x in labels[:1]]
    else:
        labels = [x for x in labels if rules.fold(x.text)]
        found = candidates(record.strings, rules)
        pairs = ((x, nearest(rules.fold(x.text), found, rules.matching)) for x in labels)
    given = []
    for label, candidate in pairs:
        text = "" if candidate is None else candidate.text
        confidence = None if candidate is None else candidate.confidence
        item = Item(record.image, label.text, text, confidence, label.kind)
        given.append(Answer(item, record, label, candidate.strings if candidate else ()))
    return given
