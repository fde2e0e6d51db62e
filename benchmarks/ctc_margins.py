"""Measures what two margins of the CRNN depend on: strings upside down, and marks at their ends.

    python benchmarks/ctc_margins.py --fonts DIR [--count 2000]

Renders codes upright and upside down, many of which read as a code both ways (H0000-08, 609,
LOT 00000), and numbers with and without a sign. Prints the largest lead, in nats, of the turned
reading of an upright string (``reader.orientation_choice.MIN_LEAD`` must be above); which share of
turned strings is found at several leads; and the log-odds against a mark at an end, for texts
without one and for texts that lack theirs (``decoding.ctc_rivals.END_MARK_ODDS`` must lie between),
and those of a printed sign that was read (most must be above ``MARK_ODDS``).
Run it after each training of the CRNN.
"""

from __future__ import annotations

import argparse
import string
from pathlib import Path

import numpy as np

from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.decoding.ctc_rivals import edit_scores, mark_classes
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.network import MIN_LOG_PROB
from industrial_ocr.reader.crnn import decode_frames
from industrial_ocr.reader.reader import Reader
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray

QUANTILES = (0.002, 0.01, 0.05, 0.5, 0.95, 0.99, 0.998)
LEADS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
BATCH = 32


def random_code(rng: np.random.Generator) -> str:
    """A code of a random kind, one in four with a sign in front."""

    def some(symbols: str, count: int) -> str:
        return "".join(rng.choice(list(symbols), count))

    digits, capitals = string.digits, string.ascii_uppercase
    kinds = (
        "H0000-" + some(digits, 2),
        "LOT 00000",
        some("690", 6),
        some("69081HNOSXZ", 7),
        some(capitals, 3) + some(digits, 5),
        some(digits, int(rng.integers(2, 9))),
        some(digits, 2) + "C",
        some(digits, 3) + "." + some(digits, 1),
    )
    at = int(rng.integers(len(kinds)))
    return ("-" if at > 4 and rng.random() < 0.5 else "") + kinds[at]


def main() -> None:
    """Renders, reads both ways up, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, action="append", default=[])
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()
    models = Reader().models
    recognizer, charset = models.recognizer, models.recognizer.charset
    renderer = StripRenderer(tuple(args.fonts), camera=0.3, heights=(14.0, 48.0))

    def seen(images: list[ImageArray]) -> list[StringFrames]:
        pieces = [[[rect_quad(0, 0, i.shape[1], i.shape[0])]] for i in images]
        frames = recognizer.recognize(images, pieces, models.config.recognition)
        return [own[0] for own in frames]

    leads: list[float] = []
    odds: dict[str, list[float]] = {"none at the ends": [], "a sign lost": [], "a sign read": []}
    for first in range(0, args.count, BATCH):
        numbers = range(first, min(first + BATCH, args.count))
        texts = [random_code(np.random.default_rng((5, n))) for n in numbers]
        images = [renderer.render((6, n), t).image for n, t in zip(numbers, texts, strict=True)]
        turned = [np.ascontiguousarray(i[::-1, ::-1]) for i in images]
        both = zip(texts, images, turned, seen(images), seen(turned), strict=True)
        for text, image, over, up, down in both:
            ways = [
                decode_frames(f, "horizontal", to_gray(i)) for f, i in ((up, image), (down, over))
            ]
            kind = "a sign lost" if text.startswith("-") else "none at the ends"
            scores = edit_scores(up.log_probs, charset.encode(text.lstrip("-")))
            marked = scores.insertions[[0, -1]][:, mark_classes(charset)]
            odds[kind].append(
                float(np.clip(scores.own - marked.max(), MIN_LOG_PROB, -MIN_LOG_PROB))
            )
            if kind == "a sign lost":
                whole = edit_scores(up.log_probs, charset.encode(text.replace(" ", "")))
                odds["a sign read"].append(float(whole.own - whole.deletions[0]))
            if "".join(ways[0].text.split()) == text.replace(" ", ""):
                own = np.log([max(w.confidence, 1e-12) for w in ways])
                leads.append(max(len(w.characters) for w in ways) * float(own[1] - own[0]))
    found = np.array(leads)
    print(f"{len(found)} of {args.count} read upright; largest lead turned {found.max():.2f} nats")
    for lead in LEADS:
        print(
            f"  lead {lead}: {(found > lead).sum()} upright ones turned, "
            f"{(-found > lead).mean():.1%} of turned ones found"
        )
    for kind, values in odds.items():
        print(
            f"{kind} ({len(values)}): log-odds at {QUANTILES}:",
            np.quantile(values, QUANTILES).round(1),
        )


if __name__ == "__main__":
    main()
