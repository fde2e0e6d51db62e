"""Reading over HTTP, without a job: pictures in, the JSON of ``industrial-ocr read --json`` out.

One thread reads. What waits for it with the same options is read in one batch, so that many clients
get the throughput of ``Reader.read_batch``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
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

from industrial_ocr import __version__
from industrial_ocr.errors import IndustrialOcrError
from industrial_ocr.image.load import load_image
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import ImageArray
from industrial_ocr.review.web import (
    add_guard,
    has_token,
    known_names,
    limited_body,
    refusal,
    refuse_foreign,
)

BATCH = 16
"""Most pictures that are read at once,"""
BATCH_PIXELS = 30_000_000
"""or so many pixels, if these are fewer pictures."""
GATHER = 0.05
"""Share of the last batch's time to wait for as many pictures as it had: clients that got their
answers send the next picture a moment later."""
MAX_PICTURES = 64
"""Pictures in one request."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadingOptions:
    """How a picture is read; as the options of ``Reader.read``, ``recognize`` and ``verify``.

    Attributes:
        crops: the picture is one string.
        expected: the text to verify; None reads.
    """

    engine: Engine | None = None
    patterns: tuple[str, ...] = ()
    roi: tuple[float, ...] | None = None
    crops: bool = False
    expected: str | None = None
    part: bool = False


@dataclass(frozen=True)
class ServeConfig:
    """Limits of the service.

    Attributes:
        api_key: what clients must send; empty: nothing.
        host: where the server listens; decides by which names it may be called.
        names: further names.
        waiting: requests that are in work at once; further ones get 503.
        max_mb: largest request.
        timeout_s: a request that is not answered by then gets 503.
    """

    api_key: str = ""
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    waiting: int = 32
    max_mb: float = 16.0
    timeout_s: float = 30.0


@dataclass(eq=False)
class _Task:
    """A picture that waits; ``result`` gets the JSON object of its reading."""

    data: bytes
    options: ReadingOptions
    result: Future[dict[str, Any]] = field(default_factory=Future)


class Batcher:
    """Reads what is submitted, several pictures at once where several wait.

    Args:
        reader: reads, in one thread.
        on_batch: called with the number of pictures of each batch.
    """

    def __init__(self, reader: Reader, on_batch: Callable[[int], None] = lambda n: None) -> None:
        self._reader = reader
        self._on_batch = on_batch
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._last = (1, 0.0)  # pictures of the last batch, and the seconds it took
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()

    def submit(self, data: bytes, options: ReadingOptions) -> Future[dict[str, Any]]:
        """The reading to come of the bytes of an image file; it may be cancelled.

        Its exception is an IndustrialOcrError if the picture or an option is unusable.
        """
        task = _Task(data, options)
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()
        return task.result

    def close(self) -> None:
        """Reads what was submitted, then ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            start = time.monotonic()
            running = [t for t in batch if t.result.set_running_or_notify_cancel()]
            for tasks, images in _decoded(running):
                self._on_batch(len(tasks))
                self._read(tasks, images)
            self._last = len(batch), time.monotonic() - start

    def _next(self) -> list[_Task]:
        """The oldest task and others with its options; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._closed)
            size, seconds = self._last
            self._changed.wait_for(
                lambda: len(self._tasks) >= size or self._closed, GATHER * seconds
            )
            if not self._tasks:
                return []
            options = self._tasks[0].options
            batch = [task for task in self._tasks if task.options == options][:BATCH]
            taken = set(map(id, batch))
            self._tasks = deque(task for task in self._tasks if id(task) not in taken)
            return batch

    def _read(self, tasks: Sequence[_Task], images: Sequence[ImageArray]) -> None:
        try:
            results = read_pictures(self._reader, images, tasks[0].options)
        except Exception as error:
            if len(tasks) > 1:  # only the picture whose fault it is shall fail
                for task, image in zip(tasks, images, strict=True):
                    self._read([task], [image])
                return
            _fail(tasks[0], error)
            return
        for task, result in zip(tasks, results, strict=True):
            task.result.set_result(result)


def _fail(task: _Task, error: Exception) -> None:
    """Gives a task its exception; one that is not our own is an error in the program."""
    if not isinstance(error, IndustrialOcrError):
        _log.error("a picture could not be read", exc_info=error)
    task.result.set_exception(error)


