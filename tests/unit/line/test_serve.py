"""Reading over HTTP: what is answered, refused and read together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("prometheus_client")
from fastapi.testclient import TestClient  # noqa: E402

from industrial_ocr.errors import ImageError, PatternError  # noqa: E402
from industrial_ocr.line.serve import ReadService, ServeConfig  # noqa: E402
from industrial_ocr.line.serve_batches import Batcher, ReadingOptions  # noqa: E402

HOST = "http://127.0.0.1:8770"


def picture(width: int = 40) -> bytes:
    file = BytesIO()
    Image.fromarray(np.zeros((20, width, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


class Result:
    def __init__(self, **data: Any) -> None:
        self._data = data

    def to_dict(self) -> dict[str, Any]:
        return self._data


class Reader:
    """Answers with the width of a picture, when ``go`` is set; notes how it was called."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.calls: list[tuple[str, list[int], Any]] = []

    def _note(self, how: str, images: Sequence[Any], given: dict[str, Any]) -> list[Result]:
        widths = [image.shape[1] for image in images]
        self.calls.append((how, widths, given))
        assert self.go.wait(20)
        if 13 in widths:
            raise ImageError("a picture 13 wide brings bad luck")
        if given.get("pattern") == ["("]:
            raise PatternError("an unclosed bracket")
        if 99 in widths:
            raise ZeroDivisionError
        return [Result(text=f"W{width}", status="ok") for width in widths]

    def read_batch(self, images: Sequence[Any], **given: Any) -> list[Result]:
        return self._note("read", images, given)

    def recognize(self, images: Sequence[Any], **given: Any) -> list[Result]:
        return self._note("recognize", images, given)

    def verify(self, image: Any, expected: str, **given: Any) -> Result:
        self._note("verify", [image], given)
        return Result(expected=expected, verdict="pass")


@pytest.fixture
def reader() -> Reader:
    return Reader()


@contextmanager
def opened(reader: Reader, **config: Any) -> Iterator[TestClient]:
    service = ReadService(reader, ServeConfig(**config))  # type: ignore[arg-type]
    with TestClient(service.app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client
    reader.go.set()
    service.close()


@pytest.fixture
def client(reader: Reader) -> Iterator[TestClient]:
    with opened(reader, waiting=4, max_mb=0.01, timeout_s=5) as client:
        yield client


def test_one_picture_and_its_options(client: TestClient, reader: Reader) -> None:
    reply = client.post("/read", content=picture())
    assert reply.json() == [{"file": "-", "text": "W40", "status": "ok"}]
    query = {"engine": "agree", "roi": "1,2,30,12.5", "pattern": ["iso6346", "[A-Z]{3}"]}
    assert client.post("/read", content=picture(), params=query).status_code == 200
    assert client.post("/read?crops=true", content=picture()).status_code == 200
    given = {"engine": "agree", "roi": (1, 2, 30, 12.5), "pattern": ["iso6346", "[A-Z]{3}"]}
    assert reader.calls[1] == ("read", [40], given)
    assert reader.calls[2] == ("recognize", [40], {"engine": "crnn", "pattern": None})
    reply = client.post("/verify", content=picture(), params={"expected": "A1", "part": True})
    assert reply.json() == [{"file": "-", "expected": "A1", "verdict": "pass"}]


def test_a_form_with_several_pictures(client: TestClient) -> None:
    pictures = [("a.png", picture(30)), ("bad.png", b"no picture"), ("b.png", picture(13))]
    reply = client.post("/read", files=[("images", p) for p in (*pictures, ("c.png", picture()))])
    first, *bad, last = reply.json()
    assert (first, last) == (
        {"file": "a.png", "text": "W30", "status": "ok"},
        {"file": "c.png", "text": "W40", "status": "ok"},
    )
    assert [row["file"] for row in bad] == ["bad.png", "b.png"]
    assert "not an image" in bad[0]["error"] and "bad luck" in bad[1]["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/read", b"", 422, "it is empty"),
        ("/read", b"GIF89a", 422, "image"),
        ("/read", picture(13), 422, "bad luck"),
        ("/read", bytes(10_001), 413, "10000 bytes"),
        ("/read?engine=x", picture(), 422, "engine"),
        ("/read?roi=1,2,3", picture(), 422, "roi"),
        ("/read?roi=nan,1,2,3", picture(), 422, "roi"),
        ("/read?crops=1&roi=1,2,3,4", picture(), 422, "exclude"),
        ("/read?pattern=(", picture(), 422, "bracket"),
        ("/read?" + "pattern=A&" * 9, picture(), 422, "pattern"),
        ("/verify", picture(), 422, "expected"),
        ("/verify?expected=A&engine=auto", picture(), 422, "engine"),
    ],
)
def test_what_is_unusable_is_refused(
    client: TestClient, path: str, body: bytes, status: int, says: str
) -> None:
    reply = client.post(path, content=body)
    assert reply.status_code == status and says in reply.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\n"),
        ("multipart/form-data; boundary=a", b'--a\r\nContent-Disposition: form-data; name="x"\r\n'
         b"\r\n1\r\n--a--\r\n"),
        ("multipart/form-data; boundary=a", b""),
        ("multipart/form-data; boundary=" + "b" * 300, b"--a--"),
    ],
)  # fmt: skip
def test_a_damaged_form_is_refused(client: TestClient, kind: str, body: bytes) -> None:
    reply = client.post("/read", content=body, headers={"Content-Type": kind})
    assert reply.status_code == 422 and isinstance(reply.json()["detail"], str)


