"""Every shipped preset keeps its examples; users' files are read the same and named when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from industrial_ocr.errors import ConfigError, PatternError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset, find_preset, load_presets

SHIPPED = load_presets()
DEMANDED = """
    vin iso6346 iso6346-size-type imei gtin ean13 upc-a sscc gs1 mac dot-tyre iso-date lot
    mrz-td3-line1 mrz-td3-line2 mrz-td1 plate-us plate-us-mixed plate-es plate-es-province
    plate-de plate-gb plate-fr plate-it plate-nl plate-pl plate-cn part-74 part-4000 serial
"""
OWN = """
patterns:
  batch:
    title: Batch
    source: our plant
    template: AA-9999
    separators: ["-"]
    examples: [AB-1234, AB1234]
    counter_examples: [A1-1234]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demanded_presets_are_shipped() -> None:
    assert set(DEMANDED.split()) <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_examples_pass_and_counter_examples_do_not(name: str) -> None:
    pattern, preset = Pattern.preset(name), SHIPPED[name]
    assert pattern.name == name and preset.counter_examples
    for text in preset.examples:
        result = pattern.verify(text)
        assert result.ok, f"{text}: {result.message}"
    for text in preset.counter_examples:
        assert not pattern.verify(text).ok, text


@pytest.mark.parametrize("name", SHIPPED)
def test_a_preset_compiles_small_for_the_charset_of_the_readers(name: str) -> None:
    pattern = Pattern.preset(name)
    assert len(pattern.automaton(Charset(blank=True))) <= 300
    # What a code needs and the readers' charset lacks.
    lacking = {"mrz-td3-line1": "<", "mrz-td3-line2": "<", "mrz-td1": "<", "plate-de": "ÄÖÜ"}
    assert pattern.missing(Charset()) == set(lacking.get(name, ""))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("plate-de", "B - AB1234", "B AB12 34"),
        ("lot", "LOT : A1234", "L OTA1234"),
        ("dot-tyre", "DOT\nU2LL\nLMLR 5107", "DOT U2LL LMLR 51 07"),
        ("iso6346", "CSQU 305438 3", "CSQU 305 4383"),
        ("mac", "00:1A-2B 3C4D.5E", "0:01A2B3C4D5E"),
    ],
)
def test_separators_stand_at_their_places_only(name: str, good: str, bad: str) -> None:
    pattern = Pattern.preset(name)
    assert pattern.verify(good).ok and pattern.verify(pattern.normalize(bad)).ok
    assert not pattern.match(bad)


def test_a_users_file(tmp_path: Path) -> None:
    presets = load_presets(write(tmp_path, OWN))
    pattern = Pattern.preset("batch", presets)
    assert pattern.match("AB-1234") and pattern.preset_data == presets["batch"]
    assert Pattern.parse("batch", presets).name == "batch"
    with pytest.raises(PatternError, match="'vin'"):
        Pattern.preset("vin", presets)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("separators:", "seperators:", r"patterns\.batch: unknown key seperators.*separators\?"),
        ("template: AA-9999", "ignore_case: true", "either a regex or a template"),
        ("template: AA-9999", "template: A\n    regex: B", "either a regex or a template"),
        ('separators: ["-"]', 'separators: ["--"]', r"patterns\.batch: separators\.0"),
        ('separators: ["-"]', "groups: [2, 0]", r"patterns\.batch: groups\.1"),
        ("examples: [AB-1234, AB1234]", "examples: []", r"patterns\.batch: examples"),
        ("title: Batch\n", "\n", r"patterns\.batch: title"),
        ("patterns:", "pattern:", "unknown key pattern; did you mean patterns"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OWN
    with pytest.raises(ConfigError, match=message) as caught:
        load_presets(write(tmp_path, OWN.replace(old, new, 1)))
    assert "own.yaml" in str(caught.value)


def test_a_preset_that_does_not_compile_is_named(tmp_path: Path) -> None:
    text = OWN.replace("template: AA-9999", "regex: 'A(?=B)'")
    presets = load_presets(write(tmp_path, text))
    with pytest.raises(PatternError, match=r"preset batch: look-ahead.*character 2"):
        Pattern.preset("batch", presets)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("iso6364", "did you mean iso6346"), ("zzz", "there are: vin"), ("VIM", "did you mean vin")],
)
def test_unknown_names(name: str, hint: str) -> None:
    with pytest.raises(PatternError, match=hint):
        find_preset(name)


def test_what_is_loaded_cannot_be_changed() -> None:
    load_presets().clear()
    assert isinstance(find_preset("vin"), Preset)
