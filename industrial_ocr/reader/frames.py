"""Reads several pictures of one part as one: the networks' outputs are combined before decoding.

Every frame is read alone. The frame on which most is read becomes the reference, and the others are
registered to it. Strings and boxes are found in the mean of the registered frames, in which a
reflection on one frame hides little. Both networks read these places in every frame, and their
log-probabilities are combined (``recognition.pooled``): those of the classifier for each box, those
of the CRNN for each position along the string. Decoding and confidence follow as for one picture.

The weight of a frame is the amount that is read on it alone, relative to the reference, so that a
blurred or covered frame counts little. If a frame clearly reads another text, perhaps of another
part, the status is ``disagreement``. Frames of one part have the same faults, so their combination
is overconfident: the log-odds of the confidence are divided by the square root of their number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.decoding.code_rules import confidence_doubt, status_rank
from industrial_ocr.decoding.confidence import log_odds
from industrial_ocr.decoding.homoglyphs import same_shape, twins_of
from industrial_ocr.image.registration import register
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.pipelines import READ_BY, EngineRun
from industrial_ocr.recognition.pooled import Frame, PooledClassifier, PooledRecognizer
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import centers_meet, edge_lengths
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Floats, ImageArray, Status, TextString

ByEngine = Mapping[Engine, ReadResult]
Item = TypeVar("Item", TextString, CodeReading)


@dataclass(frozen=True, eq=False)
class SingleFrame:
    """A frame, and what is read on it alone.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        results: the reading of each engine.
    """

    image: ImageArray
    results: ByEngine

    def amount(self, *engines: Engine) -> float:
        """How much some engines read (without arguments, all): characters times confidence."""
        results = [self.results[e] for e in engines or self.results]
        strings = chain.from_iterable(r.strings for r in results)
        return sum(s.confidence * len(s.characters) for s in strings)


@dataclass(frozen=True, eq=False)
class Burst:
    """The frames of one part, and what is read on all of them together.

    Attributes:
        alone: the frames.
        reference: index of the frame in whose pixels the results are.
        matrices: of each frame, see ``Frame``; None if it does not show the reference's text.
        together: the reading of each engine.
    """

    alone: Sequence[SingleFrame]
    reference: int
    matrices: Sequence[Floats | None]
    together: ByEngine

    def result(
        self, combine: Callable[[ByEngine], ReadResult], limits: ConfidenceConfig
    ) -> ReadResult:
        """The result of the burst, compared with what is read on each frame alone.

        ``combine`` makes the result of a picture from those of its engines.
        """
        result, single = combine(self.together), [combine(a.results) for a in self.alone]
        strings, views = self._judged(result.strings, [r.strings for r in single], limits)
        # Clutter that is left out on every frame gains confidence where their evidence is summed.
        unseen = [s for s, v in zip(strings, views, strict=True) if not v.seen]
        strings = [
            replace(s, agreement=s.agreement * v.agreement)
            for s, v in zip(strings, views, strict=True)
            if v.seen
        ]
        views = [v for v in views if v.seen]
        codes: Sequence[CodeReading] = ()
        if result.codes:
            found, seen = self._judged(result.codes, [r.codes for r in single], limits)
            ranked = sorted(zip(found, seen, strict=True), key=lambda p: status_rank(p[0].status))
            codes, views = [code for code, _ in ranked], [view for _, view in ranked]
        left_out = (*result.left_out, *unseen)
        changed = replace(result, strings=tuple(strings), codes=tuple(codes), left_out=left_out)
        if not views:
            nothing = "no frame alone reads text"
            return replace(changed, status=Status.NO_TEXT, reason=nothing) if unseen else changed
        status, reason = result.status, result.reason
        contradictions = [v.contradiction for v in views if v.contradiction]
        doubts = [s.reason for s in strings if s.status is not Status.OK]
        if codes:
            status, reason = codes[0].status, codes[0].reason
        elif contradictions:
            status, reason = Status.DISAGREEMENT, contradictions[0]
        elif status is Status.OK and doubts:
            status, reason = Status.LOW_CONFIDENCE, doubts[0]
        counts = f"{min(v.same for v in views)} of {len(single)} frames read the same"
        return replace(changed, status=status, reason=f"{reason}; {counts}" if reason else counts)

    def _judged(
        self, items: Sequence[Item], single: Sequence[Sequence[Item]], limits: ConfidenceConfig
    ) -> tuple[list[Item], list[FrameSupport]]:
        """Strings or codes after the comparison with ``single``, those of each frame alone."""
        views = [
            frame_support(i, [self._in_place(i, items, own, k) for k, own in enumerate(single)])
            for i in items
        ]
        return [v.judge(i, limits) for i, v in zip(items, views, strict=True)], views

    def _in_place(
        self, item: Item, every: Sequence[Item], own: Sequence[Item], number: int
    ) -> list[Item]:
        """What a frame reads in the place of an item, or the same text at another place.

        If there is neither, all that it reads outside the places of all items (``every``), because
        the code of another part may stand elsewhere.
        """
        matrix = self.matrices[number]
        frame = Frame(self.alone[number].image, np.eye(2, 3) if matrix is None else matrix, 1.0)
        there = [o for o in own if centers_meet(frame.place(item.quad), o.quad)]
        equal = [o for o in own if _plain(o.text) == _plain(item.text)]
        if there or equal:
            return equal[:1] or there
        places = [frame.place(e.quad) for e in every]
        return [o for o in own if not any(centers_meet(place, o.quad) for place in places)]


def read_together(images: Sequence[ImageArray], run: EngineRun) -> tuple[ReadResult, int]:
    """The result of frames (H, W, 3) uint8 RGB of one part, and the index of its reference."""
    clock = Clock()
    with clock.stage("frames"):
        alone = read_alone(images, run.models, run.pipelines, run.patterns)
    with clock.stage("together"):
        burst = read_burst(alone, run.models, run.patterns)
        result = burst.result(run.joined, run.models.config.confidence)
    return replace(result, timings=clock.share(1)), burst.reference


def read_alone(
    images: Sequence[ImageArray],
    models: Models,
    engines: Sequence[Engine],
    patterns: Sequence[Pattern] = (),
) -> list[SingleFrame]:
    """Reads frames (H, W, 3) uint8 RGB one by one, by each of the engines."""
    found = find_strings(images, models.detector, models.config, Clock())
    results = {e: READ_BY[e](images, models, patterns, found) for e in engines}
    return [
        SingleFrame(image, {e: results[e][i] for e in engines}) for i, image in enumerate(images)
    ]


def read_burst(
    alone: Sequence[SingleFrame], models: Models, patterns: Sequence[Pattern] = ()
) -> Burst:
    """Reads all frames (at least one) together, by the engines that read them alone."""
    engines = list(alone[0].results)
    reference = int(np.argmax([a.amount() for a in alone]))
    best, matrices = alone[reference], _matrices(alone, reference)
    stack = _stacked(alone, reference, matrices)
    found = find_strings([stack], models.detector, models.config, Clock())
    together = {}
    for engine in engines:
        most = max(best.amount(engine), 1e-9)
        frames = [Frame(best.image, np.eye(2, 3), 1.0)]
        for one, matrix in zip(alone, matrices, strict=True):
            weight = min(one.amount(engine) / most, 1.0)
            if one is not best and matrix is not None and weight >= 0.02:
                frames.append(Frame(one.image, matrix, weight))
        pooled = replace(
            models,
            classifier=PooledClassifier(models.classifier, frames, twin_shapes),
            recognizer=PooledRecognizer(models.recognizer, frames, twin_shapes),
        )
        (own,) = READ_BY[engine]([stack], pooled, patterns, found)
        together[engine] = replace(own, image=best.image)
    return Burst(alone, reference, matrices, together)


def _matrices(alone: Sequence[SingleFrame], reference: int) -> list[Floats | None]:
    """The matrix of each frame (see ``Frame``), None if it does not show the reference's text."""
    best = alone[reference]
    strings = list(chain.from_iterable(r.strings for r in best.results.values()))
    if not strings:
        return [None for _ in alone]
    characters = chain.from_iterable(s.characters for s in strings)
    height = float(np.median([edge_lengths(c.quad)[1] for c in characters]))
    text = np.concatenate([s.quad for s in strings])
    return register(best.image, [a.image for a in alone], text, max(height, 4.0))


