"""Patterns: what they match is compared with ``re`` and with brute force over short texts."""

from __future__ import annotations

import itertools
import math
import pickle
import random
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, Charset
from industrial_ocr.patterns.grammar.compiler import MAX_STATES
from industrial_ocr.patterns.grammar.expression import class_notation
from industrial_ocr.patterns.pattern import LENGTH_LIMIT, Pattern

SMALL = Charset(("A", "B", "1", "-"))
SHORT = ["".join(t) for n in range(5) for t in itertools.product(SMALL.symbols, repeat=n)]

EXPRESSIONS = [
    "A",
    "A|B1",
    "(A|B)1",
    "(?:A|B)?1",
    "A*B",
    "(AB)+",
    "(A*)*B",
    "(A|AB)(1|B1)",
    "A{2}",
    "A{1,3}",
    "A{2,}",
    "A{0,2}B",
    "(A?B){2}",
    "(A|)B",
    r"[AB1]-\d",
    "[A-B]+1",
    "[^A]{2}",
    r"[^\d-]*",
    r"\w\W",
    r"\D{2}|\S",
    "..",
    ".*A.",
    "^A$|^B$",
    r"\-A",
    "[-A]B",
    "[A-]B",
    r"[\-\w]1",
    "(?P<x>A)B",
]


def compared(expression: str) -> None:
    pattern = Pattern.regex(expression, charset=SMALL)
    wanted = [t for t in SHORT if re.fullmatch(expression, t)]
    assert [t for t in SHORT if pattern.match(t)] == wanted
    by_length = [sum(len(t) == n for t in wanted) for n in range(5)]
    counts = [*np.exp2(pattern.core.log2_counts(4)), *np.zeros(5)]
    assert [round(n) for n in counts[:5]] == by_length
    assert len(pattern.core) == fewest_states(pattern.core)


def fewest_states(automaton: Automaton) -> int:
    """How many states have different futures, by refinement in plain Python."""
    block = [int(a) for a in automaton.accepting]
    while True:
        rows = [
            (block[s], *(block[t] if t >= 0 else -1 for t in automaton.table[s].tolist()))
            for s in range(len(automaton))
        ]
        number = {row: i for i, row in enumerate(dict.fromkeys(rows))}
        if len(number) == len(set(block)):
            return len(number)
        block = [number[row] for row in rows]


def random_expression(rng: random.Random, depth: int = 3) -> str:
    if depth == 0:
        return rng.choice(["A", "B", "1", r"\-", r"\d", "[AB]", "[^A]", "."])
    parts = [random_expression(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    text = rng.choice(["", "|"]).join(parts)
    return f"(?:{text})" + rng.choice(["", "", "?", "*", "+", "{2}", "{0,2}", "{1,}"])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_regex_matches_what_re_matches(expression: str) -> None:
    compared(expression)


@pytest.mark.slow
def test_random_regexes_match_what_re_matches() -> None:
    rng = random.Random(1)
    tried = 0
    while tried < 80:
        expression = random_expression(rng)
        if any(re.fullmatch(expression, t) for t in SHORT[1:]):
            compared(expression)
            tried += 1


@pytest.mark.parametrize(
    ("expression", "reason", "position"),
    [
        ("A(?=B)", "look-ahead", 1),
        ("A(?!B)", "look-ahead", 1),
        ("(?<=A)B", "look-behind", 0),
        ("(?<!A)B", "look-behind", 0),
        (r"(A)\1", "back-references", 3),
        ("(?P<x>A)(?P=x)", "back-references", 8),
        ("(?i)A", "flags", 0),
        ("(?>A)", "atomic", 0),
        ("AB+?", "lazy", 3),
        ("AB{2}?", "lazy", 5),
        ("AB++", "possessive", 3),
        ("A**", "double", 2),
        ("A|*", "nothing to repeat", 2),
        ("A{x}", "a repetition is", 1),
        ("A{3,2}", "larger number first", 1),
        ("A{9999999999}", "too many", 1),
        ("A(B", "not closed", 1),
        ("AB)", "without its (", 2),
        ("A[B", "not closed", 1),
        ("A[]B", "empty class", 1),
        ("A]", "without its [", 1),
        ("A[Z-B]", "ends before it begins", 2),
        ("A[A-Z ]{6}", "a space or separator stands in a class", 1),
        (r"[A-\d]", "between two characters", 1),
        ("A^B", "^ is allowed only where", 1),
        ("A$B", "$ is allowed only where", 1),
        ("(A$)", "$ is allowed only where", 2),
        (r"A\b", r"\b is not supported", 1),
        ("A\\", "nothing to escape", 1),
        ("(" * 101 + "A" + ")" * 101, "nested", 100),
    ],
)
def test_what_the_subset_lacks_is_refused_where_it_stands(
    expression: str, reason: str, position: int
) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern.regex(expression)
    first, shown, caret = str(caught.value).split("\n")
    assert reason in first and first.endswith(f"at character {position + 1}:")
    assert shown[2:] == expression and caret.index("^") - 2 == position


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("(a|b){1000}{1000}", f"limit is {MAX_STATES:,} states"),
        ("(((a{99}){99}){99}){99}", "limit is"),
        (".*a.{20}", f"more than {MAX_STATES:,} states"),
        ("(a?b?c?){4000}", "limit|more than"),
        ("[^\\S]", "nothing matches"),
        ("", "nothing but the empty"),
        ("a{0}", "nothing but the empty"),
        ("(){999999}", "limit is"),
    ],
)
def test_catastrophic_and_empty_expressions_stop_soon(expression: str, reason: str) -> None:
    before = time.thread_time()
    with pytest.raises(PatternError, match=reason):
        Pattern.regex(expression)
    assert time.thread_time() - before < 4


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("industrial_ocr.patterns.grammar.compiler.MAX_SECONDS", 0.05)
    with pytest.raises(PatternError, match=r"more than 0\.05 s"):
        Pattern.regex("A{0,4000}B*")


