"""Runs both pipelines on the same strings and combines their readings by the router's rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from industrial_ocr.config import ConfidenceConfig, PositionWeights
from industrial_ocr.decoding.confidence import pair_probabilities
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import (
    Clock,
    Found,
    doubted,
    find_strings,
    first_doubt,
    low_confidence,
)
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.router import (
    NO_LIMITS,
    CodePair,
    RouteTable,
    choose,
    joint_confidence,
    needs_other,
    other,
    paired_codes,
    settle_all,
)
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import PIPELINES, ConfidenceBasis, Engine
from industrial_ocr.results.geometry import bounds, box_iou, centers_meet, inside, quad_around
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, ImageArray, Status, TextString, UnreadMark

ReadBy = Callable[[Engine, Sequence[ImageArray], Found], list[ReadResult]]
"""Reads images by one engine, given their strings."""


@dataclass(frozen=True)
class Routing:
    """The request to the router.

    Attributes:
        route: ``agree`` or ``auto``.
        patterns: codes to look for.
        measured: measured accuracies of the engines by pattern.
        limits: below which a joint confidence is doubtful.
        unknown: symbols that the CRNN lacks; a string in which two-stage reads one is not compared.
        basis: where the confidence of the recognizer comes from. A raw one is never used: two equal
            readings have the confidence of two-stage alone.
    """

    route: Engine
    patterns: tuple[Pattern, ...]
    measured: RouteTable
    limits: ConfidenceConfig = NO_LIMITS
    unknown: frozenset[str] = frozenset()
    basis: ConfidenceBasis = "fitted"


def read_routed(
    images: Sequence[ImageArray], models: Models, routing: Routing, read_by: ReadBy
) -> list[ReadResult]:
    """Reads images by a route; strings are found once for both pipelines.

    Args:
        images: (H, W, 3) uint8 RGB each.
        models: the detector finds the strings.
        routing: the route and the patterns.
        read_by: reads images by one engine.

    Returns:
        One result per image, with its route and the reason.
    """
    clock = Clock()
    found = find_strings(images, models.detector, models.config, clock)
    shared = clock.share(len(images))
    read: dict[Engine, dict[int, ReadResult]] = {engine: {} for engine in PIPELINES}

    def run(engine: Engine, chosen: Sequence[int]) -> None:
        if chosen:
            some = read_by(engine, [images[i] for i in chosen], [found[i] for i in chosen])
            read[engine].update(zip(chosen, some, strict=True))

    every = range(len(images))
    if routing.route == Engine.AGREE or not routing.patterns:
        for engine in PIPELINES:
            run(engine, every)
    else:
        first = choose(routing.patterns[0], routing.measured).engine
        run(first, every)
        run(other(first), [i for i in every if _doubtful(read[first][i], routing)])
    results = []
    for i in every:
        own = {engine: read[engine][i] for engine in PIPELINES if i in read[engine]}
        result = route_results(own, routing)
        timings = total_timings([shared, *(r.timings for r in own.values())])
        results.append(replace(result, timings=timings))
    return results


def total_timings(every: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sums of seconds by stage, and of their totals."""
    timings: dict[str, float] = defaultdict(float)
    for own in every:
        for stage, seconds in own.items():
            timings[stage] += seconds
    return dict(timings)


def route_results(own: dict[Engine, ReadResult], routing: Routing) -> ReadResult:
    """Combines the readings of one image by a route."""
    return _of_codes(own, routing) if routing.patterns else _of_strings(own, routing)


def _doubtful(result: ReadResult, routing: Routing) -> bool:
    """Whether the other engine must read, too, because of any code, or of none."""
    every = [_codes(result, pattern) for pattern in routing.patterns]
    return any(not codes or any(map(needs_other, codes)) for codes in every)


def _codes(result: ReadResult, pattern: Pattern) -> list[CodeReading]:
    """The codes under one of the patterns."""
    return [c for c in result.codes if c.pattern == (pattern.name or pattern.text)]


