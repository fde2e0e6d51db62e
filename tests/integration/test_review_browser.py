"""The page in a real browser, by keyboard alone; skipped where there is no browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, SequenceScores, Status, TextString
from industrial_ocr.review.collecting import Collector

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow

EVIL = "<img/onerror=1>"
READ = ["O", "1", EVIL, "B", "8", "5"]
"""What the items are read as, the most doubtful first."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an item for each of ``READ``; the last one was taken for no character."""
    image = np.random.default_rng(0).integers(90, 160, (80, 400, 3), np.uint8)
    characters = [
        Character(s, rect_quad(20 + 60 * i, 20, 50 + 60 * i, 60), 0.5, (("Q", 0.49 - 0.02 * i),))
        for i, s in enumerate(READ)
    ]
    *named, refused = characters
    refused = Character("5", refused.quad, 0.1, (), 0.6)
    scores = SequenceScores(0.5, -0.7, 0.5, 0.5, -0.7)
    string = TextString(
        "".join(READ[:-1]), 0.5, rect_quad(20, 20, 350, 60), tuple(named), "horizontal", scores,
        ((5, refused),),
    )  # fmt: skip
    result = ReadResult((string,), Status.LOW_CONFIDENCE, "two-stage", {}, image)
    assert len(Collector(tmp_path).add(result, "part 7.png")) == len(READ)
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    from industrial_ocr.line.http_server import HttpServer
    from industrial_ocr.review.app import create_app

    server = HttpServer(create_app(folder), 0)
    server.start()
    yield server.address
    server.stop()


class Tab:
    """A tab that remembers what its console complained of; with ``asks`` off it never polls."""

    def __init__(self, context: Any, address: str, asks: bool = True) -> None:
        self.page = context.new_page()
        if not asks:
            self.page.add_init_script("window.setInterval = () => 0")
        self.problems: list[str] = []
        self.page.on("console", lambda m: self.problems.append(m.text))
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.goto(address)

    def until(self, condition: str, value: str) -> None:
        """Waits for it by asking again; the browser's own waiting is what the page forbids."""
        for _ in range(3000):
            if self.page.evaluate(condition, value):
                return
            self.page.wait_for_timeout(10)
        raise AssertionError(f"never came: {value!r}")

    def shows(self, symbol: str) -> None:
        """Waits until this reading is shown and keys are taken."""
        self.until(
            "s => !now.busy && document.getElementById('symbol').textContent === s"
            " && !document.getElementById('card').hidden",
            symbol,
        )

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, text: str) -> None:
        self.until("t => document.getElementById('said').textContent.includes(t)", text)


def answers(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "corrections.jsonl").read_text().splitlines()
    return [(d["action"], d["symbol"]) for d in map(json.loads, lines)]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everything_by_keyboard(
    browser: Any, folder: Path, address: str, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab = Tab(context, address)
    tab.shows("O")
    tab.keys("Enter")  # right as read
    tab.shows("1")
    tab.keys("7", "Enter")  # another
    tab.shows(EVIL)
    assert tab.page.locator("img").count() == 0
    tab.keys("ArrowLeft")  # undo
    tab.shows("1")
    tab.page.keyboard.type("U+03A9")
    assert tab.page.locator("#preview").text_content() == "= Ω"
    tab.keys("Enter")
    tab.shows(EVIL)
    tab.keys("ArrowDown", "2")  # Q is 1, Ω was used before
    tab.shows("B")
    tab.keys("ArrowRight")  # skip
    tab.shows("8")
    tab.keys("x", "Escape", "Delete")  # no character
    tab.shows("no character")
    tab.keys("Enter")  # it is none indeed
    tab.page.wait_for_selector("#end:not([hidden])")
    assert answers(folder) == [
        ("label", "O"), ("label", "7"), ("undo", ""), ("label", "Ω"), ("label", "Ω"), ("skip", ""),
        ("nothing", ""), ("nothing", ""),
    ]  # fmt: skip
    tab.page.click("#other")
    tab.shows("B")
    tab.page.keyboard.type("CE8")
    tab.keys("Enter")
    tab.page.wait_for_selector("#end:not([hidden])")
    assert answers(folder)[-1] == ("label", "CE8")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.problems == []
    context.close()


def test_two_tabs_offer_nothing_twice(browser: Any, folder: Path, address: str) -> None:
    context = browser.new_context()
    one, two = Tab(context, address), Tab(context, address)
    for tab in (one, two):
        tab.shows("O")
    two.keys("0", "Enter")
    two.shows("1")
    one.page.bring_to_front()
    one.shows("1")
    one.says("another tab")
    one.keys("Enter")
    one.shows(EVIL)
    two.page.bring_to_front()
    two.shows(EVIL)
    two.keys("ArrowLeft")  # its own answer, not the other tab's
    two.shows("O")
    assert answers(folder) == [("label", "0"), ("label", "1"), ("undo", "")]
    assert one.problems == two.problems == []
    context.close()


def test_an_item_that_vanishes_is_passed_over(browser: Any, folder: Path, address: str) -> None:
    context = browser.new_context()
    tab = Tab(context, address, asks=False)
    tab.shows("O")
    for path in (folder / "items").iterdir():
        if path.suffix == ".json" and json.loads(path.read_text())["symbol"] == "O":
            path.unlink()
            path.with_suffix(".png").unlink()
    tab.keys("Enter")
    tab.shows("1")
    tab.says("removed")
    assert not (folder / "corrections.jsonl").exists()
    context.close()


def test_a_key_held_down_answers_once(browser: Any, folder: Path, address: str) -> None:
    context = browser.new_context()
    tab = Tab(context, address)
    tab.shows("O")
    tab.page.keyboard.down("Enter")
    tab.shows("1")
    for _ in range(3):
        tab.page.keyboard.down("Enter")
    tab.page.keyboard.up("Enter")
    tab.keys("ArrowRight")
    tab.shows(EVIL)
    assert answers(folder) == [("label", "O"), ("skip", "")]
    context.close()
