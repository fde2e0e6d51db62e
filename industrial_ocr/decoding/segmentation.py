"""Fitted priors of segmentation: the probability of each hypothesis about a string's boxes.

The score of a path through a string's lattice is the sum over its hypotheses, each a linear
function of its features (a conditional random field over segmentations: Sarawagi and Cohen 2004).
The weights were fitted on rendered strings with known boxes (``fitting/segmentation.py``). The
hypotheses:

* ``single``: a box is one character; its only feature is the evidence.
* ``nothing``: a box is no character, or shows the same character as its neighbor.
* ``merged``: two neighboring boxes are one character.
* ``half``: one half of a box that is two characters; ``piece``: the same, if the box is cut at a
  gap in its ink.
* ``gap``: a proposed box, where the detector found none, is a character; ``empty``: it is none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from industrial_ocr.results.geometry import axis_of, clear_gaps, edge_lengths
from industrial_ocr.results.types import BoxString, CharBox, Floats, InkSigns

SEGMENTATION_WEIGHTS = Path(__file__).parent / "data" / "segmentation.json"
BROAD = frozenset("MWmw%&@")
"""Symbols that most typefaces draw wider than others."""
MARKS = frozenset(".,:'-")
"""Marks, whose ink stands apart from that of their neighbors."""
THIN = MARKS | frozenset("1Iil|!jfrt/()")
"""Marks and characters so thin that a box may hold two of them."""
MIN_PROBABILITY = 1e-6
"""Smaller probabilities of symbols are raised to this."""

HYPOTHESIS_FEATURES: Mapping[str, tuple[str, ...]] = {
    "single": ("log_p",),
    "nothing": ("bias", "reject", "alone", "overlap", "length", "aspect", "height", "score"),
    "merged": (
        *("bias", "log_p", "overlap", "apart", "twin", "gap"),
        *("step", "length", "aspect", "broad"),
    ),
    "half": ("bias", "log_p", "length", "aspect", "broad"),
    "piece": ("bias", "log_p", "gap", "mark"),
    "gap": ("bias", "log_p", "gap", "end"),
    "empty": ("reject",),
}
"""The features of each kind of hypothesis:

* ``log_p``: log-probability of the best symbol's shape; ``reject``: log-odds that the box is no
  character; ``alone``: the same, falling to 0 as the overlap grows to 0.4;
* ``overlap``: with the neighbor, as a share of the shorter box; for ``nothing``, 0 where a gap
  parts their ink; ``apart``: 1 where a gap parts their ink; ``twin``: the overlap if both boxes
  read the same symbol;
* ``gap``: free length / height, for ``piece`` that of the gap in the ink; ``end``: 1 for the first
  and the last box;
* ``step``: distance between the centers / the string's median distance;
* ``length``: ln(length along the string / median length);
* ``aspect``: ln(length / height); ``broad``: 1 if the best symbol (for a half, that of the whole
  box) is one of ``BROAD``; ``mark``: 1 if the best symbol is one of ``MARKS``;
