"""The confidence of a reading: the probability that the whole string is right.

A logistic regression (Platt 1999) over the networks' probabilities and other features: whether the
views of a string agree, whether ink beside its characters is unread, how small the print is. It was
fitted on rendered pictures, from clean to damaged print (``fitting/confidence.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from industrial_ocr.decoding.homoglyphs import twins_of
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import edge_lengths
from industrial_ocr.results.types import Character, Floats, TextString

CONFIDENCE_WEIGHTS = Path(__file__).parent / "data" / "confidence.json"
CONFIDENCE_FEATURES = (
    *("joint", "sequence", "weakest", "margin"),
    *("length", "agreement", "inner_marks", "end_marks", "unseen_ends", "height"),
    *("rejected", "reject"),
    *("twins", "cases", "twin_doubt", "case_doubt"),
)
"""Names of the features, see ``features``."""
PAIR_FEATURES = (Engine.TWO_STAGE, Engine.CRNN, "length", "height", "twins", "cases")
"""Features of two readings of one string: the log-odds of both engines' confidences, and those of
``CONFIDENCE_FEATURES`` that lead both engines to the same error."""
CASE_TWINS = frozenset("cCoOsSvVwWxXzZ")
"""Letters that are often read in the wrong case."""
CLIP = 1e-4
"""Probabilities are clipped to this distance from 0 and from 1."""


def log_odds(probability: float) -> float:
    """Log-odds of a probability, clipped by ``CLIP``."""
    p = min(max(probability, CLIP), 1 - CLIP)
    return float(np.log(p / (1 - p)))


def _highest_of(character: Character, others: Iterable[str]) -> float:
    """The highest probability of ``others`` among a character's alternatives."""
    return max((p for s, p in character.alternatives if s in others), default=0.0)


def features(string: TextString) -> Floats:
    """(K,) float64, the features of a reading with at least one character.

    * ``joint``, ``sequence``: log-odds of all characters together, and of the whole CTC sequence;
    * ``weakest``: log-odds of the weakest character; ``margin``: the least log-ratio between a
      character's probability and its runner-up's, 9 at most;
    * ``length``: ln of the number of characters; ``height``: ln(median height in pixels / 20);
    * ``agreement``: ln of the agreement between the views of the string;
    * ``inner_marks``, ``end_marks``: summed strength of the unread marks between the characters and
      beyond the ends, 2 at most; ``unseen_ends``: for how many of the ends no ink is found;
    * ``rejected``: number of boxes rejected as no character, 2 at most; ``reject``: the highest
      probability that one of the characters is no character;
    * ``twins``, ``cases``: ln(1 + n) for n characters that look like another one (0 O, 1 I l), or
      differ from it in size alone (c C); ``twin_doubt``, ``case_doubt``: the probabilities of those
      other characters, summed over the string.
    """
    characters = string.characters
    p = [c.confidence for c in characters]
    runner_up = [max((q for _, q in c.alternatives), default=CLIP) for c in characters]
    margins = [np.log(max(a, CLIP) / max(b, CLIP)) for a, b in zip(p, runner_up, strict=True)]
    ends = (0, len(characters))
    inner = sum(m.strength for m in string.unread if m.before not in ends)
    outer = sum(m.strength for m in string.unread if m.before in ends)
    heights = [edge_lengths(c.quad)[1] for c in characters]
    twins = [c for c in characters if len(twins_of(c.symbol)) > 1]
    cases = sum(c.symbol in CASE_TWINS for c in characters)
    return np.array(
        [
            log_odds(float(np.exp(string.scores.joint_log))),
            log_odds(float(np.exp(string.scores.sequence_log))),
            log_odds(min(p)),
            min(float(min(margins)), 9.0),
            np.log(len(p)),
            np.log(max(string.agreement, CLIP)),
            min(inner, 2.0),
            min(outer, 2.0),
            string.unseen_ends,
            np.clip(np.log(max(float(np.median(heights)), 1.0) / 20), -1.2, 1.0),
            min(len(string.rejected), 2),
            max(c.reject for c in characters),
            np.log1p(len(twins)),
            np.log1p(cases),
            sum(_highest_of(c, twins_of(c.symbol)) for c in twins),
            sum(_highest_of(c, c.symbol.swapcase()) for c in characters if c.symbol in CASE_TWINS),
        ],
        np.float64,
    )


@dataclass(frozen=True, eq=False)
class ConfidenceModel:
    """A logistic regression over standardized features.

    Attributes:
        mean: (K,) means of the features in the fitted data.
        scale: (K,) their standard deviations.
        weights: (K,) of the standardized features.
        bias: log-odds where all features equal their means.
    """

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or not self.mean.shape == self.scale.shape == self.weights.shape:
            shapes = [a.shape for a in (self.mean, self.scale, self.weights)]
            raise ValueError(f"mean, scale and weights must be (K,) each, got {shapes}")

    def probability(self, rows: Floats) -> Floats:
        """(..., K) features -> (...,) the probability that the reading is right."""
        log_odds = ((rows - self.mean) / self.scale) @ self.weights + self.bias
        result: Floats = 1 / (1 + np.exp(-log_odds))
        return result


def own_probability(string: TextString) -> float:
    """The network's own probability that the whole string is right, lower where views disagree.

    It is the confidence of recognizers for which no model was fitted.
    """
    joint = min(string.scores.joint_log, string.scores.sequence_log)
    return float(np.exp(joint)) * float(string.agreement**0.5)


def pair_features(two: TextString, one_confidence: float, two_confidence: float) -> Floats:
    """(K,) float64, ``PAIR_FEATURES`` of a string that two-stage and the CRNN read.

    ``two`` is the CRNN's reading; the confidences are those of two-stage and of the CRNN.
    """
    own = dict(zip(CONFIDENCE_FEATURES, features(two).tolist(), strict=True))
    odds = [log_odds(one_confidence), log_odds(two_confidence)]
    return np.array([*odds, *(own[name] for name in PAIR_FEATURES[2:])], np.float64)


def pair_probabilities(one: TextString, two: TextString, same: bool) -> tuple[float, float]:
    """The probabilities that ``one`` and ``two`` are right, given both readings of a string.

    Args:
        one: the reading of two-stage.
        two: the reading of the CRNN.
        same: whether they are the same text.
    """
    row = pair_features(two, one.confidence, two.confidence)
    if same:
        p = float(_fitted("same", PAIR_FEATURES).probability(row))
        return p, p
    models = [_fitted(f"apart-{engine}", PAIR_FEATURES) for engine in PAIR_FEATURES[:2]]
    return float(models[0].probability(row)), float(models[1].probability(row))


def fitted_model(engine: str, one_string: bool) -> ConfidenceModel:
    """The shipped model of an engine, for whole pictures or for images of one string."""
    return _fitted(f"{engine}-crop" if one_string else engine, CONFIDENCE_FEATURES)


@cache
def _fitted(name: str, names: tuple[str, ...]) -> ConfidenceModel:
    own = json.loads(CONFIDENCE_WEIGHTS.read_text(encoding="utf-8"))["models"][name]
    mean, scale, weights = (
        np.array([own[part][f] for f in names]) for part in ("mean", "scale", "weights")
    )
    return ConfidenceModel(mean, scale, weights, float(own["bias"]))
