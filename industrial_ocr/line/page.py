"""The line's page: shows in a browser, and to programs, what a ``Monitor`` knows.

Viewing needs no token. Posting pictures and triggers needs the token, if the job has one; without
one, only this machine may post. Pausing always needs the token.
"""

from __future__ import annotations

import asyncio
import os
import queue
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.http_server import HttpServer
from industrial_ocr.line.job import PageConfig, load_job
from industrial_ocr.line.monitor import Monitor
from industrial_ocr.line.reading import TriggerEvent
from industrial_ocr.line.sources import PictureSource, PostedPictures
from industrial_ocr.review.web import (
    Guard,
    has_token,
    is_loopback,
    known_names,
    limited_body,
    refusal,
    refuse_foreign,
    show_page,
)

if TYPE_CHECKING:
    from industrial_ocr.line.triggers import Trigger

MAX_PICTURE_BYTES = 32_000_000
Text = Annotated[str, Query(max_length=200)]


class RunnerControl(Protocol):
    """The part of a runner that the page uses."""

    source: PictureSource
    trigger: Trigger | None

    @property
    def paused(self) -> bool: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


def create_page(
    monitor: Monitor, runner: RunnerControl, config: PageConfig, job_file: Path | None = None
) -> FastAPI:
    """Makes the web application.

    Args:
        monitor: knows what is shown.
        runner: takes pictures and triggers, pauses and resumes.
        config: section of the job.
        job_file: file of the job; the page lists the jobs in its folder.

    Raises:
        ConfigError: the variable of the token is empty.
    """
    token = page_token(config)
    names = known_names(config.host, config.names)
    # No documentation pages, because they load scripts from other servers.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, foreign=lambda request: refuse_foreign(request, names))
    triggered = monitor.job.trigger.kind == "http"
    controls = {
        "token": bool(token),
        "pictures": isinstance(runner.source, PostedPictures),
        "trigger": triggered,
    }
    about = {"jobs": known_jobs(job_file), "review": config.review, "controls": controls}
    app.include_router(_views(monitor, lambda: {**about, "paused": runner.paused}))

    def check(request: Request, always: bool = False) -> None:
        """Raises HTTPException if the request may not change anything."""
        if token and not has_token(request, token):
            raise HTTPException(401, "wrong token", {"WWW-Authenticate": "Bearer"})
        if not token and (always or not is_loopback(config.host)):
            raise HTTPException(403, "this needs a token: page.token_env of the job")

    app.include_router(_actions(runner, triggered, check))

    @app.exception_handler(queue.Full)
    async def full(_: Request, error: Exception) -> Response:
        return refusal(503, "too many wait; try again", **{"Retry-After": "1"})

    @app.exception_handler(OSError)
    async def disk_error(_: Request, error: OSError) -> Response:
        return refusal(507, f"the picture cannot be kept: {error.strerror or error}")

    return app


def _views(monitor: Monitor, about: Callable[[], dict[str, Any]]) -> APIRouter:
    """The page, its data, the metrics and the health checks."""
    views = APIRouter()

    @views.get("/")
    def page() -> Response:
        return show_page("industrial_ocr.line")

    @views.get("/api/state")
    def state() -> dict[str, Any]:
        return {**monitor.snapshot(), **about()}

    @views.get("/pictures/{name}.jpg")
    def picture(name: str) -> Response:
        data = monitor.picture(name)
        if data is None:
            raise HTTPException(404, "this picture is no longer kept")
        keep = {"Cache-Control": "private, max-age=3600"}  # an id always has the same picture
        return Response(data, media_type="image/jpeg", headers=keep)

    @views.get("/metrics")
    def metrics() -> Response:
        return Response(monitor.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @views.get("/healthz")
    def health() -> Response:
        return _health(monitor.healthy())

    @views.get("/readyz")
    def readiness() -> Response:
        return _health(monitor.ready())

    return views


def _actions(runner: RunnerControl, triggered: bool, check: Callable[..., None]) -> APIRouter:
    """Pictures and triggers that are posted; pausing and resuming."""
    actions = APIRouter()

    @actions.post("/pictures", status_code=202)
    async def post_picture(
        request: Request, part: Text = "", expected: Text | None = None
    ) -> dict[str, str]:
        check(request)
        if not isinstance(runner.source, PostedPictures):
            raise HTTPException(409, "the job's source is not http")
        seconds = 30
        try:
            data = await asyncio.wait_for(limited_body(request, MAX_PICTURE_BYTES), seconds)
        except asyncio.TimeoutError:
            raise HTTPException(408, f"the picture did not arrive in {seconds} s") from None
        if not data:
            raise HTTPException(422, "the body must be an image file; it is empty")
        await run_in_threadpool(runner.source.put, data, part, expected)
        return {"detail": "the picture will be read"}

    @actions.post("/trigger", status_code=202)
    def trigger(request: Request, part: Text = "", expected: Text | None = None) -> dict[str, str]:
        check(request)
        if not triggered or runner.trigger is None:
            raise HTTPException(409, "the job's trigger is not http")
        runner.trigger.put(TriggerEvent(part, expected))
        return {"detail": "the part will be read"}

    @actions.post("/pause")
    def pause(request: Request) -> dict[str, bool]:
        check(request, always=True)
        runner.pause()
        return {"paused": True}

    @actions.post("/resume")
    def resume(request: Request) -> dict[str, bool]:
        check(request, always=True)
        runner.resume()
        return {"paused": False}

    return actions


def _health(problem: str | None) -> Response:
    return JSONResponse({"detail": problem or "ok"}, 503 if problem else 200)


def page_token(config: PageConfig) -> str:
    """The token of the page; empty if it has none.

    Raises:
        ConfigError: the variable of the token is empty or not set.
    """
    if config.token_env is None:
        return ""
    token = os.environ.get(config.token_env, "")
    if not token:
        raise ConfigError(f"page.token_env: the variable {config.token_env} is empty or not set")
    return token


def known_jobs(job_file: Path | None) -> list[dict[str, Any]]:
    """File and name of each job in the folder of a job file, and whether it is this job."""
    if job_file is None:
        return []
    jobs = []
    for path in sorted(job_file.parent.glob("*.y*ml")):
        with suppress(ConfigError):  # a YAML file that is not a job
            name = load_job(path).name
            jobs.append({"file": path.name, "name": name, "active": path.name == job_file.name})
    return jobs


def start_page(
    monitor: Monitor, runner: RunnerControl, config: PageConfig, job_file: Path | None = None
) -> HttpServer:
    """Serves the page in a thread, until ``stop`` of the result is called.

    Raises:
        ConfigError: the port, the certificate, the key or the token cannot be used.
    """
    app = create_page(monitor, runner, config, job_file)
    server = HttpServer(app, config.port, config.host, config.certificate, config.key)
    server.start()
    return server
