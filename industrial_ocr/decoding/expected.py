"""A known text on the lattice of one string, or of several that are read one after the other.

Two questions are asked of the lattice that is read freely and under patterns (``evidence.gather``):

* ``align_symbols``: which hypothesis shows which symbol of the text? A symbol may be missing, a box
  may be left over, a box may show another symbol, each at a price (Needleman and Wunsch 1970).
* ``against_neighbors``: is the text likelier than every text one or two edits away, an edit being
  one symbol more, less or of another shape (Levenshtein 1966)? Two, as a box that is taken for two
  characters and not for one makes two.

Symbols of one shape (0 O, 1 I l, C c) count as the same here. Numpy only; ties go to the earlier
box.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.evidence import FLOOR, Evidence, StringEvidence, gather
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.lattice import leaving
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import CharBox, CharCandidates

MISSING = math.log(3e-4)
"""Log-probability of a symbol that has no box."""
MOST_EDITS = 2
ANOTHER = math.log(1e-4)
"""A box shows another symbol than it should with this log-probability at least, below that of its
best symbol, so that a wrong character is one wrong character, and not one missing and one too
many; and it shows nothing at least with this one."""
OTHER_WORD = 0.9
"""A box in another word before or after the text is left out with this probability at least."""
WILDCARD = 0.1
"""Likelihood of a box under a symbol that the classifier does not know; half of it where the
classifier is sure of another symbol."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AlignedSymbol:
    """One symbol of the text and where it stands.

    Attributes:
        symbol: of the text.
        box: its box, half of it, or the box around its two; None where it is missing.
        candidates: what the classifier said of that box, None where it is missing.
        log_prob: natural logarithm of the symbol's own probability there, at least that of
            ``evidence.FLOOR``; ``MISSING`` where it is missing, the log of its ``WILDCARD``
            likelihood where the classifier does not know it.
        known: whether the classifier knows the symbol.
        string: which of the strings it stands in, -1 where it is missing.
        boxes: places of its boxes in that string: none, one or two.
    """

    symbol: str
    box: CharBox | None
    candidates: CharCandidates | None
    log_prob: float
    known: bool
    string: int = -1
    boxes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class SkippedBox:
    """A box that no symbol took.

    Attributes:
        box: as found.
        candidates: what the classifier said of it.
        string: which of the strings it stands in.
        place: its place there.
        before: number of symbols that stand before it, missing ones next to it not counted; 0
            before the text and all of them after it.
        same_word: whether it is in the word of the nearest symbol before or after it.
        adjoining: whether, besides, it is right beside that symbol.
        log_odds: ln of the odds that it is a character of its own.
    """

    box: CharBox
    candidates: CharCandidates
    string: int
    place: int
    before: int
    same_word: bool
    adjoining: bool
    log_odds: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """A text laid over strings.

    Attributes:
        symbols: one entry a symbol of the text, in its order.
        skipped: boxes that no symbol took, in reading order.
        score: of the path, in nats; compares texts and strings with each other.
    """

    symbols: tuple[AlignedSymbol, ...]
    skipped: tuple[SkippedBox, ...]
    score: float

    @property
    def inside(self) -> tuple[SkippedBox, ...]:
        """The boxes left out between the first and the last symbol that was found."""
        found = [i for i, s in enumerate(self.symbols) if s.box is not None]
        return tuple(s for s in self.skipped if found[0] < s.before <= found[-1])


def _row(
    evidence: StringEvidence | Sequence[StringEvidence], charset: Charset
) -> tuple[list[StringEvidence], Evidence]:
    strings = [evidence] if isinstance(evidence, StringEvidence) else list(evidence)
    return strings, gather(strings, charset, False, other_word=OTHER_WORD)


def _same_shape(symbols: Sequence[str], charset: Charset) -> NDArray[np.bool_]:
    """(L, C) whether each of the charset's symbols has the shape of each of the text."""
    shapes = [same_shape(s) for s in symbols]
    return np.array([[s in shape for s in charset.symbols] for shape in shapes], bool)


def _logs(lattice: Evidence, charset: Charset) -> Floats:
    """(A, 1, C) score of each symbol on each arc, -inf where an arc can only be nothing."""
    nothing = np.full(len(charset.symbols), -np.inf)
    rows = [nothing if a.log_probs is None else a.log_probs for a in lattice.arcs]
    return np.array(rows)[:, None]


def _values(lattice: Evidence, symbols: Sequence[str], charset: Charset) -> Floats:
    """(A, L) score of each symbol's shape on each arc, -inf where an arc can only be nothing."""
    logs = _logs(lattice, charset)
    values: Floats = np.where(_same_shape(symbols, charset), logs, -np.inf).max(2)
    for k in [k for k, s in enumerate(symbols) if s not in charset.symbols]:
        # Nothing speaks for a symbol that nobody knows, but what speaks for its box.
        p = np.array([max(float(h.probabilities.max()), FLOOR) for h in lattice.hypotheses])
        values[:, k] = logs.max(2)[:, 0] - np.log(p) + np.log(WILDCARD * (1 - p / 2))
    return values


