"""The benchmark of the CRNN paper's table: its words, its lexicons, and its BK-tree."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import paper
import pytest
from rapidfuzz.distance import Levenshtein

TEXTS = [f"WORD{n}" for n in range(80)]


def folder(tmp_path: Path, name: str, labels: str) -> Path:
    (tmp_path / name / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / name / "images" / "a.png"), np.full((40, 90), 200, np.uint8))
    (tmp_path / name / "labels.tsv").write_text(labels)
    return tmp_path


def test_fifty_words_are_the_own_one_and_others_of_the_set() -> None:
    found = list(paper.lexicons(TEXTS, 50))
    for text, lexicon in zip(TEXTS, found, strict=True):
        assert len(lexicon.words) == 50 and text in lexicon.words
        assert set(lexicon.words) <= set(TEXTS)
    assert found[0].words != found[1].words
    assert [x.words for x in found] == [x.words for x in paper.lexicons(TEXTS, 50)]


def test_common_words_fill_up_where_the_set_is_small() -> None:
    for text, lexicon in zip(TEXTS, paper.lexicons(TEXTS, 1000), strict=True):
        assert len(lexicon.words) == 1000 and set(TEXTS) <= set(lexicon.words)
        assert text in lexicon.words
    (one,) = paper.lexicons(["NO1"], 50)
    assert len(one.words) == 50 and one.words[0] == "NO1"


def test_a_full_lexicon_is_the_set_and_a_dictionary_holds_it() -> None:
    first, second = islice(paper.lexicons(TEXTS, -1), 2)
    assert first is second and set(first.words) == set(TEXTS)
    (dictionary,) = islice(paper.lexicons(TEXTS[:1], -2), 1)
    assert len(dictionary.words) == 50_001 and TEXTS[0] in dictionary.words


@pytest.mark.parametrize("text, counted", [("it's", "ITS"), ("Caf\u00e9-7", "CAF7"), ("!", "")])
def test_only_letters_and_digits_count(text: str, counted: str) -> None:
    assert paper.plain(text) == counted


def test_words_with_other_characters_or_too_few_count_in_some_sets_alone(tmp_path: Path) -> None:
    labels = "a.png\tit's\na.png\tof\na.png\tdoor\na.png\t!\n"
    data = folder(tmp_path, "words_ic13", labels)
    folder(tmp_path, "words_svt", labels)
    assert [text for _, text in paper.words_of(data, "words_ic13", 0)] == ["DOOR"]
    assert [text for _, text in paper.words_of(data, "words_svt", 0)] == ["ITS", "OF", "DOOR"]
    assert len(paper.words_of(data, "words_svt", 2)) == 2


def test_words_of_scenes_are_cut_out_by_their_boxes(tmp_path: Path) -> None:
    data = folder(tmp_path, "scenes_ic03", "a.png\tdoor\t10,5,50,25\na.png\tfloor\t-3,0,20,60\n")
    found = {text: image.shape[:2] for image, text in paper.words_of(data, "scenes_ic03", 0)}
    assert found["DOOR"] == (21, 41)
    assert found["FLOOR"] == (40, 21)  # as much of it as is in the picture


def test_the_tree_finds_what_comparing_with_all_finds() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("ABC"), rng.integers(1, 9))) for _ in range(300)]
    tree = paper.BkTree(list(dict.fromkeys(words)))
    for text in ("", "ABC", "CCCCCC", "ABABABABAB"):
        near = {w for w in words if Levenshtein.distance(w, text) <= paper.DELTA}
        assert set(tree.near(text)) == near
