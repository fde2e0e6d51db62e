"""Rendered codes, calibration on them, and a Reader that keeps the rate it was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from industrial_ocr import Reader
from industrial_ocr.cli.app import app
from industrial_ocr.decoding.calibration import Calibration, MisreadCurve, load_calibration
from industrial_ocr.errors import ConfigError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of codes under a pattern."""
    folder = tmp_path_factory.mktemp("codes") / "set"
    command = ["synth", "codes", str(folder), "--pattern", "[A-Z]{2}[0-9]{4}", "--count", "4",
               "--seed", "6", "--workers", "0", "--fonts", str(folder.parent)]  # fmt: skip
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return folder


def test_codes_are_a_dataset_of_codes_that_match(codes: Path) -> None:
    rows = [r.split("\t") for r in (codes / "labels.tsv").read_text().splitlines()]
    assert len(rows) == 4
    assert all((codes / name).is_file() and len(text) == 6 for name, text in rows)
    checked = CliRunner().invoke(app, ["dataset", "check", str(codes)])
    assert (checked.exit_code, "4 images, 4 labels" in checked.output) == (0, True)
    without = CliRunner().invoke(app, ["synth", "codes", str(codes / "x"), "--count", "1"])
    assert without.exit_code != 0


def test_calibrate_measures_every_way_and_the_reader_takes_it(codes: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    command = ["calibrate", str(codes), "--pattern", "[A-Z]{2}[0-9]{4}", "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "4 samples, whole pictures" in done.output, "pictures of codes are not taken for crops"
    found = load_calibration(out)
    ways = {"two-stage", "crnn"}
    routes = {f"{w} under a pattern" for w in ("two-stage", "crnn", "agree", "auto")}
    assert set(found.curves) == ways | routes
    assert {c.total for c in found.curves.values()} == {4}
    assert found.weights == Reader().weights
    with pytest.raises(ConfigError, match="4 labeled texts prove"):
        Reader(calibration=found, max_misread_rate=0.001)


def test_a_bundle_is_calibrated_with_its_own_settings(codes: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    fast = Reader(config="fast", precision="int8")
    segmentation = fast.config.segmentation.model_copy(update={"text_threshold": 1.0})
    blind = Reader(config=fast.config.model_copy(update={"segmentation": segmentation}))
    command = ["calibrate", str(codes), "--out", str(out), "--bundle"]
    for name, reader in (("blind", blind), ("fast", fast)):
        reader.export(tmp_path / name)
        done = CliRunner().invoke(app, [*command, str(tmp_path / name)])
        if name == "blind":
            assert done.exit_code == 1 and "nothing can be fitted" in done.output, done.output
    assert done.exit_code == 0, done.output
    found = load_calibration(out)
    assert set(found.curves) == {"two-stage", "crnn"}
    again = Reader.from_bundle(tmp_path / "fast", calibration=found)
    assert (again.weights, again.config) == (found.weights, fast.config)


def test_labels_that_nothing_reads_are_no_calibration(codes: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    labels = (codes / "labels.tsv").read_text().splitlines()
    (tmp_path / "labels.tsv").write_text(
        "".join(f"{codes / row.split(chr(9))[0]}\t&&&&&&&&&\n" for row in labels)
    )
    done = CliRunner().invoke(app, ["calibrate", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 1 and "nothing can be fitted" in done.output
    assert not out.exists()


@pytest.fixture(scope="module")
def measured() -> Calibration:
    """As if much had been measured with the shipped weights."""
    p = np.concatenate([np.linspace(0.3, 0.9999, 4000), np.ones(1000)])
    curve = MisreadCurve.of(p, p == 1, 5000)
    return Calibration({}, {"two-stage": curve}, Reader().weights)


def test_a_misread_rate_takes_the_place_of_the_least_confidence(measured: Calibration) -> None:
    picture = Path(__file__).parents[2] / "examples" / "label.png"
    strict = Reader(calibration=measured, max_misread_rate=0.01, config={})
    assert strict.read(picture, engine="two-stage").status.value == "low_confidence"
    with pytest.raises(ConfigError, match="crnn was not measured"):
        strict.read(picture)
    with pytest.raises(ConfigError, match="two-stage under a pattern was not measured"):
        strict.read(picture, engine="two-stage", pattern="[A-Z]{3}")
    with pytest.raises(ConfigError, match="a share between 0 and 1"):
        Reader(calibration=measured, max_misread_rate=1.5)
    other = Calibration({}, dict(measured.curves), {"classifier": "of another one"})
    with pytest.raises(ConfigError, match="measured with other weights"):
        Reader(calibration=other, max_misread_rate=0.01)


def test_temperatures_count_for_the_weights_they_were_fitted_to() -> None:
    weights = Reader().weights
    warm = Reader(calibration=Calibration({"classifier": 2.0}, {}, weights))
    assert warm.temperatures["classifier"] == 2.0
    foreign = Calibration({"classifier": 2.0}, {}, {**weights, "classifier": "another"})
    assert Reader(calibration=foreign).temperatures == Reader().temperatures
