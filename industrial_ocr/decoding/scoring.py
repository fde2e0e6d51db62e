"""Confidence: the one place that says what it is.

Every score starts from the probabilities of the characters that were read: of the classifier's
answer in the two-stage pipeline, of the peak frame (``ctc.CtcSymbol``) in the CRNN's. Logarithms
are natural. An empty string scores 0 everywhere: nothing was read, so nothing is certain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.results.types import SequenceScores

Weighting = Literal["uniform", "first", "last", "ends"]

_FLOOR = 1e-12
"""A probability of 0 counts as this, so that one character leaves logarithms finite (and JSON
valid); no network's output means anything below it."""

_ROUNDING = 1e-4
"""How far outside [0, 1] a probability may lie; half precision rounds that much."""

_CERTAIN_LOG = -1e-9
"""Above this, all characters are certain and ``joint_log`` no longer tells how many there are."""


def score_sequence(
    probabilities: ArrayLike,
    sequence_log: float | None = None,
    weighting: Weighting | Sequence[float] = "uniform",
) -> SequenceScores:
    """All scores of one string.

    Args:
        probabilities: (L,) of its characters in reading order, 0 to 1.
        sequence_log: log p(l|y) of the whole string (``ctc.sequence_log_probability``); None
            where characters are independent, so that it is their joint probability.
        weighting: of ``weighted``, see ``position_weights``.

    Raises:
        ValueError: a probability outside [0, 1], or weights that do not fit.
    """
    p = _checked(probabilities)
    if sequence_log is not None and (math.isnan(sequence_log) or sequence_log > _ROUNDING):
        raise ValueError(f"a log probability is at most 0, got {sequence_log}")
    weighted = weighted_mean(p, weighting)
    if len(p) == 0:
        return SequenceScores(0.0, 0.0, 0.0, 0.0, 0.0)
    joint = joint_log(p)
    sequence = joint if sequence_log is None else sequence_log
    return SequenceScores(
        mean=mean_probability(p),
        joint_log=joint,
        joint_normalized=joint_normalized(p),
        weighted=weighted,
        sequence_log=min(0.0, max(sequence, len(p) * math.log(_FLOOR))),
    )


def string_confidence(scores: SequenceScores) -> float:
    """What ``TextString.confidence`` holds, 0 to 1.

    The CRNN's is lowered where views of a string disagree (``reader.crop_views.doubted``).

    The smaller of the two joint probabilities, of the characters and of the whole sequence, per
    character: ``exp(min(joint_log, sequence_log) / L)``. Why:

    - Joint, not mean: ten sure characters and one of 0.01 are a misread; their mean is 0.91,
      their geometric mean 0.66.
    - Normalized by length, so that one threshold serves a date and a container code: the plain
      joint probability of 11 characters at 0.95 is 0.57, that of 4 is 0.81.
    - The smaller one, as a misread that passes costs more than a refusal: the peaks of ``AA`` are
      both high where the gap between them is a toss-up and ``A`` as likely; only log p(l|y) sees
      that. A symbol spread over frames of 0.6 adds up to a high p(l|y); only its peak is low.

    It still hides one doubtful character of many: one at 0.5 among ten at 1 is 0.94. Where
    a string must be right as a whole, also ask ``exp(joint_log)`` or the weakest character.

    Returns:
        For two-stage strings ``joint_normalized``; 0 for the empty string.
    """
    if scores.sequence_log >= scores.joint_log:
        return scores.joint_normalized
    if scores.joint_log > _CERTAIN_LOG:
        # The length is lost here; without it the value is lower, which is the safe side.
        return math.exp(scores.sequence_log)
    return float(scores.joint_normalized ** (scores.sequence_log / scores.joint_log))


def mean_probability(probabilities: ArrayLike) -> float:
    """Arithmetic mean of the character probabilities, 0 for none.

    The figure most OCR engines print, such as PaddleOCR's CTC decoder; it forgives one bad
    character among many.
    """
    p = _checked(probabilities)
    return float(p.mean()) if len(p) else 0.0


def joint_log(probabilities: ArrayLike) -> float:
    """Log of the product of the character probabilities, 0 (the empty product) for none.

    The probability that every character is right where they err independently: the best path's
    in Graves et al. 2006 (section 2, equation 2), with the peak frame standing for its symbol.
    """
    return float(np.log(np.maximum(_checked(probabilities), _FLOOR)).sum())


def joint_normalized(probabilities: ArrayLike) -> float:
    """exp(joint_log / L), the geometric mean of the character probabilities, 0 for none.

    Length normalization of Wu et al. 2016 (arXiv 1609.08144, section 7, equation 14) with
    alpha = 1 and without its constant; the inverse of perplexity.
    """
    p = _checked(probabilities)
    return math.exp(joint_log(p) / len(p)) if len(p) else 0.0


def weighted_mean(
    probabilities: ArrayLike, weighting: Weighting | Sequence[float] = "uniform"
) -> float:
    """Sum of w_i p_i over sum of w_i, 0 for none; see ``position_weights``.

    The linear opinion pool of Stone 1961 ("The Opinion Pool", Annals of Mathematical Statistics
    32), each position one opinion. The weights themselves are the house's own.
    """
    p = _checked(probabilities)
    weights = position_weights(len(p), weighting)
    return float(p @ weights) if len(p) else 0.0


def position_weights(
    length: int, weighting: Weighting | Sequence[float] = "uniform"
) -> NDArray[np.float64]:
    """(length,) weights that sum to 1.

    Args:
        length: number of characters.
        weighting: ``uniform``; ``first`` falls linearly from L to 1 (a prefix that names the
            owner); ``last`` rises from 1 to L (a check digit); ``ends`` is 1 in the middle and
            rises by 1 a position to both sides (crops cut characters at their ends). Or one
            weight a character, none negative, not all 0.

    Raises:
        ValueError: an unknown name, or weights that do not fit the length.
    """
    place = np.arange(length, dtype=np.float64)
    if isinstance(weighting, str):
        named = {
            "uniform": np.ones(length),
            "first": length - place,
            "last": place + 1,
            "ends": np.abs(place - (length - 1) / 2) + 1,
        }
        if weighting not in named:
            raise ValueError(f"weighting is one of {list(named)} or weights, got {weighting!r}")
        weights = named[weighting]
    else:
        weights = np.asarray(weighting, np.float64)
    if weights.shape != (length,) or not np.isfinite(weights).all() or np.any(weights < 0):
        raise ValueError(f"{length} finite weights of 0 or more, got {weighting!r}")
    if length and not weights.any():
        raise ValueError(f"one weight at least must be above 0, got {weighting!r}")
    normalized: NDArray[np.float64] = weights / max(float(weights.sum()), np.finfo(float).tiny)
    return normalized


def _checked(probabilities: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 1 or not np.all((p >= -_ROUNDING) & (p <= 1 + _ROUNDING)):
        raise ValueError(f"probabilities are (L,) within [0, 1], got {probabilities!r}")
    return p.clip(0, 1)
