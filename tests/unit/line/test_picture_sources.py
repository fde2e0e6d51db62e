"""Sources: complete pictures only, each once, through outages."""

import os
import queue
import sys
import threading
import time
import types
from contextlib import suppress

import cv2
import numpy as np
import pytest

from industrial_ocr.line.job_sources import CameraSource, FolderSource, GenicamSource
from industrial_ocr.line.sources import PostedPictures
from industrial_ocr.line.sources.cameras import Genicam, VideoCamera
from industrial_ocr.line.sources.folder import Folder

PICTURE = b"P5 1 1 255\n\0"


def unknown(*properties) -> bool:
    return False


def folder_source(tmp_path, known=unknown, **changes) -> Folder:
    config = {"kind": "folder", "path": tmp_path, "stable_s": 0.3} | changes
    return Folder(FolderSource(**config), known)


def names(source, count: int, timeout_s: float = 5.0) -> list[str]:
    pictures = (source.next(timeout_s) for _ in range(count))
    return [picture.name for picture in pictures if picture is not None]


@pytest.mark.parametrize("poll_s", [None, 0.05])
def test_a_growing_file_waits_until_it_is_complete(tmp_path, poll_s):
    source = folder_source(tmp_path, poll_s=poll_s)
    with open(tmp_path / "a.pgm", "wb") as file:
        for part in (PICTURE[:4], PICTURE[4:8], PICTURE[8:]):
            file.write(part)
            file.flush()
            assert source.next(0.1) is None
    assert source.next(5).data == PICTURE
    assert source.next(0.1) is None  # and comes once
    source.close()


def test_a_file_renamed_into_place_does_not_wait(tmp_path):
    source = folder_source(tmp_path, stable_s=1000)
    assert source.next(0.05) is None
    (tmp_path / "b.tmp").write_bytes(PICTURE)
    time.sleep(0.02)  # the clock of the file system moves in steps
    os.rename(tmp_path / "b.tmp", tmp_path / "b.pgm")
    assert names(source, 1) == ["b.pgm"]
    source.close()


def test_the_oldest_first_and_nothing_else_than_pictures(tmp_path):
    for second, name in enumerate(("c.pgm", "a.pgm", "b.pgm", ".d.pgm", "e.txt")):
        (tmp_path / name).write_bytes(PICTURE)
        os.utime(tmp_path / name, (second, second))
    (tmp_path / "folder.png").mkdir()
    source = folder_source(tmp_path)
    assert names(source, 4, timeout_s=0.5) == ["c.pgm", "a.pgm", "b.pgm"]
    source.close()


def test_a_recorded_picture_that_stayed_is_only_put_away(tmp_path):
    (tmp_path / "a.pgm").write_bytes(PICTURE)
    stat = (tmp_path / "a.pgm").stat()
    asked = []

    def known(*properties):
        asked.append(properties)
        return True

    source = folder_source(tmp_path, known, after="move", moved_to=tmp_path / "done")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "a.pgm").write_bytes(b"another one")
    assert source.next(0.1) is None
    assert asked == [(source.name, "a.pgm", stat.st_size, stat.st_mtime_ns)]
    assert (tmp_path / "done" / "a-2.pgm").read_bytes() == PICTURE
    source.close()


def test_a_complete_picture_waits_for_an_older_one_that_may_grow(tmp_path):
    (tmp_path / "1.pgm").write_bytes(PICTURE)
    time.sleep(0.02)
    (tmp_path / "2.pgm").write_bytes(PICTURE)
    time.sleep(0.02)
    os.rename(tmp_path / "2.pgm", tmp_path / "3.pgm")  # complete at once
    source = folder_source(tmp_path)
    assert names(source, 2) == ["1.pgm", "3.pgm"]
    source.close()


def test_a_picture_that_was_replaced_while_it_was_read_is_not_deleted(tmp_path):
    (tmp_path / "latest.pgm").write_bytes(PICTURE)
    source = folder_source(tmp_path, stable_s=0, after="delete")
    first = source.next(5)
    (tmp_path / "latest.pgm").write_bytes(PICTURE + b"new")
    source.done(first)
    assert source.next(10).data == PICTURE + b"new"
    source.close()


def test_a_folder_that_is_away_is_told_and_comes_back(tmp_path):
    source = folder_source(tmp_path / "share", stable_s=0)
    with pytest.raises(FileNotFoundError):
        source.next(0.1)
    assert source.still_there() is None
    (tmp_path / "share").mkdir()
    assert source.still_there() is None  # a share that is not mounted is empty
    (tmp_path / "share" / "a.pgm").write_bytes(PICTURE)
    assert names(source, 1) == ["a.pgm"]
    assert source.still_there() == {"a.pgm"}
    source.close()


