"""The command ``review``: where it listens, and what it says when it cannot."""

from __future__ import annotations

import importlib.util
import socket
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from industrial_ocr.cli import app as cli

uvicorn = pytest.importorskip("uvicorn")
from industrial_ocr.review.web import listen  # noqa: E402


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["review", *map(str, arguments)])


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """The sockets that were handed to a server which serves nothing."""
    sockets: list[socket.socket] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda _, sockets: served.extend(sockets))
    served = sockets
    return sockets


def test_the_address_is_printed_and_of_this_machine_alone(
    tmp_path: Path, served: list[socket.socket]
) -> None:
    done = run(tmp_path, "--port", 0)
    ((host, port),) = [s.getsockname() for s in served]
    assert done.exit_code == 0 and done.stdout == f"http://127.0.0.1:{port}/\n"
    assert host == "127.0.0.1" and port > 0
    assert "corrections.jsonl" in done.stderr.replace("\n", "")
    served[0].close()


def test_a_browser_is_opened_where_asked(
    tmp_path: Path, served: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    run(tmp_path, "--port", 0)
    assert opened == []
    done = run(tmp_path, "--port", 0, "--open")
    assert opened == [done.stdout.strip()]
    for each in served:
        each.close()


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with listen(0) as taken:
        done = run(tmp_path, "--port", taken.getsockname()[1])
    assert done.exit_code == 2 and "--port 0" in done.stderr.replace("\n", " ")
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "none")
    assert done.exit_code == 2 and "no such folder" in done.stderr.replace("\n", " ")


def test_without_the_extra_the_command_says_how_to_get_it(
    tmp_path: Path, served: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "fastapi" else real(n, *a)
    )
    done = run(tmp_path)
    assert done.exit_code == 2
    assert done.stderr.strip().endswith("pip install 'industrial-ocr[review]'")
    assert len(done.stderr.strip().splitlines()) == 1
