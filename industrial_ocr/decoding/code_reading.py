"""From lattices and a pattern to codes, by the rules of ``code_rules``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.automaton import Automaton
from industrial_ocr.charset import Charset
from industrial_ocr.codes import CodeReading, ImageSigns
from industrial_ocr.decoding.code_candidates import Candidate, candidate, with_check
from industrial_ocr.decoding.code_rules import (
    AMBIGUOUS,
    DIGIT_CHECKS,
    LEAST_AGREEMENT,
    Limits,
    apart,
    are_twins,
)
from industrial_ocr.decoding.evidence import Evidence, StringEvidence, gather
from industrial_ocr.decoding.lattice import Path, best_path, best_paths, outlook_of
from industrial_ocr.geometry import edge_lengths, enclosing_quad, length_ratios
from industrial_ocr.pattern import Pattern
from industrial_ocr.types import Direction, Status

N_BEST, N_BEST_CHECKED = 6, 16
"""Readings that are looked at; more of them where a check may choose."""
CLEAR = 0.86
HOPELESS = float(np.log(0.08))
"""A run whose best code has less than this a character, what is left out included, holds none."""
BROAD = frozenset("MWmw@%&-")
ROOM, ROOM_BROAD, LEAST_FOR_LENGTH = 1.9, 2.4, 5
"""A character so many times as long as the usual one of its code may hide another: a lost L of
``74LS01`` leaves a code that matches. Broad letters may be longer; short codes have no usual."""
LEAST_LIKENESS = 0.45
"""Where fewer of the likeliest code's characters are read so without the pattern, none is near."""


@dataclass(frozen=True)
class _Text:
    """A path's code, before anybody looks at its characters."""

    path: Path
    code: str


def _texts(paths: Sequence[Path], pattern: Pattern, charset: Charset) -> list[_Text]:
    """The codes of paths, best first; paths that differ in separators alone are one code."""
    found: dict[str, _Text] = {}
    for path in paths:
        code = pattern.normalise("".join(charset.symbols[s] for s in path.symbols))
        found.setdefault(code, _Text(path, code))
    return list(found.values())


def _chosen(
    texts: Sequence[_Text], make: Callable[[_Text], Candidate | None], pattern: Pattern
) -> tuple[Candidate | None, str, Sequence[_Text]]:
    """The code, what its check says against it, and the codes it competes with."""
    best = make(texts[0])
    if pattern.check == "none" or best is None:
        return best, "", texts
    passing = [t for t in texts if pattern.verify_code(t.code).ok]
    if passing and passing[0] is texts[0]:
        return best, "", passing
    code = make(passing[0]) if passing else None
    if code is None or (code.contradictions and not best.contradictions):
        return best, pattern.verify(best.text).message, texts
    return code, "", passing


def _clear_neighbour(code: Candidate, evidence: Evidence) -> bool:
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
        if ratio > (ROOM_BROAD if symbol in BROAD else ROOM):
            return symbol
    return ""


