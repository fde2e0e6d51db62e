"""Matches the strings that an engine has read in an image to the labels.

The rules, the same for every engine:

* ``recognize`` and ``classify``: the image shows only the label. The reading is everything that was
  read in the image, joined; its confidence is the lowest of the strings.
* With a pattern: an engine that reads under patterns answers with the codes that it found. For the
  others the answer is the first match of the pattern in a string, in reading order, then in joined
  neighboring strings; matches that fail the pattern's check come last. Only labels that match the
  pattern count. In an image with n such labels, the first n codes count.
* ``read`` without a pattern: the answer for a label is a string, a run of up to four neighboring
  strings, or a run of up to six words. It is the one that equals the label, else the one with the
  smallest edit distance to it, if that is less than half of the label's length. Otherwise the label
  was missed. (So no engine has to say which of its strings is the code; a pattern says it.)

Texts are normalized before they are compared (see ``metrics.TextComparison``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.samples import Label
from industrial_ocr.evaluation.metrics import (
    CODE_TEXT,
    Prediction,
    ReadOutcome,
    TextComparison,
    nearest_part,
    outcome,
)
from industrial_ocr.evaluation.records import ReadString, Record
from industrial_ocr.patterns.pattern import Pattern


@dataclass(frozen=True)
class Rules:
    """How readings are matched with labels and compared.

    Attributes:
        comparison: how texts are compared.
        pattern: pattern of the codes to find; None if there is none.
        labels: regular expression over normalized text; only labels that match it as a whole count.
            None: all count.
        decode: whether engines with patterns read under the pattern; if not, it is searched in
            their readings, as for the others.
    """

    comparison: TextComparison = CODE_TEXT
    pattern: Pattern | None = None
    labels: re.Pattern[str] | None = None
    decode: bool = True

    @property
    def read_under(self) -> Pattern | None:
        """The pattern under which engines read, if they can."""
        return self.pattern if self.decode else None

    def normalize(self, text: str) -> str:
        """The text in the form in which it is compared."""
        return self.comparison.normalize(text)


def odd_labels(labels: Iterable[Label], rules: Rules) -> tuple[list[str], list[str]]:
    """The texts that do not match the pattern, which do not count, and those that fail its check.

    The latter count as all others do, although the label may be wrong. Both are empty without a
    pattern.
    """
    if rules.pattern is None:
        return [], []
    texts = [rules.normalize(label.text) for label in labels]
    failed = [(t, c.rule) for t in texts if not (c := rules.pattern.verify(t)).ok]
    return [t for t, r in failed if r == "pattern"], [t for t, r in failed if r != "pattern"]


def rules_of(rules: Mapping[str, Rules], dataset: str) -> Rules:
    """The rules of a dataset; ``""`` has those of all datasets that are not named."""
    return rules.get(dataset, rules.get("", Rules()))


@dataclass(frozen=True)
class StringRun:
    """Neighboring ``strings`` (indices), or words of them, joined and normalized.

    The confidence is the lowest one of the strings; None if the engine gives none.
    """

    text: str
    confidence: float | None
    strings: tuple[int, ...]


@dataclass(frozen=True)
class MatchedLabel:
    """A label and the engine's answer, which comes from ``strings`` (indices) of the record."""

    prediction: Prediction
    record: Record
    label: Label
    strings: tuple[int, ...]

    def outcome(self, rules: Rules, threshold: float = 0.0) -> ReadOutcome:
        """See ``metrics.outcome``."""
        return outcome(self.prediction, threshold, rules.comparison)


def _weakest(strings: Sequence[ReadString]) -> float | None:
    return min((s.confidence for s in strings if s.confidence is not None), default=None)


def joined_strings(strings: Sequence[ReadString], rules: Rules) -> list[StringRun]:
    """All strings, all their words, and runs of neighboring ones; none with empty text."""
    whole = [(rules.normalize(s.text), i) for i, s in enumerate(strings)]
    words = []
    for i, string in enumerate(strings):
        words += [(rules.normalize(word), i) for word in string.text.split()]
    found: dict[tuple[str, tuple[int, ...]], StringRun] = {}
    for units, longest in ((whole, 4), (words, 6)):
        for length in range(1, longest + 1):
            for start in range(len(units) - length + 1):
                run = units[start : start + length]
                # A run with an empty text at an end equals a shorter run.
                if run[0][0] and run[-1][0]:
                    text = "".join(t for t, _ in run)
                    own = tuple(dict.fromkeys(i for _, i in run))
                    weakest = _weakest([strings[i] for i in own])
                    found.setdefault((text, own), StringRun(text, weakest, own))
    return list(found.values())


