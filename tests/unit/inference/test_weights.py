"""Weights are what the manifest says or they are refused, with file and hash."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from industrial_ocr.errors import WeightsError
from industrial_ocr.inference import manifest, weights
from industrial_ocr.inference.manifest import (
    FOLDERS_VARIABLE,
    MANIFEST_NAME,
    InputSpec,
    ModelEntry,
    find_entry,
    load_manifest,
    weights_folders,
)
from industrial_ocr.inference.weights import (
    commit_id,
    load_onnx,
    load_state,
    save_entry,
    save_onnx,
    verify_all,
)


def state() -> dict[str, torch.Tensor]:
    return {
        "conv.weight": torch.linspace(-2, 2, 12).reshape(3, 4),
        "norm.running_var": torch.tensor([1e5, 1.0]),  # beyond float16
        "norm.num_batches_tracked": torch.tensor(7),
    }


def entry(name: str = "small", **changes: Any) -> ModelEntry:
    values: dict[str, Any] = {
        "name": name,
        "task": "classifier",
        "architecture": {"backbone": "resnet10t"},
        "charset": ("0", "1", "CE"),
        "input": InputSpec(size=(32, 32), mean=(0.5,), std=(0.25,)),
        "recipe": {"steps": 10},
        "seed": 3,
        "metrics": {"accuracy": 0.5},
        "temperature": 1.5,
        "settings": {},
    }
    return ModelEntry(**(values | changes))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder searched, empty: the shipped ones are out of sight."""
    monkeypatch.setattr(manifest, "shipped_folder", lambda name: tmp_path / "nowhere")
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "nowhere" / "manifest.py"))
    only = tmp_path / "weights"
    only.mkdir()
    monkeypatch.setenv(FOLDERS_VARIABLE, str(only))
    return only


def refusal(*saved: ModelEntry) -> str:
    with pytest.raises(WeightsError) as caught:
        load_state(*saved)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("half", [True, False])
def test_round_trip_is_float32_whatever_is_stored(folder: Path, half: bool) -> None:
    saved = save_entry(folder, entry(), state(), half=half)
    loaded = load_state(find_entry("classifier"))
    assert {k: v.dtype for k, v in loaded.items()} == {
        "conv.weight": torch.float32,
        "norm.running_var": torch.float32,
        "norm.num_batches_tracked": torch.int64,
    }
    expected = state()["conv.weight"]
    expected = expected.half().float() if half else expected
    torch.testing.assert_close(loaded["conv.weight"], expected, rtol=0, atol=0)
    torch.testing.assert_close(loaded["norm.running_var"], torch.tensor([1e5, 1.0]))
    assert saved.path == folder / "small.safetensors"
    assert saved.sha256 == hashlib.sha256(saved.path.read_bytes()).hexdigest()


def test_half_halves_the_file(folder: Path) -> None:
    big = {"w": torch.zeros(50_000)}
    sizes = [
        save_entry(folder, entry(), big, half=half).path.stat().st_size for half in (True, False)
    ]
    assert sizes[0] == pytest.approx(100_000, rel=0.01)
    assert sizes[1] == pytest.approx(200_000, rel=0.01)


def test_the_manifest_keeps_every_field(folder: Path) -> None:
    saved = save_entry(folder, entry(commit="abc", fitted_confidence=False), state())
    assert load_manifest(folder).models == (saved,)
    written = json.loads((folder / MANIFEST_NAME).read_text())["models"][0]
    assert written == {
        "name": "small",
        "task": "classifier",
        "file": "small.safetensors",
        "sha256": saved.sha256,
        "onnx": "",
        "onnx_sha256": "",
        "int8": "",
        "int8_sha256": "",
        "architecture": {"backbone": "resnet10t"},
        "charset": ["0", "1", "CE"],
        "input": {"size": [32, 32], "mean": [0.5], "std": [0.25]},
        "recipe": {"steps": 10},
        "seed": 3,
        "commit": "abc",
        "license": "MIT",
        "metrics": {"accuracy": 0.5},
        "temperature": 1.5,
        "fitted_confidence": False,
        "settings": {},
    }