def test_nothing_matches() -> None:
    with pytest.raises(PatternError, match="nothing matches"):
        Pattern.regex("[^AB1-]", charset=SMALL)
    with pytest.raises(PatternError, match="nothing matches"):
        Pattern.regex("Z", charset=SMALL)


@pytest.mark.parametrize(
    ("template", "good", "bad"),
    [
        ("AA999-9X", ["AB123-4C", "AB123-45"], ["A1123-4C", "AB123-4c", "AB1234C", "AB123-4-"]),
        (r"\A9\9", ["A19"], ["B19", "A11"]),
        ("a[9]", ["a[1]"], ["A[1]", "a1"]),
        (r"X\\", ["7\\"], ["7X"]),
        ("99 99", ["1234", "12 34", "12  34"], ["123 4", "12-34"]),
    ],
)
def test_templates(template: str, good: list[str], bad: list[str]) -> None:
    pattern = Pattern.template(template)
    assert [t for t in [*good, *bad] if pattern.match(t)] == good


def test_a_template_ends_with_what_it_escapes() -> None:
    with pytest.raises(PatternError, match="nothing to escape, at character 2"):
        Pattern.template("A\\")


SEPARATED: list[tuple[Pattern, dict[str, str | None]]] = [
    (
        Pattern.regex("[A-Z]{2}[0-9]{2}", separators=" -"),
        {"AB12": "AB12", "A-B 1-2": "AB12", "AB - 12": "AB12", "AB_12": None, "-AB12": None,
         "AB12-": None, "AB1-": None, "": None},
    ),
    (
        Pattern.regex("[A-Z]{2}[0-9]{3}", separators=" -", groups=(2, 2, 1)),
        {"AB123": "AB123", "AB-12 3": "AB123", "AB\n123": "AB123", "A-B123": None,
         "AB1-23": None, "AB-12--3": "AB123"},
    ),
    (
        Pattern.regex("[A-Z]{1,2}-[0-9]{1,2}", separators=" -"),
        {"A1": "A1", "AB-12": "AB12", "AB 1": "AB1", "AB1-2": None, "A-B1": None},
    ),
    (Pattern.regex(r"A\s?1"), {"A1": "A1", "A 1": "A1", "A\t 1": "A1", "A-1": None, " A1": None}),
    (Pattern.regex("A[ -]1"), {"A1": "A1", "A 1": "A1", "A-1": "A-1", "A--1": None}),
    (Pattern.regex("A1"), {"A1": "A1", "A 1": None}),
    (Pattern.regex("(AB)+", separators="-"), {"AB-A-B": "ABAB", "ABA": None, "AB-": None}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "text", "code"),
    [(p, text, code) for p, cases in SEPARATED for text, code in cases.items()],
    ids=repr,
)
def test_separators(pattern: Pattern, text: str, code: str | None) -> None:
    found = pattern.match(text)
    assert (found.code if found else None) == code
    assert pattern.explain(text).ok == (code is not None)
    if found:
        assert pattern.normalize(text) == code


