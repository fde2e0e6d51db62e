"""The data that flows through the package: frozen dataclasses that check their own shapes.

Boxes are quads: ``(4, 2)`` float32 arrays of (x, y) in source pixels, clockwise from the
top-left corner *of the character*, so a crop warped from a quad stands upright.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
Floats = NDArray[np.float64]
"""Array of scores or probabilities, which are summed in double precision."""
ImageArray = NDArray[np.uint8]
Direction = Literal["horizontal", "vertical", "rotated"]
"""How a string runs: along the letters' own baseline (``horizontal``, also when slanted or on an
arc), stacked with upright letters (``vertical``), or turned by about 90 degrees (``rotated``)."""


class Status(str, Enum):
    """The outcome of a reading."""

    OK = "ok"
    LOW_CONFIDENCE = "low_confidence"
    NO_TEXT = "no_text"
    PATTERN_MISMATCH = "pattern_mismatch"
    CHECK_FAILED = "check_failed"
    AMBIGUOUS = "ambiguous"
    DISAGREEMENT = "disagreement"


class Verdict(str, Enum):
    """The outcome of a verification, by the rules of ``decoding.verification``.

    ``PASS``: every character is clearly read as expected; none is missing and none is extra.
    ``FAIL``: the picture clearly shows another text. ``CANNOT_TELL``: neither; a person must check.
    """

    PASS = "pass"
    FAIL = "fail"
    CANNOT_TELL = "cannot_tell"


class CharState(str, Enum):
    """The verdict on one expected character; ``MISSING``: there is nothing in its place."""

    PASS = "pass"
    FAIL = "fail"
    UNSURE = "unsure"
    MISSING = "missing"


def as_quad(value: Any) -> FloatArray:
    """Returns ``value`` as a read-only (4, 2) float32 quad; ValueError if it is not a quad."""
    quad = np.array(value, dtype=np.float32)
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise ValueError(f"a quad must be (4, 2) finite numbers, got shape {quad.shape}: {value!r}")
    quad.setflags(write=False)
    return quad


def rounded_quad(quad: ArrayLike, decimals: int = 2) -> list[list[float]]:
    """A quad as plain numbers, ready for JSON."""
    rounded: list[list[float]] = np.round(np.asarray(quad, float), decimals).tolist()
    return rounded


Data = TypeVar("Data")
MoveQuad = Callable[[FloatArray], FloatArray]
"""Maps a quad (4, 2) to the pixels of another picture."""


def _placed(data: Data, place: MoveQuad, image: ImageArray | None = None) -> Data:
    """The same dataclass, and those inside it, with every quad and every image replaced."""
    if isinstance(data, tuple):
        return tuple(_placed(part, place, image) for part in data)  # type: ignore[return-value]
    if not is_dataclass(data):
        return data
    changes: dict[str, Any] = {}
    for name, value in vars(data).items():
        if name == "image":
            changes[name] = image
        elif name == "quad" and value is not None:
            changes[name] = place(value)
        else:
            changes[name] = _placed(value, place, image)
    return replace(data, **changes)  # type: ignore[type-var]


class HasQuad:
    """Data with a quad in the picture, which is checked at construction."""

    quad: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "quad", as_quad(self.quad))

    def placed(self: Data, place: MoveQuad) -> Data:
        """The same data in the pixels of another picture; ``place`` maps a quad (4, 2) to it."""
        return _placed(self, place)


class MayHaveQuad:
    """Like ``HasQuad``, but the place may be unknown."""

    quad: FloatArray | None

    def __post_init__(self) -> None:
        if self.quad is not None:
            object.__setattr__(self, "quad", as_quad(self.quad))


class ImageResult(ABC):
    """Common methods of all results of one image."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON; the picture is left out."""

    def to_json(self, **options: Any) -> str:
        """``to_dict`` as JSON text; options go to ``json.dumps``."""
        options.setdefault("ensure_ascii", False)
        return json.dumps(self.to_dict(), **options)

    def placed(self: Data, place: MoveQuad, image: ImageArray) -> Data:
        """The same result in pixels of another ``image``; ``place`` maps a quad (4, 2) to it."""
        return _placed(self, place, image)

    def moved(self: Data, x: float, y: float, image: ImageArray) -> Data:
        """The result of a part of an ``image`` that begins at (x, y), in pixels of the image."""
        step = np.array([x, y], np.float32)
        return _placed(self, lambda quad: quad + step, image)


