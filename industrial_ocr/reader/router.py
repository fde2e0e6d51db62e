"""The rules of routing: which engine reads first, and how two readings are combined.

They run no network. For codes, these decide in this order:

1. The engine that was requested: ``two-stage``, ``crnn`` or ``agree``.
2. Measurements for the pattern (a ``RouteTable``, written by ``industrial-ocr bench
   --write-routes``): the engine of higher accuracy, if the 95 % intervals do not overlap.
3. The pattern: a lexicon, or codes of less than ``WORD_BITS`` bits per character, have context and
   go to the CRNN; all others go to two-stage.
4. The image: if the first engine's status is not ``ok``, the other one reads, too. Its code is
   taken if it is ``ok``; but if the first engine clearly reads another text, the result is a
   ``disagreement``. If neither code is ``ok``, the first one is taken, or the second one if its
   confidence is clearly higher; a code that matches is preferred to one that does not.
   If two-stage is ``ok`` on an image that is bad for boxes (``bad_for_boxes``: characters small or
   blurred, boxes merged, split or weak, a mark that may be lost), the CRNN reads, too; an ``ok``
   code of another text is a ``disagreement``.

Codes of both engines are paired by place (``paired_codes``), and each pair is settled on its own.

Without a pattern, ``auto`` reads every string by both engines and takes the likelier reading, with
the joint confidence (``decoding.confidence.pair_probabilities``).

A recorded run has the codes of both engines; ``settle_all`` gives the results of any route from
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.decoding.code_rules import confidence_doubt, status_rank
from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.results.geometry import centers_meet
from industrial_ocr.results.types import Status

WORD_BITS = 3.0
"""Random digits have 3.3 bits per character, random letters and digits 5.2; words about 2."""
SMALL_MARKS = 20
"""Height of characters in pixels below which a point may have no box."""
CONTRADICTED = frozenset({Status.PATTERN_MISMATCH, Status.CHECK_FAILED})
MAX_RIVAL_ODDS = 0.1
"""Equal codes are ambiguous if both engines together give another text higher odds against them.

Of 463 equal codes that are right on photographs under patterns, three become ambiguous; 0.05 costs
six, and 0.2 lets another wrong one pass.
"""


@dataclass(frozen=True)
class Measured:
    """The measured accuracy of one engine under one pattern.

    Attributes:
        engine: two-stage or the CRNN.
        n: number of codes.
        accuracy: share of codes read right.
        low: lower end of its 95 % interval.
        high: upper end.
        date: of the measurement, ISO 8601.
    """

    engine: Literal[Engine.TWO_STAGE, Engine.CRNN]
    n: int
    accuracy: float
    low: float
    high: float
    date: Annotated[str, BeforeValidator(str)] = ""  # YAML makes a date of it


RouteTable = Mapping[str, tuple[Measured, ...]]
"""Measurements by the pattern's name."""
CodePair = Mapping[Engine, CodeReading | None]
"""The codes of both engines in one place, None where an engine found none; one that did not read is
missing."""


_TABLE: TypeAdapter[dict[str, tuple[Measured, ...]]] = TypeAdapter(dict[str, tuple[Measured, ...]])


def parse_routes(values: object, source: str) -> RouteTable:
    """A table from parsed YAML: for each pattern a list of measurements.

    Raises:
        ConfigError: it is no routing table; names the pattern.
    """
    try:
        return _TABLE.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = (source, "no routing table", ".".join(map(str, first["loc"])), first["msg"])
        raise ConfigError(": ".join(filter(None, place))) from error


def load_routes(file: str | Path) -> RouteTable:
    """A table from the YAML of ``bench --write-routes``.

    Raises:
        ConfigError: the file cannot be read or holds no routing table.
    """
    try:
        values = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: the routing table cannot be read: {error}") from error
    return parse_routes(values, str(file))


