"""Reads codes from lattices under a pattern, by the rules of ``code_rules``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.decoding.code_candidates import CodeCandidate, code_candidate, with_check
from industrial_ocr.decoding.code_rules import (
    CODE_RULES,
    are_twins,
    chosen_by_check,
    confidence_doubt,
    has_lower_case,
    judged_code,
    read_in_turn,
    runs_of,
    without_shared_strings,
)
from industrial_ocr.decoding.evidence import StringEvidence, StringLattice, build_lattice
from industrial_ocr.decoding.lattice import Path, backward_scores, best_path, best_paths
from industrial_ocr.decoding.segmentation import BROAD
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeReading, ImageSigns
from industrial_ocr.results.geometry import edge_lengths, length_ratios, quad_around
from industrial_ocr.results.types import Direction, Floats, Status


@dataclass(frozen=True, eq=False)
class _StringRun:
    """Neighboring strings that may be a code together.

    Attributes:
        lattice: of these strings.
        places: their indices among the strings of the image.
        direction: of all of them.
        best: the likeliest path that the pattern accepts.
        ahead: the lattice's backward scores.
    """

    lattice: StringLattice
    places: range
    direction: Direction
    best: Path
    ahead: Floats | None


def read_codes(
    strings: Sequence[StringEvidence],
    pattern: Pattern,
    charset: Charset,
    limits: ConfidenceConfig = ConfidenceConfig(),  # noqa: B008 - frozen
) -> list[CodeReading]:
    """The codes of an image under a pattern, the most reliable first.

    Args:
        strings: in reading order.
        pattern: what codes look like; one with groups may span neighboring strings.
        charset: the classifier's.
        limits: confidences below which a code is doubtful.

    Returns:
        Codes that share no string. If none matches, at most one text that nearly matches.
    """
    automaton = pattern.automaton(charset)
    capitals = not has_lower_case(automaton)
    runs: list[_StringRun] = []
    for places in runs_of([e.string.direction for e in strings], pattern):
        run = strings[places.start : places.stop]
        # Every character needs a box, or half of a box that can be split.
        room = sum(len(e.singles) + len(e.split) for e in run)
        if room < max(1, min(pattern.lengths, default=1)):
            continue
        lattice = build_lattice(run, charset, capitals)
        own = _promising(lattice, places, run[0].string.direction, automaton, charset)
        if own is not None:
            runs.append(own)
    runs.sort(key=lambda r: -r.best.log_prob / max(len(r.best.symbols), 1))
    found = read_in_turn(
        ((own.places, own) for own in runs),
        lambda own: _code_of(own, automaton, pattern, charset, limits),
        frozenset({Status.OK}),
    )
    return without_shared_strings(found)


def _promising(
    lattice: StringLattice,
    places: range,
    direction: Direction,
    automaton: Automaton,
    charset: Charset,
) -> _StringRun | None:
    """The run; None if its best path is unlikely, or too unlike the reading without the pattern."""
    ahead = backward_scores(lattice.arcs, lattice.nodes, automaton)
    best = best_path(lattice.arcs, lattice.nodes, automaton, ahead)
    least = np.log(0.08)  # per character, including the boxes left out
    if best is None or best.log_prob < len(best.symbols) * least:
        return None
    same = 0
    for symbol, arc in zip(best.symbols, best.arcs, strict=True):
        raw = int(lattice.hypothesis(arc).probabilities.argmax())
        same += are_twins(charset.symbols[raw], charset.symbols[symbol])
    if same < 0.45 * max(len(best.symbols), 1):
        return None
    return _StringRun(lattice, places, direction, best, ahead)


def _code_of(
    run: _StringRun,
    automaton: Automaton,
    pattern: Pattern,
    charset: Charset,
    limits: ConfidenceConfig,
) -> CodeReading | None:
    """The code of one run of strings."""
    lattice = run.lattice
    most = 6 if pattern.check == "none" else 16  # a check may choose among more
    texts: dict[str, Path] = {}
    for path in best_paths(lattice.arcs, lattice.nodes, automaton, most, run.ahead):
        # Paths that differ in separators alone are one code.
        texts.setdefault(pattern.normalize("".join(charset.symbols[s] for s in path.symbols)), path)
    known = list(texts)
    made: dict[int, CodeCandidate | None] = {}

    def code_of(i: int) -> CodeCandidate | None:
        if i not in made:
            path = texts[known[i]]
            least = limits.min_character
            made[i] = code_candidate(path, lattice, automaton, pattern, charset, least)
        return made[i]

    def contradicted(i: int) -> bool:
        code = code_of(i)
        return code is None or bool(code.mismatch)

    choice = chosen_by_check(known, pattern, contradicted)
    code = code_of(choice.at)
    if code is None:
        return None
    if choice.checked:
        code = with_check(code)
    rest = {known[i]: texts[known[i]].log_prob for i in choice.rivals if i != choice.at}
    least = CODE_RULES.ambiguous
    near = [text for text, log_prob in rest.items() if np.exp(log_prob - code.log_prob) >= least]
    if len({h.string for h in code.hypotheses}) != len(run.places):
        return None  # a shorter run gives the same code
    total = np.logaddexp.reduce([texts[known[i]].log_prob for i in choice.rivals])
    alternatives = [(text, float(np.exp(log_prob - total))) for text, log_prob in rest.items()]
    boxes = [h.box for h in code.hypotheses]
    reading = CodeReading(
        text=code.text,
        pattern=pattern.name or pattern.text,
        checked=choice.checked,
        ignores_marks=pattern.ignores_marks,
        may_be_longer=pattern.has_longer(code.text),
        status=Status.OK,
        reason="",
        confidence=code.confidence,
        raw_text=code.raw,
        raw_confidence=code.raw_confidence,
        characters=code.characters,
        quad=quad_around([b.quad for b in boxes]),
        strings=tuple(run.places),
        direction=run.direction,
        alternatives=tuple(alternatives[:4]),
        signs=ImageSigns(
            height=float(np.median([edge_lengths(b.quad)[1] for b in boxes])),
            resegmented=code.resegmented,
            weakest=float(min(b.score for b in boxes)),
        ),
    )
    rival = near[0] if near else ""
    doubts = _doubts(code, lattice, limits, run.direction)
    return judged_code(reading, code.agreement, code.mismatch, choice.failed, rival, doubts)


def _doubts(
    code: CodeCandidate, lattice: StringLattice, limits: ConfidenceConfig, direction: Direction
) -> Iterator[str]:
    """Reasons to doubt a code, other than its rivals."""
    if _clear_neighbor(code, lattice):
        yield "the code is a part of a longer word"
    if symbol := _room_for_two(code, direction):
        yield f"{symbol!r} stands where there is room for two characters"
    weakest = min(code.characters, key=lambda c: c.confidence)
    if weakest.confidence < limits.min_character:
        symbol, confidence = weakest.character.symbol, weakest.confidence
        yield f"the confidence of {symbol!r} under the pattern is only {confidence:.2f}"
    yield confidence_doubt(code.confidence, len(code.characters), limits)


def _clear_neighbor(code: CodeCandidate, lattice: StringLattice) -> bool:
    """Whether a box of the code's own word was left out although it reads clearly."""
    first, last = code.span
    for box, inside in ((first - 1, first), (last, last - 1)):
        if 0 <= box < len(lattice.words) and lattice.words[box] == lattice.words[inside]:
            singles = [
                hypothesis
                for arc, hypothesis in zip(lattice.arcs, lattice.hypotheses, strict=True)
                if hypothesis is not None and (arc.first, arc.last) == (2 * box, 2 * box + 2)
            ]
            if singles[0].probabilities.max() >= 0.86:
                return True
    return False


def _room_for_two(code: CodeCandidate, direction: Direction) -> str:
    """The symbol that stands where there is room for two characters, empty for none.

    A character may be missing there, and the code may still match, as ``74LS01`` without its L. The
    limit is higher for broad symbols; a code of fewer than 5 characters has no reliable width.
    """
    if len(code.characters) < 5:
        return ""
    ratios = length_ratios([c.character.quad for c in code.characters], direction == "vertical")
    for ratio, character in zip(ratios, code.characters, strict=True):
        symbol = character.character.symbol
        if ratio > (2.4 if symbol in BROAD or symbol == "-" else 1.9):
            return symbol
    return ""
