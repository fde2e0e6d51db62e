"""Codes from the frames of the CRNN: the likeliest labels that a pattern accepts.

The statuses and what they mean are those of ``code_rules``; here a reading *contradicts* a code
where the label read without the pattern is so much likelier that only the pattern speaks for the
code: by the same factors, once for each character that differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

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
    character_status,
    chosen_by_check,
    judged_code,
    read_in_turn,
    runs_of,
)
from industrial_ocr.decoding.ctc import CtcSymbol, align, greedy_decode, sequence_log_probability
from industrial_ocr.decoding.ctc_backward import Backward
from industrial_ocr.decoding.ctc_beam import Hypothesis, LookAhead, beam_search, look_ahead
from industrial_ocr.decoding.ctc_frames import FrameString, joined, place_of
from industrial_ocr.decoding.ctc_rivals import END_MARK_ODDS, edit_scores, mark_classes
from industrial_ocr.decoding.lexicon import joined_cases, narrowed
from industrial_ocr.decoding.verification import MARKS
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeCharacter, CodeReading
from industrial_ocr.results.geometry import quad_around
from industrial_ocr.results.types import Character, FloatArray, Status

N_BEST = 12
LEAST_READ, MOST_READ = 0.7, 1.4
"""A run is looked at if it reads without the pattern as so many symbols of the code's length."""
LONGEST = 64
HOPELESS = math.log(0.15)
"""A run whose best alignment of a code has less than this a symbol holds none, unless it is read as
a misprint."""
MISPRINTS = 2
"""So many runs are looked at for one."""
_FOUND = frozenset({Status.OK, Status.LOW_CONFIDENCE, Status.AMBIGUOUS})
NO_MATCH = 0.1
"""How much likelier a text that the pattern refuses must be than one that it accepts to count as
much: where a pattern is given, what is printed mostly matches it."""
NEAR = 3.0
"""What the best alignment tells of a code is trusted so far, in nats; what its beam would find and
add over all alignments is not known before."""
UNSURE_AGREEMENT = 0.1
"""The same of the share of characters that are read so without the pattern."""


def _least_ratio(code: str, raw: str) -> float:
    """How much less likely than the raw reading a code may be."""
    ratio = 1.0
    for step in Levenshtein.editops(raw, code):
        a = raw[step.src_pos] if step.tag != "insert" else ""
        b = code[step.dest_pos] if step.tag != "delete" else ""
        at_end = step.dest_pos in (0, len(code) - 1)
        if not a and b in MARKS and at_end:
            ratio *= math.exp(-END_MARK_ODDS)
        else:
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
        status = character_status(symbol.symbol, read[i], symbol.probability, limits)
        known = dict(symbol.alternatives)
        raw_p = symbol.probability if read[i] == symbol.symbol else known.get(read[i], 0.0)
        shown = Character(symbol.symbol, quad, symbol.probability, symbol.alternatives)
        made.append(CodeCharacter(shown, symbol.probability, status, read[i], raw_p))
    return made


def _has_lower(automaton: Automaton) -> bool:
    return any(automaton.symbols[i].islower() for i in np.unique(automaton.labels))


