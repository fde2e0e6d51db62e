"""The folder of uncertain characters: what is written, how much, and by how many at once."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from industrial_ocr.config import CollectingConfig
from industrial_ocr.errors import CollectError
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, SequenceScores, Status, TextString
from industrial_ocr.review.answers import AnswerFile
from industrial_ocr.review.collecting import Collector

SCORES = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)


def reading(seed: int, size: int = 40, text: str = "A", step: float = 0.0) -> ReadResult:
    """A picture of noise, which PNG does not compress, with uncertain characters."""
    image = np.random.default_rng(seed).integers(0, 255, (size, 2 * size, 3), np.uint8)
    wide = 2 * size / len(text)
    quads = [rect_quad(wide * i + step, 2, wide * (i + 0.5), size - 2) for i in range(len(text))]
    characters = tuple(
        Character(s, q, 0.5, (("Z", 0.4),)) for s, q in zip(text, quads, strict=True)
    )
    quad = rect_quad(0, 0, 2 * size, size)
    string = TextString(text, 0.5, quad, characters, "horizontal", SCORES)
    return ReadResult((string,), Status.LOW_CONFIDENCE, "two-stage", {}, image)


def ids(folder: Path) -> set[str]:
    return {p.stem for p in (folder / "items").glob("*.json")}


def used(folder: Path) -> int:
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in (folder / "items").iterdir())


def test_an_item_has_the_keys_of_the_format_and_a_picture(tmp_path: Path) -> None:
    (name,) = Collector(tmp_path / "new" / "d").add(reading(0), "a.png")
    item = json.loads((tmp_path / "new" / "d" / "items" / f"{name}.json").read_text())
    assert item.pop("time").endswith("+00:00")
    picture = cv2.imread(str(tmp_path / "new" / "d" / item.pop("context")))
    quad = np.array(item.pop("quad"))
    assert picture is not None and quad.shape == (4, 2)
    inside = (quad >= 0).all() and (quad <= np.array(picture.shape[1::-1])).all()
    assert inside
    assert item == {
        "id": name, "symbol": "A", "alternatives": [["Z", 0.4]], "confidence": 0.5, "reject": 0.0,
        "why": "low confidence, low margin", "text": "A", "position": 0, "engine": "two-stage",
        "source": "a.png",
    }  # fmt: skip


def test_the_picture_is_rgb_in_the_file(tmp_path: Path) -> None:
    result = reading(0)
    result.image[:] = (200, 10, 20)
    (name,) = Collector(tmp_path).add(result)
    blue_green_red = cv2.imread(str(tmp_path / "items" / f"{name}.png"))
    assert blue_green_red is not None and tuple(blue_green_red[20, 20]) == (20, 10, 200)


def test_the_same_character_of_the_same_picture_is_kept_once(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    assert len(collector.add(reading(0, text="AB"))) == 2
    assert collector.add(reading(0, text="AB")) == []
    # Another engine places the boxes a little otherwise.
    assert Collector(tmp_path).add(reading(0, text="AB", step=3.0)) == []
    assert len(collector.add(reading(1, text="AB"))) == 2


def test_nothing_uncertain_writes_nothing(tmp_path: Path) -> None:
    calm = CollectingConfig(min_confidence=0.4, min_margin=0.0)
    assert Collector(tmp_path, rules=calm).add(reading(0)) == [] and ids(tmp_path) == set()


def test_beyond_the_limit_the_oldest_go_and_answered_ones_last(tmp_path: Path) -> None:
    collector = Collector(tmp_path, limit_mb=1.0)
    kept = []
    for seed in range(12):
        (name,) = collector.add(reading(seed, size=150))
        kept.append(name)
        for kind in ("json", "png"):
            os.utime(tmp_path / "items" / f"{name}.{kind}", (seed, seed))
        if seed == 0:
            AnswerFile(tmp_path).append(name, "label", "B")
        if seed == 1:
            AnswerFile(tmp_path).append(name, "skip")
        assert used(tmp_path) <= 1_000_000
    left = ids(tmp_path)
    assert 2 < len(left) < 11
    assert left == {kept[0], *kept[-len(left) + 1 :]}
    assert {p.stem for p in (tmp_path / "items").glob("*.png")} == left


def test_what_alone_is_beyond_the_limit_is_not_kept(tmp_path: Path) -> None:
    assert Collector(tmp_path, limit_mb=1.0).add(reading(0, size=600)) == []
    assert ids(tmp_path) == set()


def test_a_ledger_that_says_nothing_is_made_anew(tmp_path: Path) -> None:
    collector = Collector(tmp_path, limit_mb=1.0)
    collector.add(reading(0, size=150))
    (tmp_path / ".collecting").write_text("not a number")
    for seed in range(1, 12):
        collector.add(reading(seed, size=150))
    assert used(tmp_path) <= 1_000_000


WRITER = """
import sys
sys.path[:0] = [{tests!r}]
from test_collecting import Collector, reading
collector = Collector({folder!r}, limit_mb=1.0)
for seed in range({first}, {first} + 6):
    collector.add(reading(seed, size=120, text="AB"))