@dataclass(frozen=True, eq=False)
class ScoreMaps:
    """CRAFT's output for one image.

    Attributes:
        region: (H, W) float32, the probability that a pixel is the center of a character.
        affinity: (H, W) float32, the probability that it lies between two linked characters.
        scale: (x, y) source pixels per map pixel.
    """

    region: FloatArray
    affinity: FloatArray
    scale: tuple[float, float]

    def __post_init__(self) -> None:
        if self.region.ndim != 2 or self.region.shape != self.affinity.shape:
            raise ValueError(
                "region and affinity must be two maps of the same (H, W), "
                f"got {self.region.shape} and {self.affinity.shape}"
            )


@dataclass(frozen=True, eq=False)
class CharBox(HasQuad):
    """The box of a probable character.

    Attributes:
        quad: (4, 2) float32 source pixels.
        score: the peak of the region map inside it, 0 to 1.
        shape: (2, 2) float32, the character's ellipse: half its extent along a unit vector u is
            sqrt(u' shape u). It gives the quad along any axis once the string is known.
    """

    quad: FloatArray
    score: float
    shape: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape.shape != (2, 2):
            raise ValueError(f"the shape of a box must be a (2, 2) matrix, got {self.shape.shape}")

    @cached_property
    def center(self) -> FloatArray:
        """(2,) center of the quad."""
        center: FloatArray = self.quad.mean(axis=0)
        return center

    def extent(self, axis: FloatArray) -> float:
        """Full width in source pixels along a unit vector (2,)."""
        return 2 * math.sqrt(max(float(axis @ self.shape @ axis), 0.0))


@dataclass(frozen=True, eq=False)
class BoxString:
    """The boxes of one string in reading order, before classification.

    Attributes:
        boxes: the boxes; their quads have the orientation of the characters in the string.
        space_after: for each box whether a space follows it; False for the last one.
        direction: see ``Direction``.
    """

    boxes: tuple[CharBox, ...]
    space_after: tuple[bool, ...]
    direction: Direction

    def __post_init__(self) -> None:
        if not self.boxes or len(self.boxes) != len(self.space_after):
            raise ValueError(
                "a BoxString must have at least one box and one space flag per box, "
                f"got {len(self.boxes)} boxes and {len(self.space_after)} flags"
            )

    def only(self, kept: Sequence[int]) -> BoxString:
        """The string of these boxes, at least one; a space between two of them stays."""
        spaces = [any(self.space_after[one:two]) for one, two in pairwise(kept)]
        boxes = tuple(self.boxes[i] for i in kept)
        return BoxString(boxes, (*spaces, False), self.direction)


@dataclass(frozen=True)
class InkSigns:
    """Evidence from the ink of a string about its boxes; unclear ink gives none.

    Attributes:
        apart: indices of boxes that are on another piece of ink than the next one.
        cut: width of the gap in the ink of each box that was split there, by the box's index; in
            character heights, negative where the pieces overlap along the string.
    """

    apart: frozenset[int] = frozenset()
    cut: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CharCandidates:
    """The output of the classifier for one crop.

    Attributes:
        symbols: the K most probable symbols, the best first.
        probabilities: (K,) float32, their probabilities; with ``reject`` they sum to at most 1.
        reject: probability that the crop shows no character.
        distribution: (C,) float32, the probability of every symbol of the charset in its order;
            None if only the best ones are known.
    """

    symbols: tuple[str, ...]
    probabilities: FloatArray
    reject: float
    distribution: FloatArray | None = None

    def __post_init__(self) -> None:
        if len(self.symbols) != len(self.probabilities) or not self.symbols:
            raise ValueError(
                f"expected one probability per symbol, got {len(self.symbols)} symbols "
                f"and {len(self.probabilities)} probabilities"
            )


