"""What a recorded reading comes to, line by line.

A line is right if its text equals the print, without spaces; symbols that the font draws alike
(``faces.twins``) count as one. Letters that differ in size alone (S and s) are not alike, but for a
text that consists of such letters only, where nothing shows their size.

A string that lies on no line is an extra one. An upright text was read on its head if the quad of
a string says so, or if what was read is nearer to the text turned by 180 degrees than to the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from rapidfuzz.distance import Levenshtein

DASHES, QUOTES = "\u2010\u2011\u2012\u2013\u2014\u2212", "\u2018\u2019\u00b4`"
ALIKE = str.maketrans(DASHES + QUOTES, "-" * len(DASHES) + "'" * len(QUOTES))
"""Typographic forms of marks that the charset has."""
HOMOGLYPHS = ("0O", "1Il")
TURNED = str.maketrans("69MWundpbqLTAV7().,", "96WMnupdqb77VAL)(''")
"""What symbols look like when they stand on their head; others stay as they are."""


@dataclass(frozen=True)
class Outcome:
    """What came of one line.

    Attributes:
        number: of the picture.
        plate: it is a line of a nameplate.
        kind: of its text.
        family: of its font.
        height: of a capital, pixels.
        truth: what is printed.
        read: what was read there, joined by spaces.
        right: equal without spaces.
        spaced: equal with them.
        nearly: right, or wrong in 0 for O and 1, I and l for each other alone.
        ok: it passes as good.
        confidence: the lowest of what was read there, 0 if nothing was read.
        on_head: it was read as if it stood on its head.
        margin: from ink to the picture's edge, in text heights.
        light: it is light print on a dark ground.
    """

    number: int
    plate: bool
    kind: str
    family: str
    height: float
    truth: str
    read: str
    right: bool
    spaced: bool
    nearly: bool
    ok: bool
    confidence: float
    on_head: bool
    margin: float
    light: bool

    @property
    def passed_wrong(self) -> bool:
        """Wrong, and passes as good."""
        return self.ok and not self.right


def plain(text: str) -> str:
    """A text in the charset's own marks, without spaces at its ends and never two in a row."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(ALIKE).split())


def folded(text: str, groups: Sequence[str]) -> str:
    """A text with every symbol of a group replaced by the first of the group."""
    table: dict[str, str] = {}
    for group in groups:
        table |= dict.fromkeys(group[1:], group[0])
    return text.translate(str.maketrans(table))


def equal(truth: str, read: str, line: Mapping[str, Any]) -> bool:
    """Whether two texts are the same as far as the font lets anybody tell."""
    if not line["asked"]:
        # Of a logo its letters count, in either case; the circle may be read as parentheses.
        return "".join(filter(str.isalpha, read)).upper() == truth
    groups = list(line["twins"])
    scaled = "".join(line["scaled"])
    if all(c in scaled for c in truth if c != " "):
        truth, read = (folded(t, line["scaled"]) for t in (truth, read))
    return folded(truth, groups) == folded(read, groups)


def upside_down(quad: Sequence[Sequence[float]]) -> bool:
    """Whether the top edge of a string's quad runs from right to left."""
    step = np.subtract(quad[1], quad[0])
    return bool(step[0] < 0 and abs(step[0]) > abs(step[1]))


def read_on_head(truth: str, read: str, strings: Sequence[Mapping[str, Any]]) -> bool:
    """See the module; ``truth`` and ``read`` without spaces."""
    if any(upside_down(s["quad"]) and len(s["text"]) > 1 for s in strings):
        return True
    if len(read) < 3 or len(truth) < 3:
        return False
    turned = truth[::-1].translate(TURNED)
    other = Levenshtein.normalized_distance(turned, read)
    return other < 0.35 and other < Levenshtein.normalized_distance(truth, read)


def line_of(string: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> int | None:
    """The line at a string's place: its middle lies on it, or half a height beside it at most."""
    x, y = np.mean(string["quad"], axis=0)
    best, where = -np.inf, None
    for i, line in enumerate(lines):
        contour = np.array(line["quad"], np.float32)
        inside = cv2.pointPolygonTest(contour, (float(x), float(y)), True) / line["height"]
        if inside > max(best, -0.5):
            best, where = inside, i
    return where


def score(row: Mapping[str, Any]) -> tuple[list[Outcome], list[Mapping[str, Any]]]:
    """The outcome of every line of a recorded reading, and the extra strings that pass as good."""
    picture, reading = row["picture"], row["reading"]
    lines = picture["lines"]
    own: list[list[Mapping[str, Any]]] = [[] for _ in lines]
    extra = []
    for string in reading["strings"]:
        where = line_of(string, lines) if picture["plate"] else 0
        if where is None:
            extra.append(string)
        else:
            own[where].append(string)
    outcomes = []
    for line, strings in zip(lines, own, strict=True):
        ok = all(s["ok"] for s in strings) if picture["plate"] else reading["ok"]
        outcome = _outcome(picture, line, strings, ok and bool(strings))
        if line["asked"]:
            outcomes.append(outcome)
        elif not outcome.right:
            extra += strings
    return outcomes, [s for s in extra if s["ok"]]


def _outcome(
    picture: Mapping[str, Any],
    line: Mapping[str, Any],
    strings: Sequence[Mapping[str, Any]],
    ok: bool,
) -> Outcome:
    ordered = sorted(strings, key=lambda s: float(np.min(s["quad"], axis=0)[0]))
    truth, read = line["text"], plain(" ".join(s["text"] for s in ordered))
    close, near = truth.replace(" ", ""), read.replace(" ", "")
    right = equal(close, near, line)
    nearly = folded(close, HOMOGLYPHS) == folded(near, HOMOGLYPHS)
    return Outcome(
        picture["number"],
        picture["plate"],
        line["kind"],
        line["family"],
        line["height"],
        truth,
        read,
        right,
        equal(truth, read, line),
        right or nearly,
        ok,
        min((float(s["confidence"]) for s in strings), default=0.0),
        not right and read_on_head(close, near, ordered),
        picture["margin"],
        picture["ground"] < picture["ink"],
    )
