"""A network camera: frames of a real RTSP server, which goes away and comes back."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from industrial_ocr.config import parse_config
from industrial_ocr.line.job_sources import CameraSource
from industrial_ocr.line.sources.cameras import VideoCamera

PYTHON = "/usr/bin/python3"
"""Debian's, which has its packages."""
SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=red "
    "! video/x-raw,format=I420,width=64,height=48,framerate=10/1 "
    "! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)
server.get_mount_points().add_factory("/line", factory)
server.attach(None)
GLib.MainLoop().run()
"""


def _missing() -> bool:
    if not Path(PYTHON).exists():
        return True
    code = 'import gi; gi.require_version("GstRtspServer", "1.0"); ' + (
        "from gi.repository import Gst, GstRtspServer; Gst.init(None); "
        'assert Gst.ElementFactory.find("rtpjpegpay") and Gst.ElementFactory.find("jpegenc")'
    )
    return subprocess.run([PYTHON, "-c", code], capture_output=True).returncode != 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        _missing(),
        reason="needs the Debian packages gir1.2-gst-rtsp-server-1.0, python3-gi and "
        "gstreamer1.0-plugins-good",
    ),
]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def serve(port: int) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the server and waits until it answers."""
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            server = subprocess.Popen([PYTHON, "-c", SERVER, str(port)])
            stack.callback(server.wait)
            stack.callback(server.kill)
            until(lambda: _answers(port))
            return server

        yield start


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def test_frames_of_a_network_camera_that_goes_away_and_comes_back(
    serve: Callable[[], subprocess.Popen[bytes]], port: int
) -> None:
    server = serve()
    source = {"kind": "camera", "device": f"rtsp://127.0.0.1:{port}/line", "reconnect_s": 0.2}
    camera = VideoCamera(parse_config(source, CameraSource))
    camera.start()
    try:
        first, second = until(lambda: camera.next(5.0)), until(lambda: camera.next(5.0))
        assert first.data.shape == (48, 64, 3) and first.name != second.name
        red, green, blue = first.data.reshape(-1, 3).mean(0)
        assert red > 200 and green < 60 and blue < 60
        server.kill()

        def away() -> bool:
            try:
                camera.next(1.0)
            except ConnectionError as error:
                return str(port) in str(error)
            return False

        until(away)
        serve()
        until(lambda: not away() and camera.next(5.0))
    finally:
        camera.close()
