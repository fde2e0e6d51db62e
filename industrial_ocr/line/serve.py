"""Reads posted pictures without a job; answers with the JSON of ``industrial-ocr read --json``.

One thread reads. Pictures that wait for it with the same options are read in one batch, so that
many clients together get the throughput of ``Reader.read_batch``.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends as Dependency
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from industrial_ocr import __version__
from industrial_ocr.errors import IndustrialOcrError
from industrial_ocr.line.serve_batches import BATCH, Batcher, ReadingOptions
from industrial_ocr.line.serve_schema import BODY, MAX_PICTURES, REFUSAL, RESPONSES
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import Engine
from industrial_ocr.review.web import (
    Guard,
    has_token,
    known_names,
    limited_body,
    refusal,
    refuse_foreign,
)


@dataclass(frozen=True)
class ServeConfig:
    """Settings of the service.

    Attributes:
        api_key: key that clients must send; empty if they need none.
        host: address on which the server listens; it decides by which names it may be called.
        names: further host names by which it may be called.
        waiting: largest number of open requests; further ones get the status 503.
        max_mb: largest size of a request, in megabytes.
        timeout_s: seconds after which a request gets the status 503.
    """

    api_key: str = ""
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    waiting: int = 32
    max_mb: float = 16.0
    timeout_s: float = 30.0


class _Busy(Exception):  # noqa: N818 (the client may try again)
    """There are too many requests, or reading took too long."""


class ReadService:
    """Admits requests, waits for their readings, and counts them; ``app`` is the application."""

    def __init__(self, reader: Reader, config: ServeConfig) -> None:
        self.config = config
        self._in_work = 0
        self._pictures = 0
        self._pace = 0.1  # seconds per picture, a running mean
        self._make_metrics()
        self._batcher = Batcher(reader, self._batches.observe)
        self._closing = False
        self.app = create_app(self)

    def _make_metrics(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        name = "industrial_ocr_serve_{}".format
        self._answers = Counter(
            name("requests"), "Answered requests.", ("path", "code"), registry=registry
        )
        self._latency = Histogram(
            name("latency_seconds"), "Seconds for a request that was read.", registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0),
        )  # fmt: skip
        self._readings = Counter(
            name("readings"), "Pictures that were read.", ("status",), registry=registry
        )
        self._batches = Histogram(
            name("batch"), "Pictures read at once.", buckets=(1, 2, 4, 8, BATCH), registry=registry
        )
        waiting = Gauge(name("in_work"), "Requests in work.", registry=registry)
        waiting.set_function(lambda: self._in_work)

    def count(self, path: str, code: int) -> None:
        """Counts an answered request."""
        self._answers.labels(path, str(code)).inc()

    def close(self) -> None:
        """Finishes the admitted requests and ends."""
        self._closing = True
        self._batcher.close()

    def ready(self) -> str | None:
        """Why a request would be refused now; None if it would not."""
        if self._closing:
            return "the service ends"
        return "too many requests are in work" if self._in_work >= self.config.waiting else None

    @property
    def retry_after(self) -> str:
        """Estimated seconds until the open requests are answered."""
        return str(min(60, max(1, math.ceil(self._pace * self._pictures))))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request as open while it is answered.

        Raises:
            _Busy: too many requests are open.
        """
        if self.ready():
            raise _Busy("too many requests are in work; try again later")
        self._in_work += 1
        try:
            yield
        finally:
            self._in_work -= 1

    async def answer(self, request: Request, options: ReadingOptions) -> list[dict[str, Any]]:
        """Reads the pictures of a request.

        Returns:
            An object for each picture. If there are several, one that cannot be used has ``file``
            and ``error``.

        Raises:
            IndustrialOcrError: an option, or the only picture, cannot be used.
        """
        with self.admitted():
            start = time.monotonic()
            try:
                rows = await asyncio.wait_for(
                    self._rows(request, options), timeout=self.config.timeout_s
                )
            except asyncio.TimeoutError:
                raise _Busy(f"not read within {self.config.timeout_s:g} seconds") from None
            self._latency.observe(time.monotonic() - start)
            return rows

    async def _rows(self, request: Request, options: ReadingOptions) -> list[dict[str, Any]]:
        pictures = await posted_pictures(request, int(self.config.max_mb * 1e6))
        self._pictures += len(pictures)
        start, ahead = time.monotonic(), self._pictures
        try:
            futures = [self._batcher.submit(data, options) for _, data in pictures]
            waiting = map(asyncio.wrap_future, futures)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            self._pace += 0.1 * ((time.monotonic() - start) / ahead - self._pace)
        finally:
            self._pictures -= len(pictures)
        rows = []
        for (file, _), result in zip(pictures, results, strict=True):
            if isinstance(result, dict):
                self._readings.labels(result.get("status") or result.get("verdict")).inc()
                rows.append({"file": file, **result})
            elif isinstance(result, IndustrialOcrError) and len(pictures) > 1:
                rows.append({"file": file, "error": str(result)})
            elif isinstance(result, IndustrialOcrError):
                raise result
            else:  # the batcher has logged it
                raise HTTPException(500, "a picture could not be read; the log says why")
        return rows


