"""The review page and its API: the next item, its picture, and answers.

The server listens on this machine only; an answer must have the page's ``Origin``, be JSON and be
short. See ``web``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from industrial_ocr.review.items import Order
from industrial_ocr.review.queue import GoneError, Review, Show
from industrial_ocr.review.web import Guard, host_name, limited_body, refusal, show_page


def create_app(folder: Path) -> FastAPI:
    """The web application that reviews a folder.

    Raises:
        CollectError: there is no such folder.
    """
    review = Review(folder)
    # No documentation pages, because they load scripts from other servers.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, foreign=_foreign)
    app.add_exception_handler(OSError, _disk_error)

    @app.get("/")
    def page() -> Response:
        return show_page("industrial_ocr.review")

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
            data = json.loads(await limited_body(request, 4096))
            made = await run_in_threadpool(review.answer, data)
        except RecursionError:
            return refusal(422, "an answer must be one flat object")
        except ValueError as error:
            return refusal(422, str(error))
        except GoneError as error:
            return refusal(410, str(error))
        return JSONResponse(vars(made))

    return app


async def _disk_error(_: Request, error: Exception) -> Response:
    """The response if the folder cannot be read or an answer cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return refusal(507, f"the folder cannot be read or written: {reason}; nothing was changed")


def _foreign(request: Request) -> Response | None:
    """The refusal of a request that does not come from the page; None if it does."""
    if host_name(request) not in ("127.0.0.1", "localhost"):
        return refusal(403, "open the page as http://127.0.0.1 or http://localhost")
    if request.method in ("GET", "HEAD"):
        return None
    if request.headers.get("origin") != f"http://{request.headers['host']}":
        return refusal(403, "answers are accepted only from the page itself")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return refusal(415, "an answer must be application/json")
    return None
