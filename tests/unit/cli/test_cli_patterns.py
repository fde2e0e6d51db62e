"""``industrial-ocr patterns``: what it prints and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from industrial_ocr.cli.patterns import patterns_app
from industrial_ocr.patterns.presets import load_presets

runner = CliRunner()
OWN = """
patterns:
  batch: {title: Batch of ours, source: plant, template: AA99, examples: [AB12]}
"""


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def run(*args: object) -> Result:
    return runner.invoke(patterns_app, [str(a) for a in args])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_list_has_every_preset() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in load_presets())
    assert "8, 12, 13, 14" in result.stdout and "date:YYYY-MM-DD" in result.stdout


def test_list_of_a_users_file(own: Path) -> None:
    result = run("list", "--file", own)
    assert "Batch of ours" in result.stdout and "67,600" in result.stdout
    assert "iso6346" not in result.stdout


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("vin", {"symbols": "17", "codes": "1.8e23", "check": "vin", "states": "18"}),
        ("iso6346", {"separators": "space -, after groups of 4, 6, 1", "bits/symbol": "3.54"}),
        ("plate-de", {"separators": "space - . :, where the pattern has one"}),
        ("[AB]{2,3}", {"symbols": "2-3", "codes": "12", "check": "none", "separators": "none"}),
        ("A+", {"symbols": "1 and more", "codes": "no end", "upper and lower case": "told apart"}),
        ("template:AA 99", {"codes": "67,600", "separators": "space, where the pattern has one"}),
    ],
)
def test_show(pattern: str, lines: dict[str, str]) -> None:
    result = run("show", pattern)
    assert result.exit_code == 0
    shown = dict(line.split(":", 1) for line in result.stdout.splitlines())
    assert {name: shown[name].strip() for name in lines} == lines


def test_texts_that_pass() -> None:
    result = run("test", "iso6346", "CSQU3054383", "csqu 305438 3")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("ok ") and "CSQU3054383: iso6346" in first
    assert "-> CSQU3054383" in second


def test_texts_that_do_not_pass() -> None:
    result = run("test", "iso6346", "CSQU3054383", "CSQU3054384", "CSQ03054383")
    assert result.exit_code == 1
    good, check, bad, caret = result.stdout.splitlines()
    assert good.startswith("ok ")
    assert check.startswith("check failed") and "is 4, should be 3" in check
    assert bad.startswith("no match")
    assert caret.index("^") == bad.index("CSQ03") + 3 and "expected [JUZ]" in caret


def test_users_presets_beside_the_shipped_ones(own: Path) -> None:
    assert run("test", "batch", "AB12", "--file", own).exit_code == 0
    assert run("test", "vin", "11111111111111111", "--file", own).exit_code == 0
    assert run("test", "batch", "AB12").exit_code == 2  # no such preset


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("test", "A(?=B)", "A"), "look-ahead is not supported, at character 2:\n  A(?=B)\n   ^"),
        (("show", "iso6364"), "did you mean iso6346?"),
        (("show", "(a|b){1000}{1000}"), "the limit is 20,000 states"),
        (("show", "lexicon:/none"), "the lexicon cannot be read"),
        (("list", "--file", "/none.yaml"), "no such configuration file"),
    ],
)
def test_bad_patterns_exit_with_two(args: tuple[str, ...], message: str) -> None:
    result = run(*args)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and message in result.stderr
