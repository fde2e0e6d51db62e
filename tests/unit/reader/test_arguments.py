"""What users give as arguments: patterns and expected texts of the wrong kind are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from industrial_ocr.decoding.verification import expected_symbols
from industrial_ocr.errors import ConfigError, PatternError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.arguments import compiled_patterns


@pytest.mark.parametrize("given", [12345, [re.compile("[0-9]")], [None]])
def test_what_is_no_pattern_is_refused(given: Any) -> None:
    with pytest.raises(PatternError, match="a pattern is a str or a Pattern"):
        compiled_patterns(given, {})


def test_patterns_of_one_name_are_refused_because_their_codes_could_not_be_told_apart() -> None:
    lists = [Pattern.lexicon(words) for words in (["AAA1"], ["BBB2"])]
    with pytest.raises(PatternError, match="two patterns are called 'lexicon'"):
        compiled_patterns(lists, {})
    named = [Pattern.lexicon([w], source=w) for w in ("AAA1", "BBB2")]
    assert compiled_patterns((p for p in named), {}) == tuple(named)


def test_an_expected_number_is_refused() -> None:
    number: Any = 12345
    with pytest.raises(ConfigError, match="the expected text must be a str, got 12345"):
        expected_symbols(number, Charset())