def _of_codes(own: dict[Engine, ReadResult], routing: Routing) -> ReadResult:
    first = choose(routing.patterns[0], routing.measured)
    settled = []
    for pattern in routing.patterns:
        pairs = paired_codes({engine: _codes(r, pattern) for engine, r in own.items()})
        pairs = [_weighed(pair, routing.basis) for pair in pairs]
        settled += settle_all(routing.route, pairs, first, routing.limits)
    settled.sort(key=lambda s: s.rank)
    route = settled[0].route
    usual = own.get(Engine.TWO_STAGE, own[first.engine])
    base = own[Engine.CRNN] if route == Engine.CRNN else usual
    codes = tuple(s.code for s in settled if s.code is not None)
    status = codes[0].status if codes else base.status
    reason = settled[0].reason
    if codes and status is not Status.OK:  # why it is doubtful says more than why this engine read
        reason = codes[0].reason or reason
    return replace(base, codes=codes, status=status, route=route, reason=reason)


def _weighed(pair: CodePair, basis: ConfidenceBasis) -> CodePair:
    """A pair of codes; a raw confidence of the CRNN does not add to an equal code."""
    one, two = pair.get(Engine.TWO_STAGE), pair.get(Engine.CRNN)
    if basis == "raw" and one is not None and two is not None and one.text == two.text:
        return {Engine.TWO_STAGE: one, Engine.CRNN: replace(two, confidence=0.5)}
    return pair


def _of_strings(own: dict[Engine, ReadResult], routing: Routing) -> ReadResult:
    """Without a pattern: for every string the likelier of both readings.

    ``auto`` accepts it by the joint confidence of both readings; ``agree`` only if both are the
    same text, too.
    """
    one, two = own[Engine.TWO_STAGE], own[Engine.CRNN]
    agree = routing.route == Engine.AGREE
    pairs, alone = paired(one.strings, two.strings, routing.limits.position_weights)
    pairs = _with_lone(pairs, alone, two.strings)
    strings = [_likelier(s, t, routing) for s, t in pairs]
    if agree:
        strings = [_compared(s, *pair) for s, pair in zip(strings, pairs, strict=True)]
    apart = [s for s in strings if s.status is Status.DISAGREEMENT]
    status = Status.OK
    reason = "both engines read the same" if agree else "no string is doubtful"
    if not strings:
        status, reason = Status.NO_TEXT, "neither engine found text"
    elif doubt := first_doubt(apart or sorted(strings, key=lambda s: s.confidence)):
        status, reason = (Status.DISAGREEMENT if apart else Status.LOW_CONFIDENCE), doubt
    # What two-stage leaves out as noise may be text to the CRNN.
    left_out = tuple(
        s for s in one.left_out if not any(centers_meet(s.quad, t.quad) for t in alone)
    )
    return replace(
        one,
        strings=tuple(strings),
        status=status,
        route=routing.route,
        reason=reason,
        left_out=left_out,
    )


def _with_lone(
    pairs: Sequence[tuple[TextString, TextString | None]],
    alone: Sequence[TextString],
    order: Sequence[TextString],
) -> list[tuple[TextString, TextString | None]]:
    """The pairs with the strings that the CRNN alone read, each after its predecessor."""
    place = {id(s): k for k, s in enumerate(order)}
    both = list(pairs)
    for string in alone:
        own = place[id(string)]
        earlier = [k for k, p in enumerate(both) if min(place.get(id(s), own) for s in p) < own]
        both.insert(max(earlier, default=-1) + 1, (string, None))
    return both


def _compared(likelier: TextString, one: TextString, two: TextString | None) -> TextString:
    """The likelier of two readings, a ``disagreement`` if they differ or one is missing."""
    if two is not None and same_text(one, two):
        return likelier
    other = likelier.other or ("" if two is None else two.text)
    reason = _reads(other) if other else "the other engine finds no text there"
    return replace(likelier, status=Status.DISAGREEMENT, other=other, reason=reason)


def _reads(other: str) -> str:
    return f"the other engine reads {other!r}"


def _likelier(one: TextString, two: TextString | None, routing: Routing) -> TextString:
    """The likelier of two readings of one string, with their joint confidence.

    Two of the same text have the boxes of two-stage and the spaces of the CRNN, which are right
    more often. An unread mark that one engine alone sees is no reason to doubt them.
    """
    if two is None:
        return one
    same = same_text(one, two)
    if not same and routing.unknown & {c.symbol for c in one.characters}:
        return one
    first, second = _probabilities(one, two, same, routing.basis)
    if same:
        seen = two if one.unread and not two.unread else one
        string = replace(
            one,
            text=two.text,
            unread=seen.unread,
            confidence=seen.confidence,
            reason=seen.reason,
        )
        return _with_confidence(string, first, routing.limits)
    better, worse, confidence = (one, two, first) if first > second else (two, one, second)
    limits = routing.limits
    if routing.basis == "raw":
        limits = limits.model_copy(update={"min_confidence": 1.0})
    return _with_confidence(better, confidence, limits, worse.text)


