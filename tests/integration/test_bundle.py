"""Bundles: written, read the same as before, and refused as soon as a byte is another one."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from industrial_ocr import Reader
from industrial_ocr.cli.app import app
from industrial_ocr.decoding.calibration import Calibration, load_calibration
from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.inference.bundle import BUNDLE_NAME, open_bundle
from industrial_ocr.inference.manifest import MANIFEST_NAME, Manifest, find_entry

pytestmark = pytest.mark.slow

LABEL = Path(__file__).parents[2] / "examples" / "label.png"
PRESETS = """
patterns:
  our-lot:
    title: Lots of line 3
    source: our own
    regex: 'LOT [A-Z0-9]{6}-[0-9]'
    examples: ['LOT 7B4K92-3']
"""
ROUTES = """
our-lot:
  - {engine: two-stage, n: 90, accuracy: 0.5, low: 0.4, high: 0.6, date: 2026-01-05}
  - {engine: crnn, n: 90, accuracy: 0.9, low: 0.8, high: 0.95, date: 2026-01-05}
"""
runner = CliRunner()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that are gone when the bundle is read."""
    folder = tmp_path_factory.mktemp("settings")
    contents = {"config.yaml": "detection: {long_side: 640}", "patterns.yaml": PRESETS,
                "routes.yaml": ROUTES}  # fmt: skip
    for name, text in contents.items():
        (folder / name).write_text(text)
    weights = Reader(backend="onnxruntime").weights
    Calibration({"recognizer": 1.25}, {}, weights).save(folder / "calibration.json")
    names = [*contents, "calibration.json"]
    return {name.partition(".")[0]: folder / name for name in names}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Path]) -> Any:
    """What a Reader reads, and where its bundle is; its settings' files are gone."""
    out = tmp_path_factory.mktemp("out") / "line"
    options: dict[str, Any] = dict(settings)
    reader = Reader(backend="onnxruntime", threads=1, **options)
    assert reader.export(out, archive=True) == [out, out.with_name("line.zip")]
    shutil.rmtree(settings["config"].parent)
    return reader.read(LABEL, pattern="our-lot").to_dict(), out


@pytest.fixture
def bundle(written: Any, tmp_path: Path) -> Iterator[Path]:
    """A copy to damage."""
    copy = tmp_path / "copy"
    shutil.copytree(written[1], copy)
    yield copy


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "timings"}


@pytest.mark.parametrize("name", ["line", "line.zip"])
def test_it_reads_the_same_from_a_folder_and_from_an_archive(written: Any, name: str) -> None:
    before, out = written
    reader = Reader.from_bundle(out.with_name(name), threads=1)
    assert reader.backend == "onnxruntime" and reader.config.detection.long_side == 640
    assert reader.temperatures["recognizer"] == 1.25
    result = reader.read(LABEL, pattern="our-lot").to_dict()
    assert result["codes"][0]["text"].endswith("7B4K92-3")
    assert without_times(result) == without_times(before)
    assert reader.pattern("our-lot").name == "our-lot"
    # A process that is spawned gets a Reader so.
    again = pickle.loads(pickle.dumps(reader)).read(LABEL, pattern="our-lot").to_dict()
    assert without_times(again) == without_times(before)


def test_overrides_go_first(written: Any) -> None:
    reader = Reader.from_bundle(written[1], config="fast", calibration=Calibration())
    assert reader.config.detection.closer_pixels == 300_000
    assert reader.config.precision == "fp32"
    assert reader.temperatures["recognizer"] == find_entry("recognizer").temperature


def test_it_holds_the_networks_in_8_bits(written: Any) -> None:
    options: dict[str, Any] = {"backend": "onnxruntime", "config": "fast"}
    before = Reader(**options).read(LABEL, engine="two-stage").to_dict()
    reader = Reader.from_bundle(written[1], precision="int8", calibration=Calibration(), **options)
    assert without_times(reader.read(LABEL, engine="two-stage").to_dict()) == without_times(before)


