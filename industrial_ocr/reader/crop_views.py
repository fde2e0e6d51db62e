"""Several views of one string, and what most of them say.

The CRNN reads strips of 32 rows, so how much of a crop is string decides how large its characters
are to the network, and what stands above and below is read along. A view takes the crop with
another margin. The detector sees a crop at a few sizes. Where views say the same they add up: a
text that several of them read is right more often than one that a single view is sure of. What the
others say instead is held against it: the surest view by itself passes far too many misreads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from industrial_ocr.results.types import TextString


def agreed_text(said: Sequence[tuple[str, float]]) -> tuple[int, float]:
    """Which of several answers about one thing stands for all, and how far they agree.

    Confidences of equal texts add up; of the text with the most, the answer with the highest
    confidence is chosen. Of equals the first.

    Args:
        said: text and confidence of each view, at least one.

    Returns:
        Its index, and the share of all confidences that its text has: 1 where all say the same.

    Raises:
        ValueError: there is none.
    """
    total: dict[str, float] = defaultdict(float)
    for text, confidence in said:
        total[text] += confidence
    chosen = max(total, key=lambda t: total[t])
    own = [i for i, (text, _) in enumerate(said) if text == chosen]
    share = total[chosen] / max(sum(total.values()), 1e-9)
    return max(own, key=lambda i: said[i][1]), min(share, 1.0)


def agreed_view(readings: Sequence[TextString]) -> tuple[int, float]:
    """``agreed_text`` of readings of one string: the same if they are but for case and spaces."""
    return agreed_text([("".join(r.text.split()).upper(), r.confidence) for r in readings])


def doubted(reading: TextString, agreement: float) -> TextString:
    """A reading as sure as it is with what other views say held against it.

    Args:
        reading: what most views say, as sure as its surest view.
        agreement: of ``agreed_view``. Its square root multiplies the confidence: views share what
            they see, so dissent counts for less than it would among strangers.
    """
    return replace(
        reading,
        confidence=reading.confidence * agreement**0.5,
        agreement=reading.agreement * agreement,
    )
