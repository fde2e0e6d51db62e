"""Which characters of a result are doubtful, and the picture that shows one of them.

A character is doubtful for one or more of these reasons:

* ``low confidence``: it is less sure than ``collecting.min_confidence``.
* ``low margin``: its runner-up is nearer than ``collecting.min_margin``.
* ``no character``: a box inside a string that was taken for no character.
* ``ways differ``: the other way read something else there.
* ``corrected``, ``confused``, ``rejected``: its status in a code (``results.codes.CharStatus``).

A character of a code is judged as one of the code, and not once more as one of its string.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np

from industrial_ocr.config import CollectingConfig
from industrial_ocr.results.codes import CharStatus, CodeReading
from industrial_ocr.results.geometry import edge_lengths, iou, unit_vector, warp_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, FloatArray, ImageArray, Status, TextString

LOW_CONFIDENCE, LOW_MARGIN = "low confidence", "low margin"
NO_CHARACTER, WAYS_DIFFER = "no character", "ways differ"

SAME_PLACE = 0.5
"""Least IoU of a character of a code and the same one of its string."""

REACH = 8.0
"""How far a picture shows the string to both sides, in sizes (longer sides) of the character."""
MARGIN = 0.5
"""Shown around the string, in the same; a crop of the classifier reaches 0.15 beyond."""
LONGEST = 1024
"""Longest side of a picture in pixels; a larger one is shrunk."""
UPRIGHT = float(np.cos(np.radians(3)))
"""Strings turned by less than 3 degrees from a quarter are cut out as they are: no pixel is
interpolated."""


@dataclass(frozen=True, eq=False)
class Doubt:
    """A character that a person should look at.

    Attributes:
        character: as read; its symbol is empty, and its confidence that of the refusal, where it
            was taken for no character.
        why: the reasons, see above.
        text: the string or code it belongs to.
        position: where its symbol begins in ``text``; where it would, without one.
        around: the quads of all characters of the string, this one included.
    """

    character: Character
    why: tuple[str, ...]
    text: str
    position: int
    around: tuple[FloatArray, ...]


def doubtful(result: ReadResult, rules: CollectingConfig) -> list[Doubt]:
    """The doubtful characters of a result: those of its codes first, then in reading order."""
    codes = [d for code in result.codes for d in _of_code(code, rules)]
    taken = [c.character.quad for code in result.codes for c in code.characters]
    differ = result.status is Status.DISAGREEMENT
    strings = [d for s in result.strings for d in _of_string(s, rules, differ)]
    return codes + [d for d in strings if all(iou(d.character.quad, q) < SAME_PLACE for q in taken)]


def _of_code(code: CodeReading, rules: CollectingConfig) -> Iterator[Doubt]:
    around = tuple(c.character.quad for c in code.characters)
    symbols = [c.character.symbol for c in code.characters]
    apart: set[int] = set()
    if code.status is Status.DISAGREEMENT and code.alternatives:
        # The router puts what the other way read first.
        apart = _apart(symbols, code.alternatives[0][0])
    position = 0
    for i, c in enumerate(code.characters):
        why = _why(c.character, rules)
        if c.status is not CharStatus.READ:
            why.append(c.status.value)
        if i in apart:
            why.append(WAYS_DIFFER)
        if why:
            yield Doubt(c.character, tuple(why), code.text, position, around)
        position += len(symbols[i])


def _of_string(string: TextString, rules: CollectingConfig, differ: bool) -> Iterator[Doubt]:
    around = tuple(c.quad for c in (*string.characters, *(r for _, r in string.rejected)))
    places = _places(string)
    symbols = [c.symbol for c in string.characters]
    apart = _apart(symbols, "".join(string.other.split())) if differ and string.other else set()
    refused = dict[int, list[Character]]()
    for before, character in string.rejected:
        refused.setdefault(before, []).append(character)
    for i in range(len(string.characters) + 1):
        for character in refused.get(i, ()):
            best = (character.symbol, character.confidence)
            nothing = replace(
                character, symbol="", confidence=character.reject,
                alternatives=(best, *character.alternatives),
            )  # fmt: skip
            yield Doubt(nothing, (NO_CHARACTER,), string.text, places[i], around)
        if i < len(string.characters):
            why = _why(string.characters[i], rules) + [WAYS_DIFFER] * (i in apart)
            if why:
                yield Doubt(string.characters[i], tuple(why), string.text, places[i], around)


def _why(character: Character, rules: CollectingConfig) -> list[str]:
    """The reasons that a character gives by itself."""
    runner_up = max((p for _, p in character.alternatives), default=0.0)
    low = [LOW_CONFIDENCE] * (character.confidence < rules.min_confidence)
    return low + [LOW_MARGIN] * (character.confidence - runner_up < rules.min_margin)


def _places(string: TextString) -> list[int]:
    """Where each symbol begins in the text, and the end of the text."""
    places, at = [], 0
    for character in string.characters:
        while string.text[at : at + 1].isspace():
            at += 1
        places.append(at)
        at += len(character.symbol)
    return [*places, len(string.text)]


def _apart(symbols: Sequence[str], other: str) -> set[int]:
    """The symbols that another reading of the same string does not have in their place."""
    same = SequenceMatcher(None, "".join(symbols), other, autojunk=False).get_matching_blocks()
    found = {i for block in same for i in range(block.a, block.a + block.size)}
    ends = np.cumsum([0, *map(len, symbols)])
    return {
        i for i in range(len(symbols)) if not found.issuperset(range(ends[i], ends[i + 1]))
    }  # fmt: skip


def context_picture(image: ImageArray, doubt: Doubt) -> tuple[ImageArray, FloatArray]:
    """The string around a doubtful character, upright as that character stands.

    Pixels are those of the image, unless the string is slanted or the picture larger than
    ``LONGEST``. Beyond the image's border the edge is repeated.

    Args:
        image: (H, W, 3) uint8 RGB.
        doubt: the character and its string.

    Returns:
        (h, w, 3) uint8 RGB, and the character's quad in it.
    """
    own = doubt.character.quad
    u = _axis(own)
    turn = np.stack([u, [-u[1], u[0]]], axis=1).astype(np.float32)  # (x, y) @ turn: along, across
    size = max(*edge_lengths(own), 1.0)
    points, center = np.concatenate(doubt.around) @ turn, own.mean(axis=0) @ turn
    low = np.maximum(points.min(axis=0), center - REACH * size) - MARGIN * size
    high = np.minimum(points.max(axis=0), center + REACH * size) + MARGIN * size
    (s0, t0), (s1, t1) = np.floor(low), np.ceil(high)
    corners = np.array([[s0, t0], [s1, t0], [s1, t1], [s0, t1]], np.float32)
    scale = min(1.0, LONGEST / float(max(s1 - s0, t1 - t0)))
    width, height = max(1, round((s1 - s0) * scale)), max(1, round((t1 - t0) * scale))
    picture = warp_quad(image, corners @ turn.T, width, height)
    step = np.array([width / (s1 - s0), height / (t1 - t0)], np.float32)
    return picture, ((own @ turn - corners[0]) * step).astype(np.float32)


def _axis(quad: FloatArray) -> FloatArray:
    """Unit vector along a character's own x axis, exact where it is nearly a quarter turn."""
    unit = unit_vector((quad[1] - quad[0]) + (quad[2] - quad[3]))
    if not unit.any():
        return np.array([1, 0], np.float32)
    straight = np.round(unit) if np.abs(unit).max() >= UPRIGHT else unit
    found: FloatArray = straight.astype(np.float32)
    return found
