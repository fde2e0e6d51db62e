"""Every shipped YAML loads; what is wrong in one is named with its full path."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from industrial_ocr import config
from industrial_ocr.config import (
    ConfidenceConfig,
    PipelineConfig,
    Section,
    config_path,
    load_config,
    parse_config,
    shipped_folder,
)
from industrial_ocr.errors import ConfigError
from industrial_ocr.training.config import (
    ClassifierTrainConfig,
    DetectorTrainConfig,
    RecognizerTrainConfig,
    TrainConfig,
)

CONFIGS = shipped_folder("configs")
SHIPPED = sorted(p.relative_to(CONFIGS).as_posix() for p in CONFIGS.rglob("*.yaml"))
MODELS: dict[str, type[Section]] = {
    "pipeline": PipelineConfig,
    "fast": PipelineConfig,
    "accurate": PipelineConfig,
    "train/detector": DetectorTrainConfig,
    "train/classifier": ClassifierTrainConfig,
    "train/recognizer": RecognizerTrainConfig,
}
LOADED_ELSEWHERE = ["patterns.yaml"]
"""Files that are no settings: pattern.py reads them and its test loads them."""


def load_text(folder: Path, text: str, model: type[Section] = PipelineConfig) -> Section:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, model)


def refusal(folder: Path, text: str, model: type[Section] = PipelineConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, model)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'settings.yaml'}: ") and "\n" not in message
    return message.removeprefix(f"{folder / 'settings.yaml'}: ")


def test_something_is_shipped() -> None:
    assert "pipeline.yaml" in SHIPPED


@pytest.mark.parametrize("name", [n for n in SHIPPED if n not in LOADED_ELSEWHERE])
def test_every_shipped_yaml_loads(name: str) -> None:
    models = [model for start, model in MODELS.items() if name.startswith(start)]
    assert models, f"{name}: say in MODELS or LOADED_ELSEWHERE what it is"
    assert isinstance(load_config(CONFIGS / name, models[0]), models[0])


def test_pipeline_yaml_repeats_the_defaults_in_full() -> None:
    written = yaml.safe_load(config_path("pipeline").read_text(encoding="utf-8"))
    assert written == PipelineConfig().model_dump(mode="json")


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    assert load_text(tmp_path, "") == PipelineConfig()
    assert load_text(tmp_path, "detection:\n  # long_side: 960\n") == PipelineConfig()
    changed = load_text(tmp_path, "segmentation: {low_text: 0.3}")
    assert isinstance(changed, PipelineConfig)
    assert changed.segmentation.low_text == 0.3
    assert changed.segmentation.text_threshold == PipelineConfig().segmentation.text_threshold


# fmt: off
UNKNOWN = [
    # YAML                             key                        did you mean
    ("detection: {long_sid: 960}",     "detection.long_sid",      "detection.long_side"),
    ("confidence: {min_conf: 0.9}",    "confidence.min_conf",     "confidence.min_confidence"),
    ("detektion: {long_side: 960}",    "detektion",               "detection"),
    ("text_threshold: 0.4",            "text_threshold",          "segmentation.text_threshold"),
    ("linking: {low_text: 0.4}",       "linking.low_text",        "segmentation.low_text"),
    ("detection: {threshold: 0.4}",    "detection.threshold",     "segmentation.text_threshold"),
    ("segmentation: {qqqq: 1}",        "segmentation.qqqq",       None),
    ("qqqq: {low_text: 1}",            "qqqq",                    None),
    ("1: 2",                           "1",                       None),
]
WRONG = [
    # YAML                             key                      said
    ("detection: {long_side: -5}",     "detection.long_side",   "greater than 0, got -5"),
    ("detection: {long_side: wide}",   "detection.long_side",   "a valid integer, got 'wide'"),
    ("detection: {long_side: '960'}",  "detection.long_side",   "a valid integer, got '960'"),
    ("detection: {long_side: yes}",    "detection.long_side",   "a valid integer, got True"),
    ("detection: {long_side: 960.5}",  "detection.long_side",   "a valid integer, got 960.5"),
    ("detection: {tile_size: wide}",    "detection.tile_size",   "integer, got 'wide'"),
    ("detection: {tile_size: 100}",    "detection",             "below tile_size, got 160 and 100"),
    ("detection: 5",                   "detection",             "an object, got 5"),
    ("segmentation: {low_text: 1.5}",  "segmentation.low_text", "less than or equal to 1, got 1.5"),
    ("segmentation: {low_text: .nan}", "segmentation.low_text", "a finite number, got nan"),
    ("segmentation: {low_text: }",     "segmentation.low_text", "a valid number, got None"),
]
# fmt: on


@pytest.mark.parametrize(("text", "key", "nearest"), UNKNOWN, ids=[r[0] for r in UNKNOWN])
def test_an_unknown_key_is_named_with_the_nearest_known_one(
    tmp_path: Path, text: str, key: str, nearest: str | None
) -> None:
    suggestion = f"; did you mean {nearest}?" if nearest else ""
    assert refusal(tmp_path, text) == f"unknown key {key}{suggestion}"


class Tiles(Section):
    tile_side: int = 1


class Grid(Section):
    tile_size: int = 1


class Layout(Section):
    tiles: Tiles = Tiles()
    grid: Grid = Grid()


def test_the_same_name_elsewhere_comes_before_a_like_one_here(tmp_path: Path) -> None:
    message = refusal(tmp_path, "tiles: {tile_size: 2}", Layout)
    assert message == "unknown key tiles.tile_size; did you mean grid.tile_size?"


def test_a_like_name_here_comes_before_a_liker_one_elsewhere(tmp_path: Path) -> None:
    message = refusal(tmp_path, "grid: {tile_sid: 2}", Layout)
    assert message == "unknown key grid.tile_sid; did you mean grid.tile_size?"


@pytest.mark.parametrize(("text", "key", "said"), WRONG, ids=[r[0] for r in WRONG])
def test_a_wrong_value_is_named_with_its_key(
    tmp_path: Path, text: str, key: str, said: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"{key}: ") and message.endswith(said)


@pytest.mark.parametrize("text", ["- 1", "just words", "5"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("expected keys with values, got ")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "detection: {long_side: 0, speed: 2}\nlinking: {space_ratio: 0}")
    for key in ("detection.long_side", "detection.speed", "linking.space_ratio"):
        assert key in message


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\t- x", "a: !!python/name:os.system x"])
def test_bad_yaml(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("bad YAML: ")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    text = "detection: {long_side: 960}\nlinking: {}\ndetection: {mag_ratio: 2.0}"
    assert "key detection is given twice" in refusal(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "none.yaml", PipelineConfig)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, PipelineConfig)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "binary.yaml", PipelineConfig)


def test_training_values_of_every_kind(tmp_path: Path) -> None:
    text = "{lr: 1e-3, weight_decay: 0, out: runs/x, fonts: [a, b/c], optimizer: adadelta}"
    loaded = load_text(tmp_path, text, RecognizerTrainConfig)
    assert isinstance(loaded, RecognizerTrainConfig)
    assert loaded.lr == 1e-3
    assert loaded.out == Path("runs/x")
    assert loaded.fonts == (Path("a"), Path("b/c"))
    assert (loaded.optimizer, loaded.rho, loaded.clip) == ("adadelta", 0.9, 1.0)
    assert refusal(tmp_path, "optimizer: sgd", RecognizerTrainConfig) == (
        "optimizer: input should be 'adadelta' or 'adam', got 'sgd'"
    )


def test_a_common_key_is_suggested_to_every_training(tmp_path: Path) -> None:
    for model in (DetectorTrainConfig, ClassifierTrainConfig, RecognizerTrainConfig):
        assert issubclass(model, TrainConfig)
        message = refusal(tmp_path, "{batchsize: 8}", model)
        assert message == "unknown key batchsize; did you mean batch_size?"


def test_data_that_is_no_yaml_file_says_where_it_came_from() -> None:
    with pytest.raises(ConfigError, match=r"^Reader: unknown key detection\.speed"):
        parse_config({"detection": {"speed": 1}}, PipelineConfig, source="Reader")
    with pytest.raises(ConfigError, match=r"^configuration: "):
        parse_config({(1, 2): 3}, PipelineConfig)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PipelineConfig().detection.long_side = 5


def test_config_path() -> None:
    assert config_path("pipeline") == config_path("pipeline.yaml") == CONFIGS / "pipeline.yaml"
    with pytest.raises(ConfigError, match=r"nothing: no such .*pipeline\.yaml"):
        config_path("nothing")


def test_a_wheel_carries_its_folders_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "industrial_ocr"
    (package / "configs").mkdir(parents=True)
    monkeypatch.setattr(config, "__file__", str(package / "config.py"))
    assert shipped_folder("configs") == package / "configs"
    assert shipped_folder("craft_weights") == package.parent / "craft_weights"


def test_short_strings_have_to_be_surer_than_long_ones() -> None:
    limits = ConfidenceConfig(noise=0.4, lone=0.9, crop_noise=0.2)
    least = [limits.least(n) for n in (1, 2, 3, 4, 20)]
    assert least == pytest.approx([0.9, 0.9 - 0.5 / 3, 0.4 + 0.5 / 3, 0.4, 0.4])
    assert limits.least(1, one_string=True) == limits.least(9, one_string=True) == 0.2


@pytest.mark.parametrize("weights", ["none", "exponential", (2.0, 0.5)])
def test_weights_of_positions(weights: object) -> None:
    config = parse_config({"confidence": {"position_weights": weights}}, PipelineConfig)
    assert config.confidence.position_weights == weights


@pytest.mark.parametrize("weights", ["middle", [-1], [0, 0], [], 3])
def test_weights_of_positions_that_do_not_fit(weights: object) -> None:
    with pytest.raises(ConfigError, match="position_weights: must be none, exponential or a list"):
        parse_config({"confidence": {"position_weights": weights}}, PipelineConfig)
