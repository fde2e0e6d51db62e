"""Chooses the next item of the page and applies answers: the rules of the page without HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from industrial_ocr.review.answers import ID_FORM, Action, AnswerFile, ReviewAnswer, parse_symbol
from industrial_ocr.review.items import ItemFolder, Order, ReviewItem, ordered

Show = Literal["open", "skipped", "answered"]
"""Items without an answer, those that were skipped, or those that have an answer."""


class GoneError(Exception):
    """The item was removed because the folder had reached its limit."""


class Review:
    """The items of a folder that a ``Collector`` wrote, and their answers; threads may share it.

    Raises:
        CollectError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self.items = ItemFolder(folder)
        self._answers = AnswerFile(folder)

    def state(
        self, show: Show = "open", order: Order = "uncertain", wanted: str = "", after: str = ""
    ) -> dict[str, Any]:
        """The data of the page.

        Args:
            show: the items to show.
            order: order of the items.
            wanted: id of the item to show, if ``show`` still includes it.
            after: if not, the item after this id is shown; the first one follows the last one.

        Returns:
            ``counts`` (number of items for each ``Show``), ``wanted`` (the current ``Show`` of that
            item, or ``gone``), ``item`` (None if there is none), ``ahead`` (ids of the next two
            items, whose pictures the page loads in advance) and ``recent`` (nine symbols, one for
            each number key).
        """
        items, answers = self.items.list(), self._answers.standing()
        states = {name: _state(answers.get(name)) for name in items}
        pivot = wanted if states.get(wanted) == show else after if after in items else ""
        line = ordered([i for n, i in items.items() if states[n] == show or n == pivot], order)
        at = next((i for i, item in enumerate(line) if item.id == pivot), 0)
        at += pivot != "" and pivot != wanted
        coming = [i for i in (*line[at:], *line[:at]) if states[i.id] == show]
        return {
            "counts": {k: list(states.values()).count(k) for k in get_args(Show)},
            "wanted": states.get(wanted, "gone") if wanted else "",
            "item": _shown(coming[0], answers.get(coming[0].id)) if coming else None,
            "ahead": [item.id for item in coming[1:3]],
            "recent": self._answers.recent(9),
        }

    def answer(self, data: Any) -> ReviewAnswer:
        """Saves an answer: ``{"id", "action", "symbol"}``, the symbol of a ``label`` as typed.

        Raises:
            ValueError: the answer is not valid; the message is one sentence for the user.
            GoneError: the item no longer exists.
            OSError: the answer cannot be written.
        """
        if not isinstance(data, dict) or not data.keys() <= {"id", "action", "symbol"}:
            raise ValueError("an answer must have an id, an action and, for a label, a symbol")
        name, symbol = data.get("id"), data.get("symbol") or ""
        action = next((a for a in get_args(Action) if a == data.get("action")), None)
        if not isinstance(name, str) or not ID_FORM.fullmatch(name):
            raise ValueError("the id is not one of an item")
        if not isinstance(symbol, str):
            raise ValueError("a symbol must be text")
        if action is None:
            raise ValueError(f"the action must be one of {', '.join(get_args(Action))}")
        if action == "label":
            symbol = parse_symbol(symbol)
        if action == "undo":
            if name not in self._answers.standing():
                raise ValueError("there is no answer to undo")
        elif name not in self.items.list():
            raise GoneError("this character was removed to keep the folder within its limit")
        return self._answers.append(name, action, symbol)


def _state(answer: ReviewAnswer | None) -> Show:
    if answer is None:
        return "open"
    return "skipped" if answer.action == "skip" else "answered"


def _shown(item: ReviewItem, answer: ReviewAnswer | None) -> dict[str, Any]:
    """An item with its current answer, for the page."""
    given = None if answer is None else {"action": answer.action, "symbol": answer.symbol}
    return {**vars(item), "answer": given}