def align_symbols(
    evidence: StringEvidence | Sequence[StringEvidence], symbols: Sequence[str], charset: Charset
) -> Alignment | None:
    """Lays a known text over the boxes of one string or of several.

    Args:
        evidence: of one string, or of several in reading order.
        symbols: the text, a symbol each, without white space; those that the charset lacks are
            wildcards.
        charset: the classifier's.

    Returns:
        The likeliest alignment; None where there is no box or no symbol took one.

    Raises:
        ValueError: no symbols, or one that is empty or white space.
    """
    if not symbols or any(not s or s.isspace() for s in symbols):
        raise ValueError(f"a text to align has symbols, none of them a space, got {symbols!r}")
    strings, lattice = _row(evidence, charset)
    if not len(lattice.words):
        return None
    taken, score = _best_path(lattice, _values(lattice, symbols, charset))
    if all(arc < 0 for arc in taken):
        return None
    starts = np.cumsum([0, *(len(e.singles) for e in strings)])
    found = tuple(
        _aligned(symbol, arc, lattice, starts, charset)
        for symbol, arc in zip(symbols, taken, strict=True)
    )
    return Alignment(found, _skipped(taken, lattice, strings), score)


_MISSING, _LEFT_OUT = -1, -2


def _best_path(lattice: Evidence, values: Floats) -> tuple[list[int], float]:
    """The arc that each symbol took, -1 for none, and the score (Viterbi over node and symbol)."""
    length = values.shape[1]
    best = np.full((lattice.nodes, length + 1), -np.inf)
    best[0, 0] = 0.0
    way = np.zeros((lattice.nodes, length + 1, 3), np.int64)  # node and symbol before, arc
    places = np.arange(length + 1)

    def settle(node: int) -> None:
        for k in range(1, length + 1):
            if best[node, k - 1] + MISSING > best[node, k]:
                best[node, k] = best[node, k - 1] + MISSING
                way[node, k] = node, k - 1, _MISSING

    def reach(node: int, scores: Floats, first: int, before: NDArray[np.int64], arc: int) -> None:
        better = scores > best[node]
        best[node, better] = scores[better]
        way[node, better, 0], way[node, better, 2] = first, arc
        way[node, better, 1] = before[better]

    ways_on = leaving(lattice.arcs)
    for node in range(lattice.nodes):
        settle(node)
        here = best[node]
        for number, arc in ways_on.get(node, ()):
            if arc.log_probs is not None:
                shown = np.maximum(values[number], arc.log_probs.max() + ANOTHER)
                reach(arc.last, np.append(-np.inf, here[:-1] + shown), node, places - 1, number)
            if arc.nothing is not None:
                outside = arc.log_probs is None
                scores = here + (arc.nothing if outside else max(arc.nothing, ANOTHER))
                if outside:
                    scores[1:-1] = -np.inf
                    scores[-1 if node == 0 else 0] = -np.inf
                reach(arc.last, scores, node, places, _LEFT_OUT)
    taken, node, k = [_MISSING] * length, lattice.nodes - 1, length
    while node > 0 or k > 0:
        before, fewer, number = (int(v) for v in way[node, k])
        if number >= 0:
            taken[k - 1] = number
        node, k = before, fewer
    return taken, float(best[-1, -1])