def test_the_int8_file_is_hashed_and_goes_with_its_weights(folder: Path) -> None:
    saved = save_onnx(save_entry(folder, entry(), state()), b"eight bits", int8=True)
    assert saved.int8 == "small.int8.onnx"
    assert saved.int8_sha256 == hashlib.sha256(b"eight bits").hexdigest()
    assert load_onnx(find_entry("classifier"), int8=True) == b"eight bits"
    assert [ok for _, ok, _ in verify_all()] == [True]
    saved.int8_path.write_bytes(b"other bits")
    with pytest.raises(WeightsError, match=r"small\.int8\.onnx: sha256 is"):
        load_onnx(saved, int8=True)
    assert [ok for _, ok, _ in verify_all()] == [False]
    with pytest.raises(WeightsError, match=r"no int8 file; .*training\.quantize .*weights --fonts"):
        load_onnx(save_entry(folder, saved, state()), int8=True)  # new weights


def test_saving_again_replaces_in_place(folder: Path) -> None:
    save_entry(folder, entry("a"), state())
    save_entry(folder, entry("b"), state())
    save_entry(folder, entry("a", seed=9), {"w": torch.ones(2)})
    assert [(m.name, m.seed) for m in load_manifest(folder).models] == [("a", 9), ("b", 3)]
    assert list(load_state(find_entry("classifier", "a"))) == ["w"]
    assert sorted(p.name for p in folder.iterdir()) == [  # no temporary file stays
        "a.safetensors",
        "b.safetensors",
        MANIFEST_NAME,
    ]


def test_a_failed_write_leaves_what_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_entry(folder, entry(), state())

    def full_disk(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WeightsError, match="No space left"):
        save_entry(folder, entry(), {"w": torch.ones(2)})
    assert len(load_state(find_entry("classifier"))) == 3
    assert len(list(folder.iterdir())) == 2


def test_tied_and_strided_tensors_are_saved(folder: Path) -> None:
    tied = torch.arange(6.0).reshape(2, 3)
    whole = torch.arange(6).reshape(2, 3)
    counts = {"d": whole, "e": whole, "f": whole.T}
    save_entry(folder, entry(), {"a": tied, "b": tied, "c": tied.T} | counts)
    loaded = load_state(find_entry("classifier"))
    torch.testing.assert_close(loaded["c"], tied.T)
    torch.testing.assert_close(loaded["f"], whole.T)
    loaded["a"][0, 0] = 9  # its own memory, and writeable
    assert loaded["b"][0, 0] == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_diverged_are_not_saved(folder: Path, value: float) -> None:
    with pytest.raises(WeightsError, match=r"conv\.bias: has NaN or infinite"):
        save_entry(folder, entry(), {"conv.bias": torch.tensor([0.0, value])})
    assert not list(folder.iterdir())


def test_two_models_do_not_share_a_file(folder: Path) -> None:
    save_entry(folder, entry("a"), state())
    with pytest.raises(WeightsError, match="another model"):
        save_entry(folder, entry("a", task="recognizer"), state())


@pytest.mark.parametrize("changes", [{"name": "../up"}, {"file": "a/b.safetensors"}, {"name": ""}])
def test_names_cannot_leave_the_folder(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="string_pattern_mismatch"):
        entry(**changes)


def test_mean_and_std_go_in_pairs() -> None:
    with pytest.raises(ValueError, match="one number a channel, got 3 and 1"):
        InputSpec(size=None, mean=(0, 0, 0), std=(1,))


def test_an_exchanged_file_is_refused_by_both_hashes_on_every_load(folder: Path) -> None:
    saved = save_entry(folder, entry(), state())
    load_state(saved)
    data = bytearray(saved.path.read_bytes())
    data[-1] ^= 1
    saved.path.write_bytes(data)
    message = refusal(saved)
    assert str(saved.path) in message
    assert saved.sha256 in message
    assert hashlib.sha256(data).hexdigest() in message
    assert "install" in message


def test_a_missing_file(folder: Path) -> None:
    saved = save_entry(folder, entry(), state())
    saved.path.unlink()
    assert refusal(saved).startswith(f"{saved.path}: no such file")


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}x"])
def test_a_file_that_is_no_safetensors(folder: Path, data: bytes) -> None:
    saved = save_entry(folder, entry(), state())
    saved.path.write_bytes(data)
    right = saved.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    assert refusal(right).startswith(f"{saved.path}: not a valid safetensors file")


def test_an_entry_without_a_hash_is_not_loaded(folder: Path) -> None:
    saved = save_entry(folder, entry(), state())
    assert "says nothing" in refusal(saved.model_copy(update={"sha256": ""}))


# fmt: off
DAMAGED = [
    # manifest                                                             said
    ("no json",                                                            "JSON"),
    ("[]",                                                                 "object"),
    ('{"models": [{"name": "x"}]}',                                        "models.0.task"),
    ('{"modells": []}',                                                    "modells"),
]
# fmt: on