@dataclass(frozen=True)
class Choice:
    """The engine that reads first.

    Attributes:
        engine: two-stage or the CRNN.
        reason: one sentence.
    """

    engine: Engine
    reason: str


@dataclass(frozen=True, eq=False)
class Settled:
    """The result of a route for the codes of both engines in one place.

    Attributes:
        code: the code, None if neither engine found one.
        route: the engine whose code it is, or ``agree``.
        reason: one sentence.
    """

    code: CodeReading | None
    route: Engine
    reason: str

    @property
    def rank(self) -> int:
        """Sorts results, the most reliable first; one without a code comes last."""
        return len(Status) if self.code is None else status_rank(self.code.status)


def other(engine: Engine) -> Engine:
    """The other one of the two engines."""
    return PIPELINES[1 - PIPELINES.index(engine)]


def choose(pattern: Pattern, measured: RouteTable | None = None) -> Choice:
    """The engine that ``auto`` tries first (see the rules above).

    Args:
        pattern: what codes look like.
        measured: the table of ``--write-routes``.
    """
    rows = (measured or {}).get(pattern.name or pattern.text, ())
    ranked = sorted(rows, key=lambda m: -m.accuracy)
    if len(ranked) > 1 and ranked[0].low > ranked[1].high:
        best, second = ranked[:2]
        return Choice(
            best.engine,
            f"measured on {best.n} codes ({best.date}): {best.engine} read {best.accuracy:.0%}, "
            f"{second.engine} {second.accuracy:.0%}",
        )
    if pattern.words:
        return Choice(Engine.CRNN, "the pattern is a lexicon: words have context")
    few = pattern.bits_per_position() < WORD_BITS
    engine, number = (Engine.CRNN, "few") if few else (Engine.TWO_STAGE, "many")
    return Choice(
        engine, f"the pattern allows {number} characters in each place, so {engine} reads first"
    )


def bad_for_boxes(code: CodeReading) -> str:
    """Why character boxes alone are not reliable for a code; empty if they are."""
    signs = code.signs
    if signs is None:
        return ""
    if signs.height < 10:  # blurred when they are enlarged to the classifier's 40 pixels
        return f"characters are {signs.height:.0f} px high"
    if code.may_be_longer and signs.height < SMALL_MARKS:
        return f"in characters {signs.height:.0f} px high a mark may be lost"
    if signs.resegmented > 0.2:
        return f"{signs.resegmented:.0%} of the boxes were merged or split"
    if signs.weakest < 0.4:
        return f"the weakest box scores {signs.weakest:.2f}"
    if signs.blur > 0.35:
        return f"edges are blurred over {signs.blur:.0%} of a character"
    return ""


def needs_other(code: CodeReading | None) -> bool:
    """Whether ``auto`` lets the other engine read, too."""
    return code is None or code.status is not Status.OK or bool(bad_for_boxes(code))


def paired_codes(codes: Mapping[Engine, Sequence[CodeReading]]) -> list[CodePair]:
    """Pairs the codes that the engines found under one pattern by their places in the image.

    A code of one engine belongs to the code of the other one that it overlaps, first of all to one
    of the same text. A place where only a ``pattern_mismatch`` was found is left out if a code that
    matches was found in another one.

    Args:
        codes: of each engine that read.

    Returns:
        One pair for each place, in the order of the codes of two-stage, then those that only the
        CRNN found; a pair without a code if none was found.
    """
    rest = list(codes.get(Engine.CRNN, ()))
    pairs: list[dict[Engine, CodeReading | None]] = []
    for code in codes.get(Engine.TWO_STAGE, ()):
        same_place = [other for other in rest if centers_meet(code.quad, other.quad)]
        found = min(same_place, key=lambda other: _distance(code, other), default=None)
        rest = [other for other in rest if other is not found]
        pairs.append({Engine.TWO_STAGE: code, Engine.CRNN: found})
    pairs += [{Engine.TWO_STAGE: None, Engine.CRNN: code} for code in rest]
    matching = [p for p in pairs if any(_matches(code) for code in p.values())]
    pairs = matching or pairs[:1] or [dict.fromkeys(PIPELINES)]
    return [{engine: pair[engine] for engine in codes} for pair in pairs]