def _stacked(
    alone: Sequence[SingleFrame], reference: int, matrices: Sequence[Floats | None]
) -> ImageArray:
    """(H, W, 3) uint8, the weighted mean of the frames, registered to the reference."""
    best = alone[reference]
    height, width = best.image.shape[:2]
    total, weights = best.image.astype(np.float64), 1.0
    most = max(best.amount(), 1e-9)
    for one, matrix in zip(alone, matrices, strict=True):
        if one is not best and matrix is not None:
            moved = cv2.warpAffine(
                one.image,
                matrix,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            weight = min(one.amount() / most, 1.0)
            total, weights = total + weight * moved, weights + weight
    return np.asarray(np.round(total / weights), np.uint8)


@dataclass(frozen=True)
class FrameSupport:
    """How well the single frames support a string or a code of the burst.

    Attributes:
        agreement: share of its characters that the frames read the same, weighted by confidence.
        explained: share of the frames, weighted likewise, that do not read more characters. If one
            does, the reference may lack a box.
        same: number of frames that read the same text.
        frames: number of frames.
        seen: whether any of them reads something in its place.
        contradiction: a message about a frame that clearly reads another text, empty for none.
    """

    agreement: float
    explained: float
    same: int
    frames: int
    seen: bool
    contradiction: str

    def judge(self, item: Item, limits: ConfidenceConfig) -> Item:
        """Lowers the confidence of the item, and its status with it."""
        odds = log_odds(item.confidence) / self.frames**0.5
        confidence = self.explained**0.5 / (1 + float(np.exp(-odds)))
        status, reason = item.status, item.reason
        if self.contradiction:
            status, reason = Status.DISAGREEMENT, self.contradiction
        elif status is Status.OK and (doubt := _doubt(item, confidence, limits)):
            status, reason = Status.LOW_CONFIDENCE, f"all frames together: {doubt}"
        return replace(item, confidence=confidence, status=status, reason=reason)


def _doubt(item: Item, confidence: float, limits: ConfidenceConfig) -> str:
    """Why a string or code of this confidence is doubtful, empty if it is not."""
    if isinstance(item, CodeReading):
        return confidence_doubt(confidence, len(item.text), limits)
    least = limits.min_confidence
    return f"the confidence is below {least:g}" if confidence < least else ""


def frame_support(
    item: TextString | CodeReading, single: Sequence[Sequence[TextString | CodeReading]]
) -> FrameSupport:
    """Compares a string or code with ``single``, what each frame alone reads in its place."""
    text, weights, alike, explained, same = _plain(item.text), [], [], [], 0
    contradiction = ""
    for number, there in enumerate(single, 1):
        reads = "".join(_plain(o.text) for o in there)
        weights.append(min((o.confidence for o in there), default=0.0))
        alike.append(Levenshtein.normalized_similarity(reads, text))
        explained.append(len(reads) <= len(text))
        same += reads == text
        clear = bool(there) and all(o.status is Status.OK for o in there)
        if clear and reads != text and not _look_alike(reads, text):
            contradiction = f"frame {number} reads {reads!r}, all together {item.text!r}"
    if not any(weights):
        return FrameSupport(0.0, 1.0, same, len(single), False, contradiction)
    agreement, known = (float(np.average(x, weights=weights)) for x in (alike, explained))
    return FrameSupport(agreement, known, same, len(single), True, contradiction)


def twin_shapes(symbols: tuple[str, ...]) -> NDArray[np.int64]:
    """(C,) a number for each symbol; twins such as 0 and O share it."""
    firsts = [min(twins_of(s)) for s in symbols]
    return np.unique(firsts, return_inverse=True)[1].astype(np.int64)


def _plain(text: str) -> str:
    return "".join(text.split())


def _look_alike(one: str, two: str) -> bool:
    """Whether texts differ in characters of one shape alone, such as 0 and O."""
    return len(one) == len(two) and all(a in same_shape(b) for a, b in zip(one, two, strict=True))
