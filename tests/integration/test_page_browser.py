"""The line's page in a real browser; skipped where there is no browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytest.importorskip("prometheus_client")
from industrial_ocr.line.job import Job  # noqa: E402
from industrial_ocr.line.monitor import Monitor  # noqa: E402
from industrial_ocr.line.page import start_page  # noqa: E402
from industrial_ocr.line.reading import LineState, Reading, TriggerEvent  # noqa: E402
from industrial_ocr.line.sources import PostedPictures  # noqa: E402
from industrial_ocr.line.triggers import Trigger  # noqa: E402

pytestmark = pytest.mark.slow
EVIL = "<img src=x onerror=alert(1)>"
IMAGE = np.full((480, 640, 3), 110, np.uint8)


class Line:
    """What the page asks of a runner."""

    def __init__(self, folder: Path) -> None:
        self.source = PostedPictures(folder / "posted")
        self.trigger = Trigger()
        self.paused = False
        settings = {"version": 1, "name": "Tray", "data": folder, "source": {"kind": "http"}}
        page = {"port": 1, "token_env": "PAGE_TOKEN", "review": "http://127.0.0.1:8765/"}
        settings |= {"trigger": {"kind": "http"}, "page": page, "alarms": {"baseline": 40}}
        self.job = Job.model_validate(settings)
        self.monitor = Monitor(self.job)

    def read(self, number: int, passed: bool = True, text: str = "") -> None:
        quad = [[100, 100], [160, 100], [160, 180], [100, 180]]
        reading = Reading(
            id=f"id-{number}", sequence=number, job="Tray", job_hash="", weights={}, picture="",
            picture_sha256="", part="", time=datetime.now(timezone.utc), raw_text="",
            text=text or f"CODE{number}", status="ok" if passed else "low_confidence",
            passed=passed, reasons=() if passed else ("too doubtful",), confidence=0.9,
            characters=({"symbol": "C", "quad": quad},), latency=0.1,
        )  # fmt: skip
        self.monitor.reading(reading, IMAGE)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


@pytest.fixture
def line(tmp_path: Path) -> Line:
    made = Line(tmp_path)
    for number in range(1, 101):
        made.read(number, passed=number % 5 != 0, text=EVIL if number == 100 else "")
    made.monitor.state(LineState.READY)
    made.monitor.alarm("output_sql", f"the database is away {EVIL}")
    return made


@pytest.fixture
def address(line: Line, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("PAGE_TOKEN", "secret")
    assert line.job.page is not None
    config = line.job.page.model_copy(update={"port": 0})
    server = start_page(line.monitor, line, config)
    yield server.address
    server.stop()


def until_text(page: Any, selector: str, text: str) -> None:
    playwright.expect(page.locator(selector)).to_contain_text(text, timeout=20_000)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_by_keyboard(
    browser: Any, line: Line, address: str, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    until_text(page, "#text", EVIL)
    until_text(page, "#alarm-list", f"the database is away {EVIL}")
    until_text(page, "#state", "ready")
    until_text(page, "#lamp", "1 alarm")
    until_text(page, "#baseline", "at first at most")
    assert page.locator("#chart polyline").count() == 2
    assert page.locator("#gallery > li").count() == 12
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("#stage img").evaluate("i => i.decode().then(() => i.naturalWidth)") == 640

    for _ in range(2):
        page.keyboard.press("ArrowDown")  # the newest, then the one before it
    until_text(page, "#shown-title", "Reading 99")
    line.read(101)
    until_text(page, "#last > li:first-child", "CODE101")
    assert page.evaluate("document.activeElement.closest('li').dataset.id") == "id-99"
    page.keyboard.press("Escape")
    until_text(page, "#text", "CODE101")

    page.locator("#token").focus()
    page.keyboard.type("wrong")
    page.locator("#pause").press("Enter")
    until_text(page, "#said", "wrong token")
    assert not line.paused
    page.locator("#token").fill("secret")
    page.locator("#pause").press("Enter")
    until_text(page, "#pause", "Resume")
    assert line.paused
    page.locator("#part").fill("part 7")
    page.keyboard.press("Enter")
    until_text(page, "#said", "the part will be read")
    assert line.trigger.wait(0) == TriggerEvent("part 7")

    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked and all(url.startswith(address) for url in asked)
    assert [p for p in problems if "401" not in p] == []  # the browser tells of the wrong token
    context.close()
