"""Reads codes from the frames of the CRNN under a pattern, by the rules of ``code_rules``.

One rule differs: a code *contradicts* the evidence if the text read without the pattern is likelier
by more than the product of the rules' factors over all characters that differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.decoding.code_rules import (
    CODE_RULES,
    are_twins,
    character_status,
    chosen_by_check,
    confidence_doubt,
    has_lower_case,
    judged_code,
    read_in_turn,
    runs_of,
    status_rank,
    without_shared_strings,
)
from industrial_ocr.decoding.ctc import CtcSymbol, align, greedy_decode, sequence_log_probability
from industrial_ocr.decoding.ctc_backward import Backward
from industrial_ocr.decoding.ctc_beam import CtcReading, LookAhead, beam_search, look_ahead
from industrial_ocr.decoding.ctc_frames import FrameString, joined, place_of
from industrial_ocr.decoding.ctc_rivals import END_MARK_ODDS, MARK_ODDS, edit_scores, mark_classes
from industrial_ocr.decoding.lexicon import joined_cases, narrowed
from industrial_ocr.decoding.verification import MARK_SYMBOLS
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeCharacter, CodeReading
from industrial_ocr.results.geometry import quad_around
from industrial_ocr.results.types import Character, FloatArray, Status


@dataclass(frozen=True, eq=False)
class _FrameRun:
    """Neighboring strings that may be a code together, see ``joined``.

    Attributes:
        places: their indices among the strings of the image.
        strings: the strings.
        table: (T, C) log-probabilities of their frames.
        starts: the first frame of each string.
        pattern: what codes look like; a large lexicon is reduced to words similar to the reading.
        ahead: the look-ahead of the frames under the pattern.
        margin: log-probability of a code's best alignment minus the limit below which it
            contradicts the frames; negative if it contradicts them.
        best: log-probability of that alignment per symbol.
    """

    places: range
    strings: Sequence[FrameString]
    table: NDArray[np.float64]
    starts: list[int]
    pattern: Pattern
    ahead: LookAhead
    margin: float = 0.0
    best: float = 0.0


@dataclass(frozen=True)
class _CodeText:
    """A code in all its spellings, which differ in separators.

    Attributes:
        code: without separators.
        spelled: the likeliest spelling.
        label: the symbols of that spelling.
        log_prob: of all spellings together.
        probability: of all spellings together, among the codes that were found.
    """

    code: str
    spelled: str
    label: tuple[int, ...]
    log_prob: float
    probability: float


def read_ctc_codes(
    strings: Sequence[FrameString],
    pattern: Pattern,
    charset: Charset,
    limits: ConfidenceConfig = ConfidenceConfig(),  # noqa: B008 - frozen
) -> list[CodeReading]:
    """The codes of an image under a pattern, the most reliable first.

    A string, or a run of neighboring strings, is read as a whole. In a string without a code, some
    neighboring words may be one: the most words that match; it comes after whole strings of its
    status. A part of a word never is: frames do not show which part may be left out. Runs whose
    best code contradicts the frames may be misprints; they are read only if no other code is found.

    Args:
        strings: in reading order.
        pattern: what codes look like.
        charset: with the blank.
        limits: confidences below which a code is doubtful.
    """
    if pattern.ignore_case or not has_lower_case(pattern.automaton(charset)):
        strings = [replace(s, log_probs=joined_cases(s.log_probs, charset)) for s in strings]
    # A run is read only if, without the pattern, it has about as many symbols as a code.
    shortest = 0.7 * min(pattern.lengths, default=1)
    longest = 1.4 * (pattern.max_length or len(strings) * 64)

    def run_of(places: range, own: Sequence[FrameString]) -> _FrameRun | None:
        count = sum(len(greedy_decode(s.log_probs, charset, 0)) for s in own)
        possible = shortest <= count <= longest
        return _run_of(places, own, pattern, charset) if possible else None

    def read(run: _FrameRun) -> CodeReading | None:
        return _read(run, charset, limits)

    matching: list[_FrameRun] = []
    contradicting: list[_FrameRun] = []
    for places in runs_of([s.direction for s in strings], pattern):
        found = run_of(places, strings[places.start : places.stop])
        if found is not None:
            (matching if found.margin >= 0 else contradicting).append(found)
    matching.sort(key=lambda r: -r.best)
    made = read_in_turn(
        ((run.places, run) for run in matching),
        read,
        frozenset({Status.OK, Status.LOW_CONFIDENCE, Status.AMBIGUOUS}),
    )
    whole = [c for c in made if c.status is not Status.PATTERN_MISMATCH]
    taken = set(chain.from_iterable(code.strings for code in whole))
    parts: list[CodeReading] = []
    for place, string in enumerate(strings):
        if place not in taken:
            parts += _of_words(string, partial(run_of, range(place, place + 1)), read)
    if whole or parts:
        # Of equal status, whole strings go first.
        codes = [*without_shared_strings(whole), *without_shared_strings(parts)]
        return sorted(codes, key=lambda c: status_rank(c.status))
    for run in sorted(contradicting, key=lambda r: -r.margin)[:2]:
        code = read(run)
        if code is not None:
            made.append(code)
            break
    return without_shared_strings(made)


def _of_words(
    string: FrameString,
    run_of: Callable[[Sequence[FrameString]], _FrameRun | None],
    read: Callable[[_FrameRun], CodeReading | None],
) -> list[CodeReading]:
    """The best code of neighboring words of a string, but not all; empty if none matches."""
    for count in range(len(string.words), 0, -1):
        runs = [run_of([part]) for part in string.parts(count)]
        codes = [read(run) for run in runs if run is not None and run.margin >= 0]
        matching = [c for c in codes if c is not None and c.status is not Status.PATTERN_MISMATCH]
        if matching:
            return without_shared_strings(matching)
    return []


def _run_of(
    places: range, strings: Sequence[FrameString], pattern: Pattern, charset: Charset
) -> _FrameRun | None:
    """Prepares a run of neighboring strings; None if it is clearly another text than a code."""
    table, starts = joined(strings)
    raw = "".join(s.symbol for s in greedy_decode(table, charset, 0))
    pattern = narrowed(pattern, raw)
    ahead = look_ahead(table, pattern.automaton(charset))
    if not isinstance(ahead, Backward):
        return _FrameRun(places, strings, table, starts, pattern, ahead)
    symbols = ahead.best_alignment()
    if not symbols:
        return None
    code = "".join(charset.symbols[i] for i in symbols)
    # The code's alignments together are likelier than the best one, and the code that is read may
    # be more similar to the raw text: these tolerances allow for both.
    nats, agreement = 3.0, 0.1
    margin = ahead.best - float(table.max(1).sum()) - math.log(_least_ratio(code, raw)) + nats
    similar = Levenshtein.normalized_similarity(raw, code) >= CODE_RULES.min_agreement - agreement
    per_symbol = ahead.best / len(symbols)
    possible = per_symbol >= math.log(0.15) if margin >= 0 else similar
    if not possible:
        return None
    return _FrameRun(places, strings, table, starts, pattern, ahead, margin, per_symbol)


def _read(run: _FrameRun, charset: Charset, limits: ConfidenceConfig) -> CodeReading | None:
    """The code of one run of strings, None if there is none."""
    table, pattern = run.table, run.pattern
    hypotheses = beam_search(table, pattern.automaton(charset), 12, ahead=run.ahead)
    if not hypotheses:
        return None
    raw = "".join(s.symbol for s in greedy_decode(table, charset, 0))
    raw_log = sequence_log_probability(table, charset.encode(raw))
    texts = _texts(hypotheses, pattern, charset)

    def contradicted(i: int) -> bool:
        least = _least_ratio(texts[i].spelled, raw) * 0.999  # rounding errors
        return texts[i].spelled != raw and np.exp(texts[i].log_prob - raw_log) < least

    choice = chosen_by_check([t.code for t in texts], pattern, contradicted)
    chosen = texts[choice.at]
    symbols = align(table, [s + 1 for s in chosen.label], charset)
    quads = [place_of(s, run.strings, run.starts) for s in symbols]
    characters = tuple(
        c
        for c in _characters(symbols, raw, quads, limits.min_character)
        if c.character.symbol not in pattern.separators
    )
    others = sum(math.exp(t.log_prob) for t in texts if t is not chosen)
    whole = _confidence(chosen, others, raw, raw_log, choice.checked)
    confidence = whole ** (1 / max(len(characters), 1))
    share = chosen.probability / sum(texts[i].probability for i in choice.rivals)
    rest = [(texts[i].code, texts[i].probability) for i in choice.rivals if i != choice.at]
    rival = rest[0][0] if rest and share <= 1 / (1 + CODE_RULES.ambiguous) else ""
    if not characters:
        return None
    reading = CodeReading(
        text=chosen.code,
        pattern=pattern.name or pattern.text,
        checked=choice.checked,
        ignores_marks=pattern.ignores_marks,
        may_be_longer=pattern.has_longer(chosen.code),
        status=Status.OK,
        reason="",
        confidence=confidence,
        raw_text=raw,
        raw_confidence=float(np.exp(raw_log / max(len(raw), 1))),
        characters=characters,
        quad=quad_around(quads),
        strings=tuple(run.places),
        direction=run.strings[0].direction,
        alternatives=tuple(rest[:4]),
    )
    return judged_code(
        reading,
        Levenshtein.normalized_similarity(raw, chosen.spelled),
        f"{raw!r} is read, which does not match" if contradicted(choice.at) else "",
        choice.failed,
        rival or _mark_rival(chosen, run, charset),
        [confidence_doubt(confidence, len(characters), limits)],
    )


def _texts(hypotheses: Sequence[CtcReading], pattern: Pattern, charset: Charset) -> list[_CodeText]:
    """The codes of hypotheses, the likeliest first, each once."""
    found: dict[str, _CodeText] = {}
    for h in hypotheses:
        spelled = "".join(charset.symbols[s] for s in h.symbols)
        code = pattern.normalize(spelled)
        known = found.get(code)
        if known is None:
            found[code] = _CodeText(code, spelled, h.symbols, h.log_prob, h.probability)
        else:
            found[code] = replace(
                known,
                log_prob=min(float(np.logaddexp(known.log_prob, h.log_prob)), 0.0),
                probability=known.probability + h.probability,
            )
    return list(found.values())


def _least_ratio(code: str, raw: str) -> float:
    """The lower limit of p(code) / p(raw); below it, the code contradicts the raw reading."""
    ratio = 1.0
    for step in Levenshtein.editops(raw, code):
        a = raw[step.src_pos] if step.tag != "insert" else ""
        b = code[step.dest_pos] if step.tag != "delete" else ""
        if not a and b in MARK_SYMBOLS and step.dest_pos in (0, len(code) - 1):
            ratio *= math.exp(-END_MARK_ODDS)
        elif a and b and are_twins(a, b):
            ratio *= CODE_RULES.twin_contradiction
        else:
            ratio *= CODE_RULES.contradiction
    return ratio


def _characters(
    symbols: Sequence[CtcSymbol], raw: str, quads: Sequence[FloatArray], least: float
) -> list[CodeCharacter]:
    """The code's characters, each with the raw character in its place."""
    text = "".join(s.symbol for s in symbols)
    read = dict.fromkeys(range(len(symbols)), "")
    for block in Levenshtein.opcodes(raw, text):
        if block.tag in ("equal", "replace"):
            for k in range(block.src_end - block.src_start):
                read[block.dest_start + k] = raw[block.src_start + k]
    made = []
    for i, (symbol, quad) in enumerate(zip(symbols, quads, strict=True)):
        status = character_status(symbol.symbol, read[i], symbol.probability, least)
        known = {**dict(symbol.alternatives), symbol.symbol: symbol.probability}
        shown = Character(symbol.symbol, quad, symbol.probability, symbol.alternatives)
        raw_p = known.get(read[i], 0.0)
        made.append(CodeCharacter(shown, symbol.probability, status, read[i], raw_p))
    return made