@pytest.mark.parametrize("pattern", [p for p, _ in SEPARATED], ids=repr)
def test_the_decoders_automaton_reads_the_texts_with_one_separator_at_a_place(
    pattern: Pattern,
) -> None:
    charset = Charset(("A", "B", "1", "2", "-"), blank=True)
    automaton = pattern.automaton(charset)
    assert len(automaton) == fewest_states(automaton)
    for n in range(1, 7):
        for codes in itertools.product(range(5), repeat=n):
            text = "".join(charset.symbols[c] for c in codes)
            state = automaton.run(codes)
            accepted = state >= 0 and bool(automaton.accepting[state])
            assert accepted == (pattern.match(text) is not None and "--" not in text), text


def test_case() -> None:
    exact, either = Pattern.regex("Ab[c-d]"), Pattern.regex("Ab[c-d]", ignore_case=True)
    assert exact.match("Abc") and not exact.match("ABC")
    assert [m.code for t in ("abc", "ABD") if (m := either.match(t))] == ["ABC", "ABD"]
    assert either.normalize("abX") == "ABX" and exact.normalize("abX") == "abX"
    assert either.cardinality == 2 and either.explain("ab1").allowed == "[CD]"
    assert not Pattern.regex("[^a]", ignore_case=True).match("A")
    mixed = either.automaton(Charset(("a", "B", "C", "c")))
    assert [mixed.run(c) >= 0 for c in ([0, 1, 2], [0, 1, 3], [1])] == [True, True, False]


def test_the_automaton_is_over_the_charset_in_its_order() -> None:
    charset = Charset(("7", "CE", "E", "C", "A"), blank=True)
    automaton = Pattern.regex("A(CE)?[0-9]").automaton(charset)
    assert automaton.symbols == charset.symbols and automaton.table.shape[1] == 5
    assert automaton.table.dtype == np.int32 and automaton.start == 0

    def accepts(*classes: int) -> bool:
        state = automaton.run([c - charset.blank for c in classes])
        return state >= 0 and bool(automaton.accepting[state])

    for text in ("A7", "ACE7"):
        assert accepts(*charset.encode(text))
    assert accepts(5, 4, 3, 1)  # C and E read one by one
    assert not accepts(5, 2) and not accepts(5, 4, 1)


def test_steps_rows_and_distances_agree_with_the_table() -> None:
    automaton = Pattern.preset("gtin").automaton(Charset(DEFAULT_SYMBOLS))
    table = automaton.table
    for state, symbol in itertools.product(range(len(automaton)), range(len(DEFAULT_SYMBOLS))):
        assert automaton.step(state, symbol) == table[state, symbol]
    assert automaton.step(-1, 0) == -1
    for state, distance in enumerate(automaton.distance_to_accept):
        after = automaton.distance_to_accept[table[state][table[state] >= 0]]
        assert distance == (0 if automaton.accepting[state] else after.min() + 1)
    with pytest.raises(ValueError, match="read-only"):
        automaton.accepting[0] = True


def test_a_charset_without_overlap_is_refused_and_a_poor_one_told() -> None:
    letters = Pattern.regex("[A-Z]{3}")
    with pytest.raises(PatternError, match="ignore_case"):
        letters.automaton(Charset(tuple("abc")))
    assert len(letters.automaton(Charset(tuple("AB")))) == 4
    assert letters.missing(Charset(tuple("ABCDEFGHIJKLMNOPQRSTUVWX"))) == {"Y", "Z"}
    assert Pattern.preset("mrz-td3-line2").missing(Charset()) == {"<"}
    small = Charset(tuple("abcdefghjklmnprstuvwxyz0123456789"))
    assert not Pattern.preset("vin").missing(small)


def test_a_charset_is_compiled_for_once() -> None:
    pattern = Pattern.preset("vin")
    assert pattern.automaton(Charset()) is pattern.automaton(Charset())


