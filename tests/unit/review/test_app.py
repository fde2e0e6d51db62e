"""The page's server: which item comes next, what becomes of an answer, and whom it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient  # noqa: E402

from industrial_ocr.errors import CollectError  # noqa: E402
from industrial_ocr.review.app import create_app  # noqa: E402
from industrial_ocr.review.items import parse_item  # noqa: E402

HOST = "http://127.0.0.1:8000"
A, B, C = (letter * 32 for letter in "abc")


def put(folder: Path, name: str, confidence: float = 0.5, **more: Any) -> None:
    item = {
        "id": name, "symbol": "O", "alternatives": [["0", 0.4]], "confidence": confidence,
        "reject": 0.0, "why": "low margin", "text": "LOT", "position": 1,
        "quad": [[1, 1], [5, 1], [5, 8], [1, 8]], "context": f"items/{name}.png",
        "engine": "two-stage", "time": f"2026-01-0{1 + 'abc'.index(name[0])}T00:00:00+00:00",
        "source": None, **more,
    }  # fmt: skip
    (folder / "items").mkdir(exist_ok=True)
    (folder / "items" / f"{name}.png").write_bytes(b"\x89PNG" + name.encode())
    (folder / "items" / f"{name}.json").write_text(json.dumps(item))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, confidence in ((A, 0.6), (B, 0.5), (C, 0.7)):
        put(tmp_path, name, confidence)
    return tmp_path


@pytest.fixture
def tab(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(folder), base_url=HOST, headers={"Origin": HOST}) as client:
        yield client


def state(tab: TestClient, **query: str) -> dict[str, Any]:
    reply = tab.get("/api/state", params=query)
    assert reply.status_code == 200
    return reply.json()  # type: ignore[no-any-return]


def send(tab: TestClient, name: str, action: str, symbol: str = "") -> int:
    body = {"id": name, "action": action, "symbol": symbol}
    return tab.post("/api/answers", json=body).status_code


def lines(folder: Path) -> list[tuple[str, str, str]]:
    path = folder / "corrections.jsonl"
    text = path.read_text() if path.exists() else ""
    return [(d["id"], d["action"], d["symbol"]) for d in map(json.loads, text.splitlines())]


def walk(tab: TestClient, **query: str) -> str:
    """The letters of the items in the order in which they are shown."""
    first = state(tab, **query)["item"]["id"]
    seen, at = [first], first
    while (at := state(tab, after=at, **query)["item"]["id"]) != first:
        seen.append(at)
    return "".join(name[0] for name in seen)


@pytest.mark.parametrize(
    ("order", "letters"), [("uncertain", "bac"), ("new", "cba"), ("old", "abc"), ("symbol", "bac")]
)
def test_items_come_in_the_order_that_was_asked_for(
    tab: TestClient, order: str, letters: str
) -> None:
    assert walk(tab, order=order) == letters


def test_what_was_answered_is_not_offered_again(tab: TestClient, folder: Path) -> None:
    assert send(tab, B, "label", "CE") == send(tab, A, "nothing") == send(tab, C, "skip") == 200
    assert lines(folder) == [(B, "label", "CE"), (A, "nothing", ""), (C, "skip", "")]
    now = state(tab, after=C)
    assert now["item"] is None and now["counts"] == {"open": 0, "skipped": 1, "answered": 2}
    assert now["recent"] == ["CE"]
    assert walk(tab, show="skipped") == "c" and walk(tab, show="answered") == "ba"
    assert state(tab, show="answered")["item"]["answer"] == {"action": "label", "symbol": "CE"}


def test_undo_offers_it_again(tab: TestClient) -> None:
    send(tab, B, "label", "0")
    assert send(tab, B, "undo") == 200
    assert state(tab, wanted=B)["item"]["id"] == B
    assert send(tab, B, "undo") == 422


def test_two_tabs_keep_both_answers_and_see_what_the_other_did(
    tab: TestClient, folder: Path
) -> None:
    other = TestClient(tab.app, base_url=HOST, headers={"Origin": HOST})
    assert state(tab)["item"]["id"] == state(other)["item"]["id"] == B
    send(tab, B, "label", "0")
    now = state(other, wanted=B)
    assert now["wanted"] == "answered" and now["item"]["id"] == A
    assert send(other, B, "label", "Q") == 200
    assert lines(folder) == [(B, "label", "0"), (B, "label", "Q")]


def test_what_was_answered_before_the_server_began_counts(folder: Path) -> None:
    for _ in range(2):
        client = TestClient(create_app(folder), base_url=HOST, headers={"Origin": HOST})
        name = state(client)["item"]["id"]
        send(client, name, "label", "0")
    assert [line[0] for line in lines(folder)] == [B, A]


def test_items_that_vanish_are_told(tab: TestClient, folder: Path) -> None:
    assert state(tab)["item"]["id"] == B
    for kind in ("json", "png"):
        (folder / "items" / f"{B}.{kind}").unlink()
    assert tab.get(f"/items/{B}.png").status_code == 404
    assert send(tab, B, "label", "0") == 410 and lines(folder) == []
    now = state(tab, wanted=B)
    assert now["wanted"] == "gone" and now["item"]["id"] == A
    assert now["counts"] == {"open": 2, "skipped": 0, "answered": 0}
    assert state(tab, after=B)["item"]["id"] == A


def test_items_that_are_added_appear(tab: TestClient, folder: Path) -> None:
    state(tab)
    put(folder, "c" * 31 + "0", 0.1)
    assert state(tab)["item"]["confidence"] == 0.1


def test_files_that_are_no_items_are_left_out(tab: TestClient, folder: Path) -> None:
    put(folder, "c" * 8, quad=[[1, 2]])
    put(folder, "c" * 9, alternatives=[["0", float("nan")]])
    (folder / "items" / f"{'d' * 32}.json").write_text("{")
    (folder / "items" / f"{'e' * 32}.json").write_text("[]")
    (folder / "items" / "notes.json").write_text("{}")
    (folder / "items" / f".{'d' * 32}.1.2").write_text("{}")
    assert sum(state(tab)["counts"].values()) == 3


def test_an_item_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="alternatives"):
        parse_item({"symbol": "A"}, "abc")


def test_a_folder_that_is_none_and_one_that_is_empty(tmp_path: Path) -> None:
    with pytest.raises(CollectError, match="--collect"):
        create_app(tmp_path / "none")
    client = TestClient(create_app(tmp_path), base_url=HOST)
    assert state(client)["item"] is None


def test_symbols_by_code_and_their_limits(tab: TestClient, folder: Path) -> None:
    reply = tab.post("/api/answers", json={"id": A, "action": "label", "symbol": "U+03A9"})
    assert reply.json()["symbol"] == "Ω"
    for bad in ("", "x" * 17, "A B", "U+110000", None, 7, ["A"]):
        reply = tab.post("/api/answers", json={"id": B, "action": "label", "symbol": bad})
        assert reply.status_code == 422 and isinstance(reply.json()["detail"], str)
    assert len(lines(folder)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"1", b"[" * 4000, b"\xff", b'{"id": "x", "action": "skip"}',
        b'{"id": ["a"], "action": "skip"}', b'{"id": "../../etc/passwd", "action": "skip"}',
        b'{"id": "..%2f..%2fetc", "action": "skip"}',
        b'{"id": "' + A.encode() + b'", "action": "burn"}',
        b'{"id": "' + A.encode() + b'", "action": {}}',
        b'{"id": "' + A.encode() + b'", "action": "skip", "more": 1}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(tab: TestClient, folder: Path, body: bytes) -> None:
    reply = tab.post("/api/answers", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422 and lines(folder) == []


def test_answers_that_cannot_be_read_or_written_are_an_error(tab: TestClient, folder: Path) -> None:
    (folder / "corrections.jsonl").mkdir()
    reply = tab.get("/api/state")
    assert reply.status_code == 507 and "directory" in reply.json()["detail"].lower()
    assert send(tab, A, "skip") == 507


@pytest.mark.parametrize(
    "path",
    [
        "/items/..%2f..%2fcorrections.jsonl", "/items/..%2fcorrections.png", "/items/%2e%2e/x.png",
        "/items/....//x.png", "/items/" + A + "%00.png", "/items/" + A + ".json",
        "/items/AAAAAAAA.png", "/items/..%5c..%5cx.png", "/items//etc/passwd.png", "/items/",
        "/items", "/api/", "/docs", "/openapi.json", "/redoc", "/page.html", "/corrections.jsonl",
        "/static/", "/items/notes.png",
    ],
)  # fmt: skip
def test_nothing_but_pictures_of_items_comes_from_the_disk(
    tab: TestClient, folder: Path, path: str
) -> None:
    (folder / "corrections.png").write_bytes(b"secret")
    (folder / "items" / "notes.png").write_bytes(b"secret")
    (folder / "items" / "AAAAAAAA.png").write_bytes(b"secret")
    reply = tab.get(path)
    assert reply.status_code == 404 and b"secret" not in reply.content


def test_a_picture_is_a_png_and_nothing_else(tab: TestClient) -> None:
    reply = tab.get(f"/items/{A}.png")
    assert reply.content == b"\x89PNG" + A.encode()
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example:80",
     "127.0.0.1:8000@evil.example", "", "0.0.0.0:8000", "192.168.0.7:8000", "127.0.0.1:x"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/state", f"/items/{A}.png"])
def test_another_name_for_this_machine_is_refused(tab: TestClient, host: str, path: str) -> None:
    assert tab.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9000", "localhost", "127.0.0.1"])
def test_names_of_this_machine_are_taken_by_any_port(
    tab: TestClient, folder: Path, host: str
) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    reply = tab.post("/api/answers", json={"id": A, "action": "skip"}, headers=headers)
    assert reply.status_code == 200 and len(lines(folder)) == 1


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:9999", "https://127.0.0.1:8000",
     "http://localhost:8000", "http://127.0.0.1:8000.evil.example", "http://127.0.0.1"],
)  # fmt: skip
def test_another_site_cannot_answer(tab: TestClient, folder: Path, origin: str) -> None:
    body = {"id": A, "action": "nothing"}
    reply = tab.post("/api/answers", json=body, headers={"Origin": origin})
    assert reply.status_code == 403 and lines(folder) == []


def test_an_answer_without_origin_is_refused(folder: Path) -> None:
    client = TestClient(create_app(folder), base_url=HOST)
    assert send(client, A, "nothing") == 403 and lines(folder) == []


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "",
        "application/jsonx",
    ],
)  # fmt: skip
def test_another_content_type_is_refused(tab: TestClient, folder: Path, kind: str) -> None:
    body = json.dumps({"id": A, "action": "nothing"}).encode()
    reply = tab.post("/api/answers", content=body, headers={"Content-Type": kind})
    assert reply.status_code == 415 and lines(folder) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_long_post_is_refused_however_it_comes(
    tab: TestClient, folder: Path, announced: bool
) -> None:
    body = json.dumps({"id": A, "action": "label", "symbol": "x" * 4096}).encode()
    parts = (body[i : i + 500] for i in range(0, len(body), 500))
    reply = tab.post(
        "/api/answers",
        content=body if announced else parts,
        headers={"Content-Type": "application/json"},
    )
    assert reply.status_code == 413 and lines(folder) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(tab: TestClient, method: str) -> None:
    assert tab.request(method, "/api/answers").status_code in (403, 405, 415)


def test_no_other_site_is_told_that_it_may_ask(tab: TestClient) -> None:
    reply = tab.get("/api/state", headers={"Origin": "http://evil.example"})
    assert not [h for h in reply.headers if h.startswith("access-control")]


def test_the_page_may_load_nothing_that_is_not_its_own(tab: TestClient) -> None:
    one, two = tab.get("/"), tab.get("/")
    rules = dict(r.strip().split(" ", 1) for r in one.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["connect-src"] == "'self'" and rules["img-src"] == "'self' data:"
    nonce = rules["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert f'<script nonce="{nonce}">' in one.text and rules["style-src"] == rules["script-src"]
    assert "{{nonce}}" not in one.text
    assert one.headers["content-security-policy"] != two.headers["content-security-policy"]
    assert one.headers["x-frame-options"] == "DENY" and one.headers["cache-control"] == "no-store"
    assert "http://" not in one.text and "https://" not in one.text and "//" + "cdn" not in one.text


def test_markup_in_symbols_reaches_the_page_as_json_only(tab: TestClient, folder: Path) -> None:
    evil = "<img onerror>".replace(" ", "/")
    put(folder, A, 0.0, symbol=evil, text=evil, source=evil, why=evil)
    reply = tab.get("/api/state")
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["item"]["symbol"] == evil
    page = tab.get("/").text
    # Text nodes and properties only: nothing in the page makes markup of a string.
    for maker in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "srcdoc"):
        assert maker not in page