@dataclass(frozen=True, eq=False)
class Character(HasQuad):
    """One character that was read, with its evidence.

    Attributes:
        symbol: the reading, one character or a longer token.
        quad: (4, 2) float32 source pixels.
        confidence: 0 to 1, the probability of ``symbol`` (see ``decoding.scoring``).
        alternatives: other readings with their probabilities, best first.
        reject: probability that it is no character; 0 from the CRNN.
    """

    symbol: str
    quad: FloatArray
    confidence: float
    alternatives: tuple[tuple[str, float], ...] = ()
    reject: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "symbol": self.symbol,
            "confidence": round(self.confidence, 5),
            "quad": rounded_quad(self.quad),
            "alternatives": [[s, round(p, 5)] for s, p in self.alternatives],
        }


TALL_MARK = 0.45
"""Height, in heights of the characters, above which a mark is more than a point or a dash."""


@dataclass(frozen=True, eq=False)
class UnreadMark(HasQuad):
    """Ink in the line of a string that belongs to none of its characters.

    Attributes:
        quad: (4, 2) float32 source pixels.
        before: number of characters before the mark.
        height: height as a multiple of the height of the characters.
        strength: contrast of its ink, 0 to 1; 1 is that of the characters.
    """

    quad: FloatArray
    before: int
    height: float
    strength: float = 1.0

    @property
    def tall(self) -> bool:
        """Whether it is more than a point or a dash."""
        return self.height > TALL_MARK

    def place(self, characters: int) -> str:
        """Its place in a string with this number of characters, in words."""
        if self.before == 0:
            return "before the first character"
        if self.before == characters:
            return "after the last character"
        return f"between characters {self.before} and {self.before + 1}"


@dataclass(frozen=True)
class SequenceScores:
    """Several confidences of one string; ``decoding.scoring`` defines each and names its source.

    Attributes:
        mean: arithmetic mean of the character probabilities.
        joint_log: log of the product of the character probabilities.
        joint_normalized: exp(joint_log / length), their geometric mean.
        weighted: position-weighted mean.
        sequence_log: log p(l|y), the exact CTC probability; for the two-stage pipeline, whose
            characters are independent, the same as ``joint_log``.
    """

    mean: float
    joint_log: float
    joint_normalized: float
    weighted: float
    sequence_log: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, ready for JSON."""
        return {name: round(float(value), 5) for name, value in vars(self).items()}


@dataclass(frozen=True, eq=False)
class TextString(HasQuad):
    """One string that was read.

    Attributes:
        text: the reading, spaces included.
        confidence: 0 to 1, the probability that the whole string is right (see
            ``decoding.confidence``).
        quad: (4, 2) float32 source pixels around the whole string.
        characters: the characters in reading order, without spaces.
        direction: see ``Direction``.
        scores: other scores of the string.
        rejected: boxes that were rejected as no character: the number of characters before each
            box, and its reading.
        other: the text of the other engine, if both read the string and their texts differ.
        unread: marks in its line that belong to no character, in reading order.
        unseen_ends: for how many of the first and last character (0 to 2) the ink cannot be told
            from what surrounds it, so that a missing letter would not be among ``unread``.
        agreement: similarity of the readings of its views, 0 to 1.
        status: status of this string: ``ok``, ``low_confidence``, or ``disagreement`` if the
            engines read different texts.
        reason: one sentence that explains the status; empty if it is ``ok``.
    """

    text: str
    confidence: float
    quad: FloatArray
    characters: tuple[Character, ...]
    direction: Direction
    scores: SequenceScores
    rejected: tuple[tuple[int, Character], ...] = ()
    other: str = ""
    unread: tuple[UnreadMark, ...] = ()
    unseen_ends: int = 0
    agreement: float = 1.0
    status: Status = Status.OK
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 5),
            "status": self.status.value,
            "reason": self.reason,
            "direction": self.direction,
            "quad": rounded_quad(self.quad),
            "scores": self.scores.to_dict(),
            "characters": [c.to_dict() for c in self.characters],
            "unread": [{"before": m.before, "quad": rounded_quad(m.quad)} for m in self.unread],
            "unseen_ends": self.unseen_ends,
            "agreement": round(self.agreement, 5),
            "other": self.other,
        }
