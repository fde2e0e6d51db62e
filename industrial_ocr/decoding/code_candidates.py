"""A path through a lattice as a code: its characters, and what they are without the pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from industrial_ocr.decoding.code_rules import (
    CHECK_ODDS,
    CONTRADICTION,
    Limits,
    character_status,
    contradicts,
)
from industrial_ocr.decoding.evidence import Evidence, Hypothesis
from industrial_ocr.decoding.lattice import Arc, Floats, Path, likeliest_arcs
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeCharacter
from industrial_ocr.results.types import Character

CONFUSED = 0.4
"""A runner-up at least so likely is named."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One path as a code."""

    text: str
    characters: tuple[CodeCharacter, ...]
    behind: tuple[Hypothesis, ...]
    span: tuple[int, int]
    confidence: float
    contradictions: tuple[int, ...]
    log_prob: float
    raw: str
    raw_confidence: float
    resegmented: float

    @property
    def agreement(self) -> float:
        """Share of its characters that are read so without the pattern too."""
        same = sum(c.character.symbol == c.raw for c in self.characters)
        return same / len(self.characters)


def _character(
    hypothesis: Hypothesis, symbol: int, allowed: Sequence[int], charset: Charset, limits: Limits
) -> CodeCharacter:
    """A character with its status, given the symbols that the pattern allows in its place."""
    p = hypothesis.probabilities
    assert hypothesis.box is not None
    raw = int(p.argmax())
    own = np.asarray(allowed)
    share = float(p[symbol] / p[own].sum())
    others = own[own != symbol]
    rival = int(others[p[others].argmax()]) if len(others) else -1
    name = charset.symbols[symbol]
    status = character_status(name, charset.symbols[raw], share, limits)
    if status is CharStatus.READ and rival >= 0 and p[rival] >= CONFUSED * p[symbol]:
        status = CharStatus.CONFUSED
    order = [int(i) for i in np.argsort(-p)[:5] if i != symbol]
    alternatives = tuple((charset.symbols[i], float(min(p[i], 1.0))) for i in order)
    shown = Character(name, hypothesis.box.quad, float(min(p[symbol], 1.0)), alternatives)
    return CodeCharacter(
        shown, min(share, 1.0), status, charset.symbols[raw], float(min(p[raw], 1.0)),
        charset.symbols[rival] if rival >= 0 else "",
    )  # fmt: skip


def candidate(
    path: Path, evidence: Evidence, automaton: Automaton, pattern: Pattern, charset: Charset,
    limits: Limits,
) -> Candidate | None:  # fmt: skip
    """A path's characters; separators among them are no part of the code."""
    state, characters, behind, nodes = automaton.start, [], [], []
    for symbol, arc in zip(path.symbols, path.arcs, strict=True):
        allowed = automaton.arcs(state)[0].tolist()
        hypothesis = evidence.hypotheses[arc]
        made = _character(hypothesis, symbol, allowed, charset, limits)
        state = automaton.step(state, symbol)
        nodes += [evidence.arcs[arc].first, evidence.arcs[arc].last]
        if made.character.symbol not in pattern.separators:
            characters.append(made)
            behind.append(hypothesis)
    if not characters:
        return None
    wrong = tuple(
        i
        for i, c in enumerate(characters)
        if contradicts(c.character.symbol, c.character.confidence, c.raw, c.raw_confidence)
    )
    text = pattern.normalize("".join(c.character.symbol for c in characters))
    confidence = string_confidence(score_sequence([c.confidence for c in characters]))
    span = min(nodes) // 2, (max(nodes) + 1) // 2
    free = _free_path(span, evidence)
    if not wrong and _other_boxes(path, free, evidence) > -np.log(CONTRADICTION):
        wrong = (-1,)
    raw, raw_confidence = _raw(free, evidence, charset)
    return Candidate(
        text, tuple(characters), tuple(behind), span, confidence, wrong, path.log_prob, raw,
        raw_confidence, float(np.mean([abs(evidence.arcs[a].last - evidence.arcs[a].first) != 2
                                       for a in path.arcs])),
    )  # fmt: skip


def with_check(code: Candidate) -> Candidate:
    """The code with the odds of its weakest character raised by the check it passes."""
    at = min(range(len(code.characters)), key=lambda i: code.characters[i].confidence)
    p = code.characters[at].confidence
    surer = replace(code.characters[at], confidence=CHECK_ODDS * p / (CHECK_ODDS * p + 1 - p))
    characters = (*code.characters[:at], surer, *code.characters[at + 1 :])
    confidence = string_confidence(score_sequence([c.confidence for c in characters]))
    return replace(code, characters=characters, confidence=confidence)


def _free_path(span: tuple[int, int], evidence: Evidence) -> Path:
    """The likeliest reading of the boxes of a span without the pattern."""
    first, last = 2 * span[0], 2 * span[1]
    inside: list[tuple[int, Arc, Floats]] = [
        (i, arc, arc.log_probs)
        for i, arc in enumerate(evidence.arcs)
        if arc.log_probs is not None and first <= arc.first and arc.last <= last
    ]
    spans = [(arc.first - first, arc.last - first) for _, arc, _ in inside]
    nothing = [-np.inf if arc.nothing is None else arc.nothing for _, arc, _ in inside]
    scores = [
        max(float(p.max()), none) + arc.prior
        for (_, arc, p), none in zip(inside, nothing, strict=True)
    ]
    best = likeliest_arcs(spans, scores, last - first + 1)
    read = [k for k in best if float(inside[k][2].max()) > nothing[k]]
    symbols = tuple(int(inside[k][2].argmax()) for k in read)
    return Path(symbols, tuple(inside[k][0] for k in read), sum(scores[k] for k in best))


def _other_boxes(path: Path, free: Path, evidence: Evidence) -> float:
    """How much likelier, in nats, the free reading is where it reads other boxes than a path."""

    def score(own: Path, other: Path) -> float:
        taken = set(other.arcs)
        alone = [(s, a) for s, a in zip(own.symbols, own.arcs, strict=True) if a not in taken]
        logs = 0.0
        for symbol, number in alone:
            arc = evidence.arcs[number]
            assert arc.log_probs is not None
            logs += float(arc.log_probs[symbol]) + arc.prior
        return logs

    return score(free, path) - score(path, free)


def _raw(free: Path, evidence: Evidence, charset: Charset) -> tuple[str, float]:
    """What a free reading says, and its confidence."""
    p = [
        float(min(evidence.hypotheses[a].probabilities[s], 1.0))
        for s, a in zip(free.symbols, free.arcs, strict=True)
    ]
    text = "".join(charset.symbols[s] for s in free.symbols)
    return text, string_confidence(score_sequence(p))