@pytest.mark.parametrize(("text", "said"), DAMAGED, ids=[d[0] for d in DAMAGED])
def test_a_damaged_manifest_is_named(folder: Path, text: str, said: str) -> None:
    (folder / MANIFEST_NAME).write_text(text)
    with pytest.raises(WeightsError) as caught:
        find_entry("detector")
    assert str(folder / MANIFEST_NAME) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("missing", ["sha256", "file"])
def test_a_manifest_without_hash_or_file_is_refused(folder: Path, missing: str) -> None:
    save_entry(folder, entry(), state())
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    del manifest["models"][0][missing]
    path.write_text(json.dumps(manifest))
    with pytest.raises(WeightsError, match="small has no file or no sha256"):
        load_manifest(folder)


def test_a_model_listed_twice_is_refused(folder: Path) -> None:
    save_entry(folder, entry(), state())
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({"models": manifest["models"] * 2}))
    with pytest.raises(WeightsError, match="small is listed twice"):
        load_manifest(folder)


def test_find_by_task_and_name(folder: Path) -> None:
    save_entry(folder, entry("first"), state())
    save_entry(folder, entry("second"), state())
    save_entry(folder, entry("other", task="recognizer"), state())
    assert find_entry("classifier").name == "first"
    assert find_entry("classifier", "second").name == "second"
    with pytest.raises(WeightsError, match=r"no classifier called other; .*first, second"):
        find_entry("classifier", "other")
    with pytest.raises(WeightsError, match="no detector; there are: none") as caught:
        find_entry("detector")
    assert str(folder) in str(caught.value)


def test_find_by_path_outside_the_searched_folders(folder: Path, tmp_path: Path) -> None:
    saved = save_entry(tmp_path / "runs" / "x", entry(), state())
    assert find_entry("classifier", saved.path) == saved
    assert find_entry("classifier", str(saved.path)) == saved
    with pytest.raises(WeightsError, match="describes no detector in this file"):
        find_entry("detector", saved.path)
    with pytest.raises(WeightsError, match="no such weights file"):
        find_entry("classifier", saved.path.with_name("other.safetensors"))


def test_a_name_in_two_folders_is_ambiguous(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "more"
    save_entry(folder, entry(), state())
    save_entry(other, entry(), state())
    monkeypatch.setenv(FOLDERS_VARIABLE, os.pathsep.join([str(folder), str(other), str(folder)]))
    assert weights_folders() == [folder, other]
    with pytest.raises(WeightsError, match="ambiguous") as caught:
        find_entry("classifier", "small")
    assert str(folder) in str(caught.value) and str(other) in str(caught.value)
    assert find_entry("classifier").folder == folder


def test_a_folder_of_the_environment_that_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDERS_VARIABLE, str(folder / "nothing"))
    with pytest.raises(WeightsError, match=FOLDERS_VARIABLE):
        weights_folders()


def test_shipped_folders_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    *shipped, last = weights_folders()
    assert last == tmp_path
    assert "craft_weights" in {f.name for f in shipped}


def test_verify_all_lists_the_sound_and_the_damaged(folder: Path) -> None:
    save_entry(folder, entry("good"), state())
    bad = save_entry(folder, entry("bad"), state())
    bad.path.write_bytes(b"")
    results = {e.name: (ok, message) for e, ok, message in verify_all()}
    assert results["good"][0]
    assert not results["bad"][0] and bad.sha256 in results["bad"][1]


def git(folder: Path, *arguments: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "core.hooksPath=/dev/null"]
    command = ["git", "-C", str(folder), *who, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return done.stdout.strip()


def test_commit_id_is_that_of_the_checkout_and_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "repo"
    package = checkout / "industrial_ocr"
    package.mkdir(parents=True)
    monkeypatch.setattr(weights, "__file__", str(package / "inference" / "weights.py"))
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as inside a hook
    assert commit_id() is None
    git(checkout, "init", "-q")
    assert commit_id() is None  # nothing committed
    git(checkout, "commit", "-q", "--allow-empty", "-m", "x")
    assert commit_id() == git(checkout, "rev-parse", "HEAD")
    installed = checkout / ".venv" / "industrial_ocr"
    installed.mkdir(parents=True)
    monkeypatch.setattr(weights, "__file__", str(installed / "inference" / "weights.py"))
    assert commit_id() is None