@pytest.mark.parametrize(
    ("expression", "codes", "lengths", "longest", "bits"),
    [
        ("[A-Z]{3}", 26**3, range(3, 4), 3, math.log2(26)),
        ("A|BB|BB1B", 3, frozenset({1, 2, 4}), 4, math.log2(3) / (7 / 3)),
        ("[0-9]{0,2}", 111, range(0, 3), 2, math.log2(111) / (210 / 111)),
        ("[AB]{1,100}", 2**101 - 2, range(1, 101), 100, 101 / 99),
        ("A+", math.inf, range(1, LENGTH_LIMIT + 1), None, None),
        ("[01]*", math.inf, range(0, LENGTH_LIMIT + 1), None, None),
    ],
)
def test_how_many_codes(
    expression: str, codes: float, lengths: Any, longest: int | None, bits: float | None
) -> None:
    pattern = Pattern.regex(expression)
    assert pattern.cardinality == codes and pattern.lengths == lengths
    assert pattern.max_length == longest
    if bits is not None:
        assert pattern.bits_per_position() == pytest.approx(bits, rel=1e-3)


def test_bits_of_every_length() -> None:
    bits = Pattern.regex("[A-Z0-9]+").core.log2_counts(500)
    assert bits[500] == pytest.approx(500 * math.log2(36))  # 36 ** 500 is no float
    assert bits[0] == -math.inf and len(Pattern.regex("A{3}").core.log2_counts(500)) == 4


@pytest.mark.parametrize(
    ("text", "position", "allowed", "message"),
    [
        ("AB1", 3, "[0-9]", "ends after character 3, expected [0-9]"),
        ("AB1X", 3, "[0-9]", "character 4 ('X') does not match, expected [0-9]"),
        ("1", 0, "[A-Z]", "character 1 ('1') does not match, expected [A-Z]"),
        ("", 0, "[A-Z]", "the text is empty, expected [A-Z]"),
        ("AB12?", 4, "[A-Z0-9]", "character 5 ('?') does not match, expected [A-Z0-9] or the end"),
        ("AB12XX", 5, "", "character 6 ('X') does not match, expected the end"),
        ("AB12X", 5, "", "matches"),
    ],
)
def test_explain(text: str, position: int, allowed: str, message: str) -> None:
    why = Pattern.regex("[A-Z]{2}[0-9]{2}[A-Z0-9]?").explain(text)
    assert (why.position, why.allowed, why.message) == (position, allowed, message)
    assert why.ok == (message == "matches")


def test_no_separator_is_expected_where_nothing_follows() -> None:
    why = Pattern.regex("A1", separators="-").explain("A1-")
    assert (why.position, why.message) == (2, "character 3 ('-') does not match, expected the end")
    assert Pattern.regex("A1", separators="-").explain("A-").allowed == "1"


@pytest.mark.parametrize(
    ("chars", "shown"),
    [
        ("A", "A"),
        ("AB", "[AB]"),
        ("ABC", "[A-C]"),
        ("0123456789ABCDEFX", "[A-FX0-9]"),
        ("acbZ-]", r"[Za-c\-\]]"),
        ("./-", r"[\-./]"),
    ],
)
def test_class_notation(chars: str, shown: str) -> None:
    assert class_notation(chars) == shown
    if len(chars) > 1:
        assert all(re.fullmatch(shown, c) for c in chars)


def test_a_lexicon_is_its_words() -> None:
    rng = random.Random(2)
    words = ["".join(rng.choices("AB1", k=rng.randint(1, 4))) for _ in range(60)]
    lexicon = Pattern.lexicon(words + words[:5] + [""], charset=SMALL)
    assert [t for t in SHORT if lexicon.match(t)] == [t for t in SHORT if t in set(words)]
    assert lexicon.cardinality == len(set(words))
    assert len(lexicon.core) == fewest_states(lexicon.core)
    assert len(lexicon.core) == len(Pattern.regex("|".join(words), charset=SMALL).core)


def test_a_lexicon_drops_separators_and_case() -> None:
    lexicon = Pattern.lexicon(["ab-1 2", " CD "], ignore_case=True, separators="- ")
    assert lexicon.match("AB12") and lexicon.match("a-b 12") and lexicon.match("cd")
    assert lexicon.words == ("AB12", "CD")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["AB", "", "A?B"], r"list:3: character 2 \('\?'\) of 'A\?B'"),
        (["A B"], r"list:1: character 2 \(' '\).*declare it as a separator"),
        (["", " "], "list: the lexicon holds no word"),
        ([], "no word"),
    ],
)
def test_bad_lexicons_name_their_line(words: list[str], message: str) -> None:
    with pytest.raises(PatternError, match=message):
        Pattern.lexicon(words, source="list")