def _decoded(tasks: Sequence[_Task]) -> Iterator[tuple[list[_Task], list[ImageArray]]]:
    """The tasks with their pictures, in groups of at most about ``BATCH_PIXELS``."""
    group: list[_Task] = []
    images: list[ImageArray] = []
    for task in tasks:
        try:
            images.append(load_image(task.data))
        except Exception as error:
            _fail(task, error)
            continue
        group.append(task)
        if sum(image.size // 3 for image in images) >= BATCH_PIXELS:
            yield group, images
            group, images = [], []
    if group:
        yield group, images


def read_pictures(
    reader: Reader, images: Sequence[ImageArray], options: ReadingOptions
) -> list[dict[str, Any]]:
    """The readings of pictures, or their verifications, ready for JSON.

    Raises:
        IndustrialOcrError: a picture or an option is unusable.
    """
    given = options
    if given.expected is not None:
        engine = given.engine or Engine.TWO_STAGE
        verdicts = (
            reader.verify(i, given.expected, roi=given.roi, engine=engine, part=given.part)
            for i in images
        )
        return [verdict.to_dict() for verdict in verdicts]
    patterns = list(given.patterns) or None
    if given.crops:
        engine = given.engine or Engine.CRNN
        results = reader.recognize(images, engine=engine, pattern=patterns)
    else:
        engine = given.engine or Engine.AUTO
        results = reader.read_batch(images, engine=engine, roi=given.roi, pattern=patterns)
    return [result.to_dict() for result in results]


class _Busy(Exception):  # noqa: N818 (no error: the client tries again)
    """Too much waits, or the reading was not there in time."""


class ReadService:
    """Admits requests, waits for their readings, and counts. ``app`` is the ASGI application."""

    def __init__(self, reader: Reader, config: ServeConfig) -> None:
        self.config = config
        self._in_work = 0
        self._pictures = 0
        self._pace = 0.1  # seconds a picture, a running mean
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
            name("latency_seconds"), "Of requests that were read.", registry=registry,
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
        """A request was answered."""
        self._answers.labels(path, str(code)).inc()

    def close(self) -> None:
        """Reads what was taken in, then ends."""
        self._closing = True
        self._batcher.close()

    def ready(self) -> str | None:
        """None, or why a request would be refused now."""
        if self._closing:
            return "the service ends"
        return "too many requests are in work" if self._in_work >= self.config.waiting else None

    @property
    def retry_after(self) -> str:
        """Seconds until what is in work now will be done."""
        return str(min(60, max(1, math.ceil(self._pace * self._pictures))))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place among the requests in work.

        Raises:
            _Busy: there is none.
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
            An object for each picture; of several, one that is unusable has ``file`` and
            ``error``.

        Raises:
            IndustrialOcrError: an option, or the only picture, is unusable.
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
    """The pictures of a request with their names: of a form the files, else the body itself.

    Raises:
        HTTPException: there are none or too many, or they are too large.
    """
    body = await limited_body(request, limit)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        if not body:
            raise HTTPException(422, "the body is the bytes of a picture, got none")
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
        raise HTTPException(422, f"the form holds pictures as files: {reason}") from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise HTTPException(422, "the form holds no file")
    return [(file.filename or "-", await file.read()) for file in files]


def create_app(service: ReadService) -> FastAPI:
    """The routes; their description is at ``/openapi.json``."""
    config = service.config
    names = known_names(config.host, config.names)
    # No documentation pages, because they load scripts from elsewhere.
    app = FastAPI(title="industrial_ocr", version=__version__, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def count(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        if request.url.path in ("/read", "/verify"):
            service.count(request.url.path, response.status_code)
        return response

    add_guard(app, lambda request: refuse_foreign(request, names))

    def check_key(request: Request) -> None:
        if not has_token(request, config.api_key):
            raise HTTPException(401, "wrong API key", {"WWW-Authenticate": "Bearer"})

    key = [Depends(HTTPBearer(auto_error=False)), Depends(check_key)] if config.api_key else []

    @app.post("/read", dependencies=key, responses=_RESPONSES, openapi_extra=_BODY)
    async def read(
        request: Request,
        engine: _EngineChoice = None,
        pattern: _Patterns = (),
        roi: _Roi = None,
        crops: Annotated[bool, Query(description="Each picture is one string.")] = False,
    ) -> JSONResponse:
        """Reads one picture, or several of a form: an array with an object for each."""
        if crops and roi is not None:
            raise HTTPException(422, "crops and roi exclude each other")
        options = ReadingOptions(engine, tuple(pattern), _numbers(roi), crops)
        return JSONResponse(await service.answer(request, options))

    @app.post("/verify", dependencies=key, responses=_RESPONSES, openapi_extra=_BODY)
    async def verify(
        request: Request,
        expected: Annotated[
            str, Query(min_length=1, max_length=500, description="The text that must be printed.")
        ],
        engine: Annotated[_VerifyEngine, Query(description="agree: both must pass.")] = "two-stage",
        roi: _Roi = None,
        part: Annotated[bool, Query(description="It may be a part of a longer word.")] = False,
    ) -> JSONResponse:
        """Says whether the expected text is printed: an array with an object for each picture."""
        options = ReadingOptions(Engine(engine), roi=_numbers(roi), expected=expected, part=part)
        return JSONResponse(await service.answer(request, options))

    @app.get("/healthz")
    def health() -> dict[str, str]:
        """The process answers."""
        return {"detail": "ok"}

    @app.get("/readyz", responses={503: _REFUSAL})
    def readiness() -> Response:
        """Whether a request would be taken now."""
        problem = service.ready()
        return JSONResponse({"detail": problem or "ok"}, 503 if problem else 200)

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """For Prometheus."""
        return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)

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


def _numbers(roi: str | None) -> tuple[float, ...] | None:
    return None if roi is None else tuple(map(float, roi.split(",")))


_VerifyEngine = Literal["two-stage", "crnn", "agree"]
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
        description="Look only at x0,y0,x1,y1 (pixels).",
        pattern=r"^[0-9]{1,5}(\.[0-9]{1,3})?(,[0-9]{1,5}(\.[0-9]{1,3})?){3}$",
    ),
]
_BINARY = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": ["images"],
    "properties": {"images": {"type": "array", "items": _BINARY, "maxItems": MAX_PICTURES}},
}
_BODY = {
    "requestBody": {
        "description": "The bytes of an image file, or a form with several files.",
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "image/*": {"schema": _BINARY},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}
_DETAIL = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string"}},
}
_REFUSAL: dict[str, Any] = {
    "description": "Refused; detail says why.",
    "content": {"application/json": {"schema": _DETAIL}},
}
_ROWS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string"}, "error": {"type": "string"}},
    },
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As read --json and verify --json print it; file is - where it has no name.",
        "content": {"application/json": {"schema": _ROWS}},
    },
    401: _REFUSAL,
    403: _REFUSAL,
    413: _REFUSAL,
    422: _REFUSAL,
    500: _REFUSAL,
    503: _REFUSAL
    | {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}},
}
