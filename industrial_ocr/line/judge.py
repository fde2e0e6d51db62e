"""Decides whether a part passes: chooses the code and checks the rules of the job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.dates import parse_date
from industrial_ocr.line.expected import ExpectedTexts
from industrial_ocr.line.gs1 import parse_element_strings
from industrial_ocr.line.job import DateRule, Job
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeCharacter, CodeReading
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, Status, TextString
from industrial_ocr.results.verdicts import Verification


class History(Protocol):
    """The parts that have passed before; the journal knows them."""

    def seen(self, text: str) -> bool:
        """Whether a part with this text has passed."""

    def last_passed(self) -> str | None:
        """The text of the last part that passed; None if none has."""


@dataclass(frozen=True)
class Judgment:
    """The chosen code and whether its part passes; ``Reading`` explains the attributes."""

    passed: bool
    reasons: tuple[str, ...]
    text: str
    raw_text: str
    status: str
    confidence: float
    characters: tuple[Mapping[str, Any], ...] = ()
    expected: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Candidate:
    """A code, a string or the whole text of a picture, which may be chosen."""

    text: str
    raw_text: str
    status: Status
    confidence: float
    characters: tuple[Character | CodeCharacter, ...] = ()
    reason: str = ""
    pattern: Pattern | None = None

    def equals(self, expected: str) -> bool:
        """Whether it is the expected text, apart from white space and a pattern's separators."""
        if self.pattern is not None:
            return self.text == self.pattern.normalize(expected)
        return "".join(self.text.split()) == "".join(expected.split())


class Judge:
    """Judges the readings of one job.

    Args:
        job: the job with its rules.
        history: the parts that have passed before.
        patterns: the compiled patterns of the job.

    Attributes:
        expected: gives the text that must be printed on a part; see ``ExpectedTexts.text``.
    """

    def __init__(self, job: Job, history: History, patterns: Sequence[Pattern] = ()) -> None:
        self._rules, self._history = job.passes, history
        self.expected = ExpectedTexts(job.expect).text
        self._patterns = {pattern.name or pattern.text: pattern for pattern in patterns}
        self._any_text = not job.read.patterns

    def judge(
        self,
        results: Sequence[ReadResult],
        part: str,
        expected: str | None,
        today: date,
        verifications: Sequence[Verification] = (),
    ) -> Judgment:
        """Judges one part.

        It chooses the code with the highest confidence, or the one that equals the expected text.

        Args:
            results: a result for each roi.
            part: name of the part.
            expected: the text that came with the trigger or the picture.
            today: today's date.
            verifications: verifications of the expected text, one for each roi, if the job asks for
                them; one of them must pass.
        """
        rules = self._rules
        reasons: list[str] = []
        wanted = None
        try:
            wanted = self.expected(part, expected)
        except ConfigError as error:
            reasons.append(str(error))
        chosen = self._chosen(results, wanted)
        if rules.status_ok and chosen.status is not Status.OK:
            reasons.append(f"the status is {chosen.status.value}: {chosen.reason}".rstrip(": "))
        if rules.verified:
            reasons += _unverified(wanted, verifications)
        elif not chosen.text:
            reasons.append("no code was read")
        elif wanted is not None and not chosen.equals(wanted):
            reasons.append(f"expected {wanted!r}, read {chosen.text!r}")
        fields = self._parse(chosen, today, reasons)
        reasons += self._out_of_order(chosen.text)
        return Judgment(
            not reasons,
            tuple(reasons),
            chosen.text,
            chosen.raw_text,
            chosen.status.value,
            chosen.confidence,
            tuple(character.to_dict() for character in chosen.characters),
            wanted,
            fields,
        )

    def _chosen(self, results: Sequence[ReadResult], wanted: str | None) -> _Candidate:
        """The candidate that equals the expected text, else that of the highest confidence."""
        found = [self._of_code(code) for result in results for code in result.codes]
        if self._any_text:
            found = [_of_text(result) for result in results if result.strings]
        if wanted is not None:
            strings = [s for r in results for s in r.strings] if self._any_text else []
            all_candidates = found + [_of_string(string) for string in strings]
            found = [c for c in all_candidates if c.equals(wanted)] or found
        if not found:
            return _of_nothing(results)
        return max(found, key=lambda c: (c.status is Status.OK, c.confidence))

    def _parse(self, chosen: _Candidate, today: date, reasons: list[str]) -> dict[str, str]:
        """The fields of a code; adds to ``reasons`` why a field is wrong."""
        fields = named_groups(chosen.pattern, chosen.text)
        if self._rules.gs1:
            try:
                fields |= parse_element_strings(chosen.text, today)
            except ValueError as error:
                reasons.append(f"GS1: {error}")
        if (rule := self._rules.date) is not None:
            try:
                day = _date(rule, chosen.text, fields, today)
                fields["date"] = day.isoformat()
                reasons += _out_of_time(rule, day, today)
            except ValueError as error:
                reasons.append(f"the date: {error}")
        return fields

    def _of_code(self, code: CodeReading) -> _Candidate:
        return _Candidate(
            code.text,
            code.raw_text,
            code.status,
            code.confidence,
            code.characters,
            code.reason,
            self._patterns.get(code.pattern),
        )

    def _out_of_order(self, text: str) -> Iterator[str]:
        """Why the code may not follow those that have passed."""
        if self._rules.unseen and text and self._history.seen(text):
            yield f"{text!r} has passed before"
        if self._rules.rising and text:
            last = self._history.last_passed()
            number, before = _last_number(text), _last_number(last or "")
            if number is None:
                yield f"{text!r} does not end in a number"
            elif before is not None and number <= before:
                yield f"the number of {text!r} is not higher than that of {last!r}"


