"""The data that flows through the package: frozen dataclasses that check their own shapes.

Boxes are quads: ``(4, 2)`` float32 arrays of (x, y) in source pixels, clockwise from the
top-left corner *of the character*, so a crop warped from a quad stands upright.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
Floats = NDArray[np.float64]
"""For scores and probabilities, which are summed in double precision."""
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

    ``PASS``: every character clearly reads as expected, none is missing and none is extra.
    ``FAIL``: another text clearly stands there. ``CANNOT_TELL``: neither; a person must look.
    """

    PASS = "pass"
    FAIL = "fail"
    CANNOT_TELL = "cannot_tell"


class CharState(str, Enum):
    """The verdict on one expected character; ``MISSING``: nothing was found in its place."""

    PASS = "pass"
    FAIL = "fail"
    UNSURE = "unsure"
    MISSING = "missing"


def as_quad(value: Any) -> FloatArray:
    """Returns ``value`` as a read-only (4, 2) float32 quad; ValueError says what it got instead."""
    quad = np.array(value, dtype=np.float32)
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise ValueError(f"a quad is (4, 2) finite numbers, got shape {quad.shape}: {value!r}")
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
    """Data with a place in the picture; the quad is checked when the data is made."""

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
    """What all results on one image can do."""

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
                "region and affinity are two maps of one (H, W), "
                f"got {self.region.shape} and {self.affinity.shape}"
            )


@dataclass(frozen=True, eq=False)
class CharBox(HasQuad):
    """Where one character probably stands.

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
            raise ValueError(f"the shape of a box is a (2, 2) matrix, got {self.shape.shape}")

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
    """Characters that belong together, in reading order, not yet read.

    Attributes:
        boxes: the characters; their quads are oriented as the string says they stand.
        space_after: one flag a box: a space follows it (never after the last).
        direction: see ``Direction``.
    """

    boxes: tuple[CharBox, ...]
    space_after: tuple[bool, ...]
    direction: Direction

    def __post_init__(self) -> None:
        if not self.boxes or len(self.boxes) != len(self.space_after):
            raise ValueError(
                "a BoxString has at least one box and one space flag a box, "
                f"got {len(self.boxes)} boxes and {len(self.space_after)} flags"
            )


@dataclass(frozen=True)
class InkSigns:
    """What the ink of a string says of its boxes; nothing where it is unclear.

    Attributes:
        apart: indices of boxes that stand on another piece of ink than the next one.
        cut: indices of boxes split where their ink is apart.
    """

    apart: frozenset[int] = frozenset()
    cut: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class CharCandidates:
    """What the classifier reads in one crop.

    Attributes:
        symbols: best first.
        probabilities: (K,) float32, falling, one a symbol; with ``reject`` they sum to at most 1.
        reject: probability that the crop is no character at all.
        distribution: (C,) float32, the probability of every symbol of the charset in its order;
            None where only the best are known.
    """

    symbols: tuple[str, ...]
    probabilities: FloatArray
    reject: float
    distribution: FloatArray | None = None

    def __post_init__(self) -> None:
        if len(self.symbols) != len(self.probabilities) or not self.symbols:
            raise ValueError(
                f"one probability a symbol, got {len(self.symbols)} symbols "
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
        reject: probability that it is no character at all; 0 from the CRNN.
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
"""A mark higher than this, in heights of characters, is more than a point or a stroke."""


@dataclass(frozen=True, eq=False)
class UnreadMark(HasQuad):
    """Ink in a string's band that none of its characters explains.

    Attributes:
        quad: (4, 2) float32 source pixels.
        before: how many characters stand before it.
        height: in heights of the characters.
        strength: how clear its ink is, 0 to 1; 1 is as clear as the ink of the characters.
    """

    quad: FloatArray
    before: int
    height: float
    strength: float = 1.0

    @property
    def tall(self) -> bool:
        """Whether it is more than a point or a stroke."""
        return self.height > TALL_MARK

    def place(self, characters: int) -> str:
        """Its place in a string with this number of characters, in words."""
        if self.before == 0:
            return "before the first character"
        if self.before == characters:
            return "behind the last character"
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
        confidence: 0 to 1 (see ``decoding.scoring``).
        quad: (4, 2) float32 source pixels around the whole string.
        characters: in reading order, without the spaces.
        direction: see ``Direction``.
        scores: the several confidences.
        rejected: boxes that were judged to be no character: how many characters stand before
            each, and its reading.
        other: the text that the other engine read there, if both read it and they differ.
        unread: marks in its band that no character explains, in reading order.
        agreement: how far the readings of its views agree, 0 to 1.
        status: of this string alone: ``ok``, ``low_confidence``, or ``disagreement`` if the engines
            read different texts.
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
    agreement: float = 1.0
    status: Status = Status.OK

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 5),
            "status": self.status.value,
            "direction": self.direction,
            "quad": rounded_quad(self.quad),
            "scores": self.scores.to_dict(),
            "characters": [c.to_dict() for c in self.characters],
            "unread": [{"before": m.before, "quad": rounded_quad(m.quad)} for m in self.unread],
        }
