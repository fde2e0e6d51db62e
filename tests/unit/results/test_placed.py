"""Results on another picture."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import (
    Character,
    CharState,
    FloatArray,
    SequenceScores,
    TextString,
    UnreadMark,
    Verdict,
)
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

QUAD = rect_quad(1, 2, 3, 4)
MOVED = rect_quad(11, 22, 13, 24)


def test_every_quad_inside_a_string_is_placed() -> None:
    character = Character("A", QUAD, 0.9, (("4", 0.1),))
    scores = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)
    mark = UnreadMark(QUAD, 0, 0.5)
    string = TextString(
        "A", 0.9, QUAD, (character,), "horizontal", scores, ((1, character),), unread=(mark,)
    )

    def place(quad: FloatArray) -> FloatArray:
        return quad + np.float32([10, 20])

    found = string.placed(place)
    ((before, rejected),) = found.rejected
    quads = [found.quad, found.characters[0].quad, rejected.quad, found.unread[0].quad]
    assert all(np.array_equal(quad, MOVED) for quad in quads)
    assert before == 1 and found.characters[0].alternatives == (("4", 0.1),)
    assert np.array_equal(string.quad, QUAD)


def test_a_verdict_moves_with_its_ways_to_the_larger_picture() -> None:
    part, whole = np.zeros((5, 5, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)
    missing = VerifiedCharacter("A", None, 0.0, "", 0.0, -9.0, CharState.MISSING)
    way = Verification("A", Verdict.PASS, "", Engine.CRNN, quad=QUAD, image=part)
    both = Verification(
        "A", Verdict.PASS, "", Engine.AGREE, characters=(missing,), ways=(way,), image=part
    )
    found = both.moved(10, 20, whole)
    assert found.image is whole and found.ways[0].image is whole
    assert found.quad is None and found.characters[0].quad is None
    assert np.array_equal(found.ways[0].quad, MOVED)


def test_a_character_needs_a_quad_and_a_missing_one_does_not() -> None:
    with pytest.raises(ValueError, match="a quad must be"):
        Character("A", None, 0.9)  # type: ignore[arg-type]
    assert VerifiedCharacter("A", None, 0.0, "", 0.0, -9.0, CharState.MISSING).quad is None
