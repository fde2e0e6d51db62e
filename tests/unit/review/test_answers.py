"""The file of answers: what stands, who may write, and what a power cut leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from industrial_ocr.review import answers
from industrial_ocr.review.answers import AnswerFile, parse_symbol, read_answers, standing

A, B = "a" * 32, "b" * 32


def told(folder: Path) -> list[tuple[str, str, str]]:
    return [(a.id[0], a.action, a.symbol) for a in read_answers(folder)]


def test_a_line_is_one_json_object(tmp_path: Path) -> None:
    AnswerFile(tmp_path).append(A, "label", "Ω")
    (line,) = (tmp_path / "corrections.jsonl").read_bytes().splitlines()
    data = json.loads(line)
    assert data.pop("time").endswith("+00:00")
    assert data == {"id": A, "action": "label", "symbol": "Ω"}
    assert line.isascii()


def test_every_answer_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    sizes = tmp_path / "corrections.jsonl"
    monkeypatch.setattr(answers.os, "fsync", lambda _: synced.append(sizes.stat().st_size))
    file = AnswerFile(tmp_path)
    file.append(A, "nothing")
    file.append(B, "skip")
    assert len(synced) == 2 and 0 < synced[0] < synced[1] == sizes.stat().st_size


def test_undo_cancels_the_last_answer_that_stands(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path)
    file.append(A, "label", "1")
    file.append(A, "label", "2")
    file.append(B, "nothing")
    assert file.standing()[A].symbol == "2"
    file.append(A, "undo")
    assert file.standing()[A].symbol == "1"
    file.append(A, "undo")
    assert set(file.standing()) == {B}
    file.append(A, "undo")
    assert set(file.standing()) == {B}
    file.append(A, "label", "3")
    assert file.standing()[A].symbol == "3"
    assert [a.action for a in read_answers(tmp_path)].count("undo") == 3
    assert {k: own[-1].symbol for k, own in standing(read_answers(tmp_path)).items()} == {
        A: "3", B: "",
    }  # fmt: skip


def test_symbols_used_last_come_first_and_undone_ones_not_at_all(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path)
    for item, symbol in ((A, "CE"), (B, "Ω"), (A, "CE"), (A, "7"), (B, "⌀")):
        file.append(item, "label", symbol)
    # A key types 7.
    assert file.recent(9) == ["⌀", "CE", "Ω"] and file.recent(2) == ["⌀", "CE"]
    for item in (B, A, A):
        file.append(item, "undo")
    assert file.recent(9) == ["CE", "Ω"]
    file.append(A, "undo")
    assert file.recent(9) == ["Ω"]


def test_two_files_of_one_folder_see_each_other(tmp_path: Path) -> None:
    one, two = AnswerFile(tmp_path), AnswerFile(tmp_path)
    one.append(A, "label", "1")
    assert two.standing()[A].symbol == "1"
    two.append(A, "undo")
    assert one.standing() == {}


def test_two_processes_and_threads_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from industrial_ocr.review.answers import AnswerFile;"
        "f = AnswerFile(Path(sys.argv[1]));"
        "[f.append(sys.argv[2] * 32, 'label', str(i)) for i in range(60)]"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, tmp_path, c]) for c in "cd"]
    file = AnswerFile(tmp_path)

    def write(item: str) -> None:
        for i in range(60):
            file.append(item, "label", str(i))

    threads = [threading.Thread(target=write, args=(item,)) for item in (A, B)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.wait() for p in others] == [0, 0]
    for item in (A, B, "c" * 32, "d" * 32):
        own = [a.symbol for a in read_answers(tmp_path) if a.id == item]
        assert own == [str(i) for i in range(60)]
    assert file.standing()["c" * 32].symbol == "59"


def test_a_torn_last_line_is_tolerated_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path)
    file.append(A, "label", "1")
    path = tmp_path / "corrections.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "' + b"b" * 20)
    assert set(AnswerFile(tmp_path).standing()) == set(file.standing()) == {A}
    file.append(B, "nothing")
    assert told(tmp_path) == [("a", "label", "1"), ("b", "nothing", "")]
    assert set(file.standing()) == set(AnswerFile(tmp_path).standing()) == {A, B}


def test_a_line_that_is_being_written_is_taken_once_it_is_whole(tmp_path: Path) -> None:
    AnswerFile(tmp_path).append(A, "label", "1")
    path = tmp_path / "corrections.jsonl"
    line = path.read_bytes().replace(A.encode(), B.encode())
    file = AnswerFile(tmp_path)
    with path.open("ab") as other:
        other.write(line[:30])
        other.flush()
        assert set(file.standing()) == {A}
        other.write(line[30:])
    assert set(file.standing()) == {A, B}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"nonsense", b"[1]", b"null", b"\xff\xfe", b'{"id": "aaaaaaaa"}',
        b'{"id": "../../etc", "action": "skip", "symbol": "", "time": ""}',
        b'{"id": "aaaaaaaa", "action": "burn", "symbol": "", "time": ""}',
        b'{"id": "aaaaaaaa", "action": "label", "symbol": "", "time": ""}',
        b'{"id": "aaaaaaaa", "action": ["label"], "symbol": "1", "time": ""}',
        b'{"id": "aaaaaaaa", "action": "label", "symbol": 1, "time": ""}',
    ],
)  # fmt: skip
def test_other_lines_are_no_answers(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "corrections.jsonl").write_bytes(line + b"\n")
    assert read_answers(tmp_path) == [] and AnswerFile(tmp_path).standing() == {}


def test_a_file_that_was_taken_away_or_shortened_is_read_anew(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path)
    file.append(A, "label", "1")
    file.append(B, "label", "22")
    assert len(file.standing()) == 2
    path = tmp_path / "corrections.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    assert set(file.standing()) == {B} and file.recent(9) == ["22"]
    os.remove(path)
    assert file.standing() == {} and file.recent(9) == []


@pytest.mark.parametrize(
    ("typed", "symbol"),
    [
        ("A", "A"), (" A ", "A"), ("CE", "CE"), ("U+03A9", "Ω"), ("u+3a9 ", "u+3a9"),
        ("u+03a9", "Ω"), ("U+0041 U+030A", "Å"), ("A\u030a", "Å"), ("U+1F6E0", "🛠"), ("U+", "U+"),
        ("<img>", "<img>"), ("⌀", "⌀"),
    ],
)  # fmt: skip
def test_symbols_as_they_are_typed(typed: str, symbol: str) -> None:
    assert parse_symbol(typed) == symbol


@pytest.mark.parametrize(
    "typed",
    [
        "", "  ", "A B", "x" * 17, "U+0020", "U+0000", "U+D800", "U+110000", "\ud800", "a\x1b",
        "a\u2028b",
    ],
)  # fmt: skip
def test_what_is_no_symbol(typed: str) -> None:
    with pytest.raises(ValueError):
        parse_symbol(typed)