def test_a_word_that_the_charset_cannot_spell_is_named() -> None:
    lexicon = Pattern.lexicon(["AB", "", "B-1"], source="list")
    with pytest.raises(PatternError, match=r"list:3: character 2 \('-'\) of 'B-1'"):
        lexicon.automaton(Charset(tuple("AB1")))


@pytest.mark.slow
def test_a_lexicon_of_100_000_strings_compiles_in_time() -> None:
    rng = random.Random(3)
    words = ["".join(rng.choices(DEFAULT_SYMBOLS[:36], k=8)) for _ in range(100_000)]
    before = time.thread_time()
    lexicon = Pattern.lexicon(words)
    automaton = lexicon.automaton(Charset(blank=True))
    assert time.thread_time() - before < 5
    assert sum(a.nbytes for a in automaton._arrays) < 10e6
    assert all(lexicon.match(w) for w in words[::1000]) and not lexicon.match(words[0][:-1])


def test_parse(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("AB1\n\nCD2\n", encoding="utf-8-sig")
    assert Pattern.parse("vin").name == "vin"
    assert Pattern.parse("vin").check == "vin" and Pattern.parse("regex:vin").check == "none"
    assert Pattern.parse("[AB]1").match("B1") and Pattern.parse("template:A9").match("B1")
    assert Pattern.parse(f"lexicon:{words}").words == ("AB1", "", "CD2")
    for wrong, meant in (("iso6364", "iso6346"), ("VIN", "vin")):
        with pytest.raises(PatternError, match=rf"did you mean {meant}\? .*write regex:{wrong}\)"):
            Pattern.parse(wrong)
    for name in ("nosuch", "our-lot2", "our_lot"):
        with pytest.raises(PatternError, match=rf"no preset .*{name}.*vin,.* write regex:{name}\)"):
            Pattern.parse(name)
    assert Pattern.parse("regex:nosuch").match("nosuch") and Pattern.parse("74-1").match("74-1")
    for kind in ("template:", "regex:", "lexicon:"):
        with pytest.raises(PatternError, match=f"{kind} the .* is missing after the colon"):
            Pattern.parse(kind)
    with pytest.raises(PatternError, match=r"none\.txt: the lexicon cannot be read"):
        Pattern.parse(f"lexicon:{tmp_path / 'none.txt'}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"check": "crc"}, "there is no check 'crc'; the checks are none, iso6346"),
        ({"check": "date:DDQQ"}, "a date format has"),
        ({"separators": ["--"]}, "single characters"),
        ({"groups": [2, 0]}, "groups are"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PatternError, match=message):
        Pattern.regex("A{4}", **options)


def test_verify_says_first_whether_it_matches() -> None:
    pattern = Pattern.preset("iso6346")
    assert pattern.verify("csqu 305438-3").ok
    wrong = pattern.verify("CSQU3054384")
    assert (wrong.ok, wrong.rule) == (False, "iso6346") and "should be 3" in wrong.message
    short = pattern.verify("CSQU305")
    assert (short.ok, short.rule) == (False, "pattern") and "expected [0-9]" in short.message
    assert pattern.groups == (4, 6, 1) and Pattern.regex("A").verify("A").ok


def test_a_pattern_travels_to_another_process() -> None:
    pattern = Pattern.preset("plate-de")
    pattern.automaton(Charset())
    copy = pickle.loads(pickle.dumps(pattern))
    assert copy.match("B-AB 12") and repr(copy) == "Pattern('plate-de')"


@pytest.mark.parametrize(
    ("text", "ignores"),
    [("plate-us-mixed", True), ("iso6346", True), ("[0-9]{3}", False), ("iso-date", False)],
)
def test_marks_are_ignored_where_they_separate_but_are_no_part_of_a_code(
    text: str, ignores: bool
) -> None:
    assert Pattern.parse(text).ignores_marks == ignores


def test_a_pattern_knows_whether_it_has_longer_codes() -> None:
    pattern = Pattern.regex("[0-9]{3,4}")
    assert pattern.has_longer("123") and not pattern.has_longer("1234")
    assert Pattern.regex("[0-9]{3,}").has_longer("123456")
