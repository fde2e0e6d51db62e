"""The review page and its API: the next item, its picture, and answers.

The server listens on this machine only, but any web site that is open in a browser here can send it
requests. So ``Host`` must be this machine (against DNS rebinding), an answer must have the page's
``Origin``, be JSON and be short, and the page may load nothing from elsewhere.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse

from industrial_ocr.review.items import Order
from industrial_ocr.review.queue import GoneError, Review, Show

MAX_POST_BYTES = 4096
# Any port, so that the page can be used through a tunnel (ssh -L).
_OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
_CSP_NONE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _CSP_NONE,
}


def create_app(folder: Path) -> FastAPI:
    """The web application that reviews a folder.

    Raises:
        CollectError: there is no such folder.
    """
    review = Review(folder)
    page = (files("industrial_ocr.review") / "page.html").read_text(encoding="utf-8")
    # No documentation pages, because they load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_guard)
    app.add_exception_handler(OSError, _disk_error)

    @app.get("/")
    def show_page() -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        rules = (
            f"{_CSP_NONE}; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src 'self' data:; connect-src 'self'"
        )
        content = page.replace("{{nonce}}", nonce)
        return HTMLResponse(content, headers={"Content-Security-Policy": rules})

    @app.get("/api/state")
    def state(
        show: Show = "open", order: Order = "uncertain", wanted: str = "", after: str = ""
    ) -> dict[str, Any]:
        return review.state(show, order, wanted, after)

    @app.get("/items/{name}.png")
    def picture(name: str) -> Response:
        data = review.items.picture(name)
        if data is None:
            raise HTTPException(404, "no such picture")
        # The page loads the next pictures in advance; an id always has the same pixels.
        keep = {"Cache-Control": "private, max-age=3600"}
        return Response(data, media_type="image/png", headers=keep)

    @app.post("/api/answers")
    async def answer(request: Request) -> Response:
        try:
            data = json.loads(await _short_body(request))
            made = await run_in_threadpool(review.answer, data)
        except RecursionError:
            return _refusal(422, "an answer is one flat object")
        except ValueError as error:
            return _refusal(422, str(error))
        except GoneError as error:
            return _refusal(410, str(error))
        return JSONResponse(vars(made))

    return app


async def _guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuses requests from elsewhere, and sets the headers of every response."""
    response = _foreign(request) or await call(request)
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _disk_error(_: Request, error: Exception) -> Response:
    """The response if the folder cannot be read or an answer cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return _refusal(507, f"the folder cannot be read or written: {reason}; nothing was changed")


def _foreign(request: Request) -> Response | None:
    """The refusal of a request that does not come from the page; None if it does."""
    host = request.headers.get("host", "")
    if not _OWN_HOST.fullmatch(host):
        return _refusal(403, "open the page as http://127.0.0.1 or http://localhost")
    if request.method in ("GET", "HEAD"):
        return None
    if request.headers.get("origin") != f"http://{host}":
        return _refusal(403, "answers are taken from the page itself only")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return _refusal(415, "an answer is application/json")
    return None


async def _short_body(request: Request) -> bytes:
    """The body of a request, read up to ``MAX_POST_BYTES`` whatever length it announces."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_POST_BYTES:
            raise HTTPException(413, f"an answer has at most {MAX_POST_BYTES} bytes")
    return body


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"detail": message}, status)