def nearest_run(
    label: str, runs: Sequence[StringRun], comparison: TextComparison
) -> StringRun | None:
    """The answer for a normalized label, by the rules above."""
    if comparison.contains:
        holding = [r for r in runs if label in r.text]
        if holding:
            return holding[0]
    equal = [r for r in runs if r.text == label]
    if equal:
        return max(equal, key=lambda r: 1.0 if r.confidence is None else r.confidence)
    best, least = None, 0.5 * len(label)
    for run in runs:
        text = run.text
        if comparison.contains:  # text around the label costs nothing
            start, end = nearest_part(label, text)
            text = text[start:end]
        distance = Levenshtein.distance(label, text)
        if distance < least:
            best, least = run, distance
    return best


def _codes_in(text: str, pattern: Pattern) -> Iterator[str]:
    """The codes in a normalized text, from the left, the longest first."""
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


def _codes_of(record: Record, rules: Rules, pattern: Pattern) -> list[StringRun]:
    """The codes of an image: those of the engine, or the matches in its readings.

    Matches are in reading order, single strings before joined ones. Those that fail the pattern's
    check come last with confidence 0, since they would never be accepted.
    """
    if record.codes is not None:
        return [StringRun(rules.normalize(c.text), c.accepted_confidence, ()) for c in record.codes]
    codes: dict[str, StringRun] = {}
    for run in joined_strings(record.strings, rules):
        for code in _codes_in(run.text, pattern):
            codes.setdefault(code, replace(run, text=code))
    good = [c for c in codes.values() if pattern.verify(c.text).ok]
    bad = [replace(c, confidence=0.0) for c in codes.values() if not pattern.verify(c.text).ok]
    return good + bad


Answers = Iterable[tuple[Label, StringRun | None]]


def _code_answers(labels: Sequence[Label], record: Record, rules: Rules) -> Answers:
    """An answer for each label that is a code; only as many codes count as there are labels."""
    pattern = rules.pattern
    assert pattern is not None
    asked = [x for x in labels if pattern.match(rules.normalize(x.text)) is not None]
    texts = [pattern.normalize(rules.normalize(x.text)) for x in asked]
    codes = _codes_of(record, rules, pattern)[: len(asked)]
    right = {c.text: c for c in codes if c.text in texts}
    wrong = [c for c in codes if c.text not in texts]
    for label, text in zip(asked, texts, strict=True):
        if text in right:
            yield label, right[text]
        else:
            yield label, wrong.pop(0) if wrong else None


def _text_answers(labels: Sequence[Label], record: Record, rules: Rules) -> Answers:
    """An answer for each label of a whole picture, without a pattern."""
    runs = joined_strings(record.strings, rules)
    for label in labels:
        if text := rules.normalize(label.text):
            yield label, nearest_run(text, runs, rules.comparison)


def _crop_answers(labels: Sequence[Label], record: Record, rules: Rules) -> Answers:
    """Everything read in a crop, for its only label."""
    strings = record.strings
    for label in labels[:1]:
        _, text = rules.comparison.pair(label.text, "".join(s.text for s in strings))
        yield label, StringRun(text, _weakest(strings), tuple(range(len(strings))))


def match_labels(record: Record, rules: Rules) -> list[MatchedLabel]:
    """All labels of an image that count, with the engine's answers."""
    labels = [x for x in record.labels if not x.ignore]
    if rules.labels is not None:
        labels = [x for x in labels if rules.labels.fullmatch(rules.normalize(x.text))]
    if rules.pattern is not None:
        answers = _code_answers(labels, record, rules)
    elif record.task == "read":
        answers = _text_answers(labels, record, rules)
    else:
        answers = _crop_answers(labels, record, rules)
    matched = []
    for label, run in answers:
        run = run or StringRun("", None, ())
        prediction = Prediction(record.image, label.text, run.text, run.confidence, label.kind)
        matched.append(MatchedLabel(prediction, record, label, run.strings))
    return matched
