"""From lattices and a pattern to codes, by the rules of ``code_rules``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.code_candidates import Candidate, candidate, with_check
from industrial_ocr.decoding.code_rules import (
    AMBIGUOUS,
    DIGIT_CHECKS,
    LEAST_AGREEMENT,
    Limits,
    apart,
    are_twins,
    chosen_by_check,
    judged_code,
    read_in_turn,
    runs_of,
)
from industrial_ocr.decoding.evidence import Evidence, StringEvidence, gather
from industrial_ocr.decoding.lattice import Path, best_path, best_paths, outlook_of
from industrial_ocr.decoding.segmentation import BROAD
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeReading, ImageSigns
from industrial_ocr.results.geometry import edge_lengths, length_ratios, quad_around
from industrial_ocr.results.types import Direction, Status

N_BEST, N_BEST_CHECKED = 6, 16
"""Readings that are looked at; more of them where a check may choose."""
CLEAR = 0.86
HOPELESS = float(np.log(0.08))
"""A run whose best code has less than this a character, what is left out included, holds none."""
LONG = BROAD | {"-"}
ROOM, ROOM_LONG, LEAST_FOR_LENGTH = 1.9, 2.4, 5
"""A character so many times as long as the usual one of its code may hide another: a lost L of
``74LS01`` leaves a code that matches. Broad letters may be longer; short codes have no usual."""
LEAST_LIKENESS = 0.45
"""Where fewer of the likeliest code's characters are read so without the pattern, none is near."""


def _texts(paths: Sequence[Path], pattern: Pattern, charset: Charset) -> dict[str, Path]:
    """The codes of paths, best first; paths that differ in separators alone are one code."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(pattern.normalize("".join(charset.symbols[s] for s in path.symbols)), path)
    return found


def _clear_neighbor(code: Candidate, evidence: Evidence) -> bool:
    """Whether a box of the code's own word was left out although it reads clearly."""
    first, last = code.span
    beside = [i for i in (first - 1, last) if 0 <= i < len(evidence.words)]
    inside = {first - 1: first, last: last - 1}
    return any(
        evidence.words[i] == evidence.words[inside[i]]
        and float(_single(evidence, i).max()) >= CLEAR
        for i in beside
    )


