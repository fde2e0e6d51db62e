"""Networks that OpenVINO has compiled are kept, and a damaged one is compiled again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from industrial_ocr.inference import openvino_backend
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.inference.openvino_backend import OpenVinoSession
from industrial_ocr.inference.weights import CACHE_VARIABLE
from industrial_ocr.results.types import FloatArray

CROPS = np.random.default_rng(5).normal(size=(3, 1, 40, 40)).astype(np.float32)


def answer() -> FloatArray:
    return OpenVinoSession(find_entry("classifier"), 1, "int8").run(CROPS)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled, as a list that grows."""
    core, seen = openvino_backend._core(), []

    class Core:
        def compile_model(self, *args: object) -> object:
            seen.append("compiled")
            return core.compile_model(*args)

        def __getattr__(self, name: str) -> object:
            return getattr(core, name)

    monkeypatch.setattr(openvino_backend, "_core", Core)
    return seen


def test_the_second_session_takes_what_the_first_one_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    first = answer()
    (kept,) = (tmp_path / "cache" / "openvino").iterdir()
    np.testing.assert_array_equal(answer(), first)
    assert len(compiled) == 1

    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    np.testing.assert_array_equal(answer(), first)
    np.testing.assert_array_equal(answer(), first)
    assert len(compiled) == 2

    monkeypatch.setattr(openvino_backend, "KEPT", 1)
    OpenVinoSession(find_entry("classifier"), 2, "int8")  # other options
    (other,) = (tmp_path / "cache" / "openvino").iterdir()
    assert other != kept


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    answer()
    monkeypatch.delenv(CACHE_VARIABLE)

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    answer()
    assert len(compiled) == 2