def video(path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()


def test_every_frame_of_a_video_file_and_the_same_keys_again(tmp_path):
    video(tmp_path / "clip.avi", 8)
    keys = []
    for _ in range(2):
        camera = VideoCamera(
            CameraSource(kind="camera", device=str(tmp_path / "clip.avi"), newest=False)
        )
        camera.start()
        pictures = []
        while not camera.ended:
            picture = camera.next(1)
            pictures += [picture] if picture else []
        assert [round(p.data.mean() / 10) for p in pictures] == list(range(8))
        keys.append([p.key for p in pictures])
        camera.close()
    assert keys[0] == keys[1]


def test_a_camera_that_is_away_is_told_and_opened_again(tmp_path):
    device = tmp_path / "camera.avi"
    camera = VideoCamera(CameraSource(kind="camera", device=str(device), reconnect_s=0.05))
    camera.start()
    with pytest.raises(ConnectionError, match=r"camera.avi: cannot be opened"):
        camera.next(5)
    video(tmp_path / "new.avi", 3)
    os.rename(tmp_path / "new.avi", device)
    end = time.monotonic() + 10
    picture = None
    while picture is None and time.monotonic() < end:
        with suppress(ConnectionError):
            picture = camera.next(1)
    assert picture.data.shape == (48, 64, 3)
    camera.close()


class FakeBuffer:
    """One buffer of a camera, filled again as soon as it is back."""

    def __init__(self, memory: np.ndarray, kind: str) -> None:
        self.memory = memory
        height, width = memory.shape[:2]
        component = types.SimpleNamespace(
            data=memory.reshape(-1), data_format=kind, height=height, width=width
        )
        self.payload = types.SimpleNamespace(components=[component])

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.memory[:] = 255  # the camera writes the next frame


class FakeCamera:
    def __init__(self, kind: str) -> None:
        self.kind, self.frames = kind, 0

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        pass

    def start(self) -> None:
        pass

    def fetch(self, timeout: float) -> FakeBuffer:
        self.frames += 1
        if self.frames > 1:
            time.sleep(timeout)
            raise TimeoutError("no frame")
        color = {"Mono8": [[7]], "RGB8": [[[7, 8, 9]]], "BGR8": [[[9, 8, 7]]]}[self.kind]
        return FakeBuffer(np.tile(np.uint8(color), (4, 6) + (1,) * (np.ndim(color) - 2)), self.kind)


@pytest.mark.parametrize(
    ("kind", "pixel"), [("Mono8", (7, 7, 7)), ("RGB8", (7, 8, 9)), ("BGR8", (7, 8, 9))]
)
def test_genicam_buffers_are_copied_before_they_go_back(tmp_path, monkeypatch, kind, pixel):
    """With a stand-in for harvesters: there is no camera and no GenTL producer here."""
    asked = []

    class FakeHarvester:
        def __enter__(self):
            return self

        def __exit__(self, *error) -> None:
            pass

        def add_file(self, path: str) -> None:
            asked.append(path)

        def update(self) -> None:
            pass

        def create(self, key):
            asked.append(key)
            return FakeCamera(kind)

    core = types.ModuleType("harvesters.core")
    core.Harvester = FakeHarvester
    monkeypatch.setitem(sys.modules, "harvesters", types.ModuleType("harvesters"))
    monkeypatch.setitem(sys.modules, "harvesters.core", core)
    monkeypatch.setattr("industrial_ocr.line.sources.cameras.require", lambda *names: None)
    config = GenicamSource(kind="genicam", producer=tmp_path / "maker.cti", serial="42")
    camera = Genicam(config, fetch_s=0.05)
    camera.start()
    picture = camera.next(5)
    camera.close()
    assert picture.data.shape == (4, 6, 3)
    assert tuple(picture.data[2, 3]) == pixel
    assert asked[:2] == [str(tmp_path / "maker.cti"), {"serial_number": "42"}]


def test_posted_pictures_are_limited_and_on_the_disk(tmp_path):
    posted = PostedPictures(tmp_path, limit=2)
    posted.put(b"one", "part 1", None)
    posted.put(b"two", "part 2", "X")
    with pytest.raises(queue.Full):
        posted.put(b"three")
    again = PostedPictures(tmp_path, limit=2)  # the process was killed
    first = again.next(1)
    assert (first.data, first.part, first.expected) == (b"one", "part 1", None)
    again.done(first)
    again.put(b"three")
    assert [again.next(1).data, again.next(1).data] == [b"two", b"three"]
    assert again.next(0.01) is None


def test_pictures_posted_at_once_all_come(tmp_path):
    posted = PostedPictures(tmp_path, limit=100)

    def send(thread: int) -> None:
        for number in range(10):
            posted.put(f"{thread} {number}".encode())

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({posted.next(1).data for _ in range(40)}) == 40
