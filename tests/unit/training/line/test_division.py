"""Pictures of one series are never on both sides of a division."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from industrial_ocr.datasets.samples import Label, Sample
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.line.division import History, check_strings, divide, series_of
from industrial_ocr.training.line.strings import LinePicture, LineString


def picture(name: str, text: str, seed: int) -> LinePicture:
    """A crop of noise; the same seed gives the same pixels."""
    image = np.random.default_rng(seed).integers(0, 255, (12, 48, 3)).astype(np.uint8)
    string = LineString(name, text, image, rect_quad(0, 0, 48, 12))
    sample = Sample(name, Path(name), (Label(text),))
    return LinePicture(sample, True, (text,), (string,), pixels=f"noise {seed}")


def pictures(count: int) -> list[LinePicture]:
    return [picture(f"{i}.png", f"{1000 + i}", i) for i in range(count)]


def texts(pictures: Sequence[LinePicture]) -> set[str]:
    return {text for p in pictures for text in p.texts}


@pytest.mark.parametrize(("count", "held"), [(20, 10), (40, 20), (60, 20), (150, 30)])
def test_a_fifth_is_kept_back_but_20_where_half_allows_it(count: int, held: int) -> None:
    learn, kept = divide(pictures(count), seed=0)
    assert (len(learn), len(kept)) == (count - held, held)
    assert not {p.sample.name for p in learn} & {p.sample.name for p in kept}


def test_the_same_seed_gives_the_same_division_and_another_one_another() -> None:
    def names(seed: int) -> list[str]:
        return [p.sample.name for p in divide(pictures(40), seed)[1]]

    assert names(3) == names(3)
    assert names(3) != names(4)


def test_nearly_equal_pictures_are_one_series() -> None:
    own = [*pictures(20), picture("again.png", "1003", 3)]
    series = series_of(own)
    assert series[20] == series[3]
    assert len(set(series)) == 20


def test_pictures_of_the_same_stem_are_one_series() -> None:
    own = [*pictures(20), picture("more/7.jpg", "5555", 99)]
    assert series_of(own)[20] == series_of(own)[7]


def test_the_same_text_is_one_series_where_there_are_many_texts() -> None:
    own = [*pictures(20), picture("other.png", "1005", 99)]
    assert series_of(own)[20] == series_of(own)[5]
    few = [picture(f"{i}.png", "AB"[i % 2] * 4, i) for i in range(20)]
    assert len(set(series_of(few))) == 20


def test_pictures_of_one_day_are_one_series_where_there_are_many_days() -> None:
    own = [picture(f"cam_2026-03-{i // 2 + 1:02d}_{i}.png", f"{100 + i}", i) for i in range(20)]
    assert len(set(series_of(own))) == 10
    assert series_of(own)[4] == series_of(own)[5]


@pytest.mark.parametrize(
    ("name", "text", "series"),
    [
        # Ten days with three pictures each: the numbers restart every day.
        ("2026-01-{0:02d}/{1:04d}.png", "{2}", [i // 3 for i in range(30)]),
        # Ten lots with three pictures each, which show the name of the lot.
        ("L{0}-A/{1}.png", "L{0}-A", [i // 3 for i in range(30)]),
        # A folder for every part.
        ("part{2}/crop.png", "{2}", list(range(30))),
    ],
)
def test_stems_that_restart_in_every_folder_do_not_join_all_pictures(
    name: str, text: str, series: list[int]
) -> None:
    places = [(i // 3 + 1, i % 3 + 1, 100 + i) for i in range(30)]
    own = [picture(name.format(*p), text.format(*p), i) for i, p in enumerate(places)]
    assert series_of(own).tolist() == series
    learn, held = divide(own, seed=0)
    assert len(learn) + len(held) == 30


def test_further_pictures_of_a_held_out_series_are_not_learned() -> None:
    own = pictures(40)
    _, held = divide(own, seed=0)
    number = int(held[0].texts[0]) - 1000
    copy = picture("more/copy.png", "9999", number)  # nearly the same pixels
    # The same picture with a reading of another length, whose pixels are not compared.
    wrong = replace(picture("more/wrong.png", "7", 98), pixels=f"noise {number}")
    text = picture("more/text.png", held[0].texts[0], 99)
    other = picture("more/other.png", "8888", 100)
    learn, again = divide(own, seed=0, more=[copy, wrong, text, other])
    assert texts(again) == texts(held)
    assert len(learn) == 21
    assert learn[-1].texts == other.texts


def test_many_further_pictures_do_not_make_one_series_of_the_labeled_ones() -> None:
    own = [picture(f"2026-01-01_{i}.png", f"{1000 + i}", i) for i in range(40)]
    # As many on each of five other days: a day has less than a fifth of all pictures.
    more = [picture(f"2026-02-0{i % 5 + 1}_{i}.png", f"{2000 + i}", i + 40) for i in range(200)]
    learn, held = divide(own, seed=0, more=more)
    assert (len(learn), len(held)) == (220, 20)


def test_what_the_parent_held_out_stays_so_and_what_it_learned_is_never_held_out() -> None:
    first = pictures(60)
    learn, held = divide(first, seed=0)
    history = History().then(learn, held)
    assert history == History.of(history.to_dict())
    # 60 pictures are new; one of them shows a text of a learned picture.
    new = [picture(f"new{i}.png", f"{2000 + i}", 100 + i) for i in range(59)]
    new.append(picture("new.png", learn[0].texts[0], 99))
    for seed in range(5):
        learn_now, held_now = divide([*new, *first], seed, history=history)
        assert texts(held) <= texts(held_now)
        assert len(held_now) == 24  # a fifth of 120: 20 of them as before, and 4 new ones
        assert not texts(learn) & texts(held_now)
        both = history.then(learn_now, held_now)
        assert (len(both.learned), len(both.held)) == (96, 24)


def test_a_series_of_which_the_parent_learned_a_part_is_learned() -> None:
    own = [*pictures(40), picture("again.png", "1003", 3)]
    history = History(frozenset({"noise 3"}), frozenset({"noise 5"}))
    linked = [*own, replace(picture("link.png", "1003", 5), strings=())]
    learn, held = divide(linked, seed=0, history=history)
    assert {"3.png", "5.png", "again.png", "link.png"} <= {p.sample.name for p in learn}
    assert len({p.series for p in learn if p.texts in (("1003",), ("1005",))}) == 1
    assert len(held) == 20
    assert not history.then(learn, held).held & {"noise 3", "noise 5"}


def test_pictures_that_the_parent_learned_cannot_be_held_out() -> None:
    history = History().then(pictures(30), [])
    with pytest.raises(DatasetError, match="or were learned by the bundle to start from"):
        divide(pictures(30), seed=0, history=history)


def test_too_few_strings_are_refused_with_what_to_do() -> None:
    with pytest.raises(DatasetError, match="5 strings can be used, at least 20 are needed"):
        check_strings(pictures(5))


def test_all_the_same_string_is_refused() -> None:
    own = [picture(f"{i}.png", "A 1", i) for i in range(30)]
    with pytest.raises(DatasetError, match="all pictures have the same text"):
        check_strings(own)


def test_one_series_is_refused() -> None:
    own = [picture(f"{i}.png", f"{1000 + i}", 0) for i in range(30)]
    with pytest.raises(DatasetError, match="one series"):
        divide(own, seed=0)
