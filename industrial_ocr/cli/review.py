"""The command ``industrial-ocr review``."""

from __future__ import annotations

import importlib.util
import os
import socket
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from industrial_ocr.cli import output
from industrial_ocr.errors import CollectError, ConfigError

HOST = "127.0.0.1"


def review(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that read --collect wrote.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")
    ] = 8765,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Shows uncertain characters on a local web page, where you say what they are."""
    with output.one_line_errors(output.WRONG_USAGE):
        if any(importlib.util.find_spec(n) is None for n in ("fastapi", "uvicorn")):
            raise ConfigError("reviewing needs a web server: pip install 'industrial-ocr[review]'")
        import uvicorn

        from industrial_ocr.review.app import create_app

        app = create_app(folder)
        listener = listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}/"
    typer.echo(url)
    output.note(f"answers go to {folder / 'corrections.jsonl'}; Ctrl-C ends")
    if open_page:
        webbrowser.open(url)
    with suppress(KeyboardInterrupt):
        # Without log_config=None uvicorn closes the log handlers of the whole process.
        config = uvicorn.Config(
            app, log_config=None, log_level="warning", server_header=False, lifespan="off"
        )
        uvicorn.Server(config).run(sockets=[listener])


def listen(port: int) -> socket.socket:
    """A socket that listens on this machine only; early requests wait until the server runs."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows the option lets two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise CollectError(
            f"port {port} cannot be used: {error.strerror}; --port 0 takes a free one"
        ) from error
    return listener
