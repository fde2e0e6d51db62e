"""What a serial code may look like: one object for decoding, routing, verification, rejection.

A pattern says which codes there are (an automaton), where separators may stand in them, and what
check digit or calendar rule they fulfil. A *code* is without separators, in upper case where case
is ignored; a *text* is what was read or typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns import checkdigits
from industrial_ocr.patterns.automaton import NOTHING_MATCHES, Automaton
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, Charset
from industrial_ocr.patterns.checkdigits import CheckResult
from industrial_ocr.patterns.grammar.compiler import compile_node
from industrial_ocr.patterns.grammar.counts import CodeCounts
from industrial_ocr.patterns.grammar.expression import Grammar, base_alphabet, fold, parse_template
from industrial_ocr.patterns.grammar.matching import Explanation, Match, Texts
from industrial_ocr.patterns.grammar.regex import parse_regex
from industrial_ocr.patterns.grammar.spelling import project, with_separators
from industrial_ocr.patterns.grammar.words import check_letters, compile_words, read_lines
from industrial_ocr.patterns.presets import Preset, find_preset, nearest_preset

SAMPLE_TRIES = 20_000


@dataclass(frozen=True, eq=False, repr=False)
class Pattern(CodeCounts):
    """Made by ``regex``, ``template``, ``lexicon``, ``preset`` or ``parse``; does not change.

    Attributes:
        text: the expression, the template, or the lexicon's name.
        core: automaton of the codes over ``core.symbols``, single characters.
        grammar: the parsed expression; None for a lexicon.
        words: the lexicon, one entry a line; empty for an expression.
        ignore_case: lower case is read as upper case, codes are in upper case.
        separators: characters that may stand in a text and are no part of its code: where the
            expression has one of them, else after the groups, else after any symbol.
        groups: lengths of the groups of symbols between which a separator or another string may
            begin.
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

    def __post_init__(self) -> None:
        checkdigits.validate_rule(self.check)
        if any(len(s) != 1 for s in self.separators):
            raise PatternError(f"separators are single characters, got {self.separators}")
        if any(n < 1 for n in self.groups):
            raise PatternError(f"groups are numbers of symbols from 1 on, got {self.groups}")
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
        """A regular expression that codes match as a whole; the subset: ``patterns.grammar.regex``.

        Args:
            text: the expression. White space or a separator in it is a place where separators may
                stand or not.
            charset: what ``.`` and negated classes range over and codes are made of; None: the
                default charset and whatever else the expression names.
            ignore_case: lower case is read as upper case.
            separators: single characters that may stand between symbols.
            groups: after so many symbols each, a separator or a change of string may come.
            check: a rule of ``checkdigits.verify``.

        Raises:
            PatternError: bad syntax or an unsupported construct (points at the position), nothing
                matches, or beyond the limits on states and time.
        """
        marks = frozenset(separators)
        grammar = parse_regex(text, charset, ignore_case, marks)
        return _from_grammar(text, grammar, ignore_case, separators, groups, check)

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

        Every other character is itself: ``AA999-9X``. Arguments and errors as of ``regex``.
        """
        marks = frozenset(separators)
        grammar = parse_template(text, charset, ignore_case, marks)
        return _from_grammar(text, grammar, ignore_case, separators, groups, check)

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
        """A list of codes; empty ones are skipped, separators in them are dropped.

        Args:
            words: any number; 100,000 compile in about two seconds.
            charset: that they are made of; None: the default charset.
            source: a name for the list, such as its file.

        Other arguments as of ``regex``.

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
        """A named pattern: shipped, or of those that ``presets.load_presets(path)`` gave.

        Raises:
            PatternError: there is none of that name, or its expression does not compile.
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
        """What a command line gives: a preset's name, else a regular expression.

        ``regex:...``, ``template:...`` and ``lexicon:FILE`` (a word a line) say which it is.

        Raises:
            PatternError: as of the ways above; also for what is nearly the name of a preset.
        """
        kind, _, rest = text.partition(":")
        if kind == "regex" and rest:
            return Pattern.regex(rest)
        if kind == "template" and rest:
            return Pattern.template(rest)
        if kind == "lexicon" and rest:
            return Pattern.lexicon(read_lines(rest), source=rest)
        try:
            return Pattern.preset(text, presets)
        except PatternError as error:
            # A misspelled name is a regular expression too, but hardly meant as one.
            if nearest_preset(text, presets) and text.replace("-", "").isalnum():
                raise PatternError(f"{error} Write regex:{text} for the expression.") from error
        return Pattern.regex(text)

    @property
    def spans_strings(self) -> tuple[int, ...]:
        """Lengths of the groups that may stand in strings of their own; empty: one string."""
        return self.groups

    def automaton(self, charset: Charset) -> Automaton:
        """What a decoder over a charset walks along; made once a charset and kept.

        Symbol i is ``charset.symbols[i]``: with a blank, class i + 1. One separator, as far as
        the charset has it, may stand at each of its places; spaces are no symbols, so a decoder
        knows nothing of them. A letter of either case leads on where case is ignored, a symbol of
        several characters goes where they lead.

        Raises:
            PatternError: no code, or some word of a lexicon not, can be spelled with the charset.
        """
        if charset not in self._automata:
            marks = tuple(s for s in self.separators if s in charset.symbols)
            self._check_spelling(charset)
            try:
                found = project(self._reading(marks, run=False), charset, self.ignore_case)
            except PatternError as error:
                if str(error) != NOTHING_MATCHES:
                    raise
                hint = "" if self.ignore_case else "; the other case is read with ignore_case"
                raise PatternError(
                    f"no code of {self!r} can be spelled with the {len(charset)} symbols of this "
                    f"charset{hint}"
                ) from error
            self._automata[charset] = found
        return self._automata[charset]

    def missing(self, charset: Charset) -> frozenset[str]:
        """Characters of codes that a charset lacks: what has them can never be read with it."""
        have = {fold(c) if self.ignore_case else c for s in charset.symbols for c in s}
        return frozenset({self.core.symbols[i] for i in set(self.core.labels.tolist())} - have)

    def match(self, text: str) -> Match | None:
        """The code that a text holds as a whole, or None."""
        return self._texts.match(text)

    def normalize(self, text: str) -> str:
        """Without separators, and in upper case where case is ignored; need not match."""
        return _code(text, self.separators, self.ignore_case)

    def explain(self, text: str) -> Explanation:
        """Where a text fails, and what would be allowed there."""
        return self._texts.explain(text)

    def verify(self, text: str) -> CheckResult:
        """Applies the check to the code of a text; one that does not match fails ``pattern``."""
        found = self.match(text)
        if found is None:
            return CheckResult(False, "pattern", self.explain(text).message)
        return self.verify_code(found.code)

    def verify_code(self, code: str) -> CheckResult:
        """Applies the check alone, to a code that is known to match and is normalized."""
        return checkdigits.verify(code, self.check)

    def sample(self, rng: np.random.Generator) -> str:
        """A random code that passes the check.

        Raises:
            PatternError: none was found in ``SAMPLE_TRIES``.
        """
        for _ in range(SAMPLE_TRIES):
            code = "".join(self.core.symbols[i] for i in self.core.sample(rng))
            if checkdigits.verify(code, self.check).ok:
                return code
        raise PatternError(f"no code of {self!r} that passes its check in {SAMPLE_TRIES} tries")

    @cached_property
    def _texts(self) -> Texts:
        places = self._has_places
        automaton = self._reading(self.separators, run=True) if places else self.core
        return Texts(automaton, self.separators, places, self.groups, self.ignore_case)

    @property
    def _has_places(self) -> bool:
        return self.grammar is not None and self.grammar.places

    def _reading(self, marks: tuple[str, ...], run: bool) -> Automaton:
        """The automaton of codes with those separators at their places."""
        if self._has_places and self.grammar is not None:
            symbols = (*self.core.symbols, *marks)
            return compile_node(self.grammar.node, symbols, marks, run)
        return with_separators(self.core, marks, self.groups) if marks else self.core

    def _check_spelling(self, charset: Charset) -> None:
        """A word that a charset cannot spell would silently never be read."""
        if self.words and (lost := self.missing(charset)):
            check_letters(self.words, frozenset(self.core.symbols) - lost, self.text, True)


def _from_grammar(
    text: str,
    grammar: Grammar,
    ignore_case: bool,
    separators: Iterable[str],
    groups: Sequence[int],
    check: str,
) -> Pattern:
    marks = _separators((*separators, *((" ",) if grammar.spaced else ())))
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
    return text.upper() if text.isascii() else "".join(map(fold, text))