def test_an_error_in_the_program_fails_its_own_request_alone(client: TestClient) -> None:
    assert client.post("/read", content=picture(99)).status_code == 500
    assert client.post("/read", content=picture()).status_code == 200


def test_half_of_what_waits_with_the_same_options_is_read_at_once(reader: Reader) -> None:
    sizes: list[int] = []
    batcher = Batcher(reader, sizes.append)  # type: ignore[arg-type]
    reader.go.clear()
    first = batcher.submit(picture(20), ReadingOptions())
    while not reader.calls:
        pass
    plain = [batcher.submit(picture(30 + i), ReadingOptions()) for i in range(5)]
    other = batcher.submit(picture(50), ReadingOptions(crops=True))
    late = batcher.submit(picture(60), ReadingOptions())
    assert plain[1].cancel()
    reader.go.set()
    batcher.close()
    read = (first, plain[0], *plain[2:], late, other)
    texts = [future.result()["text"] for future in read]
    assert texts == ["W20", "W30", "W32", "W33", "W34", "W60", "W50"]
    assert sizes == [1, 2, 2, 1, 1]  # of the first three one was canceled


def test_a_full_queue_and_a_late_reading_are_told_to_try_again(reader: Reader) -> None:
    with opened(reader, waiting=2, timeout_s=0.5) as client:
        reader.go.clear()
        codes: list[int] = []

        def ask() -> None:
            codes.append(client.post("/read", content=picture()).status_code)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        while client.get("/readyz").status_code == 200:
            pass
        reply = client.post("/read", content=picture())
        assert reply.status_code == 503 and int(reply.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
        for thread in threads:
            thread.join()
        assert codes == [503, 503]
        reader.go.set()
        assert client.post("/read", content=picture()).status_code == 200


def test_a_key_is_asked_for(reader: Reader) -> None:
    with opened(reader, api_key="secret") as client:
        assert client.post("/read", content=picture()).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert client.post("/read", content=picture(), headers=headers).status_code == 200
        assert client.get("/readyz").status_code == 200
        paths = client.get("/openapi.json").json()["paths"]
        assert paths["/read"]["post"]["security"] == [{"HTTPBearer": []}]


def test_metrics(client: TestClient) -> None:
    client.post("/read", content=picture())
    client.post("/read", content=b"bad")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'industrial_ocr_serve_requests_total{code="200",path="/read"} 1.0',
        'industrial_ocr_serve_requests_total{code="422",path="/read"} 1.0',
        'industrial_ocr_serve_readings_total{status="ok"} 1.0',
        "industrial_ocr_serve_batch_count 1.0",
    ):
        assert line in lines


def test_other_sites_pages_are_refused(client: TestClient) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert client.post("/read", content=picture(), headers=headers).status_code == 403
