"""Combines the readings of several views of one string.

The CRNN reads strips of a fixed height, so the margin of a crop decides how large its characters
are for the network, and how much of its surroundings is read, too. Its views are crops with other
margins; the views of the detector are crops of other sizes. The confidences of equal readings are
added up: a text that several views read is right more often than one that a single view reads with
high confidence. Other readings lower the confidence; without that, far too many misreads pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from industrial_ocr.results.types import TextString


def agreed_text(readings: Sequence[tuple[str, float]]) -> tuple[int, float]:
    """Chooses one of several readings by a vote weighted by confidence.

    The text with the largest sum of confidences wins; of its readings, the first one with the
    highest confidence is chosen.

    Args:
        readings: text and confidence of each view, at least one.

    Returns:
        The index of the reading, and the share of its text in the sum of all confidences: 1 if all
        agree.

    Raises:
        ValueError: there are no views.
    """
    total: dict[str, float] = defaultdict(float)
    for text, confidence in readings:
        total[text] += confidence
    chosen = max(total, key=lambda t: total[t])
    own = [i for i, (text, _) in enumerate(readings) if text == chosen]
    share = total[chosen] / max(sum(total.values()), 1e-9)
    return max(own, key=lambda i: readings[i][1]), min(share, 1.0)


def folded(text: str) -> str:
    """A text without spaces, in upper case, as views are compared."""
    return "".join(text.split()).upper()


def agreed_view(readings: Sequence[TextString]) -> tuple[int, float]:
    """``agreed_text`` of readings of one string; case and spaces are ignored."""
    return agreed_text([(folded(r.text), r.confidence) for r in readings])


def with_agreement(reading: TextString, agreement: float) -> TextString:
    """Lowers the confidence of a reading if other views read something else.

    Args:
        reading: the reading of most views, with the confidence of its best view.
        agreement: of ``agreed_view``. Its square root multiplies the confidence, since views of one
            crop are not independent.
    """
    return replace(
        reading,
        confidence=reading.confidence * agreement**0.5,
        agreement=reading.agreement * agreement,
    )