def _probabilities(
    one: TextString, two: TextString, same: bool, basis: ConfidenceBasis
) -> tuple[float, float]:
    """The probability that each reading is right, given both: fitted, or for independent errors."""
    if basis == "fitted":
        return pair_probabilities(one, two, same)
    if same:
        p = one.confidence
        if basis == "calibrated":
            p = joint_confidence(p, two.confidence)
        return p, p
    # One of two different readings is right only if the other one is wrong.
    p = joint_confidence(one.confidence, 1 - two.confidence)
    return p, 1 - p


def _with_confidence(
    string: TextString, confidence: float, limits: ConfidenceConfig, other: str = ""
) -> TextString:
    """Sets the joint confidence; a reading that was doubtful for another reason stays doubtful."""
    stays = string.confidence >= limits.min_confidence or string.unread
    reason = string.reason if stays else ""
    if not reason:
        reason = low_confidence(replace(string, confidence=confidence), limits)
    if reason and other:
        reason = _reads(other)
    return doubted(replace(string, confidence=confidence, other=other), reason)


def same_text(one: TextString, two: TextString) -> bool:
    """Whether two readings have the same text, spaces ignored."""
    return "".join(one.text.split()) == "".join(two.text.split())


def paired(
    one: Sequence[TextString], two: Sequence[TextString], weights: PositionWeights = "none"
) -> tuple[list[tuple[TextString, TextString | None]], list[TextString]]:
    """Pairs the readings of both engines that belong to one string.

    Args:
        one: readings of two-stage, which may split a string at a wide gap.
        two: readings of the CRNN, each of a whole string.
        weights: of the positions of characters.

    Returns:
        Every string of ``one``, split parts joined, with the reading of ``two`` in its place or
        None; and the readings of ``two`` that have no counterpart.
    """
    owner = [_owner(s, two) for s in one]
    parts = {k: [s for s, own in zip(one, owner, strict=True) if own == k] for k in set(owner)}
    pairs: list[tuple[TextString, TextString | None]] = []
    for string, k in zip(one, owner, strict=True):
        if k is None:
            pairs.append((string, None))
        elif string is parts[k][0]:
            pairs.append((_joined(parts[k], weights), two[k]))
    return pairs, [t for k, t in enumerate(two) if k not in parts]


def _owner(string: TextString, others: Sequence[TextString]) -> int | None:
    """The index of the reading that covers a string or a part of it, None for none."""
    if not others:
        return None
    overlaps = box_iou([bounds(string.quad)], [bounds(t.quad) for t in others])[0]
    best = int(overlaps.argmax())
    if overlaps[best] >= 0.3:
        return best
    middle = string.quad.mean(0)
    return next((k for k, t in enumerate(others) if inside(t.quad, middle)), None)


def _joined(parts: Sequence[TextString], weights: PositionWeights) -> TextString:
    """Joins the parts of one string, given in reading order; a doubt of one is that of all."""
    if len(parts) == 1:
        return parts[0]
    characters = tuple(chain.from_iterable(p.characters for p in parts))
    rejected: list[tuple[int, Character]] = []
    unread: list[UnreadMark] = []
    start = 0
    for part in parts:
        rejected += [(before + start, c) for before, c in part.rejected]
        unread += [replace(m, before=m.before + start) for m in part.unread]
        start += len(part.characters)
    return replace(
        min(parts, key=lambda p: p.status is Status.OK),
        text=" ".join(p.text for p in parts),
        confidence=min(p.confidence for p in parts),
        quad=quad_around([p.quad for p in parts]),
        characters=characters,
        scores=score_sequence([c.confidence for c in characters], weights=weights),
        rejected=tuple(rejected),
        unread=tuple(unread),
        unseen_ends=max(p.unseen_ends for p in parts),
    )