def _matches(code: CodeReading | None) -> bool:
    return code is not None and code.status is not Status.PATTERN_MISMATCH


def _distance(one: CodeReading, two: CodeReading) -> tuple[bool, float]:
    """How little two codes belong together: by their texts, then by their places."""
    return one.text != two.text, float(np.hypot(*(one.quad.mean(0) - two.quad.mean(0))))


def joint_confidence(one: float, two: float) -> float:
    """The confidence of two equal readings with independent errors: their odds are multiplied."""
    together = one * two
    return together / (together + (1 - one) * (1 - two)) if 0 < together < 1 else together


NO_LIMITS = ConfidenceConfig(
    min_confidence=0.0, min_character=0.0, min_code_confidence=0.0, min_code=0.0
)


def agree(
    one: CodeReading | None, two: CodeReading | None, limits: ConfidenceConfig = NO_LIMITS
) -> Settled:
    """Both engines must find the same code.

    Equal codes are accepted if their joint confidence is not below the ``limits``, both pass
    pattern and check, not both have something beside them that was not read, and no other text is
    likely by both engines (``MAX_RIVAL_ODDS``). Different codes, or a single one, are a
    ``disagreement``; of two, the result has the one that is not contradicted or else surer, and the
    other one as its first alternative.
    """
    if one is None and two is None:
        return Settled(None, Engine.AGREE, "neither engine found a code")
    if one is None or two is None:
        found = one or two
        assert found is not None
        reason = f"{Engine.TWO_STAGE if one is None else Engine.CRNN} found no code there"
        return Settled(
            replace(found, status=Status.DISAGREEMENT, reason=reason), Engine.AGREE, reason
        )
    if one.text != two.text:
        reason = f"two-stage reads {one.text!r}, crnn {two.text!r}"
        best, worse = sorted((one, two), key=lambda c: (c.status in CONTRADICTED, -c.confidence))
        rest = [(worse.text, worse.confidence)]
        rest += [a for a in best.alternatives if a[0] != worse.text]
        both = replace(
            best, status=Status.DISAGREEMENT, reason=reason, alternatives=tuple(rest[:4])
        )
        return Settled(both, Engine.AGREE, reason)
    worst = next((c for c in (one, two) if c.status in CONTRADICTED), None)
    if worst is not None:
        return Settled(
            replace(one, status=worst.status, reason=worst.reason), Engine.AGREE, worst.reason
        )
    confidence = joint_confidence(one.confidence, two.confidence)
    status, reason = Status.OK, "both engines read the same"
    if doubt := confidence_doubt(confidence, len(one.text), limits):
        status = Status.LOW_CONFIDENCE
        reason = f"both engines read the same, but {doubt}"
    elif one.missing and two.missing:
        status = Status.LOW_CONFIDENCE
        reason = f"both engines read the same, but {one.missing}"
    elif rival := _shared_rival(one, two):
        status = Status.AMBIGUOUS
        reason = f"both engines read the same, but {rival!r} is likely, too"
    code = replace(one, status=status, reason=reason, confidence=confidence)
    return Settled(code, Engine.AGREE, reason)


def _shared_rival(one: CodeReading, two: CodeReading) -> str:
    """Another text that both engines together do not rule out, empty if there is none."""
    first, second = (_rival_odds(code) for code in (one, two))
    odds = {text: first[text] * second[text] for text in first.keys() & second.keys()}
    rival = max(odds, key=odds.__getitem__, default="")
    return rival if rival and odds[rival] > MAX_RIVAL_ODDS else ""


def _rival_odds(code: CodeReading) -> dict[str, float]:
    """The odds of each alternative of a code against the code."""
    own = max(1 - sum(p for _, p in code.alternatives), 1e-6)
    return {text: p / own for text, p in code.alternatives}


