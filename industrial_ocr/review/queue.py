"""Which item a person is shown, and what becomes of an answer: the page's rules without HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from industrial_ocr.review.answers import ID_FORM, Action, Answer, AnswerFile, parse_symbol
from industrial_ocr.review.items import Item, ItemFolder, Order, ordered

RECENT = 9
"""Symbols kept at hand: as many as there are number keys."""
AHEAD = 2
"""Items after the one that is shown, whose pictures the page loads beforehand."""

Show = Literal["open", "skipped", "answered"]
"""Items nobody answered, those that were skipped, or those that have an answer."""


class GoneError(Exception):
    """The item was removed, as the folder had reached its limit."""


class Review:
    """The items of a folder and their answers; threads may share it.

    Args:
        folder: that ``read(..., collect=...)`` wrote.

    Raises:
        CollectError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self.items = ItemFolder(folder)
        self._answers = AnswerFile(folder)

    def state(
        self, show: Show = "open", order: Order = "doubt", wanted: str = "", after: str = ""
    ) -> dict[str, Any]:
        """What the page shows.

        Args:
            show: which items.
            order: of them.
            wanted: id of the item to show if it is still one of them.
            after: else the one that follows this id in the order, the first at the end.

        Returns:
            ``counts`` by kind, ``wanted`` (what that item is now: a kind or ``gone``), ``item``
            (None where there is none), ``ahead`` (ids that follow) and ``recent`` symbols.
        """
        items, answers = self.items.list(), self._answers.standing()
        kinds = {name: _kind(answers.get(name)) for name in items}
        pivot = wanted if kinds.get(wanted) == show else after if after in items else ""
        line = ordered([i for n, i in items.items() if kinds[n] == show or n == pivot], order)
        at = next((i for i, item in enumerate(line) if item.id == pivot), 0)
        at += pivot != "" and pivot != wanted
        coming = [i for i in (*line[at:], *line[:at]) if kinds[i.id] == show]
        return {
            "counts": {k: list(kinds.values()).count(k) for k in get_args(Show)},
            "wanted": kinds.get(wanted, "gone") if wanted else "",
            "item": _shown(coming[0], answers.get(coming[0].id)) if coming else None,
            "ahead": [item.id for item in coming[1 : 1 + AHEAD]],
            "recent": self._answers.recent(RECENT),
        }

    def answer(self, data: Any) -> Answer:
        """Takes an answer: ``{"id", "action", "symbol"}``, the symbol of a ``label`` as typed.

        Raises:
            ValueError: it is none; one sentence for the person.
            GoneError: there is no such item any more.
            OSError: it cannot be written.
        """
        if not isinstance(data, dict) or not data.keys() <= {"id", "action", "symbol"}:
            raise ValueError("an answer has an id, an action and for a label a symbol")
        name, symbol = data.get("id"), data.get("symbol") or ""
        action = next((a for a in get_args(Action) if a == data.get("action")), None)
        if not isinstance(name, str) or not ID_FORM.fullmatch(name):
            raise ValueError("the id is none")
        if not isinstance(symbol, str):
            raise ValueError("a symbol is text")
        if action is None:
            raise ValueError(f"the action is one of {', '.join(get_args(Action))}")
        if action == "label":
            symbol = parse_symbol(symbol)
        if action == "undo":
            if name not in self._answers.standing():
                raise ValueError("there is no answer to undo")
        elif name not in self.items.list():
            raise GoneError("this character was removed to keep the folder within its limit")
        return self._answers.append(name, action, symbol)


def _kind(answer: Answer | None) -> Show:
    if answer is None:
        return "open"
    return "skipped" if answer.action == "skip" else "answered"


def _shown(item: Item, answer: Answer | None) -> dict[str, Any]:
    """An item as the page takes it, with the answer it has already."""
    known = None if answer is None else {"action": answer.action, "symbol": answer.symbol}
    return {**vars(item), "answer": known}
