"""The command ``industrial-ocr review``."""

from __future__ import annotations

import importlib.util
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from industrial_ocr.cli import output
from industrial_ocr.errors import ConfigError


def review(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that read --collect wrote.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")
    ] = 8765,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Shows uncertain characters on a local web page, where you confirm or correct them."""
    with output.one_line_errors(output.WRONG_USAGE):
        if any(importlib.util.find_spec(n) is None for n in ("fastapi", "uvicorn")):
            raise ConfigError("reviewing needs a web server: pip install 'industrial-ocr[review]'")
        import uvicorn

        from industrial_ocr.review.app import create_app
        from industrial_ocr.review.web import LOOPBACK, listen

        app = create_app(folder)
        listener = listen(port)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
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