def _single(evidence: Evidence, box: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The probabilities of the hypothesis over one box alone."""
    for arc, hypothesis in zip(evidence.arcs, evidence.hypotheses, strict=True):
        if (arc.first, arc.last) == (2 * box, 2 * box + 2) and hypothesis.box is not None:
            return hypothesis.probabilities
    raise AssertionError("every box has an arc of its own")


def _room_for_two(code: Candidate, direction: Direction) -> str:
    """The symbol that stands where two characters have room, empty for none."""
    if len(code.characters) < LEAST_FOR_LENGTH:
        return ""
    ratios = length_ratios([c.character.quad for c in code.characters], direction == "vertical")
    for ratio, character in zip(ratios, code.characters, strict=True):
        symbol = character.character.symbol
        if ratio > (ROOM_LONG if symbol in LONG else ROOM):
            return symbol
    return ""


def _mismatch(code: Candidate) -> str:
    """Why a code contradicts what reads there, empty where it does not."""
    if not code.contradictions:
        return ""
    at = code.contradictions[0]
    if at < 0:
        return f"{code.raw!r} is read, which does not match"
    c = code.characters[at]
    return (
        f"{c.raw!r} is read at position {at} ({c.raw_confidence:.2f}), "
        f"the pattern asks for another symbol"
    )


def _doubts(
    code: Candidate, evidence: Evidence, limits: Limits, direction: Direction
) -> Iterator[str]:
    """What is doubtful of a code besides its rivals."""
    if _clear_neighbor(code, evidence):
        yield "the code is a part of a longer word"
    if symbol := _room_for_two(code, direction):
        yield f"{symbol!r} stands where two characters have room"
    weakest = min(code.characters, key=lambda c: c.confidence)
    if weakest.confidence < limits.min_character:
        yield f"{weakest.character.symbol!r} is read at {weakest.confidence:.2f} only"
    yield limits.doubt(code.confidence, len(code.characters))


def read_codes(
    strings: Sequence[StringEvidence],
    pattern: Pattern,
    charset: Charset,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    merging: bool = True,
) -> list[CodeReading]:
    """The codes of an image under a pattern, the surest first.

    Args:
        strings: in reading order.
        pattern: what codes look like; one with groups may span neighboring strings.
        charset: the classifier's.
        limits: when a code is doubtful.
        merging: pairs of boxes may be one character, and wide boxes two.

    Returns:
        Codes that share no string. A text that does not match is among them only if nothing
        matches and most of it does.
    """
    automaton = pattern.automaton(charset)
    capitals = not any(charset.symbols[i].islower() for i in np.unique(automaton.labels))
    runs: list[_Run] = []
    for places in runs_of([e.string.direction for e in strings], pattern):
        run = strings[places.start : places.stop]
        # A character takes a box at least, or half of one that may be two.
        room = sum(len(e.singles) + (len(e.split) if merging else 0) for e in run)
        if room < max(1, min(pattern.lengths, default=1)):
            continue
        evidence = gather(run, charset, capitals, merging)
        own = _looked_at(evidence, places, run[0].string.direction, automaton, charset)
        runs += [own] if own is not None else []
    runs.sort(key=lambda r: -r.best.log_prob / max(len(r.best.symbols), 1))
    found = read_in_turn(
        ((own.places, own) for own in runs),
        lambda own: _code_of(own, automaton, pattern, charset, limits),
        frozenset({Status.OK}),
    )
    return apart(found)


@dataclass(frozen=True, eq=False)
class _Run:
    """Neighboring strings that may be a code together.

    Attributes:
        evidence: their lattice.
        places: of them among the strings.
        direction: of all of them.
        best: the likeliest path that the pattern accepts.
        outlook: of the lattice.
    """

    evidence: Evidence
    places: range
    direction: Direction
    best: Path
    outlook: NDArray[np.float64] | None


def _looked_at(
    evidence: Evidence, places: range, direction: Direction, automaton: Automaton, charset: Charset
) -> _Run | None:
    """A run whose best path is worth more than a glance."""
    outlook = outlook_of(evidence.arcs, evidence.nodes, automaton)
    best = best_path(evidence.arcs, evidence.nodes, automaton, outlook)
    if best is None or best.log_prob < len(best.symbols) * HOPELESS:
        return None
    if _likeness(best, evidence, charset) < LEAST_LIKENESS:
        return None
    return _Run(evidence, places, direction, best, outlook)


def _code_of(
    run: _Run, automaton: Automaton, pattern: Pattern, charset: Charset, limits: Limits
) -> CodeReading | None:
    """The code of one run of strings."""
    evidence = run.evidence
    most = N_BEST if pattern.check == "none" else N_BEST_CHECKED
    paths = best_paths(evidence.arcs, evidence.nodes, automaton, most, run.outlook)
    texts = _texts(paths, pattern, charset)
    made: dict[str, Candidate | None] = {}

    def code_of(text: str) -> Candidate | None:
        if text not in made:
            made[text] = candidate(texts[text], evidence, automaton, pattern, charset, limits)
        return made[text]

    def contradicted(i: int) -> bool:
        code = code_of(known[i])
        return code is None or bool(code.contradictions)

    known = list(texts)
    at, failed, rivals = chosen_by_check(known, pattern, contradicted)
    code = code_of(known[at])
    if code is None:
        return None
    if not failed and pattern.check in DIGIT_CHECKS:
        code = with_check(code)
    rest = {known[i]: texts[known[i]].log_prob for i in rivals if i != at}
    near = [t for t, log_prob in rest.items() if np.exp(log_prob - code.log_prob) >= AMBIGUOUS]
    doubts = _doubts(code, evidence, limits, run.direction)
    status, reason = judged_code(_mismatch(code), failed, near[0] if near else "", doubts)
    used = sorted({h.string for h in code.behind})
    if len(used) != len(run.places):
        return None  # the shorter run has it
    if status is not Status.OK and code.agreement < LEAST_AGREEMENT:
        return None  # another text, bent until it fits
    total = np.logaddexp.reduce([texts[known[i]].log_prob for i in rivals])
    alternatives = tuple((t, float(np.exp(log_prob - total))) for t, log_prob in rest.items())
    return CodeReading(
        code.text, pattern.name or pattern.text, status, reason, code.confidence, code.raw,
        code.raw_confidence, code.characters,
        quad_around([h.box.quad for h in code.behind if h.box is not None]),
        tuple(run.places[i] for i in used), run.direction, alternatives[:4], _signs(code),
    )  # fmt: skip


def _signs(code: Candidate) -> ImageSigns:
    """What the boxes of a code tell of the picture."""
    boxes = [h.box for h in code.behind if h.box is not None]
    heights = [edge_lengths(b.quad)[1] for b in boxes]
    weakest = min(b.score for b in boxes)
    return ImageSigns(float(np.median(heights)), code.resegmented, float(weakest))


def _likeness(path: Path, evidence: Evidence, charset: Charset) -> float:
    """Share of a path's characters that are read so without the pattern, or nearly."""
    same = 0
    for symbol, arc in zip(path.symbols, path.arcs, strict=True):
        raw = int(evidence.hypotheses[arc].probabilities.argmax())
        same += raw == symbol or are_twins(charset.symbols[raw], charset.symbols[symbol])
    return same / max(len(path.symbols), 1)
