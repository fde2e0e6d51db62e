"""A reader inside a program with settings and processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr import Reader

pytestmark = pytest.mark.slow

CODE = "HK74XR92"

FORKS = """
import multiprocessing, sys
import torch

torch.set_num_threads(2)
from industrial_ocr import Reader

reader = Reader(device="cpu")

def read():
    for engine in ("two-stage", "crnn"):
        print(reader.read(sys.argv[1], engine=engine).text, flush=True)

def in_child(target):
    child = multiprocessing.get_context("fork").Process(target=target)
    child.start()
    child.join(60)
    if child.is_alive():
        print("hangs", flush=True)
        child.kill()

def read_in_child_of_a_child():
    torch.set_num_threads(2)
    read()
    in_child(read)
"""


def picture() -> np.ndarray:
    page = Image.new("RGB", (480, 120), "white")
    ImageDraw.Draw(page).text((40, 30), CODE, "black", ImageFont.load_default(48))
    return np.array(page)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system knows no fork")
@pytest.mark.parametrize(
    ("program", "reads"),
    [("in_child(read)", 2), ("read(); in_child(read_in_child_of_a_child); read()", 8)],
    ids=["built", "built and read"],
)
def test_a_forked_child_reads(tmp_path: Any, program: str, reads: int) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", FORKS + program, str(tmp_path / "a.png")],
        capture_output=True, text=True, timeout=300, env=env | {"OMP_WAIT_POLICY": "passive"},
    )  # fmt: skip
    assert done.stdout.split() == [CODE] * reads, done.stderr[-2000:]


@pytest.fixture
def defaults() -> Iterator[None]:
    """Puts back what a test sets for the whole process."""
    dtype, errors = torch.get_default_dtype(), np.geterr()
    with warnings.catch_warnings():
        yield
    torch.set_default_dtype(dtype)
    torch.set_default_device(None)
    np.seterr(**errors)


HOSTS: dict[str, Callable[[], object]] = {
    "float64": lambda: torch.set_default_dtype(torch.float64),
    "float16": lambda: torch.set_default_dtype(torch.float16),
    "device": lambda: torch.set_default_device("meta"),
    "warnings": lambda: warnings.simplefilter("error"),
    "numpy": lambda: np.seterr(all="raise"),
}


@pytest.mark.parametrize("host", HOSTS)
def test_settings_of_the_host_program_do_not_matter(host: str, defaults: None) -> None:
    before = Reader(device="cpu")
    HOSTS[host]()
    for reader in (before, Reader(device="cpu")):
        for engine in ("two-stage", "crnn"):
            assert reader.read(picture(), engine=engine).text == CODE
            assert reader.verify(picture(), CODE, engine=engine).passed
