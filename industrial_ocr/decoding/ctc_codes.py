"""Codes from the frames of the CRNN: the likeliest labels that a pattern accepts.

The statuses and what they mean are those of ``code_rules``; here a reading *contradicts* a code
where the label read without the pattern is so much likelier that only the pattern speaks for the
code: by the same factors, once for each character that differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from industrial_ocr.automaton import Automaton
from industrial_ocr.charset import Charset
from industrial_ocr.codes import CharStatus, CodeCharacter, CodeReading
from industrial_ocr.decoding.code_rules import (
    AMBIGUOUS,
    CHECK_ODDS,
    CONTRADICTION,
    DIGIT_CHECKS,
    LEAST_AGREEMENT,
    TWIN_CONTRADICTION,
    Limits,
    apart,
    are_twins,
)
from industrial_ocr.decoding.ctc import (
    CtcSymbol,
    align,
    greedy_decode,
    sequence_log_probability,
)
from industrial_ocr.decoding.ctc_beam import Hypothesis, beam_search
from industrial_ocr.decoding.ctc_outlook import (
    FrameOutlook,
    best_alignment,
    frame_outlook,
    pruned_search,
)
from industrial_ocr.decoding.outlook import has_outlook
from industrial_ocr.geometry import enclosing_quad
from industrial_ocr.pattern import Pattern
from industrial_ocr.types import Character, Direction, FloatArray, Status

N_BEST = 12
LEAST_READ, MOST_READ = 0.7, 1.4
"""A run is looked at if it reads without the pattern as so many symbols of the code's length."""
LONGEST = 64
HOPELESS = math.log(0.15)
"""A run whose best alignment of a code has less than this a symbol holds none, unless it is read as
a misprint."""
MISPRINTS = 2
"""So many runs are looked at for one."""
_FOUND = (Status.OK, Status.LOW_CONFIDENCE, Status.AMBIGUOUS)
NEAR = 3.0
"""What the best alignment tells of a code is trusted so far, in nats; what its beam would find and
add over all alignments is not known before."""
UNSURE_AGREEMENT = 0.1
"""The same of the share of characters that are read so without the pattern."""


@dataclass(frozen=True, eq=False)
class FrameString:
    """The frames of one string and where they stand.

    Attributes:
        log_probs: (T, C) log-probabilities, class 0 the blank.
        place: quad (4, 2) in source pixels of the frames from a first to a last, inclusive.
        direction: of the string.
    """

    log_probs: NDArray[np.floating]
    place: Callable[[float, float], FloatArray]
    direction: Direction


def joined(strings: Sequence[FrameString]) -> tuple[NDArray[np.float64], list[int]]:
    """The frames of neighbouring strings with a sure blank between, and where each begins."""
    classes = strings[0].log_probs.shape[1]
    blank = np.full((1, classes), -60.0)
    blank[0, 0] = 0.0
    parts: list[NDArray[np.floating]] = []
    starts, count = [], 0
    for i, string in enumerate(strings):
        if i:
            parts.append(blank)
            count += 1
        starts.append(count)
        parts.append(string.log_probs)
        count += len(string.log_probs)
    return np.concatenate(parts).astype(np.float64), starts


def _capitals(table: NDArray[np.floating], charset: Charset) -> NDArray[np.float64]:
    """Letters of either case joined into the capital."""
    folded = np.array(table, np.float64)
    for i, symbol in enumerate(charset.symbols):
        upper = symbol.upper()
        if symbol.islower() and upper in charset.symbols:
            at = charset.symbols.index(upper) + 1
            folded[:, at] = np.logaddexp(folded[:, at], folded[:, i + 1])
            folded[:, i + 1] = -60.0
    return folded


def _least_ratio(code: str, raw: str) -> float:
    """How much less likely than the raw reading a code may be."""
    ratio = 1.0
    for step in Levenshtein.editops(raw, code):
        a = raw[step.src_pos] if step.tag != "insert" else ""
        b = code[step.dest_pos] if step.tag != "delete" else ""
        ratio *= TWIN_CONTRADICTION if a and b and are_twins(a, b) else CONTRADICTION
    return ratio


def _only_twins(code: str, raw: str) -> bool:
    """Whether a code differs from what was read in 0 O and 1 I l alone."""
    return len(code) == len(raw) and all(
        a == b or are_twins(a, b) for a, b in zip(code, raw, strict=True)
    )