def _verdict(
    code: Candidate,
    rivals: Sequence[_Text],
    evidence: Evidence,
    limits: Limits,
    direction: Direction,
) -> tuple[Status, str]:
    """The status of a code whose check is in order."""
    if code.contradictions == (-1,):
        return Status.PATTERN_MISMATCH, f"{code.raw!r} is read, which does not match"
    if code.contradictions:
        at = code.contradictions[0]
        c = code.characters[at]
        return Status.PATTERN_MISMATCH, (
            f"{c.raw!r} is read at position {at} ({c.raw_confidence:.2f}), "
            f"the pattern asks for another symbol"
        )
    other = next((r for r in rivals if r.code != code.text), None)
    if other is not None and np.exp(other.path.log_prob - code.log_prob) >= AMBIGUOUS:
        return Status.AMBIGUOUS, f"{other.code!r} is nearly as likely"
    if _clear_neighbour(code, evidence):
        return Status.LOW_CONFIDENCE, "the code is a part of a longer word"
    if symbol := _room_for_two(code, direction):
        return Status.LOW_CONFIDENCE, f"{symbol!r} stands where two characters have room"
    weakest = min(code.characters, key=lambda c: c.confidence)
    if weakest.confidence < limits.min_character:
        symbol = weakest.character.symbol
        return Status.LOW_CONFIDENCE, f"{symbol!r} is read at {weakest.confidence:.2f} only"
    if reason := limits.doubt(code.confidence, len(code.characters)):
        return Status.LOW_CONFIDENCE, reason
    return Status.OK, "read as the pattern asks"


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
        pattern: what codes look like; one with groups may span neighbouring strings.
        charset: the classifier's.
        limits: when a code is doubtful.
        merging: pairs of boxes may be one character, and wide boxes two.

    Returns:
        Codes that share no string. A text that does not match is among them only if nothing
        matches and most of it does.
    """
    automaton = pattern.automaton(charset)
    capitals = not any(charset.symbols[i].islower() for i in np.unique(automaton.labels))
    most = max(1, len(pattern.spans_strings))
    runs: list[_Run] = []
    for length in range(1, most + 1):
        for start in range(len(strings) - length + 1):
            run = strings[start : start + length]
            if len({e.string.direction for e in run}) > 1:
                continue
            # A character takes a box at least, or half of one that may be two.
            room = sum(len(e.singles) + (len(e.split) if merging else 0) for e in run)
            if room < max(1, min(pattern.lengths, default=1)):
                continue
            evidence = gather(run, charset, capitals, merging)
            own = _looked_at(evidence, start, length, run[0].string.direction, automaton, charset)
            if own is not None:
                runs.append(own)
    found: list[CodeReading] = []
    for own in sorted(runs, key=lambda r: -r.best.log_prob / max(len(r.best.symbols), 1)):
        # Runs that share a string compete; where the likeliest is in order the others are spared.
        taken = {i for c in found if c.status is Status.OK for i in c.strings}
        if not taken & set(range(own.start, own.start + own.length)):
            code = _code_of(own, automaton, pattern, charset, limits)
            found += [code] if code is not None else []
    return apart(found)


@dataclass(frozen=True, eq=False)
class _Run:
    """Neighbouring strings that may be a code together.

    Attributes:
        evidence: their lattice.
        start: number of the first of them.
        length: how many they are.
        direction: of all of them.
        best: the likeliest path that the pattern accepts.
        outlook: of the lattice.
    """

    evidence: Evidence
    start: int
    length: int
    direction: Direction
    best: Path
    outlook: NDArray[np.float64] | None


def _looked_at(
    evidence: Evidence, start: int, length: int, direction: Direction, automaton: Automaton,
    charset: Charset,
) -> _Run | None:  # fmt: skip
    """A run whose best path is worth more than a glance."""
    outlook = outlook_of(evidence.arcs, evidence.nodes, automaton)
    best = best_path(evidence.arcs, evidence.nodes, automaton, outlook)
    if best is None or best.log_prob < len(best.symbols) * HOPELESS:
        return None
    if _likeness(best, evidence, charset) < LEAST_LIKENESS:
        return None
    return _Run(evidence, start, length, direction, best, outlook)


def _code_of(
    run: _Run, automaton: Automaton, pattern: Pattern, charset: Charset, limits: Limits
) -> CodeReading | None:
    """The code of one run of strings."""
    evidence, start, direction = run.evidence, run.start, run.direction
    most = N_BEST if pattern.check == "none" else N_BEST_CHECKED
    paths = best_paths(evidence.arcs, evidence.nodes, automaton, most, run.outlook)

    def make(text: _Text) -> Candidate | None:
        return candidate(text.path, evidence, automaton, pattern, charset, limits)

    code, failed, rivals = _chosen(_texts(paths, pattern, charset), make, pattern)
    if code is None:
        return None
    if not failed and pattern.check in DIGIT_CHECKS:
        code = with_check(code)
    status, reason = _verdict(code, rivals, evidence, limits, direction)
    if failed and status is not Status.PATTERN_MISMATCH:
        status, reason = Status.CHECK_FAILED, failed
    used = sorted({h.string for h in code.behind})
    if len(used) != len({h.string for h in evidence.hypotheses if h.box is not None}):
        return None  # the shorter run has it
    axis = code.behind[0].box.quad[1] - code.behind[0].box.quad[0]  # type: ignore[union-attr]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    quads = [c.character.quad for c in code.characters]
    total = np.logaddexp.reduce([r.path.log_prob for r in rivals])
    alternatives = tuple(
        (r.code, float(np.exp(r.path.log_prob - total))) for r in rivals if r.code != code.text
    )
    if status is not Status.OK and code.agreement < LEAST_AGREEMENT:
        return None  # another text, bent until it fits
    return CodeReading(
        code.text, pattern.name or pattern.text, status, reason, code.confidence, code.raw,
        code.raw_confidence, code.characters, enclosing_quad(quads, axis),
        tuple(start + i for i in used), direction, alternatives[:4], _signs(code),
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
