"""The scores of one string, computed from the probabilities of its characters.

A character's probability is the classifier's (two-stage) or that of the character's peak frame
(CRNN, ``ctc.CtcSymbol``). Logarithms are natural. An empty string scores 0 everywhere.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.config import PositionWeights
from industrial_ocr.results.types import SequenceScores


def score_sequence(
    probabilities: ArrayLike,
    sequence_log: float | None = None,
    weights: PositionWeights = "none",
) -> SequenceScores:
    """All scores of one string.

    * ``mean``: the arithmetic mean, which most OCR engines report; it hides one bad character.
    * ``joint_log``: the log of the product, the probability that every character is right if they
      err independently (Graves et al. 2006, equation 2, with peak frames for symbols).
    * ``joint_normalized``: exp(joint_log / L), the geometric mean (the length normalization of Wu
      et al. 2016, arXiv 1609.08144, equation 14, with alpha = 1).
    * ``weighted``: the mean weighted by position (the linear opinion pool of Stone 1961).
    * ``sequence_log``: log p(l|y) of the whole string.

    Args:
        probabilities: (L,) of the characters in reading order, 0 to 1.
        sequence_log: log p(l|y) of the whole string (``ctc.sequence_log_probability``). None if
            the characters are independent; it then equals ``joint_log``.
        weights: of the positions, see ``position_weights``.

    Raises:
        ValueError: a probability outside [0, 1], or a log-probability above 0.
    """
    rounding = 1e-4  # half precision may exceed 1 by this much
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 1 or not np.all((p >= -rounding) & (p <= 1 + rounding)):
        raise ValueError(f"probabilities are (L,) within [0, 1], got {probabilities!r}")
    if sequence_log is not None and (math.isnan(sequence_log) or sequence_log > rounding):
        raise ValueError(f"a log probability is at most 0, got {sequence_log}")
    if len(p) == 0:
        return SequenceScores(0.0, 0.0, 0.0, 0.0, 0.0)
    p = p.clip(0, 1)
    # Smaller probabilities are raised to this, so that logarithms stay finite and JSON valid.
    smallest = 1e-12
    joint = float(np.log(np.maximum(p, smallest)).sum())
    sequence = joint if sequence_log is None else sequence_log
    return SequenceScores(
        mean=float(p.mean()),
        joint_log=joint,
        joint_normalized=math.exp(joint / len(p)),
        weighted=float(p @ position_weights(len(p), weights)),
        sequence_log=min(0.0, max(sequence, len(p) * math.log(smallest))),
    )


def string_confidence(scores: SequenceScores) -> float:
    """The confidence of a string, 0 to 1, before the fitted calibration of ``confidence``.

    It is ``exp(min(joint_log, sequence_log) / L)``, the smaller of the two joint probabilities, per
    character:

    - Joint, not mean: ten characters of 1 and one of 0.01 are a misread. Their mean is 0.91, their
      geometric mean 0.66.
    - Normalized by length, so that one threshold serves a date and a container code.
    - The smaller one, because a misread costs more than a refusal. In ``AA`` both peaks may be high
      while the gap between them is doubtful: only log p(l|y) is low. A symbol that is spread over
      several frames of 0.6 has a high p(l|y): only its peak is low.

    One doubtful character of many stays hidden: one at 0.5 among ten at 1 gives 0.94. If the whole
    string must be right, check ``exp(joint_log)`` or the weakest character, too.
    """
    if scores.sequence_log >= scores.joint_log:
        return scores.joint_normalized
    if scores.joint_log > -1e-9:  # if every character has probability 1, the length is unknown
        return math.exp(scores.sequence_log)
    return float(scores.joint_normalized ** (scores.sequence_log / scores.joint_log))


def position_weights(length: int, weights: PositionWeights = "none") -> NDArray[np.float64]:
    """(length,) weights that sum to 1.

    Args:
        length: number of characters, at least 1.
        weights: ``none``: all are equal. ``exponential``: each position weighs 0.8 times the one
            before it, for codes whose first characters matter most. Or one weight per position;
            longer strings repeat the last one. If all weights are 0, all are equal.
    """
    if not isinstance(weights, str):
        own = np.array([*weights[:length], *weights[-1:] * (length - len(weights))], np.float64)
    else:
        own = np.power(0.8 if weights == "exponential" else 1.0, np.arange(length))
    return own / own.sum() if own.any() else np.full(length, 1 / length)