def _confidence(chosen: _CodeText, others: float, raw: str, raw_log: float, checked: bool) -> float:
    """Probability of a code as a whole.

    ``others`` is the summed probability of the other matching texts, ``raw`` the reading without
    the pattern and ``raw_log`` its log-probability.
    """
    share_of_paths = float(np.exp(chosen.log_prob))
    code = chosen.spelled
    pairs = zip(code, raw, strict=False)
    if raw != code and len(raw) == len(code) and all(are_twins(a, b) for a, b in pairs):
        # Frames cannot tell twins apart, the pattern can: the raw reading supports the same code.
        share_of_paths += float(np.exp(raw_log))
    # Most printed texts match the pattern, so texts that do not match count a tenth.
    no_match = 0.1 * max(1 - share_of_paths - others, 0.0)
    odds = share_of_paths / max(others + no_match, 1e-12)
    odds *= CODE_RULES.check_odds if checked else 1.0
    return float(max(odds / (1 + odds), 1e-12))


def _mark_rival(chosen: _CodeText, run: _FrameRun, charset: Charset) -> str:
    """A matching code with a mark more or less at an end that is nearly as likely, or empty."""
    automaton = run.pattern.automaton(charset)
    label = [s + 1 for s in chosen.label]
    marks = mark_classes(charset)
    scores = edit_scores(run.table, label)
    rivals = [(END_MARK_ODDS + float(scores.insertions[0, c]), [c, *label]) for c in marks]
    rivals += [(END_MARK_ODDS + float(scores.insertions[-1, c]), [*label, c]) for c in marks]
    if label[0] in marks:
        rivals.append((MARK_ODDS + float(scores.deletions[0]), label[1:]))
    if label[-1] in marks:
        rivals.append((MARK_ODDS + float(scores.deletions[-1]), label[:-1]))
    for needed, own in sorted(rivals, key=lambda r: -r[0]):
        if scores.own >= needed:
            break
        state = automaton.run([c - 1 for c in own])
        code = run.pattern.normalize("".join(charset.symbol(c) for c in own))
        if state >= 0 and automaton.accepting[state] and code != chosen.code:
            return code
    return ""
