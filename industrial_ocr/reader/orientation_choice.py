"""Chooses the orientation of strings: read upright first, and turned if that may be better."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.detection.orientation import orientations
from industrial_ocr.reader.crop_views import with_agreement
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.types import BoxString, TextString

CrnnReading = tuple[TextString, StringFrames]
"""The CRNN's reading of a string, and its frames."""

MIN_LEAD = 2.5
"""The only level string of an image is taken as upside down if its turned reading is likelier by
this many nats. For 1,144 codes that were rendered upright and read right, most of them of
characters that also read as others when turned, that lead was at most 1.75."""
CLEAR_LEAD = 2.0
"""What exceeds this in a string's lead is evidence that the other strings of its image are turned,
too."""


class StringWays:
    """A string in all its ``orientations``, and its readings in those tried so far.

    A level string is read upright first, and turned only if that could win.

    Args:
        string: as it was found.
    """

    def __init__(self, string: BoxString) -> None:
        self.ways = orientations(string)
        self.readings: list[CrnnReading] = []
        self.level = self.ways[0].direction == "horizontal" and len(self.ways) > 1

    def pending(self) -> list[BoxString]:
        """The orientations to read next."""
        if self.level and not self.readings:
            return self.ways[:1]
        return self.ways[len(self.readings) :]

    def add(self, readings: Sequence[CrnnReading]) -> None:
        """Adds the readings of the orientations of ``pending``."""
        self.readings += readings

    def scores(self) -> NDArray[np.float64]:
        """(W,) log-probabilities of the readings, scaled to the length of the longest one."""
        texts = [text for text, _ in self.readings]
        length = max(len(text.characters) for text in texts)
        return length * np.log([max(text.confidence, 1e-12) for text in texts])

    def may_be_turned(self) -> bool:
        """Whether the confidence of the upright reading is so low that a turned one could win."""
        return bool(self.pending()) and float(self.scores()[0]) < -MIN_LEAD

    def lead(self) -> float:
        """Nats by which the turned reading is likelier than the upright one.

        ``-CLEAR_LEAD`` if it was not tried, 0 for strings that are not level.
        """
        if not self.level:
            return 0.0
        if self.pending():
            return -CLEAR_LEAD
        scores = self.scores()
        return float(scores[1] - scores[0])


def beside_turned(strings: Sequence[StringWays]) -> list[StringWays]:
    """The strings that were read upright only, if another string of the image is clearly turned."""
    turned = any(string.lead() > CLEAR_LEAD for string in strings)
    return [string for string in strings if turned and string.pending()]


def right_way_up(strings: Sequence[StringWays]) -> list[CrnnReading]:
    """The reading of each string of an image in its best orientation.

    ``MIN_LEAD`` nats are added to the upright orientation of a level string: less if other strings
    of the image read clearly better turned, more if they read better upright. The probability of
    the other orientations lowers the confidence of the reading.
    """
    leads = np.array([string.lead() for string in strings])
    evidence = np.maximum(leads - CLEAR_LEAD, 0.0) + np.minimum(leads, 0.0)
    upright = MIN_LEAD - np.clip(evidence.sum() - evidence, -MIN_LEAD, MIN_LEAD)
    chosen = []
    for string, added in zip(strings, upright, strict=True):
        scores = string.scores()
        if string.level:
            scores[0] += added
        best = int(scores.argmax())
        text, frames = string.readings[best]
        share = math.exp(scores[best] - float(np.logaddexp.reduce(scores)))
        chosen.append((with_agreement(text, share), frames))
    return chosen
