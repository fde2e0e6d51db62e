"""Compares a text with all texts that are one or two edits away.

An edit adds a symbol, removes one or changes its shape (Levenshtein 1966). The limit is two,
because a box taken for two characters instead of one makes two edits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from industrial_ocr.decoding.evidence import StringLattice
from industrial_ocr.decoding.expected import (
    Strings,
    TextSearch,
    has_shape_of,
    shape_scores,
    symbol_scores,
    text_lattice,
)
from industrial_ocr.decoding.lattice import Arc
from industrial_ocr.patterns.charset import Charset

EDITS = ((0, 0), (1, -1), (1, 0), (1, 1), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2))
"""The kinds of texts that are searched: (number of edits, symbols added minus symbols removed)."""


def against_neighbors(
    evidence: Strings, symbols: Sequence[str], charset: Charset, part: bool = False
) -> tuple[float, str]:
    """Compares a text with the likeliest other text within two edits of it.

    Args:
        evidence: of the strings.
        symbols: of the text, all of them known to the classifier.
        charset: the classifier's.
        part: the text may be a part of a longer word: boxes beside it are ignored, and a longer or
            shorter part of that word is no other text.

    Returns:
        The log-score of the text's best path minus that of the other text, and the other text.
    """
    _, lattice = text_lattice(evidence, charset)
    search = _NeighborSearch(lattice, symbols, charset, part)
    for node in range(lattice.nodes):
        search.advance(node)
    exact, whole = float(search.best[-1, 0, -1]), "".join(symbols)
    others = [(-math.inf, "")]
    for kind, score in enumerate(search.best[-1, :, -1].tolist()):
        if kind == 0 or score == -math.inf:
            continue
        read = [charset.symbols[s] for _, _, s in search.trace(kind) if s >= 0]
        text = "".join(reversed(read))
        if not (part and (whole in text or text in whole)):
            others.append((score, text))
    other, text = max(others)
    return (exact - other if math.isfinite(exact) else -math.inf), text


class _NeighborSearch(TextSearch):
    """The search for texts within two edits.

    No symbol is added after another was removed, so that an edited text is never the text itself.
    """

    def __init__(
        self, lattice: StringLattice, symbols: Sequence[str], charset: Charset, part: bool
    ) -> None:
        super().__init__(lattice, len(symbols), len(EDITS))
        self._words, self._part = lattice.words, part
        self._label = np.array([charset.symbols.index(s) for s in symbols])
        self._values = shape_scores(lattice, symbols, charset)
        rest = np.where(has_shape_of(symbols, charset), -np.inf, symbol_scores(lattice, charset))
        self._rivals, self._rival_values = rest.argmax(2), rest.max(2)

    def advance(self, node: int) -> None:
        """Follows all steps from the states of a node."""
        for kind, (edits, added) in enumerate(EDITS):
            if edits < 2 and added <= 0:
                fewer = EDITS.index((edits + 1, added - 1))
                self.step((node, kind), (node, fewer), self.best[node, kind, :-1], read=1)
        kinds = np.flatnonzero(np.isfinite(self.best[node]).any(1)).tolist()
        steps = [(kind, *leaving) for kind, leaving in product(kinds, self.leaving(node))]
        # Steps that read a symbol come first, as ties go to the earlier step.
        for kind, number, arc in steps:
            if arc.log_probs is not None:
                self._read_symbol(node, kind, number, arc)
        for kind, number, arc in steps:
            if arc.log_probs is None:
                self.leave_out(node, kind, arc)
            else:
                self._skip_box(node, kind, arc)
                self._add_symbol(node, kind, number, arc)

    def _read_symbol(self, node: int, kind: int, number: int, arc: Arc) -> None:
        """Reads the next symbol on an arc, or, as an edit, the likeliest one of another shape."""
        here, (edits, added) = self.best[node, kind, :-1], EDITS[kind]
        shown = here + self._values[number]
        self.step((node, kind), (arc.last, kind), shown, 1, number, self._label)
        if edits < 2:
            wrong = here + self._rival_values[number]
            if added > 0:  # the same text as with a symbol added at the end: see ``_add_symbol``
                wrong[-1] = -np.inf
            other = EDITS.index((edits + 1, added))
            self.step((node, kind), (arc.last, other), wrong, 1, number, self._rivals[number])

    def _skip_box(self, node: int, kind: int, arc: Arc) -> None:
        """Reads no character on an arc; beside a part of a word, any character is ignored."""
        here = self.best[node, kind]
        scores = here + (-np.inf if arc.nothing is None else arc.nothing)
        if self._part and arc.log_probs is not None:
            scores[[0, -1]] = here[[0, -1]] + arc.log_probs.max()
        self.step((node, kind), (arc.last, kind), scores)

    def _add_symbol(self, node: int, kind: int, number: int, arc: Arc) -> None:
        """Adds an arc's best symbol, between those of the text or beside them in their word."""
        edits, added = EDITS[kind]
        if edits == 2 or added < 0 or arc.log_probs is None:
            return
        box = arc.first // 2
        fits = np.full(self.length + 1, not self._part and self._same_word(box, box - 1))
        fits[0] = not self._part and self._same_word(box, box + 1)
        fits[1 if edits == 0 or added > 0 else 2 : self.length] = True
        top = int(arc.log_probs.argmax())
        scores = np.where(fits, self.best[node, kind] + arc.log_probs[top], -np.inf)
        more = EDITS.index((edits + 1, added + 1))
        self.step((node, kind), (arc.last, more), scores, 0, number, top)

    def _same_word(self, box: int, other: int) -> bool:
        """Whether ``other`` is a box and belongs to the same word as ``box``."""
        return bool(0 <= other < len(self._words) and self._words[other] == self._words[box])
