"""Makes a code from a lattice path: its characters, and their readings without the pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from industrial_ocr.decoding.code_rules import CODE_RULES, character_status, contradicts
from industrial_ocr.decoding.evidence import Hypothesis, StringLattice, any_text
from industrial_ocr.decoding.lattice import Path, best_path
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeCharacter
from industrial_ocr.results.types import Character


@dataclass(frozen=True, eq=False)
class CodeCandidate:
    """The code of one path.

    Attributes:
        text: without separators.
        characters: of the text.
        hypotheses: that of each character.
        span: index of the first box, and of the one after the last.
        confidence: joint probability per character.
        mismatch: why it contradicts the raw reading, empty if it does not.
        log_prob: of the path.
        raw: the reading of these boxes without the pattern.
        raw_confidence: of the raw reading, per character.
        resegmented: share of the boxes that were merged or split.
    """

    text: str
    characters: tuple[CodeCharacter, ...]
    hypotheses: tuple[Hypothesis, ...]
    span: tuple[int, int]
    confidence: float
    mismatch: str
    log_prob: float
    raw: str
    raw_confidence: float
    resegmented: float

    @property
    def agreement(self) -> float:
        """Share of its characters that read the same without the pattern."""
        same = sum(c.character.symbol == c.raw for c in self.characters)
        return same / len(self.characters)


def code_candidate(
    path: Path,
    lattice: StringLattice,
    automaton: Automaton,
    pattern: Pattern,
    charset: Charset,
    least: float,
) -> CodeCandidate | None:
    """The code of a path, without separators; None if no character is left.

    ``least`` is that of ``character_status``.
    """
    state, characters, hypotheses = automaton.start, [], []
    for symbol, arc in zip(path.symbols, path.arcs, strict=True):
        allowed = automaton.arcs(state)[0].tolist()
        hypothesis = lattice.hypothesis(arc)
        made = _character(hypothesis, symbol, allowed, charset, least)
        state = automaton.step(state, symbol)
        if made.character.symbol not in pattern.separators:
            characters.append(made)
            hypotheses.append(hypothesis)
    if not characters:
        return None
    arcs = [lattice.arcs[a] for a in path.arcs]
    span = min(a.first for a in arcs) // 2, (max(a.last for a in arcs) + 1) // 2
    free = _free_path(span, lattice, charset)
    raw = "".join(charset.symbols[s] for s in free.symbols)
    free_p = [
        float(min(lattice.hypothesis(a).probabilities[s], 1.0))
        for s, a in zip(free.symbols, free.arcs, strict=True)
    ]
    mismatch = _mismatch(characters)
    if not mismatch and _segmentation_gain(path, free, lattice) > -np.log(CODE_RULES.contradiction):
        mismatch = f"{raw!r} is read, which does not match"
    return CodeCandidate(
        text=pattern.normalize("".join(c.character.symbol for c in characters)),
        characters=tuple(characters),
        hypotheses=tuple(hypotheses),
        span=span,
        confidence=_confidence(characters),
        mismatch=mismatch,
        log_prob=path.log_prob,
        raw=raw,
        raw_confidence=string_confidence(score_sequence(free_p)),
        resegmented=float(np.mean([a.last - a.first != 2 for a in arcs])),
    )


def with_check(code: CodeCandidate) -> CodeCandidate:
    """Raises the odds of a code's weakest character, because the code passes its check."""
    at = min(range(len(code.characters)), key=lambda i: code.characters[i].confidence)
    p = code.characters[at].confidence
    odds = CODE_RULES.check_odds * p
    surer = replace(code.characters[at], confidence=odds / (odds + 1 - p))
    characters = (*code.characters[:at], surer, *code.characters[at + 1 :])
    return replace(code, characters=characters, confidence=_confidence(characters))


def _confidence(characters: Sequence[CodeCharacter]) -> float:
    return string_confidence(score_sequence([c.confidence for c in characters]))


def _character(
    hypothesis: Hypothesis, symbol: int, allowed: Sequence[int], charset: Charset, least: float
) -> CodeCharacter:
    """A character with its status, given the symbols that the pattern allows in its place."""
    p = hypothesis.probabilities
    raw = int(p.argmax())
    own = np.asarray(allowed)
    share = float(p[symbol] / p[own].sum())
    others = own[own != symbol]
    rival = int(others[p[others].argmax()]) if len(others) else -1
    name = charset.symbols[symbol]
    status = character_status(name, charset.symbols[raw], share, least)
    if status is CharStatus.READ and rival >= 0 and p[rival] >= 0.4 * p[symbol]:
        status = CharStatus.CONFUSED
    order = [int(i) for i in np.argsort(-p)[:5] if i != symbol]
    alternatives = tuple((charset.symbols[i], float(min(p[i], 1.0))) for i in order)
    return CodeCharacter(
        character=Character(name, hypothesis.box.quad, float(min(p[symbol], 1.0)), alternatives),
        confidence=min(share, 1.0),
        status=status,
        raw=charset.symbols[raw],
        raw_confidence=float(min(p[raw], 1.0)),
        rival=charset.symbols[rival] if rival >= 0 else "",
    )


def _mismatch(characters: Sequence[CodeCharacter]) -> str:
    """A message about the first character that contradicts its raw reading, empty for none."""
    for i, c in enumerate(characters, 1):
        if contradicts(c.character.symbol, c.character.confidence, c.raw, c.raw_confidence):
            read = f"character {i} reads as {c.raw!r} ({c.raw_confidence:.2f})"
            return f"{read}, but the pattern requires another symbol"
    return ""


def _free_path(span: tuple[int, int], lattice: StringLattice, charset: Charset) -> Path:
    """The likeliest reading of the boxes of a span without the pattern."""
    inside = lattice.between(*span)
    numbers = list(inside)
    nodes = 2 * (span[1] - span[0]) + 1
    path = best_path(list(inside.values()), nodes, any_text(charset.symbols))
    assert path is not None, "every box has an arc of its own"
    return replace(path, arcs=tuple(numbers[a] for a in path.arcs))


def _segmentation_gain(path: Path, free: Path, lattice: StringLattice) -> float:
    """Log-score of the free reading minus the path's, over the arcs that only one of them uses."""

    def score(own: Path, other: Path) -> float:
        found = 0.0
        for symbol, number in zip(own.symbols, own.arcs, strict=True):
            values = lattice.arcs[number].log_probs
            if values is not None and number not in other.arcs:
                found += float(values[symbol])
        return found

    return score(free, path) - score(path, free)