def settle_all(
    route: Engine,
    pairs: Sequence[CodePair],
    first: Choice,
    limits: ConfidenceConfig = NO_LIMITS,
) -> list[Settled]:
    """The results of a route for all places of ``paired_codes``.

    They are sorted by status, ``ok`` first; those of one status stay in the order of the pairs,
    because the confidence of one engine is not compared with the joint confidence of two.
    """
    settled = [settle(route, pair, first, limits) for pair in pairs]
    return sorted(settled, key=lambda s: s.rank)


def settle(
    route: Engine, codes: CodePair, first: Choice, limits: ConfidenceConfig = NO_LIMITS
) -> Settled:
    """The result of a route for the codes that the engines found in one place.

    Args:
        route: the engine that was requested.
        codes: of each engine that read; ``auto`` may lack the second one.
        first: of ``choose``, for ``auto``.
        limits: of the joint confidence of two equal codes.
    """
    if route == Engine.AGREE:
        return agree(codes[Engine.TWO_STAGE], codes[Engine.CRNN], limits)
    if route != Engine.AUTO:
        return Settled(codes[route], route, f"{route} was asked for")
    code = codes[first.engine]
    engine = other(first.engine)
    if not needs_other(code) or engine not in codes:
        return Settled(code, first.engine, first.reason)
    second = codes[engine]
    if code is not None and code.status is Status.OK:
        return _confirmed(code, second, first)
    if second is None or second.status is not Status.OK:
        return _neither_ok(code, second, first, limits)
    if code is not None and code.status in CONTRADICTED:
        return _refused(second, code, first)
    state = "found no code there" if code is None else f"gives {code.status.value}"
    return Settled(second, engine, f"{first.engine} {state}, {engine} gives ok")


def _refused(second: CodeReading, code: CodeReading, first: Choice) -> Settled:
    """The second engine's code as a disagreement: the first engine clearly read another text."""
    reason = f"{first.engine} clearly reads another text: {code.raw_text!r}"
    found = replace(second, status=Status.DISAGREEMENT, reason=reason)
    return Settled(found, other(first.engine), reason)


def _confirmed(code: CodeReading, second: CodeReading | None, first: Choice) -> Settled:
    """An ok code from a bad image: an ok code of the other engine must have the same text."""
    bad = bad_for_boxes(code)
    if second is None or second.status is not Status.OK:
        return Settled(code, first.engine, first.reason)
    if second.text == code.text:
        joint = joint_confidence(code.confidence, second.confidence)
        reason = f"{bad}, and {other(first.engine)} reads the same"
        return Settled(replace(code, confidence=joint), Engine.AGREE, reason)
    reason = f"{bad}, and {other(first.engine)} reads {second.text!r}"
    return Settled(replace(code, status=Status.DISAGREEMENT, reason=reason), first.engine, reason)


def _neither_ok(
    code: CodeReading | None,
    second: CodeReading | None,
    first: Choice,
    limits: ConfidenceConfig,
) -> Settled:
    """Combines codes that are not ok: equal ones agree, else clearly higher confidence decides.

    A second code that fails its pattern or check loses. If the first one fails, the second one
    becomes a disagreement.
    """
    if code is not None and second is not None and code.text == second.text:
        return agree(code, second, limits)
    if code is None:
        lone = f"{first.engine} found no code there"
        reason = lone if second is not None else "neither engine found a code"
        return Settled(second, other(first.engine), reason)
    if second is None or second.status in CONTRADICTED:
        return Settled(code, first.engine, first.reason)
    if code.status in CONTRADICTED:
        return _refused(second, code, first)
    if second.confidence > code.confidence + 0.05:
        reason = f"{first.engine} reads {code.text!r} with a lower confidence"
        return Settled(second, other(first.engine), reason)
    return Settled(code, first.engine, first.reason)
