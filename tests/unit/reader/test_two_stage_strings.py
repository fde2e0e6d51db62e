"""The second look at doubtful strings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.free_reading import FreeReading
from industrial_ocr.reader import two_stage_strings
from industrial_ocr.reader.common import Clock
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.two_stage_strings import looked_again
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates

IMAGE = np.zeros((100, 300), np.uint8)


def reading(text: str, legibility: float, left: float = 20) -> FreeReading:
    boxes = tuple(
        CharBox(rect_quad(x, 40, x + 16, 60), 0.9, np.diag([64, 100]).astype(np.float32))
        for x in left + 20 * np.arange(len(text))
    )
    string = BoxString(boxes, (False,) * len(text), "horizontal")
    named = tuple(CharCandidates((s,), np.array([0.9], np.float32), 0.0) for s in text)
    evidence = StringEvidence(string, named, {})
    whole = (True,) * len(text)
    return FreeReading(string, named, whole, (1.0,) * len(text), evidence, legibility)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Looks again at readings; ``seen`` is what the mirror shows of each doubtful one."""

    def run(first: list[FreeReading], seen: list[FreeReading | None]) -> list[FreeReading]:
        given: Any = (object(), object(), object(), PipelineConfig())
        models = Models(*given)
        again = {id(r.string): r for r in seen if r is not None}
        mirror = [None if r is None else r.string for r in seen]

        def mirrored(images: Any, found: Any, *others: Any) -> Any:
            assert [len(own) for own in found] == [len(mirror)]
            return [mirror]

        monkeypatch.setattr(two_stage_strings, "mirrored_strings", mirrored)
        monkeypatch.setattr(two_stage_strings, "with_missed_ink", lambda gray, strings: strings)
        monkeypatch.setattr(
            two_stage_strings,
            "read_strings",
            lambda images, found, models, upright: [[again[id(s)] for s in own] for own in found],
        )
        (chosen,) = looked_again([IMAGE], [IMAGE], [first], models, Clock())
        return chosen

    return run


def test_the_more_legible_reading_of_a_doubtful_string_is_kept(look: Any) -> None:
    (better,) = look([reading("VW1", -0.2)], [reading("W1", -0.02)])
    assert (better.symbols, better.agreement) == ("W1", 0.5)
    (worse,) = look([reading("W1", -0.02)], [reading("VW1", -0.2)])
    assert (worse.symbols, worse.agreement) == ("W1", 0.5)
    (equal,) = look([reading("w1", -0.2)], [reading("W1", -0.3)])
    assert (equal.symbols, equal.agreement) == ("w1", 1.0)


def test_clear_strings_noise_and_stacks_are_not_looked_at_again(look: Any) -> None:
    stack = reading("AB", -0.2)
    stack = replace(stack, string=replace(stack.string, direction="vertical"))
    strings = [reading("AB", -0.001), reading("AB", -1.5), reading("A", -0.2), stack]
    assert look(strings, []) == strings


def test_a_string_that_takes_in_another_one_is_not_believed(look: Any) -> None:
    strings = [reading("AB", -0.2), reading("CD", -0.001, left=60)]
    assert look(strings, [reading("ABCD", -0.01)]) == strings
    assert look(strings, [None]) == strings
