"""Confidence: the one place that says what it is.

Every score starts from the probabilities of the characters that were read: of the classifier's
answer in the two-stage pipeline, of the peak frame (``ctc.CtcSymbol``) in the CRNN's. Logarithms
are natural. An empty string scores 0 everywhere: nothing was read, so nothing is certain.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.types import SequenceScores

_FLOOR = 1e-12
"""A probability of 0 counts as this, so that one character leaves logarithms finite (and JSON
valid); no network's output means anything below it."""

_ROUNDING = 1e-4
"""How far outside [0, 1] a probability may lie; half precision rounds that much."""

_CERTAIN_LOG = -1e-9
"""Above this, all characters are certain and ``joint_log`` no longer tells how many there are."""


def score_sequence(probabilities: ArrayLike, sequence_log: float | None = None) -> SequenceScores:
    """All scores of one string.

    Args:
        probabilities: (L,) of its characters in reading order, 0 to 1.
        sequence_log: log p(l|y) of the whole string (``ctc.sequence_log_probability``); None
            where characters are independent, so that it is their joint probability.

    Raises:
        ValueError: a probability outside [0, 1], or a log probability above 0.
    """
    p = _checked(probabilities)
    if sequence_log is not None and (math.isnan(sequence_log) or sequence_log > _ROUNDING):
        raise ValueError(f"a log probability is at most 0, got {sequence_log}")
    if len(p) == 0:
        return SequenceScores(0.0, 0.0, 0.0, 0.0)
    joint = joint_log(p)
    sequence = joint if sequence_log is None else sequence_log
    return SequenceScores(
        mean=mean_probability(p),
        joint_log=joint,
        joint_normalised=joint_normalised(p),
        sequence_log=min(0.0, max(sequence, len(p) * math.log(_FLOOR))),
    )


def string_confidence(scores: SequenceScores) -> float:
    """What ``TextString.confidence`` holds, 0 to 1.

    The CRNN's is lowered where views of a string disagree (``pipelines.crop_views.doubted``).

    The smaller of the two joint probabilities, of the characters and of the whole sequence, per
    character: ``exp(min(joint_log, sequence_log) / L)``. Why:

    - Joint, not mean: ten sure characters and one of 0.01 are a misread; their mean is 0.91,
      their geometric mean 0.66.
    - Normalised by length, so that one threshold serves a date and a container code: the plain
      joint probability of 11 characters at 0.95 is 0.57, that of 4 is 0.81.
    - The smaller one, as a misread that passes costs more than a refusal: the peaks of ``AA`` are
      both high where the gap between them is a toss-up and ``A`` as likely; only log p(l|y) sees
      that. A symbol spread over frames of 0.6 adds up to a high p(l|y); only its peak is low.

    It still hides one doubtful character of many: one at 0.5 among ten at 1 is 0.94. Where
    a string must be right as a whole, also ask ``exp(joint_log)`` or the weakest character.

    Returns:
        For two-stage strings ``joint_normalised``; 0 for the empty string.
    """
    if scores.sequence_log >= scores.joint_log:
        return scores.joint_normalised
    if scores.joint_log > _CERTAIN_LOG:
        # The length is lost here; without it the value is lower, which is the safe side.
        return math.exp(scores.sequence_log)
    return float(scores.joint_normalised ** (scores.sequence_log / scores.joint_log))


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


def joint_normalised(probabilities: ArrayLike) -> float:
    """exp(joint_log / L), the geometric mean of the character probabilities, 0 for none.

    Length normalisation of Wu et al. 2016 (arXiv 1609.08144, section 7, equation 14) with
    alpha = 1 and without its constant; the inverse of perplexity.
    """
    p = _checked(probabilities)
    return math.exp(joint_log(p) / len(p)) if len(p) else 0.0


def _checked(probabilities: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 1 or not np.all((p >= -_ROUNDING) & (p <= 1 + _ROUNDING)):
        raise ValueError(f"probabilities are (L,) within [0, 1], got {probabilities!r}")
    return p.clip(0, 1)
