"""Which way up strings stand: they are read upright first, and turned where that may be better."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.detection.orientation import orientations
from industrial_ocr.reader.crop_views import doubted
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.types import BoxString, TextString

Reading = tuple[TextString, StringFrames]
"""A string as the CRNN reads it, and the frames it is read from."""

TURNED = 2.5
"""A level string by itself stands on its head only where that is so many nats likelier: of 5,651
codes that were rendered upright and read right, most of them of characters that have a meaning
turned too, the largest lead of the turned way was 2.2."""
CLEARLY_TURNED = 2.0
"""What a string's lead has beyond this speaks for the other strings of its image being turned."""


class StringWays:
    """A string in the ways up of ``orientations``, and what it was read as in the first of them.

    A level string is read upright first. It is read turned only where that could win.

    Args:
        string: as it was found.
    """

    def __init__(self, string: BoxString) -> None:
        self.ways = orientations(string)
        self.readings: list[Reading] = []
        self.level = self.ways[0].direction == "horizontal" and len(self.ways) > 1

    def pending(self) -> list[BoxString]:
        """The ways that are to be read next."""
        if self.level and not self.readings:
            return self.ways[:1]
        return self.ways[len(self.readings) :]

    def add(self, readings: Sequence[Reading]) -> None:
        """Adds what the ways of ``pending`` were read as."""
        self.readings += readings

    def scores(self) -> NDArray[np.float64]:
        """(W,) log-probabilities of the readings, at the length of the longest."""
        texts = [text for text, _ in self.readings]
        length = max(len(text.characters) for text in texts)
        return length * np.log([max(text.confidence, 1e-12) for text in texts])

    def may_be_turned(self) -> bool:
        """Whether the upright reading is so unsure that another one could be ahead of it."""
        return bool(self.pending()) and float(self.scores()[0]) < -TURNED

    def lead(self) -> float:
        """Nats by which the turned reading is ahead; of one that was not tried, few.

        0 for strings that are not level.
        """
        if not self.level:
            return 0.0
        if self.pending():
            return -CLEARLY_TURNED
        scores = self.scores()
        return float(scores[1] - scores[0])


def beside_turned(strings: Sequence[StringWays]) -> list[StringWays]:
    """The strings that were read upright only, of an image where another clearly is turned."""
    turned = any(string.lead() > CLEARLY_TURNED for string in strings)
    return [string for string in strings if turned and string.pending()]


def right_way_up(strings: Sequence[StringWays]) -> list[Reading]:
    """The readings of an image's strings in the way in which each reads best.

    A level string's upright way is ``TURNED`` nats ahead, less where others of the image are
    clearly better turned, and more where they are not. The chosen way is as sure as the odds
    against the others allow.
    """
    leads = np.array([string.lead() for string in strings])
    said = np.maximum(leads - CLEARLY_TURNED, 0.0) + np.minimum(leads, 0.0)
    upright = TURNED - np.clip(said.sum() - said, -TURNED, TURNED)
    chosen = []
    for string, ahead in zip(strings, upright, strict=True):
        scores = string.scores()
        if string.level:
            scores[0] += ahead
        best = int(scores.argmax())
        text, frames = string.readings[best]
        share = math.exp(scores[best] - float(np.logaddexp.reduce(scores)))
        chosen.append((doubted(text, share), frames))
    return chosen