def _of_text(result: ReadResult) -> _Candidate:
    """The whole text of a picture, its strings joined by spaces."""
    text = " ".join(s.text for s in result.strings)
    characters = tuple(c for s in result.strings for c in s.characters)
    confidence, reason = result.confidence, result.reason
    return _Candidate(text, text, result.status, confidence, characters, reason)


def _of_string(string: TextString) -> _Candidate:
    text, status, reason = string.text, string.status, string.reason
    return _Candidate(text, text, status, string.confidence, string.characters, reason)


def _of_nothing(results: Sequence[ReadResult]) -> _Candidate:
    """The candidate if no code was found; its raw text is what was read instead."""
    raw = " ".join(string.text for result in results for string in result.strings)
    first = next((r for r in results if r.strings), results[0] if results else None)
    if first is None:
        return _Candidate("", raw, Status.NO_TEXT, 0.0)
    return _Candidate("", raw, first.status, 0.0, reason=first.reason)


def _unverified(wanted: str | None, verifications: Sequence[Verification]) -> Iterator[str]:
    """Why the expected text is not verified; nothing if there is none."""
    if wanted is not None and not any(v.passed for v in verifications):
        why = verifications[0].reason if verifications else "nothing was verified"
        yield f"{wanted!r} is not verified: {why}"


def named_groups(pattern: Pattern | None, code: str) -> dict[str, str]:
    """The texts in the named groups of a pattern, by name."""
    if pattern is None or "(?" not in pattern.text:
        return {}
    # White space in a pattern is a place for separators, which codes do not have.
    expression = "".join(pattern.text.split()).replace("(?<", "(?P<")
    found = re.fullmatch(expression, code, re.IGNORECASE if pattern.ignore_case else 0)
    groups = {} if found is None else found.groupdict()
    return {name: value for name, value in groups.items() if value is not None}


def _date(rule: DateRule, text: str, fields: Mapping[str, str], today: date) -> date:
    """The date in the code, or in one of its fields; raises ValueError if it has none."""
    if rule.field is None:
        return parse_date(text, rule.format, today)
    if rule.field not in fields:
        raise ValueError(f"the code has no field {rule.field!r}")
    return parse_date(fields[rule.field], rule.format, today)


def _out_of_time(rule: DateRule, day: date, today: date) -> Iterator[str]:
    if rule.not_past and day < today:
        yield f"the date {day} is past, today is {today}"
    if rule.within_days is not None and day > today + timedelta(days=rule.within_days):
        yield f"the date {day} is more than {rule.within_days} days ahead, today is {today}"


def _last_number(text: str) -> int | None:
    """The number at the end of a text."""
    digits = re.search(r"[0-9]+$", text)
    return None if digits is None else int(digits[0])
