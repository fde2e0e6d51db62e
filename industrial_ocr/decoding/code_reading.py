"""From a lattice and a pattern to a code that says how far it can be trusted.

The rules:

* The likeliest texts that the pattern accepts are looked at, best first. Where the pattern has a
  check, the best one that passes it is the code, unless that would contradict the evidence.
* A character *contradicts* where another symbol is so much likelier by itself that only the pattern
  speaks for the one it wants: more than 1 / ``CONTRADICTION`` times (50 times among 0 O and 1 I l,
  whose shapes do not tell), or ``CLEAR_RAW`` by itself. A code with such a character is a misprint
  or another text: it is reported with the status ``pattern_mismatch`` (``check_failed`` where only
  the check asked for it), never corrected to ``ok``. So does a place where other boxes are so much
  likelier by themselves: one clear M is not read as two digits because the pattern would have them.
* Confidence is the joint probability per character, among the symbols that the pattern allows
  there. A check digit in order is evidence too: by chance it would be so once in ten times. It
  counts once, for the weakest character, whose odds it raises ``CHECK_ODDS`` times.
* ``ambiguous``: another code that matches, and passes, is at least ``AMBIGUOUS`` as likely.
* ``low_confidence``: the code or a character is below its limit, or the code is a part of a longer
  word that reads clearly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from industrial_ocr.automaton import Automaton
from industrial_ocr.charset import Charset
from industrial_ocr.codes import CharStatus, CodeCharacter, CodeReading, ImageSigns
from industrial_ocr.decoding.evidence import Evidence, Hypothesis, StringEvidence, gather
from industrial_ocr.decoding.homoglyphs import TWINS
from industrial_ocr.decoding.lattice import (
    Arc,
    Path,
    best_path,
    best_paths,
    free_automaton,
    outlook_of,
)
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.geometry import edge_lengths, enclosing_quad, length_ratios
from industrial_ocr.pattern import Pattern
from industrial_ocr.types import Character, Direction, Status

N_BEST, N_BEST_CHECKED = 6, 16
"""Readings that are looked at; more of them where a check may choose."""
CONTRADICTION, TWIN_CONTRADICTION = 0.2, 0.02
CLEAR_RAW = 0.95
"""A character that reads so surely by itself is printed as it reads, twins included."""
CONFUSED = 0.4
AMBIGUOUS = 0.5
CLEAR = 0.86
CHECK_ODDS = 10.0
DIGIT_CHECKS = frozenset({"iso6346", "vin", "luhn", "gs1", "mod97", "mrz"})
HOPELESS = float(np.log(0.08))
"""A run whose best code has less than this a character, what is left out included, holds none."""
BROAD = frozenset("MWmw@%&-")
ROOM, ROOM_BROAD, LEAST_FOR_LENGTH = 1.9, 2.4, 5
"""A character so many times as long as the usual one of its code may hide another: a lost L of
``74LS01`` leaves a code that matches. Broad letters may be longer; short codes have no usual."""
LEAST_AGREEMENT = 0.6
"""A text that does not match is told of as a misprint if this share of its characters does."""
LEAST_LIKENESS = 0.45
"""Where fewer of the likeliest code's characters are read so without the pattern, none is near."""


@dataclass(frozen=True)
class Limits:
    """When a code is doubtful.

    Attributes:
        min_confidence: of the code.
        min_character: of each of its characters.
        min_code: of all of them together.
    """

    min_confidence: float = 0.85
    min_character: float = 0.5
    min_code: float = 0.7

    def doubt(self, confidence: float, count: int) -> str:
        """Why a code of so many characters is doubtful, empty where it is not.

        Args:
            confidence: of the code per character, see ``scoring.string_confidence``.
            count: of its characters.
        """
        if confidence < self.min_confidence:
            return f"the code is read at {confidence:.2f} only"
        whole = confidence**count
        if whole < self.min_code:
            return f"all {count} characters together are read at {whole:.2f} only"
        return ""


@dataclass(frozen=True, eq=False)
class _Candidate:
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


def are_twins(a: str, b: str) -> bool:
    return any(a in t and b in t for t in TWINS)


def contradicts(symbol: str, probability: float, raw: str, raw_probability: float) -> bool:
    """Whether a raw reading speaks against a symbol (see the rules above)."""
    if raw == symbol:
        return False
    if raw_probability >= CLEAR_RAW:
        return True
    ratio = TWIN_CONTRADICTION if are_twins(symbol, raw) else CONTRADICTION
    return probability < ratio * raw_probability


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
    near = rival >= 0 and p[rival] >= CONFUSED * p[symbol]
    status = CharStatus.READ
    if raw != symbol:
        status = CharStatus.CORRECTED
    elif share < limits.min_character:
        status = CharStatus.REJECTED
    elif near:
        status = CharStatus.CONFUSED
    order = [int(i) for i in np.argsort(-p)[:5] if i != symbol]
    alternatives = tuple((charset.symbols[i], float(min(p[i], 1.0))) for i in order)
    name = charset.symbols[symbol]
    shown = Character(name, hypothesis.box.quad, float(min(p[symbol], 1.0)), alternatives)
    return CodeCharacter(
        shown, min(share, 1.0), status, charset.symbols[raw], float(min(p[raw], 1.0)),
        charset.symbols[rival] if rival >= 0 else "",
    )  # fmt: skip