def _characters(
    symbols: Sequence[CtcSymbol], raw: str, quads: Sequence[FloatArray], limits: Limits
) -> list[CodeCharacter]:
    """The code's characters, each held against the one that was read in its place."""
    text = "".join(s.symbol for s in symbols)
    read = dict.fromkeys(range(len(symbols)), "")
    for block in Levenshtein.opcodes(raw, text):
        if block.tag in ("equal", "replace"):
            for k in range(block.src_end - block.src_start):
                read[block.dest_start + k] = raw[block.src_start + k]
    made = []
    for i, (symbol, quad) in enumerate(zip(symbols, quads, strict=True)):
        status = CharStatus.READ
        if read[i] != symbol.symbol:
            status = CharStatus.CORRECTED
        elif symbol.probability < limits.min_character:
            status = CharStatus.REJECTED
        known = dict(symbol.alternatives)
        raw_p = symbol.probability if read[i] == symbol.symbol else known.get(read[i], 0.0)
        shown = Character(symbol.symbol, quad, symbol.probability, symbol.alternatives)
        made.append(CodeCharacter(shown, symbol.probability, status, read[i], raw_p))
    return made


def read_ctc_codes(
    strings: Sequence[FrameString],
    pattern: Pattern,
    charset: Charset,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> list[CodeReading]:
    """The codes of an image under a pattern, the surest first; as ``code_reading.read_codes``.

    Each string, or run of neighbouring strings, must be the code as a whole: frames do not tell
    which part of a string could be left out.

    Args:
        strings: in reading order.
        pattern: what codes look like.
        charset: with the blank.
        limits: when a code is doubtful.
    """
    automaton = pattern.automaton(charset)
    if not any(charset.symbols[i].islower() for i in np.unique(automaton.labels)):
        strings = [replace(s, log_probs=_capitals(s.log_probs, charset)) for s in strings]
    shortest = min(pattern.lengths, default=1)
    longest = pattern.max_length or len(strings) * LONGEST
    counts = [len(greedy_decode(s.log_probs, charset, 0)) for s in strings]
    near: list[_Run] = []
    far: list[_Run] = []
    for length in range(1, max(1, len(pattern.spans_strings)) + 1):
        for start in range(len(strings) - length + 1):
            run = strings[start : start + length]
            read = sum(counts[start : start + length])
            if not LEAST_READ * shortest <= read <= MOST_READ * longest:
                continue
            if len({s.direction for s in run}) == 1:
                found = _run_of(start, run, automaton, charset)
                if found is not None:
                    (near if found.promise >= 0 else far).append(found)
    made: list[CodeReading] = []
    for job in sorted(near, key=lambda r: -r.best):
        # Runs that share a string compete; the likeliest goes first.
        taken = {i for c in made if c.status in _FOUND for i in c.strings}
        if not taken & set(range(job.first, job.first + len(job.strings))):
            code = _read(job, automaton, pattern, charset, limits)
            made += [code] if code is not None else []
    # What contradicts the frames is told of only where nothing else is, the nearest alone.
    for job in sorted(far, key=lambda r: -r.promise)[:MISPRINTS]:
        if made and any(c.status is not Status.PATTERN_MISMATCH for c in made):
            break
        code = _read(job, automaton, pattern, charset, limits)
        if code is not None:
            made.append(code)
            break
    return apart(made)


@dataclass(frozen=True, eq=False)
class _Run:
    """Neighbouring strings that may be a code together, see ``joined``.

    Attributes:
        first: number of the first of them.
        strings: the strings.
        table: (T, C) log-probabilities of their frames.
        starts: the frame that each begins at.
        outlook: of the frames, None where the automaton is too large.
        promise: how far, in nats, the best code's alignment is from contradicting the frames; below
            0 where it does.
        best: log-probability of that alignment a symbol.
    """

    first: int
    strings: Sequence[FrameString]
    table: NDArray[np.float64]
    starts: list[int]
    outlook: FrameOutlook | None
    promise: float = 0.0
    best: float = 0.0


def _run_of(
    first: int, strings: Sequence[FrameString], automaton: Automaton, charset: Charset
) -> _Run | None:
    """What a first look tells of neighbouring strings, None where they are another text."""
    table, starts = joined(strings)
    if not has_outlook(automaton):
        return _Run(first, strings, table, starts, None)
    outlook = frame_outlook(table, automaton)
    symbols = best_alignment(table, automaton, outlook)
    if not symbols:
        return None
    code = "".join(charset.symbols[i] for i in symbols)
    raw = "".join(s.symbol for s in greedy_decode(table, charset, 0))
    promise = outlook.best - float(table.max(1).sum()) - math.log(_least_ratio(code, raw)) + NEAR
    alike = Levenshtein.normalized_similarity(raw, code) >= LEAST_AGREEMENT - UNSURE_AGREEMENT
    a_symbol = outlook.best / len(symbols)
    if not alike and promise < 0 or promise >= 0 and a_symbol < HOPELESS:
        return None
    return _Run(first, strings, table, starts, outlook, promise, a_symbol)


def _read(
    run: _Run, automaton: Automaton, pattern: Pattern, charset: Charset, limits: Limits
) -> CodeReading | None:
    """The code of one run of strings, None where there is none."""
    if run.outlook is None:
        hypotheses = beam_search(run.table, automaton, N_BEST)
    else:
        hypotheses = pruned_search(run.table, automaton, run.outlook, N_BEST)
    return _code(run, hypotheses, pattern, charset, limits) if hypotheses else None


def _code(
    run: _Run,
    hypotheses: Sequence[Hypothesis],
    pattern: Pattern,
    charset: Charset,
    limits: Limits,
) -> CodeReading | None:
    """The code of one run of strings, given the likeliest labels."""
    table = run.table
    greedy = greedy_decode(table, charset, 0)
    raw = "".join(s.symbol for s in greedy)
    raw_log = _log_probability(table, raw, charset)
    texts = [_text(h, pattern, charset) for h in hypotheses]
    chosen, failed, passing = 0, "", list(range(len(texts)))
    if pattern.check != "none":
        passing = [i for i, t in enumerate(texts) if pattern.verify_code(t).ok]
        chosen = passing[0] if passing else 0
        failed = "" if passing else pattern.verify(texts[0]).message
    label = [s + 1 for s in hypotheses[chosen].symbols]
    symbols = align(table, label, charset)
    quads = [place_of(s, run.strings, run.starts) for s in symbols]
    characters = tuple(
        c
        for c in _characters(symbols, raw, quads, limits)
        if c.character.symbol not in pattern.separators
    )
    share = hypotheses[chosen].probability / sum(hypotheses[i].probability for i in passing or [0])
    log_p = hypotheses[chosen].log_prob
    spelled = "".join(charset.symbols[s] for s in hypotheses[chosen].symbols)
    # Judged without the pattern's help, per character, as two-stage codes are.
    share_of_paths = float(np.exp(log_p))
    if raw != spelled and _only_twins(spelled, raw):
        # The frames cannot tell those apart, the pattern can: they speak for the same code.
        share_of_paths += float(np.exp(raw_log))
    odds = share_of_paths / max(1 - share_of_paths, 1e-12)
    odds *= CHECK_ODDS if pattern.check in DIGIT_CHECKS and not failed else 1.0
    confidence = float(max(odds / (1 + odds), 1e-12)) ** (1 / max(len(characters), 1))
    agreement = Levenshtein.normalized_similarity(raw, spelled)
    contradicted = np.exp(log_p - raw_log) < _least_ratio(spelled, raw) * 0.999
    status, reason = Status.OK, "read as the pattern asks"
    if raw != spelled and contradicted:
        status, reason = Status.PATTERN_MISMATCH, f"{raw!r} is read, which does not match"
    elif failed:
        status, reason = Status.CHECK_FAILED, failed
    elif share <= 1 / (1 + AMBIGUOUS):
        status, reason = Status.AMBIGUOUS, "another code is nearly as likely"
    elif doubt := limits.doubt(confidence, len(characters)):
        status, reason = Status.LOW_CONFIDENCE, doubt
    if not characters or (status is not Status.OK and agreement < LEAST_AGREEMENT):
        return None
    axis = quads[0][1] - quads[0][0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    rest = tuple((texts[i], hypotheses[i].probability) for i in passing if i != chosen)
    return CodeReading(
        texts[chosen], pattern.name or pattern.text, status, reason, confidence, raw,
        float(np.exp(raw_log / max(len(raw), 1))), characters, enclosing_quad(quads, axis),
        tuple(range(run.first, run.first + len(run.strings))), run.strings[0].direction, rest[:4],
    )  # fmt: skip


def _log_probability(table: NDArray[np.float64], text: str, charset: Charset) -> float:
    """log p(l|y) of a text."""
    return sequence_log_probability(table, charset.encode(text))


def _text(hypothesis: Hypothesis, pattern: Pattern, charset: Charset) -> str:
    return pattern.normalise("".join(charset.symbols[s] for s in hypothesis.symbols))


def place_of(symbol: CtcSymbol, run: Sequence[FrameString], starts: Sequence[int]) -> FloatArray:
    """Where a symbol stands in the picture, widened beyond CTC's narrow spike."""
    at = int(np.searchsorted(starts, symbol.first_frame, side="right")) - 1
    return run[at].place(
        symbol.first_frame - starts[at] - 1.0, symbol.last_frame - starts[at] + 1.0
    )