async def posted_pictures(request: Request, limit: int) -> list[tuple[str, bytes]]:
    """Names and contents of the pictures: the files of a form, or the body itself.

    Raises:
        HTTPException: there is no picture, there are too many, or they are too large.
    """
    body = await limited_body(request, limit)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        if not body:
            raise HTTPException(422, "the body must be an image file; it is empty")
        return [("-", body)]

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(
            request.headers, stream(), max_files=MAX_PICTURES, max_fields=0, max_part_size=limit
        )
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", None) or "it is damaged"
        raise HTTPException(422, f"the form must hold pictures as files: {reason}") from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise HTTPException(422, "the form holds no file")
    return [(file.filename or "-", await file.read()) for file in files]


class _Counted:
    """ASGI middleware: counts the answers to requests to read or verify."""

    def __init__(self, app: ASGIApp, service: ReadService) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"] in ("/read", "/verify"):
                self._service.count(scope["path"], message["status"])
            await send(message)

        await self._app(scope, receive, send_counted)


def create_app(service: ReadService) -> FastAPI:
    """Makes the web application; its description is at ``/openapi.json``."""
    config = service.config
    names = known_names(config.host, config.names)
    # No documentation pages, because they load scripts from other servers.
    app = FastAPI(title="industrial_ocr", version=__version__, docs_url=None, redoc_url=None)

    app.add_middleware(_Counted, service=service)
    app.add_middleware(Guard, foreign=lambda request: refuse_foreign(request, names))

    def check_key(request: Request) -> None:
        if not has_token(request, config.api_key):
            raise HTTPException(401, "wrong API key", {"WWW-Authenticate": "Bearer"})

    key = [Depends(HTTPBearer(auto_error=False)), Depends(check_key)] if config.api_key else []
    app.include_router(_reading(service, key))
    app.include_router(_health(service))

    @app.exception_handler(_Busy)
    async def busy(_: Request, error: Exception) -> Response:
        return refusal(503, str(error), **{"Retry-After": service.retry_after})

    @app.exception_handler(IndustrialOcrError)
    async def unusable(_: Request, error: Exception) -> Response:
        return refusal(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        said = (f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
        return refusal(422, "; ".join(said))

    return app


def _reading(service: ReadService, key: list[Dependency]) -> APIRouter:
    """The routes that read and verify."""
    routes = APIRouter(dependencies=key)

    @routes.post("/read", responses=RESPONSES, openapi_extra=BODY)
    async def read(
        request: Request,
        engine: _EngineChoice = None,
        pattern: _Patterns = (),
        roi: _Roi = None,
        crops: Annotated[bool, Query(description="Each picture is one string.")] = False,
    ) -> JSONResponse:
        """Reads a picture, or several in a form; returns an array with an object for each."""
        if crops and roi is not None:
            raise HTTPException(422, "crops and roi exclude each other")
        options = ReadingOptions(engine, tuple(pattern), _numbers(roi), crops)
        return JSONResponse(await service.answer(request, options))

    @routes.post("/verify", responses=RESPONSES, openapi_extra=BODY)
    async def verify(
        request: Request,
        expected: Annotated[
            str, Query(min_length=1, max_length=500, description="The text that must be printed.")
        ],
        engine: Annotated[
            Literal["two-stage", "crnn", "agree"], Query(description="agree: both must pass.")
        ] = "two-stage",
        roi: _Roi = None,
        part: Annotated[
            bool, Query(description="The text may be a part of a longer word.")
        ] = False,
    ) -> JSONResponse:
        """Verifies that a text is printed; returns an array with an object for each picture."""
        options = ReadingOptions(Engine(engine), roi=_numbers(roi), expected=expected, part=part)
        return JSONResponse(await service.answer(request, options))

    return routes


def _health(service: ReadService) -> APIRouter:
    """The health checks and the metrics."""
    routes = APIRouter()

    @routes.get("/healthz")
    def health() -> dict[str, str]:
        """Answers while the process runs."""
        return {"detail": "ok"}

    @routes.get("/readyz", responses={503: REFUSAL})
    def readiness() -> Response:
        """Whether a request would be admitted now."""
        problem = service.ready()
        return JSONResponse({"detail": problem or "ok"}, 503 if problem else 200)

    @routes.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """The metrics in the text format of Prometheus."""
        return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)

    return routes


def _numbers(roi: str | None) -> tuple[float, ...] | None:
    return None if roi is None else tuple(map(float, roi.split(",")))


_EngineChoice = Annotated[
    Engine | None, Query(description="Engine that reads; auto, or crnn with crops.")
]
_Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=500)], ...],
    Query(description="Preset or regular expression of the code; repeatable.", max_length=8),
]
_Roi = Annotated[
    str | None,
    Query(
        description="Read only the region x0,y0,x1,y1 (pixels).",
        pattern=r"^[0-9]{1,5}(\.[0-9]{1,3})?(,[0-9]{1,5}(\.[0-9]{1,3})?){3}$",
    ),
]
