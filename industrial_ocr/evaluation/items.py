"""From what an engine read in an image to its answer for every labelled code.

The rules, the same for every engine:

* ``recognize`` and ``classify``: the image is the item; the reading is everything read in it,
  joined, its confidence that of the weakest string.
* ``read`` with a pattern: the answer for an image is the first match of the pattern, looked for in
  each string in reading order and then in neighbouring strings joined; it is judged against the
  labels that match the pattern themselves. An image with several such labels takes the first so
  many different matches.
* ``read`` without one: the answer for a label is the string, or run of up to four neighbouring
  strings, or run of up to six words set apart by spaces, that equals it; failing that the one
  nearest to it in edit distance, if less than half of it would have to change. Failing that too,
  the code was missed. (An engine is thus not asked which of its strings or words is the code; that
  is what patterns are for.)

Texts are folded before they are compared (see ``metrics.fold``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from industrial_ocr.evaluation.metrics import CODES, Folding, Item, Matching, fold
from industrial_ocr.evaluation.readings import ReadString
from industrial_ocr.evaluation.records import Record
from industrial_ocr.evaluation.samples import Label

MOST_NEIGHBOURS, MOST_WORDS = 4, 6
MOST_CHANGED = 0.5


@dataclass(frozen=True)
class Rules:
    """How readings are turned into answers and compared.

    Attributes:
        folding: what of a text counts.
        matching: a reading equals the truth, or contains it.
        pattern: a regular expression over folded text, of what is asked for; None for none.
        labels: a regular expression over folded text; labels that do not match it as a whole do
            not count. None: all count.
    """

    folding: Folding = CODES
    matching: Matching = "exact"
    pattern: re.Pattern[str] | None = None
    labels: re.Pattern[str] | None = None

    def fold(self, text: str) -> str:
        """The text as it is compared."""
        return fold(text, self.folding.case, self.folding.alphabet)


@dataclass(frozen=True)
class Candidate:
    """Neighbouring strings taken as one.

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
    """Every string, every word of it, and runs of neighbours of either; none with empty text."""
    whole = [(rules.fold(s.text), i) for i, s in enumerate(strings)]
    words = [(rules.fold(w), i) for i, s in enumerate(strings) for w in s.text.split()]
    found: dict[tuple[str, tuple[int, ...]], Candidate] = {}
    for units, most in ((whole, MOST_NEIGHBOURS), (words, MOST_WORDS)):
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
    distance = Levenshtein.distance(label, text)
    if matching == "contains":
        return distance - max(0, len(text) - len(label))
    return distance


def matches(found: Sequence[Candidate], pattern: re.Pattern[str]) -> Iterator[Candidate]:
    """Different matches of a pattern, in reading order, single strings before joined ones."""
    seen = set()
    for candidate in found:
        for match in pattern.finditer(candidate.text):
            if match[0] and match[0] not in seen:
                seen.add(match[0])
                yield Candidate(match[0], candidate.confidence, candidate.strings)


def _of_pattern(
    labels: Sequence[Label], found: Sequence[Candidate], rules: Rules
) -> Iterator[tuple[Label, Candidate | None]]:
    assert rules.pattern is not None
    asked = [x for x in labels if rules.pattern.fullmatch(rules.fold(x.text))]
    texts = [rules.fold(x.text) for x in asked]
    given = [c for c, _ in zip(matches(found, rules.pattern), asked, strict=False)]
    right = {c.text: c for c in given if c.text in texts}
    wrong = [c for c in given if c.text not in texts]
    for label, text in zip(asked, texts, strict=True):
        yield label, right[text] if text in right else wrong.pop(0) if wrong else None


def answers(record: Record, rules: Rules) -> list[Answer]:
    """The engine's answers for every label of an image that counts."""
    labels = [x for x in record.labels if not x.ignore]
    if rules.labels is not None:
        labels = [x for x in labels if rules.labels.fullmatch(rules.fold(x.text))]
    if record.task != "read":
        texts = [rules.fold(s.text) for s in record.strings]
        whole = Candidate(
            "".join(texts), _weakest(record.strings), tuple(range(len(record.strings)))
        )
        pairs: Iterable[tuple[Label, Candidate | None]] = [(x, whole) for x in labels[:1]]
    else:
        labels = [x for x in labels if rules.fold(x.text)]
        found = candidates(record.strings, rules)
        if rules.pattern is not None:
            pairs = _of_pattern(labels, found, rules)
        else:
            pairs = ((x, nearest(rules.fold(x.text), found, rules.matching)) for x in labels)
    given = []
    for label, candidate in pairs:
        text = "" if candidate is None else candidate.text
        confidence = None if candidate is None else candidate.confidence
        item = Item(record.image, label.text, text, confidence, label.kind)
        given.append(Answer(item, record, label, candidate.strings if candidate else ()))
    return given