* ``height``: ln(height of the detector's box / median height); ``score``: the detector's score.
"""


@dataclass(frozen=True, eq=False)
class StringGeometry:
    """The sizes of a string's boxes, along it and across it, in pixels.

    Attributes:
        vertical: whether the string is a stack.
        length: (N,) along the string.
        height: (N,) across it.
        raw_height: (N,) across it, of the detector's box before it was oriented with the string.
        usual_raw_height: the median of these.
        clear: (N - 1,) gaps between neighbors, negative where they overlap.
        step: (N - 1,) distances between neighbors' centers.
        usual_length: median length of the boxes that the detector found.
        usual_step: median distance between the centers of these boxes.
    """

    vertical: bool
    length: Floats
    height: Floats
    raw_height: Floats
    usual_raw_height: float
    clear: Floats
    step: Floats
    usual_length: float
    usual_step: float

    def overlap(self, i: int) -> float:
        """Overlap of boxes i and i + 1 as a share of the shorter one, 0 beyond the ends."""
        if not 0 <= i < len(self.clear):
            return 0.0
        shorter = min(self.length[i], self.length[i + 1])
        return _clipped(float(-self.clear[i] / max(shorter, 1e-6)), 0.0, 1.0)


def measure(string: BoxString, proposed: frozenset[int]) -> StringGeometry:
    """The sizes of an oriented string's boxes; the medians leave out ``proposed`` boxes."""
    vertical = string.direction == "vertical"
    sizes = np.array([edge_lengths(b.quad) for b in string.boxes], np.float64)
    length, height = sizes[:, int(vertical)], sizes[:, 1 - int(vertical)]
    quads = [b.quad for b in string.boxes]
    axes = [axis_of(q, vertical) for q in quads]
    across = [np.array([-a[1], a[0]], np.float32) for a in axes]
    raw_height = [b.extent(a) for b, a in zip(string.boxes, across, strict=True)]
    centers = np.array([b.center for b in string.boxes], np.float64)
    found = [i for i in range(len(length)) if i not in proposed]
    usual = float(np.median(length[found]))
    if len(found) < 3:  # too few for a median: assume the usual aspect ratio of a character
        usual = float(height.mean()) * (1.0 if vertical else 0.7)
    steps = np.linalg.norm(np.diff(centers[found], axis=0), axis=1)
    clear = clear_gaps(quads, vertical)
    return StringGeometry(
        vertical=vertical,
        length=length,
        height=height,
        raw_height=np.array(raw_height),
        usual_raw_height=float(np.median(raw_height)),
        clear=clear,
        step=clear + (length[:-1] + length[1:]) / 2,
        usual_length=max(usual, 1e-6),
        usual_step=float(np.median(steps)) if len(steps) > 1 else 1.2 * usual,
    )


def hypothesis_features(
    kind: str,
    g: StringGeometry,
    ink: InkSigns,
    read: Sequence[str],
    i: int,
    box: CharBox,
    symbol: str,
    p: float,
) -> tuple[float, ...]:
    """The features of a kind of hypothesis, in the order of ``HYPOTHESIS_FEATURES``.

    Args:
        kind: of hypothesis.
        g: geometry of its string.
        ink: of its string.
        read: the classifier's best symbol of each of the string's boxes.
        i: index of its box, or of the first of its two boxes.
        box: the box that the classifier saw.
        symbol: the classifier's best symbol.
        p: probability of the best symbol's shape; for ``nothing`` and ``empty``, of no character.
    """
    sizes = edge_lengths(box.quad)
    length, height = sizes[int(g.vertical)], sizes[1 - int(g.vertical)]
    p, rest = max(p, MIN_PROBABILITY), max(1 - p, MIN_PROBABILITY)
    known = {
        "bias": 1.0,
        "log_p": math.log(p),
        "reject": _clipped(math.log(p / rest), -6.0, 6.0),
        "length": _log_ratio(length, g.usual_length),
        "aspect": _log_ratio(length, height),
        # Halves of a broad symbol such as W read as letters, so the whole box is looked at.
        "broad": float((read[i] if kind == "half" else symbol) in BROAD),
        "mark": float(symbol in MARKS),
    }
    at_end = i in (0, len(g.length) - 1)
    if kind == "merged":
        known["overlap"] = g.overlap(i)
        known["twin"] = known["overlap"] * (read[i] == read[i + 1])
        known["apart"] = float(i in ink.apart)
        known["gap"] = _clipped(float(g.clear[i] / g.height[i]), -1.0, 1.0)
        known["step"] = _clipped(float(g.step[i] / max(g.usual_step, 1e-6)), 0.0, 2.0)
    elif kind == "nothing":
        beside = [g.overlap(k) for k in (i - 1, i) if k not in ink.apart]
        known["overlap"] = max(beside, default=0.0)
        known["alone"] = known["reject"] * max(0.0, 1.0 - known["overlap"] / 0.4)
        known["height"] = _log_ratio(float(g.raw_height[i]), g.usual_raw_height)
        known["score"] = box.score
    elif kind == "piece":
        known["gap"] = _clipped(ink.cut[i], -0.3, 0.3)
    elif kind == "gap":
        room = 0.0
        if not at_end:
            room = float(g.step[i - 1] + g.step[i] - (g.length[i - 1] + g.length[i + 1]) / 2)
        known["end"] = float(at_end)
        known["gap"] = _clipped(float(room / g.height[i]), 0.0, 1.5)
    return tuple(known[name] for name in HYPOTHESIS_FEATURES[kind])


def _log_ratio(value: float, usual: float) -> float:
    return _clipped(math.log(max(value, 1e-6) / max(usual, 1e-6)), -2.0, 2.0)


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@lru_cache(maxsize=2)
def fitted_weights(path: Path = SEGMENTATION_WEIGHTS) -> Mapping[str, Sequence[float]]:
    """The weights by kind of hypothesis, in the order of ``HYPOTHESIS_FEATURES``.

    Raises:
        ValueError: the file has other features.
    """
    table = json.loads(path.read_text("utf-8"))["weights"]
    if {k: tuple(v) for k, v in table.items()} != dict(HYPOTHESIS_FEATURES):
        raise ValueError(f"{path} has weights of other features; run fitting/segmentation.py")
    return {kind: tuple(table[kind].values()) for kind in HYPOTHESIS_FEATURES}


def evidence_weight(kind: str) -> float:
    """The weight of a hypothesis's log-probability in its score."""
    return fitted_weights()[kind][HYPOTHESIS_FEATURES[kind].index("log_p")]