@pytest.mark.parametrize("packed", [False, True])
def test_a_changed_byte_is_refused_and_the_file_is_named(bundle: Path, packed: bool) -> None:
    files = sorted(p for p in bundle.rglob("*") if p.is_file())
    assert len(files) == 11
    for file in files:
        name = file.relative_to(bundle).as_posix()
        whole = file.read_bytes()
        for place in [len(whole) - 1] if packed else [0, len(whole) // 2, len(whole) - 1]:
            changed = bytearray(whole)
            changed[place] ^= 1
            file.write_bytes(changed)
            path = archive(bundle) if packed else bundle
            with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
                Reader.from_bundle(path)
        file.write_bytes(whole)
    Reader.from_bundle(bundle)


def archive(folder: Path) -> Path:
    """As another program would write it."""
    path = folder.with_name("packed.zip")
    with zipfile.ZipFile(path, "w") as opened:
        for file in folder.rglob("*"):
            opened.write(file, file.relative_to(folder).as_posix())
    return path


def test_every_byte_of_the_manifest_counts(bundle: Path) -> None:
    file = bundle / BUNDLE_NAME
    whole = file.read_bytes()
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= (1, 32)[place % 2]
        file.write_bytes(changed)
        with pytest.raises(WeightsError, match=BUNDLE_NAME):
            open_bundle(bundle)


def test_a_damaged_archive_is_refused_and_the_file_is_named(written: Any, tmp_path: Path) -> None:
    whole = written[1].with_name("line.zip")
    data = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as opened:
        start = opened.getinfo("networks/recognizer.onnx").header_offset
    data[start + 5000] ^= 1
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    with pytest.raises(WeightsError, match=r"networks/recognizer\.onnx"):
        Reader.from_bundle(damaged)
    damaged.write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match=r"damaged\.zip: not a bundle"):
        Reader.from_bundle(damaged)


def test_a_missing_or_added_file_is_refused(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("What nobody lists does not matter.")
    Reader.from_bundle(bundle)
    (bundle / "routes.json").unlink()
    with pytest.raises(WeightsError, match=r"routes\.json: no such file, but bundle\.json names"):
        Reader.from_bundle(bundle)
    file = bundle / BUNDLE_NAME
    values = json.loads(file.read_text())
    values["files"]["added.json"] = values["files"].pop("routes.json")
    file.write_text(json.dumps(values, indent=1) + "\n")
    with pytest.raises(WeightsError, match=r"bundle\.json: this file was changed"):
        Reader.from_bundle(bundle)


def test_what_is_no_bundle_says_so(tmp_path: Path, bundle: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(WeightsError, match=r"not a bundle.*industrial-ocr export"):
            Reader.from_bundle(path)
    file = bundle / BUNDLE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 2}))
    with pytest.raises(WeightsError, match="format 2, expected 1.*written by industrial-ocr"):
        Reader.from_bundle(bundle)


def test_the_same_content_gives_the_same_bytes(written: Any, tmp_path: Path) -> None:
    _, out = written
    (again,) = Reader.from_bundle(out).export(tmp_path / "again.zip")
    assert again.read_bytes() == out.with_name("line.zip").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.zip"]


def test_a_bundle_is_not_overwritten(written: Any, tmp_path: Path) -> None:
    reader = Reader.from_bundle(written[1])
    (tmp_path / "new.zip").touch()
    with pytest.raises(ConfigError, match=r"new\.zip: this bundle exists already"):
        reader.export(tmp_path / "new", archive=True)
    assert [p.name for p in tmp_path.iterdir()] == ["new.zip"]


def test_other_weights_than_the_shipped_ones(tmp_path: Path) -> None:
    """As retraining writes them: a folder with a manifest, safetensors and ONNX."""
    own = tmp_path / "own"
    own.mkdir()
    shipped = find_entry("classifier")
    shutil.copy(shipped.path, own / "line.safetensors")
    shutil.copy(shipped.onnx_path, own / "line.onnx")
    names = {"name": "line", "file": "line.safetensors", "onnx": "line.onnx", "temperature": 1.5}
    names |= {"int8": "", "int8_sha256": ""}
    manifest = Manifest(models=(shipped.model_copy(update=names),))
    (own / MANIFEST_NAME).write_text(manifest.model_dump_json())
    reader = Reader(backend="onnxruntime", classifier=own / "line.safetensors")
    reader.export(tmp_path / "bundle")
    shutil.rmtree(own)
    read = Reader.from_bundle(tmp_path / "bundle")
    assert read.weights == reader.weights and read.temperatures["classifier"] == 1.5
    assert open_bundle(tmp_path / "bundle").manifest.models["classifier"] == "line"


