"""Finds the uncertain characters of a result and cuts out the string around each of them.

A character is uncertain for one or more of these reasons:

* ``low confidence``: its confidence is below ``collecting.min_confidence``.
* ``low margin``: its confidence exceeds that of the runner-up by less than
  ``collecting.min_margin``.
* ``no character``: a box inside a string that was rejected as no character.
* ``ways differ``: the other engine gives another symbol there.
* ``corrected``, ``confused``, ``rejected``: its status in a code (``results.codes.CharStatus``).

A character that belongs to a code is judged there, and not a second time in its string.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import chain

import numpy as np

from industrial_ocr.config import CollectingConfig
from industrial_ocr.results.codes import CharStatus, CodeReading
from industrial_ocr.results.geometry import edge_lengths, iou, unit_vector, warp_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, FloatArray, ImageArray, Status, TextString

_ENGINES_DIFFER = "ways differ"


@dataclass(frozen=True, eq=False)
class UncertainCharacter:
    """A character that a person should check.

    Attributes:
        character: the character that was read. If it was rejected as no character, its symbol is
            empty and its confidence is that of the rejection.
        why: the reasons, see above.
        text: text of its string or code.
        position: index in ``text``, from 0, where its symbol begins, or would begin.
        around: the quads of all characters of the string, including this one.
    """

    character: Character
    why: tuple[str, ...]
    text: str
    position: int
    around: tuple[FloatArray, ...]


def uncertain_characters(result: ReadResult, rules: CollectingConfig) -> list[UncertainCharacter]:
    """The uncertain characters of a result: those of codes first, then in reading order."""
    found = list(chain.from_iterable(_of_code(code, rules) for code in result.codes))
    coded = chain.from_iterable(code.characters for code in result.codes)
    quads = [c.character.quad for c in coded]
    differ = result.status is Status.DISAGREEMENT
    for item in chain.from_iterable(_of_string(s, rules, differ) for s in result.strings):
        if all(iou(item.character.quad, quad) < 0.5 for quad in quads):
            found.append(item)
    return found


def _of_code(code: CodeReading, rules: CollectingConfig) -> Iterator[UncertainCharacter]:
    around = tuple(c.character.quad for c in code.characters)
    symbols = [c.character.symbol for c in code.characters]
    differing: set[int] = set()
    if code.status is Status.DISAGREEMENT and code.alternatives:
        # The router puts the reading of the other engine first.
        differing = _differing(symbols, code.alternatives[0][0])
    position = 0
    for i, c in enumerate(code.characters):
        why = _reasons(c.character, rules)
        if c.status is not CharStatus.READ:
            why.append(c.status.value)
        if i in differing:
            why.append(_ENGINES_DIFFER)
        if why:
            yield UncertainCharacter(c.character, tuple(why), code.text, position, around)
        position += len(symbols[i])


def _of_string(
    string: TextString, rules: CollectingConfig, differ: bool
) -> Iterator[UncertainCharacter]:
    rejected = [character for _, character in string.rejected]
    around = tuple(c.quad for c in (*string.characters, *rejected))
    positions = _positions(string)
    differing: set[int] = set()
    if differ and string.other:
        differing = _differing([c.symbol for c in string.characters], string.other)
    for i, position in enumerate(positions):
        for before, character in string.rejected:
            if before == i:
                yield UncertainCharacter(
                    _as_rejected(character), ("no character",), string.text, position, around
                )
        if i == len(string.characters):
            return
        why = _reasons(string.characters[i], rules)
        if i in differing:
            why.append(_ENGINES_DIFFER)
        if why:
            yield UncertainCharacter(
                string.characters[i], tuple(why), string.text, position, around
            )


def _as_rejected(character: Character) -> Character:
    """A character with an empty reading; the rejected symbol is its first alternative."""
    best = (character.symbol, character.confidence)
    alternatives = (best, *character.alternatives)
    return replace(character, symbol="", confidence=character.reject, alternatives=alternatives)


def _reasons(character: Character, rules: CollectingConfig) -> list[str]:
    """The reasons that follow from the character alone."""
    runner_up = max((p for _, p in character.alternatives), default=0.0)
    reasons = []
    if character.confidence < rules.min_confidence:
        reasons.append("low confidence")
    if character.confidence - runner_up < rules.min_margin:
        reasons.append("low margin")
    return reasons


def _positions(string: TextString) -> list[int]:
    """The index in the text where each symbol begins, and the length of the text."""
    positions, at = [], 0
    for character in string.characters:
        while string.text[at : at + 1].isspace():
            at += 1
        positions.append(at)
        at += len(character.symbol)
    return [*positions, len(string.text)]


def _differing(symbols: Sequence[str], other: str) -> set[int]:
    """The indices of the symbols that differ in another reading of the same string."""
    text, other = "".join(symbols), "".join(other.split())
    same: set[int] = set()
    for block in SequenceMatcher(None, text, other, autojunk=False).get_matching_blocks():
        same.update(range(block.a, block.a + block.size))
    ends = np.cumsum([0, *map(len, symbols)])
    spans = [range(ends[i], ends[i + 1]) for i in range(len(symbols))]
    return {i for i, span in enumerate(spans) if not same.issuperset(span)}


def context_picture(image: ImageArray, item: UncertainCharacter) -> tuple[ImageArray, FloatArray]:
    """The string around an uncertain character, rotated so that this character is upright.

    The part shown reaches up to 8 times the longer side of the character away, plus a margin. It
    has the pixels of the image, unless the string is slanted or longer than 1024 pixels. Outside
    the image, its border is repeated.

    Args:
        image: (H, W, 3) uint8 RGB.
        item: the character and its string.

    Returns:
        (h, w, 3) uint8 RGB, and the character's quad in it.
    """
    quad = item.character.quad
    along = _axis(quad)
    rotation = np.stack([along, [-along[1], along[0]]], axis=1).astype(np.float32)
    size = max(*edge_lengths(quad), 1.0)
    points, center = np.concatenate(item.around) @ rotation, quad.mean(axis=0) @ rotation
    low = np.maximum(points.min(axis=0), center - 8 * size) - 0.5 * size
    high = np.minimum(points.max(axis=0), center + 8 * size) + 0.5 * size
    (x0, y0), (x1, y1) = np.floor(low), np.ceil(high)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
    scale = min(1.0, 1024 / float(max(x1 - x0, y1 - y0)))
    width, height = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    picture = warp_quad(image, corners @ rotation.T, width, height)
    step = np.array([width / (x1 - x0), height / (y1 - y0)], np.float32)
    return picture, ((quad @ rotation - corners[0]) * step).astype(np.float32)


def _axis(quad: FloatArray) -> FloatArray:
    """Unit vector along a character's x axis, exact within 3 degrees of a quarter turn.

    Within these 3 degrees the context is cut out without interpolation.
    """
    unit = unit_vector((quad[1] - quad[0]) + (quad[2] - quad[3]))
    if not unit.any():
        return np.array([1, 0], np.float32)
    upright = np.abs(unit).max() >= np.cos(np.radians(3))
    axis: FloatArray = (np.round(unit) if upright else unit).astype(np.float32)
    return axis