"""


@pytest.mark.slow
def test_two_processes_and_two_threads_stay_within_the_limit(tmp_path: Path) -> None:
    code = WRITER.replace("{tests!r}", repr(str(Path(__file__).parent)))
    code = code.replace("{folder!r}", repr(str(tmp_path)))
    writers = [
        subprocess.Popen([sys.executable, "-c", code.replace("{first}", first)])
        for first in ("0", "3")  # half of the pictures are the same
    ]
    collector = Collector(tmp_path, limit_mb=1.0)
    threads = [
        threading.Thread(
            target=lambda: [collector.add(reading(s, size=120, text="AB")) for s in range(4, 8)]
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    busy = True
    while busy:
        with suppress(subprocess.TimeoutExpired):
            writers[0].wait(timeout=0.1)
        busy = any(w.poll() is None for w in writers) or any(t.is_alive() for t in threads)
        for path in (tmp_path / "items").glob("*.json"):
            try:
                json.loads(path.read_bytes())  # whole, or gone
            except FileNotFoundError:
                continue
    assert [w.wait() for w in writers] == [0, 0]
    for thread in threads:
        thread.join()
    assert ids(tmp_path) and used(tmp_path) <= 1_000_000
    for name in ids(tmp_path):
        assert cv2.imread(str(tmp_path / "items" / f"{name}.png")) is not None
    assert not [p for p in (tmp_path / "items").iterdir() if p.name.startswith(".")]


def test_a_writer_that_dies_leaves_no_half_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(tmp_path)
    moved = []

    def die(*_: object) -> None:
        moved.append(1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            collector.add(reading(0))
    assert moved and list((tmp_path / "items").iterdir()) == []
    assert len(collector.add(reading(0))) == 1


def test_a_full_disk_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CollectError, match="No space left on device; free space"):
        collector.add(reading(0))
    with pytest.raises(CollectError, match="No space left"):
        Collector(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CollectError, match="file"):
        Collector(tmp_path / "file")


@pytest.mark.parametrize("limit", [0.0, 0.5, -1.0, float("nan"), float("inf")])
def test_an_impossible_limit_is_an_error(tmp_path: Path, limit: float) -> None:
    with pytest.raises(CollectError, match="1 MB or more"):
        Collector(tmp_path / "d", limit_mb=limit)
    assert not (tmp_path / "d").exists()


def test_old_temporary_files_of_the_dead_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(tmp_path)
    dead, alive = tmp_path / "items" / ".a.1.2", tmp_path / "items" / ".b.1.2"
    dead.write_bytes(b"x")
    alive.write_bytes(b"x")
    os.utime(dead, (0, 0))
    collector.add(reading(0))
    assert not dead.exists() and alive.exists()


def test_names_of_files_are_told(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    for number, source in enumerate(["in/a.png", Path("in/b.png"), None]):
        collector.add(reading(number), source)
    sources = {json.loads(p.read_text())["source"] for p in (tmp_path / "items").glob("*.json")}
    assert sources == {"a.png", "b.png", None}