def _aligned(
    symbol: str, arc: int, lattice: Evidence, starts: NDArray[np.int64], charset: Charset
) -> AlignedSymbol:
    known = symbol in charset.symbols
    if arc < 0:
        return AlignedSymbol(symbol, None, None, MISSING, known)
    hypothesis, own = lattice.hypotheses[arc], lattice.arcs[arc]
    p = hypothesis.probabilities
    log_prob = math.log(WILDCARD * (1 - float(p.max()) / 2))
    if known:
        log_prob = float(np.log(max(p[charset.symbols.index(symbol)], FLOOR)))
    first = own.first // 2 - int(starts[hypothesis.string])
    boxes = tuple(range(first, first + max((own.last - own.first) // 2, 1)))
    return AlignedSymbol(
        symbol, hypothesis.box, hypothesis.candidates, log_prob, known, hypothesis.string, boxes
    )


def _skipped(
    taken: Sequence[int], lattice: Evidence, strings: Sequence[StringEvidence]
) -> tuple[SkippedBox, ...]:
    """The boxes that no symbol took, and where they stand to the text."""
    owner = {
        box: k
        for k, arc in enumerate(taken)
        if arc >= 0
        for box in range(lattice.arcs[arc].first // 2, (lattice.arcs[arc].last + 1) // 2)
    }
    odds = {
        a.first // 2: float(a.log_probs.max() - a.nothing)
        for a in lattice.arcs
        if a.log_probs is not None and a.nothing is not None
    }
    places = [(s, i) for s, e in enumerate(strings) for i in range(len(e.singles))]
    found = []
    for i, (number, place) in enumerate(places):
        if i in owner:
            continue
        left = next((k for k in range(i - 1, -1, -1) if k in owner), None)
        right = next((k for k in range(i + 1, len(places)) if k in owner), None)
        before = 0 if left is None else len(taken) if right is None else owner[left] + 1
        fellows = [
            k for k in (left, right) if k is not None and lattice.words[k] == lattice.words[i]
        ]
        adjoining = any(abs(k - i) == 1 for k in fellows)
        evidence = strings[number]
        found.append(
            SkippedBox(
                evidence.string.boxes[place], evidence.singles[place], number, place, before,
                bool(fellows), adjoining, odds[i],
            )
        )  # fmt: skip
    return tuple(found)


def against_neighbors(
    evidence: StringEvidence | Sequence[StringEvidence], symbols: Sequence[str], charset: Charset,
    part: bool = False,
) -> tuple[float, str]:  # fmt: skip
    """How much likelier a text is than the likeliest other one within ``MOST_EDITS`` of it.

    Args:
        evidence: of one string, or of several in reading order.
        symbols: the text, all of them known to the classifier.
        charset: the classifier's.
        part: what stands beside the text in its word is no part of it, and a longer or shorter
            part of that word is no other text.

    Returns:
        The difference of the log-scores of their best paths, below 0 where the other one is
        likelier, and that other text.
    """
    _, lattice = _row(evidence, charset)
    values = _values(lattice, symbols, charset)
    length = len(symbols)
    # By node, symbols read, edits made and symbols added: the best score and the text as edited.
    # What was left out is not added elsewhere, so that no edited text is the text itself.
    best: dict[tuple[int, int, int, int], tuple[float, str]] = {(0, 0, 0, 0): (0.0, "")}
    counts = [(e, n) for e in range(MOST_EDITS + 1) for n in range(-MOST_EDITS, MOST_EDITS + 1)]

    def reach(state: tuple[int, int, int, int], score: float, text: str) -> None:
        if score > best.get(state, (-math.inf, ""))[0]:
            best[state] = score, text

    ways_on = leaving(lattice.arcs)
    others = np.where(_same_shape(symbols, charset), -np.inf, _logs(lattice, charset))
    rivals = others.argmax(2)
    for node in range(lattice.nodes):
        for k, (edits, added) in itertools.product(range(length + 1), counts):
            if (node, k, edits, added) not in best:
                continue
            score, text = best[node, k, edits, added]
            more = edits < MOST_EDITS
            if k < length and more and added <= 0:
                reach((node, k + 1, edits + 1, added - 1), score, text)
            for number, arc in ways_on.get(node, ()):
                if arc.log_probs is None:
                    if k == (0 if arc.first == 0 else length):
                        reach((arc.last, k, edits, added), score + float(arc.nothing or 0.0), text)
                    continue
                if part and k in (0, length):  # beside the text, whatever it is
                    free = float(arc.log_probs.max())
                    reach((arc.last, k, edits, added), score + free, text)
                elif arc.nothing is not None:
                    reach((arc.last, k, edits, added), score + arc.nothing, text)
                if k < length:
                    shown = score + float(values[number, k])
                    reach((arc.last, k + 1, edits, added), shown, text + symbols[k])
                # After a symbol more, another one in the last place would be one beyond the end.
                if k < length and more and not (added > 0 and k == length - 1):
                    rival = int(rivals[number, k])
                    other = score + float(others[number, k, rival])
                    wrong = text + charset.symbols[rival]
                    reach((arc.last, k + 1, edits + 1, added), other, wrong)
                inside = (0 if edits == 0 or added > 0 else 1) < k < length
                if (
                    more
                    and added >= 0
                    and (inside or (not part and _beside(lattice, arc.first // 2, k == 0)))
                ):
                    top = int(arc.log_probs.argmax())
                    extra = score + float(arc.log_probs[top])
                    reach((arc.last, k, edits + 1, added + 1), extra, text + charset.symbols[top])
    exact, _ = best.get((lattice.nodes - 1, length, 0, 0), (-math.inf, ""))
    ends = [best.get((lattice.nodes - 1, length, *c)) for c in counts if c[0] > 0]
    whole = "".join(symbols)
    reached = [e for e in ends if e is not None]
    apart = [e for e in reached if not (part and (whole in e[1] or e[1] in whole))]
    other, text = max(apart, default=(-math.inf, ""))
    return (exact - other if math.isfinite(exact) else -math.inf), text


def _beside(lattice: Evidence, box: int, before: bool) -> bool:
    """Whether a box before or after a text may belong to its word."""
    other = box + 1 if before else box - 1
    return 0 <= other < len(lattice.words) and lattice.words[other] == lattice.words[box]
