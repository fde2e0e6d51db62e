"""Patterns of serial codes, for decoding, routing and verification.

A pattern says which codes exist (an automaton), where separators may stand in them, and which check
digit or calendar rule they satisfy. A *code* is without separators, and in upper case if case is
ignored; a *text* is what was read or typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns import checkdigits
from industrial_ocr.patterns.automaton import NOTHING_MATCHES, Automaton
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, Charset
from industrial_ocr.patterns.checkdigits import CheckResult
from industrial_ocr.patterns.grammar.compiler import compile_node
from industrial_ocr.patterns.grammar.expression import (
    Grammar,
    base_alphabet,
    fold_case,
    parse_template,
)
from industrial_ocr.patterns.grammar.matching import Explanation, Match, TextMatcher
from industrial_ocr.patterns.grammar.regex import parse_regex
from industrial_ocr.patterns.grammar.spelling import project, with_separators
from industrial_ocr.patterns.grammar.words import check_letters, compile_words, read_lines
from industrial_ocr.patterns.presets import Preset, find_preset, nearest_preset

LENGTH_LIMIT = 64
"""Greatest length that is counted if codes can be of any length."""


@dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """A pattern, made by ``regex``, ``template``, ``lexicon``, ``preset`` or ``parse``; immutable.

    Attributes:
        text: the expression, the template, or the lexicon's name.
        core: automaton of the codes over ``core.symbols``, single characters.
        grammar: the parsed expression; None for a lexicon.
        words: the lexicon, one entry per line; empty for an expression.
        ignore_case: lower case is read as upper case, codes are in upper case.
        separators: characters that may stand in a text but are not part of its code. They may
            stand where the expression has one of them, else between groups, else anywhere.
        groups: lengths of the groups of symbols; a separator or a new string may come after each.
            Empty: a code is in one string.
        check: the rule of ``verify``.
        name: of the preset, else empty.
        preset_data: the preset it was made from.
    """

    text: str
    core: Automaton
    grammar: Grammar | None = None
    words: tuple[str, ...] = ()
    ignore_case: bool = False
    separators: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    check: str = "none"
    name: str = ""
    preset_data: Preset | None = None
    _automata: dict[Charset, Automaton] = field(default_factory=dict, init=False)
    _spelled: dict[tuple[tuple[int, str], ...], Automaton] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        checkdigits.validate_rule(self.check)
        if any(len(s) != 1 for s in self.separators):
            raise PatternError(f"separators are single characters, got {self.separators}")
        if any(n < 1 for n in self.groups):
            raise PatternError(f"groups are numbers of symbols, 1 or more each, got {self.groups}")
        if self.max_length == 0:
            raise PatternError(f"{self.text!r} matches nothing but the empty text")

    def __repr__(self) -> str:
        return f"Pattern({self.name or self.text!r})"

    @staticmethod
    def regex(
        text: str,
        *,
        charset: Charset | None = None,
        ignore_case: bool = False,
        separators: Iterable[str] = (),
        groups: Sequence[int] = (),
        check: str = "none",
    ) -> Pattern:
        """A regular expression that whole codes match; ``patterns.grammar.regex`` has the syntax.

        Args:
            text: the expression. Separators are allowed where it has white space or a separator.
            charset: all characters of codes; ``.`` and negated classes match only these. None:
                the default charset and all other characters that the expression names.
            ignore_case: lower case is read as upper case.
            separators: single characters that may stand between symbols.
            groups: numbers of symbols after which a separator or a new string may come.
            check: a rule of ``checkdigits.verify``.

        Raises:
            PatternError: bad syntax or an unsupported construct (it shows the position), nothing
                matches, or a limit on states or time is exceeded.
        """
        return _parsed(parse_regex, text, charset, ignore_case, separators, groups, check)

    @staticmethod
    def template(
        text: str,
        *,
        charset: Charset | None = None,
        ignore_case: bool = False,
        separators: Iterable[str] = (),
        groups: Sequence[int] = (),
        check: str = "none",
    ) -> Pattern:
        """A template: ``A`` is a letter A-Z, ``9`` a digit, ``X`` either, ``\\`` escapes.

        Every other character is itself: ``AA999-9X``. For arguments and errors see ``regex``.
        """
        return _parsed(parse_template, text, charset, ignore_case, separators, groups, check)

    @staticmethod
    def lexicon(
        words: Iterable[str],
        *,
        charset: Charset | None = None,
        ignore_case: bool = False,
        separators: Iterable[str] = (),
        groups: Sequence[int] = (),
        check: str = "none",
        source: str = "lexicon",
    ) -> Pattern:
        """A list of codes; empty ones are skipped, separators in them are removed.

        Args:
            words: any number; 100,000 compile in about two seconds.
            charset: all characters of the words; None: the default charset.
            source: a name for the list, such as its file.

        For the other arguments see ``regex``.

        Raises:
            PatternError: a character that the charset lacks, with its line; or no word at all.
        """
        marks = _separators(separators)
        symbols = DEFAULT_SYMBOLS if charset is None else charset.symbols
        alphabet = base_alphabet(symbols, ignore_case, frozenset(marks))
        lines = tuple(_code(w.strip(), marks, ignore_case) for w in words)
        check_letters(lines, frozenset(alphabet), source, bool(marks))
        if not any(lines):
            raise PatternError(f"{source}: the lexicon holds no word")
        core = compile_words(filter(None, lines), alphabet)
        return Pattern(source, core, None, lines, ignore_case, marks, tuple(groups), check)

    @staticmethod
    def preset(name: str, presets: Mapping[str, Preset] | None = None) -> Pattern:
        """A named pattern: a shipped one, or one of ``presets.load_presets(path)``.

        Raises:
            PatternError: there is no such preset, or its expression does not compile.
        """
        chosen = find_preset(name, presets)
        make = Pattern.regex if chosen.regex else Pattern.template
        options = chosen.model_dump(include={"ignore_case", "separators", "groups", "check"})
        try:
            made = make(chosen.regex or chosen.template or "", **options)
        except PatternError as error:
            raise PatternError(f"preset {name}: {error}") from error
        return replace(made, name=name, preset_data=chosen)

    @staticmethod
    def parse(text: str, presets: Mapping[str, Preset] | None = None) -> Pattern:
        """The pattern of a command line: the name of a preset, else a regular expression.

        ``regex:...``, ``template:...`` and ``lexicon:FILE`` (one word per line) are explicit. A
        text in lower case without special characters, such as ``lot-b``, is always a name.

        Raises:
            PatternError: as the other constructors; also for a name that no preset has.
        """
        kind, _, rest = text.partition(":")
        if text in ("regex:", "template:", "lexicon:"):
            what = "the file" if kind == "lexicon" else "the expression"
            raise PatternError(f"{text} {what} is missing after the colon")
        if kind == "regex" and rest:
            return Pattern.regex(rest)
        if kind == "template" and rest:
            return Pattern.template(rest)
        if kind == "lexicon" and rest:
            return Pattern.lexicon(read_lines(rest), source=rest)
        try:
            return Pattern.preset(text, presets)
        except PatternError as error:
            # A misspelled name is a valid regular expression too, but probably not meant as one.
            plain = text.replace("-", "").replace("_", "").isalnum()
            if plain and (text.islower() or nearest_preset(text, presets)):
                raise PatternError(f"{error} (for the expression, write regex:{text})") from error
        return Pattern.regex(text)

    def automaton(self, charset: Charset) -> Automaton:
        """The automaton for a decoder over a charset.

        Symbol i is ``charset.symbols[i]`` (with a blank, class i + 1). It accepts one separator of
        the charset where separators are allowed; spaces are not symbols and never appear.
        If case is ignored, letters of both cases are accepted. It is built once for all charsets
        that have the symbols of the pattern in the same places.

        Raises:
            PatternError: no code can be spelled with the charset, or not every word of a lexicon.
        """
        found = self._automata.get(charset)
        if found is None:
            usable = {*self.core.symbols, *self.separators}
            fold = fold_case if self.ignore_case else str
            places = tuple(
                (i, s) for i, s in enumerate(charset.symbols) if usable.issuperset(map(fold, s))
            )
            if places not in self._spelled:
                self._spelled[places] = self._spelled_with(charset)
            found = replace(self._spelled[places], symbols=charset.symbols)
            if len(self._automata) >= 16:  # a network of many symbols has a charset for each image
                self._automata.clear()
            self._automata[charset] = found
        return found

    def _spelled_with(self, charset: Charset) -> Automaton:
        marks = tuple(s for s in self.separators if s in charset.symbols)
        self._check_spelling(charset)
        try:
            return project(self._separated(marks, run=False), charset, self.ignore_case)
        except PatternError as error:
            if str(error) != NOTHING_MATCHES:
                raise
            hint = "" if self.ignore_case else "; set ignore_case to accept the other case"
            raise PatternError(
                f"no code of {self!r} can be spelled with the {len(charset)} symbols of this "
                f"charset{hint}"
            ) from error

    @cached_property
    def characters(self) -> frozenset[str]:
        """All characters of its codes, also separators that the expression itself has."""
        return frozenset(self.core.symbols[i] for i in np.unique(self.core.labels).tolist())

    def missing(self, charset: Charset) -> frozenset[str]:
        """Characters of codes that a charset lacks; codes with them cannot be read with it."""
        known = base_alphabet(charset.symbols, self.ignore_case, frozenset())
        return self.characters.difference(known)

    def match(self, text: str) -> Match | None:
        """The code, if the whole text is one; else None."""
        return self._matcher.match(text)

    def normalize(self, text: str) -> str:
        """The text without separators, in upper case if case is ignored; it need not match."""
        return _code(text, self.separators, self.ignore_case)

    def explain(self, text: str) -> Explanation:
        """Where a text fails, and what is allowed there."""
        return self._matcher.explain(text)

    def verify(self, text: str) -> CheckResult:
        """Applies the check to the code in a text; if there is none, the rule is ``pattern``."""
        found = self.match(text)
        if found is None:
            return CheckResult(False, "pattern", self.explain(text).message)
        return self.verify_code(found.code)

    def verify_code(self, code: str) -> CheckResult:
        """Applies only the check, to a normalized code that is known to match."""
        return checkdigits.verify(code, self.check)

    def sample(self, rng: np.random.Generator) -> str:
        """A random code that passes the check; PatternError if none is found."""
        tries = 20_000
        for _ in range(tries):
            code = "".join(self.core.symbols[i] for i in self.core.sample(rng))
            if checkdigits.verify(code, self.check).ok:
                return code
        raise PatternError(f"none of {tries} random codes of {self!r} passes its check")

    @cached_property
    def _log2_counts(self) -> NDArray[np.float64]:
        return self.core.log2_counts(LENGTH_LIMIT)

    @property
    def max_length(self) -> int | None:
        """Symbols of the longest code; None if there is no longest."""
        return len(self._log2_counts) - 1 if self.core.finite else None

    @property
    def lengths(self) -> range | frozenset[int]:
        """Possible lengths of codes, up to ``LENGTH_LIMIT`` if there is no longest."""
        found = np.flatnonzero(np.isfinite(self._log2_counts)).tolist()
        whole = range(found[0], found[-1] + 1) if found else range(0)
        return whole if len(whole) == len(found) else frozenset(found)

    @cached_property
    def cardinality(self) -> int | float:
        """The exact number of codes, whatever its check; ``math.inf`` if it is infinite."""
        return self.core.cardinality()

    def bits_per_position(self) -> float:
        """Entropy of all codes up to ``LENGTH_LIMIT``, divided by their mean length.

        All codes are equally likely: 5.17 bits for any letter or digit.
        """
        bits = self._log2_counts
        share = np.exp2(bits - bits.max())
        total = bits.max() + np.log2(share.sum())
        return float(total / ((share * np.arange(len(bits))).sum() / share.sum()))

    @cached_property
    def _matcher(self) -> TextMatcher:
        slots = self.has_slots
        automaton = self._separated(self.separators, run=True) if slots else self.core
        return TextMatcher(automaton, self.separators, slots, self.groups, self.ignore_case)

    def has_longer(self, code: str) -> bool:
        """Whether the pattern also has codes that are longer than this one."""
        return self.max_length is None or self.max_length > len(code)

    @property
    def ignores_marks(self) -> bool:
        """Whether marks such as a point or a dash may stand in a code but are no part of it."""
        marks = {symbol for symbol in self.separators if symbol != " "}
        others = self.characters - {*marks, " "}
        return bool(marks) and all(symbol.isalnum() for symbol in others)

    @property
    def has_slots(self) -> bool:
        """Whether the expression itself says where separators may stand."""
        return self.grammar is not None and self.grammar.has_slots

    def _separated(self, marks: tuple[str, ...], run: bool) -> Automaton:
        """The automaton of codes with these separators where they are allowed.

        ``run``: several of them may stand in a row.
        """
        if self.grammar is not None and self.grammar.has_slots:
            symbols = (*self.core.symbols, *marks)
            return compile_node(self.grammar.node, symbols, marks, run)
        return with_separators(self.core, marks, self.groups) if marks else self.core

    def _check_spelling(self, charset: Charset) -> None:
        """Refuses a lexicon with words that the charset cannot spell: they would never be read."""
        if self.words and (lost := self.missing(charset)):
            check_letters(self.words, frozenset(self.core.symbols) - lost, self.text, True)


def _parsed(
    parse: Callable[[str, Charset | None, bool, frozenset[str]], Grammar],
    text: str,
    charset: Charset | None,
    ignore_case: bool,
    separators: Iterable[str],
    groups: Sequence[int],
    check: str,
) -> Pattern:
    """The pattern of an expression or a template."""
    marks = _separators(separators)
    grammar = parse(text, charset, ignore_case, frozenset(marks))
    if grammar.has_spaces:
        marks = _separators((*marks, " "))
    try:
        core = compile_node(grammar.node, grammar.alphabet)
    except PatternError as error:
        raise PatternError(f"{text if len(text) < 80 else text[:77] + '...'}: {error}") from error
    return Pattern(text, core, grammar, (), ignore_case, marks, tuple(groups), check)


def _separators(chars: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chars))


def _code(text: str, separators: tuple[str, ...], ignore_case: bool) -> str:
    if " " in separators:
        text = "".join(text.split())
    for mark in separators:
        text = text.replace(mark, "")
    if not ignore_case:
        return text
    return text.upper() if text.isascii() else "".join(map(fold_case, text))
