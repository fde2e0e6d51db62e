"""Many labels at once, forced alignment, and reading under a lexicon."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.decoding.ctc import (
    align,
    greedy_decode,
    label_log_probabilities,
    sequence_log_probability,
)
from industrial_ocr.decoding.lexicon import (
    Lexicon,
    best_word,
    check_lexicon,
    joined_cases,
    lexicon_finder,
    lexicon_of,
    narrowed,
    nearest,
)
from industrial_ocr.errors import ConfigError, DatasetError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern

CHARSET = Charset(("A", "B", "a", "b"), blank=True)


def random_log_probs(frames: int, seed: int = 0) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, CHARSET.classes))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def peaked(text: str, probability: float = 0.9) -> NDArray[np.float64]:
    """A frame a letter, ``_`` the blank."""
    table = np.full((len(text), CHARSET.classes), (1 - probability) / (CHARSET.classes - 1))
    table[np.arange(len(text)), ["_ABab".index(c) for c in text]] = probability
    return np.asarray(np.log(table))


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 6])
def test_many_labels_at_once_equal_one_by_one(frames: int) -> None:
    table = random_log_probs(frames)
    labels = [list(x) for n in range(4) for x in itertools.product((1, 2), repeat=n)]
    one_by_one = [sequence_log_probability(table, x) for x in labels]
    np.testing.assert_allclose(label_log_probabilities(table, labels), one_by_one)


def test_many_labels_refuse_the_blank() -> None:
    with pytest.raises(ValueError, match="not the blank"):
        label_log_probabilities(random_log_probs(3), [[1], [2, 0]])


def test_alignment_of_the_greedy_reading_finds_its_frames() -> None:
    table = peaked("__AA_Bb_")
    read = greedy_decode(table, CHARSET)
    assert align(table, CHARSET.encode("ABb"), CHARSET) == read


def test_alignment_is_the_best_of_all_paths() -> None:
    table, label = random_log_probs(6, seed=3), [1, 2, 2]
    best, frames = -math.inf, None
    for path in itertools.product(range(3), repeat=6):
        runs = [
            (c, [i for i, _ in run])
            for c, run in itertools.groupby(enumerate(path), key=lambda x: x[1])
        ]
        kept = [(c, own) for c, own in runs if c]
        if [c for c, _ in kept] != label:
            continue
        score = sum(table[t, c] for t, c in enumerate(path))
        if score > best:
            best, frames = score, [(own[0], own[-1]) for _, own in kept]
    found = align(table, label, CHARSET)
    assert [(s.first_frame, s.last_frame) for s in found] == frames


def test_a_label_longer_than_its_frames_cannot_be_aligned() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        align(random_log_probs(3), [1, 1, 1], CHARSET)  # needs two blanks besides
    assert align(random_log_probs(3), [], CHARSET) == []


def test_the_likeliest_word_need_not_be_the_nearest() -> None:
    table = peaked("A_B_", 0.8)
    table[2, 1] = table[2, 2] - 0.01  # A as likely as B there
    lexicon = Lexicon(("BA", "AA"))
    assert best_word(table, "AB", lexicon, CHARSET) == "AA"


def test_without_case_both_spellings_count() -> None:
    table = np.log(np.array([[0.01, 0.3, 0.36, 0.3, 0.03]]))
    both = np.logaddexp(table[0, 1], table[0, 3])
    assert joined_cases(table, CHARSET)[0, 1] == pytest.approx(both)
    assert best_word(table, "B", Lexicon(("a", "b")), CHARSET) == "A"
    assert best_word(table, "B", Lexicon(("a", "b"), case=True), CHARSET) == "a"
    assert best_word(table, "B", Lexicon(("a", "B"), case=True), CHARSET) == "B"
    assert best_word(table, "B", Lexicon(("ABA",)), CHARSET) == ""  # longer than the frames


def test_large_lexicons_are_searched_near_the_reading() -> None:
    words = tuple("".join(w) for w in itertools.product("AB", repeat=7))
    assert set(nearest(words, "AAAAAAA", delta=1)) == {w for w in words if w.count("B") <= 1}
    assert set(nearest((*words, "A" * 12), "A" * 17)) == {"A" * 12}
    assert nearest(words[:9], "A" * 17) == words[:9]


def test_a_large_lexicon_as_a_pattern_keeps_its_words_near_the_reading_and_its_rules() -> None:
    words = ["".join(w) for w in itertools.product("AB", repeat=7)]
    pattern = Pattern.lexicon(words, charset=CHARSET, ignore_case=True, separators="-")
    found = narrowed(pattern, "aaaa-aaa")
    assert found.match("AAAAAAA") and found.match("aaaa-aab") and not found.match("BBBBBBB")
    small = Pattern.lexicon(words[:9], charset=CHARSET)
    assert narrowed(small, "BBBBBBB") is small


def test_files_name_the_line_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("AB\n\nA?B\n")
    with pytest.raises(DatasetError, match=r"words\.txt:3: character 2 \('\?'\)"):
        Lexicon.from_file(file, CHARSET)
    file.write_text("\n")
    with pytest.raises(DatasetError, match="no word"):
        Lexicon.from_file(file, CHARSET)
    file.write_text("ab\nAB\nB\n")
    assert Lexicon.from_file(file, CHARSET).words == ("AB", "B")
    with pytest.raises(DatasetError, match="cannot be read"):
        Lexicon.from_file(tmp_path / "none", CHARSET)


@pytest.mark.parametrize("words", [(), ("",), ("", "")])
def test_a_lexicon_without_words_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="at least one word"):
        Lexicon(words)
    with pytest.raises(ConfigError, match="at least one word"):
        lexicon_of(("", "?!"), CHARSET)


def test_words_are_unique_and_empty_ones_left_out() -> None:
    assert Lexicon(("ab", "", "AB", "Ab")).words == ("AB",)
    assert Lexicon(("ab", "AB", "ab"), case=True).words == ("ab", "AB")


def test_unknown_characters_are_refused_whatever_is_printed() -> None:
    words = tuple("".join(w) for w in itertools.product("AB", repeat=7))
    check_lexicon(Lexicon(words), CHARSET)
    with pytest.raises(ConfigError, match=r"characters of 'AB\?'"):
        check_lexicon(Lexicon((*words, "AB?")), CHARSET)
    assert lexicon_of(("AB", "AB?", "BA"), CHARSET).words == ("AB", "BA")


def test_symbols_of_several_characters_are_known_as_a_whole() -> None:
    notes = Charset(("C4", "D4"), blank=True)
    check_lexicon(Lexicon(("C4D4",)), notes)
    with pytest.raises(ConfigError, match="'C4E4'"):
        check_lexicon(Lexicon(("C4D4", "C4E4")), notes)


def test_one_frame_holds_one_character() -> None:
    assert best_word(peaked("A"), "A", Lexicon(("A", "AB", "AA")), CHARSET) == "A"
    # The second A of AA needs a blank before it, so two frames are not enough.
    assert best_word(peaked("AA"), "A", Lexicon(("AA", "BB")), CHARSET) == ""
    assert best_word(peaked("A_A"), "AA", Lexicon(("AA", "BB")), CHARSET) == "AA"


def test_a_word_of_the_lexicon_may_be_anything_but_what_is_printed() -> None:
    far = Lexicon(("bbbb", "bbba"), case=True)
    assert best_word(peaked("A_A_A_A_"), "AAAA", far, CHARSET) == "bbba"


def test_a_file_as_windows_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeffAB\r\n  BA \r\n".encode())
    assert Lexicon.from_file(file, CHARSET).words == ("AB", "BA")
    file.write_bytes(b"\xff\xfeA")
    with pytest.raises(DatasetError, match="cannot be read"):
        Lexicon.from_file(file, CHARSET)


def test_lexicons_of_images_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("AB")
    (tmp_path / "b.txt").write_text("\n")
    find = lexicon_finder(tmp_path, CHARSET)
    assert find("images/a.jpeg").words == ("AB",)
    with pytest.raises(DatasetError, match=r"b\.txt: the lexicon holds no word"):
        find("b.png")
    with pytest.raises(DatasetError, match="cannot be read"):
        lexicon_finder(tmp_path / "none", CHARSET)
