"""``verify`` on single strings: against what is printed, and against texts that are not.

Wrong texts differ from the print in a shape: one letter or digit is another one, one mark is
missing, or one mark too many. Symbols that ``verify`` takes for one by its own rule (0, O and o;
1, I and l; the two cases of a letter of one shape) and those that the font draws alike are no
wrong texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cleanprint.render import Picture
from cleanprint.texts import DIGITS, LOWER, MARKS, UPPER

RIGHT = "as printed"
WRONG = ("one changed", "mark missing", "mark added")
ENGINES = ("two-stage", "crnn", "agree")
ALIKE = ("0Oo", "1Il", *(c + c.lower() for c in "CKMPSUVWXYZJ"))


def alike(symbol: str, groups: Sequence[str]) -> set[str]:
    """Symbols that nobody can tell from one, itself among them."""
    return {symbol}.union(*(g for g in groups if symbol in g))


def expectations(text: str, groups: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """What the picture is held against, by kind; those that cannot be made are left out.

    Args:
        text: as printed.
        groups: symbols that the font draws alike.
        rng: chooses places and symbols.
    """
    found = {RIGHT: text}
    known = [i for i, c in enumerate(text) if c in UPPER + LOWER + DIGITS]
    if known:
        at = int(rng.choice(known))
        same = alike(text[at], (*ALIKE, *groups))
        others = [c for c in UPPER + LOWER + DIGITS if c not in same]
        found["one changed"] = text[:at] + str(rng.choice(others)) + text[at + 1 :]
    marks = [i for i, c in enumerate(text) if c in MARKS]
    if marks and len(text) > 2:
        at = int(rng.choice(marks))
        found["mark missing"] = text[:at] + text[at + 1 :]
    at = int(rng.integers(len(text) + 1))
    found["mark added"] = text[:at] + str(rng.choice(list(MARKS))) + text[at:]
    return found


def verify(picture: Picture, reader: Any, seed: int) -> list[dict[str, Any]]:
    """The verdicts of every engine on every expectation, ready for JSON."""
    from industrial_ocr.reader.arguments import roi_part
    from industrial_ocr.reader.common import Clock
    from industrial_ocr.reader.verify import agreed, judge, observe

    line = picture.lines[0]
    rng = np.random.default_rng((seed, picture.number, 7))
    models = reader.models
    image, _, _ = roi_part(picture.image, None, models.config.detection)  # as ``Reader.verify``
    seen = observe(image, "agree", models, Clock())
    rows = []
    for what, expected in expectations(line.text, line.twins, rng).items():
        one = judge(replace(seen, frames=None), expected, models)
        two = judge(replace(seen, boxes=None), expected, models)
        verdicts = zip(ENGINES, (one, two, agreed(one, two)), strict=True)
        rows.append(
            {
                "what": what,
                "expected": expected,
                "verdicts": {e: v.verdict.value for e, v in verdicts},
                "reasons": [one.reason, two.reason],
            }
        )
    return rows