def test_weights_without_onnx_cannot_be_exported(tmp_path: Path) -> None:
    shipped = find_entry("classifier")
    (tmp_path / "old").mkdir()
    bare = shipped.model_copy(update={"onnx": "", "onnx_sha256": ""})
    (tmp_path / "old" / MANIFEST_NAME).write_text(Manifest(models=(bare,)).model_dump_json())
    reader = Reader(backend="onnxruntime", classifier=tmp_path / "old" / shipped.file)
    with pytest.raises(WeightsError, match=r"no ONNX file.*industrial_ocr\.inference\.export"):
        reader.export(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_calibration_of_other_weights_is_not_exported(tmp_path: Path) -> None:
    other = Calibration({"recognizer": 1.25}, {}, {"recognizer": "0" * 64})
    with pytest.raises(ConfigError, match="measured with other weights"):
        Reader(backend="onnxruntime", calibration=other).export(tmp_path / "bundle")


def test_a_misread_rate_goes_with_the_bundle(tmp_path: Path) -> None:
    from industrial_ocr.decoding.calibration import SHIPPED_CALIBRATION

    shipped = load_calibration(SHIPPED_CALIBRATION)
    if not shipped.fits(Reader(backend="onnxruntime").weights):
        pytest.skip("the shipped calibration is of other weights")
    Reader(backend="onnxruntime", max_misread_rate=0.2).export(tmp_path / "bundle")
    manifest = open_bundle(tmp_path / "bundle").manifest
    assert manifest.max_misread_rate == 0.2 and "calibration.json" in manifest.files
    Reader.from_bundle(tmp_path / "bundle")


def test_a_bundle_without_safetensors_is_not_for_torch(written: Any) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ConfigError, match="written for onnxruntime and holds no networks for tor"):
        Reader.from_bundle(written[1], backend="torch")


def test_a_bundle_for_torch_runs_on_all(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    Reader(backend="torch", device="cpu").export(tmp_path / "bundle")
    assert open_bundle(tmp_path / "bundle").holds_safetensors
    texts = {
        Reader.from_bundle(tmp_path / "bundle", backend=backend, device="cpu").read(LABEL).text
        for backend in ("torch", "onnxruntime")
    }
    assert texts == {"LOT 7B4K92-3\nEXP 08/2027"}


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "patterns.yaml").write_text(PRESETS)
    out = tmp_path / "line.zip"
    options = ["--patterns", str(tmp_path / "patterns.yaml")]
    done = runner.invoke(app, ["export", str(out), *options])
    assert done.exit_code == 0 and done.stdout.strip() == str(out)
    read = ["read", str(LABEL), "--bundle", str(out), "--json", "--pattern"]
    done = runner.invoke(app, [*read, "our-lot"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)[0]["codes"][0]["pattern"] == "our-lot"
    assert runner.invoke(app, [*read, "our-lots"]).exit_code == 2
    done = runner.invoke(
        app, ["verify", str(LABEL), "LOT 7B4K92-3", "--bundle", str(out), "--json"]
    )
    assert json.loads(done.stdout)[0]["verdict"] == "pass"
    done = runner.invoke(app, ["export", str(out), *options])
    assert done.exit_code == 2 and "exists already" in done.stderr


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_a_bundle_is_for_one_known_backend(tmp_path: Path, backend: str) -> None:
    done = runner.invoke(app, ["export", str(tmp_path / "line"), "--backend", backend])
    assert done.exit_code == 2 and not (tmp_path / "line").exists()


def test_an_unknown_backend_is_refused(written: Any) -> None:
    with pytest.raises(ConfigError, match="backend must be one of"):
        Reader.from_bundle(written[1], backend="tensorrt")


def test_torch_is_not_loaded(written: Any) -> None:
    code = (
        "import sys; from industrial_ocr import Reader; "
        f"print(Reader.from_bundle({str(written[1])!r}, device='cpu').read({str(LABEL)!r}).text); "
        "print(*({'torch', 'timm', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "7B4K92-3" in done.stdout and done.stdout.endswith("\n\n")