def _candidate(
    path: Path, evidence: Evidence, automaton: Automaton, pattern: Pattern, charset: Charset,
    limits: Limits,
) -> _Candidate | None:  # fmt: skip
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
    text = pattern.normalise("".join(c.character.symbol for c in characters))
    confidence = string_confidence(score_sequence([c.confidence for c in characters]))
    span = min(nodes) // 2, (max(nodes) + 1) // 2
    free = _free_path(span, evidence, charset)
    if (
        not wrong
        and free is not None
        and _other_boxes(path, free, evidence) > -np.log(CONTRADICTION)
    ):
        wrong = (-1,)
    raw, raw_confidence = _raw(free, evidence, charset)
    return _Candidate(
        text, tuple(characters), tuple(behind), span, confidence, wrong, path.log_prob, raw,
        raw_confidence, float(np.mean([abs(evidence.arcs[a].last - evidence.arcs[a].first) != 2
                                       for a in path.arcs])),
    )  # fmt: skip


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


def _with_check(code: _Candidate) -> _Candidate:
    """The code with the odds of its weakest character raised by the check it passes."""
    at = min(range(len(code.characters)), key=lambda i: code.characters[i].confidence)
    p = code.characters[at].confidence
    surer = replace(code.characters[at], confidence=CHECK_ODDS * p / (CHECK_ODDS * p + 1 - p))
    characters = (*code.characters[:at], surer, *code.characters[at + 1 :])
    confidence = string_confidence(score_sequence([c.confidence for c in characters]))
    return replace(code, characters=characters, confidence=confidence)


def _chosen(
    texts: Sequence[_Text], make: Callable[[_Text], _Candidate | None], pattern: Pattern
) -> tuple[_Candidate | None, str, Sequence[_Text]]:
    """The code, what its check says against it, and the codes it competes with."""
    best = make(texts[0])
    if pattern.check == "none" or best is None:
        return best, "", texts
    passing = [t for t in texts if pattern.verify(t.code).ok]
    if passing and passing[0] is texts[0]:
        return best, "", passing
    code = make(passing[0]) if passing else None
    if code is None or (code.contradictions and not best.contradictions):
        return best, pattern.verify(best.text).message, texts
    return code, "", passing


def _clear_neighbour(code: _Candidate, evidence: Evidence) -> bool:
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


def _room_for_two(code: _Candidate, direction: Direction) -> str:
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
    code: _Candidate,
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


def _free_path(span: tuple[int, int], evidence: Evidence, charset: Charset) -> Path | None:
    """The likeliest reading of the boxes of a span without the pattern, arcs as in evidence."""
    first, last = span
    inside = [
        i
        for i, (arc, h) in enumerate(zip(evidence.arcs, evidence.hypotheses, strict=True))
        if h.box is not None and 2 * first <= arc.first and arc.last <= 2 * last
    ]
    moved = [_moved(evidence, i, 2 * first) for i in inside]
    path = best_path(moved, 2 * (last - first) + 1, free_automaton(charset.symbols))
    return path and replace(path, arcs=tuple(inside[a] for a in path.arcs))


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


def _raw(free: Path | None, evidence: Evidence, charset: Charset) -> tuple[str, float]:
    """What a free reading says, and its confidence."""
    if free is None:
        return "", 0.0
    p = [
        float(min(evidence.hypotheses[a].probabilities[s], 1.0))
        for s, a in zip(free.symbols, free.arcs, strict=True)
    ]
    text = "".join(charset.symbols[s] for s in free.symbols)
    return text, string_confidence(score_sequence(p))


def _moved(evidence: Evidence, arc: int, first: int) -> Arc:
    """An arc counted from another node."""
    own = evidence.arcs[arc]
    return replace(own, first=own.first - first, last=own.last - first)


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
    found: list[CodeReading] = []
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
            code = _code_of(
                evidence, start, run[0].string.direction, automaton, pattern, charset, limits
            )
            if code is not None:
                found.append(code)
    return apart(found)


def _code_of(
    evidence: Evidence, start: int, direction: Direction, automaton: Automaton, pattern: Pattern,
    charset: Charset, limits: Limits,
) -> CodeReading | None:  # fmt: skip
    """The code of one run of strings."""
    outlook = outlook_of(evidence.arcs, evidence.nodes, automaton)
    quick = best_path(evidence.arcs, evidence.nodes, automaton, outlook)
    if quick is None or quick.log_prob < len(quick.symbols) * HOPELESS:
        return None
    if _likeness(quick, evidence, charset) < LEAST_LIKENESS:
        return None
    most = N_BEST if pattern.check == "none" else N_BEST_CHECKED
    paths = best_paths(evidence.arcs, evidence.nodes, automaton, most, outlook)

    def make(text: _Text) -> _Candidate | None:
        return _candidate(text.path, evidence, automaton, pattern, charset, limits)

    code, failed, rivals = _chosen(_texts(paths, pattern, charset), make, pattern)
    if code is None:
        return None
    if not failed and pattern.check in DIGIT_CHECKS:
        code = _with_check(code)
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


def _signs(code: _Candidate) -> ImageSigns:
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


_RANK = {Status.OK: 0, Status.LOW_CONFIDENCE: 1, Status.AMBIGUOUS: 1, Status.CHECK_FAILED: 2}


def apart(found: Sequence[CodeReading]) -> list[CodeReading]:
    """Codes that share no string, the surest first; mismatches only where nothing else is."""
    ordered = sorted(found, key=lambda c: (_RANK.get(c.status, 3), -c.confidence))
    kept: list[CodeReading] = []
    for code in ordered:
        if all(not set(code.strings) & set(k.strings) for k in kept):
            kept.append(code)
    matching = [c for c in kept if c.status is not Status.PATTERN_MISMATCH]
    return matching or kept[:1]
