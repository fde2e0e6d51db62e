"""What README and the guides show: Python code prints what they say, commands and options exist."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from industrial_ocr.cli.app import app
from industrial_ocr.decoding.calibration import SHIPPED_CALIBRATION, load_calibration
from industrial_ocr.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
]
BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.M | re.S)
NUMBER = re.compile(r"\d+\.\d+")
TOLERANCE = 0.02
"""Confidences differ a little from one processor to another."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the fenced blocks of a page."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(language, text) for _, language, text in found]


def examples() -> Iterator[Any]:
    """Every block of Python that is followed by what it prints."""
    for page in PAGES:
        own = blocks(page)
        for i, (language, code) in enumerate(own):
            if language == "python":
                printed = own[i + 1][1] if own[i + 1 : i + 2] and own[i + 1][0] == "text" else ""
                yield pytest.param(code, printed, id=f"{page.stem}-{i}")


def commands() -> Iterator[Any]:
    """Every line of a shell block, and every inline command, that starts with industrial-ocr."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for language, own in blocks(page) for line in own.splitlines()]
        inline = re.findall(r"`(industrial-ocr [^`\n]+)`", text)
        for line in sorted({*lines, *inline}):
            command = line.split(" # ")[0].split("&&")[-1].strip()
            if command.startswith("industrial-ocr "):
                yield pytest.param(command, id=f"{page.stem}: {command}")


@pytest.mark.slow
@pytest.mark.parametrize(("code", "printed"), list(examples()))
def test_python_of_the_pages_prints_what_they_say(
    code: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "<page>", "exec"), {})
    got = output.getvalue()
    assert NUMBER.sub("#", got) == NUMBER.sub("#", printed)
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (got, printed)]
    assert numbers[0] == pytest.approx(numbers[1], abs=TOLERANCE)


@pytest.mark.parametrize("command", list(commands()))
def test_commands_of_the_pages_exist_with_their_options(command: str) -> None:
    words = shlex.split(command)[1:]
    known: Any = typer.main.get_command(app)
    while words and words[0] in getattr(known, "commands", {}):
        known = known.commands[words.pop(0)]
    assert not hasattr(known, "commands"), f"{command}: no such command"
    options = {name for parameter in known.params for name in parameter.opts} | {"--help"}
    given = {word for word in words if word.startswith("--")}
    assert given <= options, f"{command}: unknown {sorted(given - options)}"
    required = [p for p in known.params if p.required and p.param_type_name == "option"]
    lacking = [p.name for p in required if words and not given & set(p.opts)]
    assert not lacking or "--help" in given, f"{command}: lacks {lacking}"


def test_the_page_names_the_lowest_rates_of_the_shipped_calibration() -> None:
    page = (ROOT / "docs" / "guides" / "misread_rate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) % \| (\d+) % \|$", page, re.M)
    calibration = load_calibration(SHIPPED_CALIBRATION)
    assert [engine for engine, *_ in rows] == ["two-stage", "crnn", "auto", "agree"]
    for engine, *shown in rows:
        for with_pattern, percent in zip((True, False), map(int, shown), strict=True):
            calibration.threshold(engine, with_pattern, percent / 100)
            with pytest.raises(ConfigError):
                calibration.threshold(engine, with_pattern, (percent - 1) / 100)