def read_ctc_codes(
    strings: Sequence[FrameString],
    pattern: Pattern,
    charset: Charset,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> list[CodeReading]:
    """The codes of an image under a pattern, the surest first; as ``code_reading.read_codes``.

    Each string, or run of neighboring strings, must be the code as a whole: frames do not tell
    which part of a string could be left out.

    Args:
        strings: in reading order.
        pattern: what codes look like.
        charset: with the blank.
        limits: when a code is doubtful.
    """
    if pattern.ignore_case or not _has_lower(pattern.automaton(charset)):
        strings = [replace(s, log_probs=joined_cases(s.log_probs, charset)) for s in strings]
    shortest = min(pattern.lengths, default=1)
    longest = pattern.max_length or len(strings) * LONGEST
    counts = [len(greedy_decode(s.log_probs, charset, 0)) for s in strings]
    near: list[_Run] = []
    far: list[_Run] = []
    for places in runs_of([s.direction for s in strings], pattern):
        read = sum(counts[places.start : places.stop])
        if LEAST_READ * shortest <= read <= MOST_READ * longest:
            found = _run_of(places, strings[places.start : places.stop], pattern, charset)
            if found is not None:
                (near if found.promise >= 0 else far).append(found)
    near.sort(key=lambda r: -r.best)
    made = read_in_turn(
        ((run.places, run) for run in near), lambda run: _read(run, charset, limits), _FOUND
    )
    # What contradicts the frames is told of only where nothing else is, the nearest alone.
    for run in sorted(far, key=lambda r: -r.promise)[:MISPRINTS]:
        if made and any(c.status is not Status.PATTERN_MISMATCH for c in made):
            break
        code = _read(run, charset, limits)
        if code is not None:
            made.append(code)
            break
    return apart(made)


@dataclass(frozen=True, eq=False)
class _Run:
    """Neighboring strings that may be a code together, see ``joined``.

    Attributes:
        places: of them among the strings of the image.
        strings: the strings.
        table: (T, C) log-probabilities of their frames.
        starts: the frame that each begins at.
        pattern: what codes look like; of a large lexicon the words that are near what reads here.
        ahead: of the frames under the pattern.
        promise: how far, in nats, the best code's alignment is from contradicting the frames; below
            0 where it does.
        best: log-probability of that alignment a symbol.
    """

    places: range
    strings: Sequence[FrameString]
    table: NDArray[np.float64]
    starts: list[int]
    pattern: Pattern
    ahead: LookAhead
    promise: float = 0.0
    best: float = 0.0


def _run_of(
    places: range, strings: Sequence[FrameString], pattern: Pattern, charset: Charset
) -> _Run | None:
    """What a first look tells of neighboring strings, None where they are another text."""
    table, starts = joined(strings)
    raw = "".join(s.symbol for s in greedy_decode(table, charset, 0))
    pattern = narrowed(pattern, raw)
    ahead = look_ahead(table, pattern.automaton(charset))
    if not isinstance(ahead, Backward):
        return _Run(places, strings, table, starts, pattern, ahead)
    symbols = ahead.best_alignment()
    if not symbols:
        return None
    code = "".join(charset.symbols[i] for i in symbols)
    promise = ahead.best - float(table.max(1).sum()) - math.log(_least_ratio(code, raw)) + NEAR
    alike = Levenshtein.normalized_similarity(raw, code) >= LEAST_AGREEMENT - UNSURE_AGREEMENT
    a_symbol = ahead.best / len(symbols)
    if not alike and promise < 0 or promise >= 0 and a_symbol < HOPELESS:
        return None
    return _Run(places, strings, table, starts, pattern, ahead, promise, a_symbol)


@dataclass(frozen=True)
class _Text:
    """A code, spelled in one way or in several that differ in separators.

    Attributes:
        code: without separators.
        spelled: the likeliest way.
        label: the symbols of that.
        log_prob: of all ways.
        probability: of all ways, among the codes that were found.
    """

    code: str
    spelled: str
    label: tuple[int, ...]
    log_prob: float
    probability: float


def _texts(hypotheses: Sequence[Hypothesis], pattern: Pattern, charset: Charset) -> list[_Text]:
    """The codes of hypotheses, the likeliest first, each once."""
    found: dict[str, _Text] = {}
    for h in hypotheses:
        spelled = "".join(charset.symbols[s] for s in h.symbols)
        code = pattern.normalize(spelled)
        known = found.get(code)
        if known is None:
            found[code] = _Text(code, spelled, h.symbols, h.log_prob, h.probability)
        else:
            found[code] = replace(
                known,
                log_prob=min(float(np.logaddexp(known.log_prob, h.log_prob)), 0.0),
                probability=known.probability + h.probability,
            )
    return list(found.values())


def _read(run: _Run, charset: Charset, limits: Limits) -> CodeReading | None:
    """The code of one run of strings, None where there is none."""
    table, pattern = run.table, run.pattern
    hypotheses = beam_search(table, pattern.automaton(charset), N_BEST, ahead=run.ahead)
    if not hypotheses:
        return None
    raw = "".join(s.symbol for s in greedy_decode(table, charset, 0))
    raw_log = sequence_log_probability(table, charset.encode(raw))
    texts = _texts(hypotheses, pattern, charset)

    def contradicted(i: int) -> bool:
        least = _least_ratio(texts[i].spelled, raw) * 0.999
        return texts[i].spelled != raw and np.exp(texts[i].log_prob - raw_log) < least

    at, failed, rivals = chosen_by_check([t.code for t in texts], pattern, contradicted)
    chosen = texts[at]
    symbols = align(table, [s + 1 for s in chosen.label], charset)
    quads = [place_of(s, run.strings, run.starts) for s in symbols]
    characters = tuple(
        c
        for c in _characters(symbols, raw, quads, limits)
        if c.character.symbol not in pattern.separators
    )
    checked = pattern.check in DIGIT_CHECKS and not failed
    others = sum(math.exp(t.log_prob) for i, t in enumerate(texts) if i != at)
    whole = _confidence(chosen, others, raw, raw_log, checked)
    confidence = whole ** (1 / max(len(characters), 1))
    share = chosen.probability / sum(texts[i].probability for i in rivals)
    rest = tuple((texts[i].code, texts[i].probability) for i in rivals if i != at)
    rival = rest[0][0] if rest and share <= 1 / (1 + AMBIGUOUS) else ""
    status, reason = judged_code(
        f"{raw!r} is read, which does not match" if contradicted(at) else "",
        failed,
        rival or _mark_rival(chosen, run, charset),
        [limits.doubt(confidence, len(characters))],
    )
    agreement = Levenshtein.normalized_similarity(raw, chosen.spelled)
    if not characters or (status is not Status.OK and agreement < LEAST_AGREEMENT):
        return None
    return CodeReading(
        chosen.code, pattern.name or pattern.text, status, reason, confidence, raw,
        float(np.exp(raw_log / max(len(raw), 1))), characters, quad_around(quads),
        tuple(run.places), run.strings[0].direction, rest[:4],
    )  # fmt: skip


def _confidence(chosen: _Text, others: float, raw: str, raw_log: float, checked: bool) -> float:
    """Probability of a code as a whole.

    Args:
        chosen: the code.
        others: probability of all other texts that were found and match.
        raw: what is read without the pattern.
        raw_log: log-probability of that.
        checked: a check digit is in order.
    """
    share_of_paths = float(np.exp(chosen.log_prob))
    if raw != chosen.spelled and _only_twins(chosen.spelled, raw):
        # The frames cannot tell those apart, the pattern can: they speak for the same code.
        share_of_paths += float(np.exp(raw_log))
    no_match = max(1 - share_of_paths - others, 0.0)
    odds = share_of_paths / max(others + NO_MATCH * no_match, 1e-12)
    odds *= CHECK_ODDS if checked else 1.0
    return float(max(odds / (1 + odds), 1e-12))


def _mark_rival(chosen: _Text, run: _Run, charset: Charset) -> str:
    """The same code with a mark more, or less, at an end, where it matches and may be printed."""
    automaton = run.pattern.automaton(charset)
    label = [s + 1 for s in chosen.label]
    scores = edit_scores(run.table, label)
    rivals = [(float(scores.insertions[0, c]), [c, *label]) for c in mark_classes(charset)]
    rivals += [(float(scores.insertions[-1, c]), [*label, c]) for c in mark_classes(charset)]
    marks = mark_classes(charset)
    rivals += [(float(scores.deletions[0]), label[1:])] * (label[0] in marks)
    rivals += [(float(scores.deletions[-1]), label[:-1])] * (label[-1] in marks)
    for log_prob, own in sorted(rivals, key=lambda r: -r[0]):
        if scores.own - log_prob >= END_MARK_ODDS:
            break
        state = automaton.run([c - 1 for c in own])
        code = run.pattern.normalize("".join(charset.symbol(c) for c in own))
        if state >= 0 and automaton.accepting[state] and code != chosen.code:
            return code
    return ""
