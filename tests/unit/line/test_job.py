"""The job file: what it refuses, where its paths start, and its hash."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job import Job, load_job

LEAST = {
    "version": 1,
    "name": "test",
    "data": "journal",
    "source": {"kind": "folder", "path": "in"},
}


GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "job.md"


def load(folder: Path, **settings: Any) -> Job:
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(LEAST | settings))
    return load_job(file)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"source": {"kind": "folder", "path": "in", "after": "move"}}, "need each other"),
        ({"source": {"kind": "camera"}}, "exactly one of device and device_env"),
        ({"source": {"kind": "camera", "device": "rtsp://a:b@c"}}, "holds a password"),
        ({"source": {"kind": "http"}}, "the source http needs a page"),
        ({"trigger": {"kind": "http"}}, "the trigger http needs a page"),
        ({"trigger": {"kind": "modbus"}}, "the trigger modbus needs an output"),
        ({"trigger": {"kind": "opcua"}}, "the trigger opcua needs an output"),
        ({"read": {"rois": [[0, 0, 0, 5]]}}, "x0 < x1"),
        ({"read": {"max_misread_rate": 0}}, "read.max_misread_rate: input should be greater"),
        ({"expect": {}}, "exactly one of text, file, table"),
        ({"expect": {"text": "A", "with_trigger": True}}, "exactly one of text, file, table"),
        ({"expect": {"with_trigger": True}}, "a trigger that names the part"),
        ({"expect": {"table": "parts.csv"}}, "a trigger that names the part"),
        ({"passes": {"verified": True}}, "verified needs an expected text"),
        ({"passes": {"date": {"format": "%d.%m"}}}, "needs a year"),
        ({"passes": {"date": {"field": "17"}}}, "field 17 needs gs1"),
        ({"passes": {"date": {"field": "exp"}}}, "field exp needs a pattern"),
        ({"passes": {"date": {"field": "17", "format": "%y%m%d"}}}, "leave the format out"),
        ({"outputs": [{"kind": "sql", "url": "postgresql://a:b@c/d"}]}, "holds a password"),
        ({"outputs": [{"kind": "webhook", "url": "https://a:b@c"}]}, "holds a password"),
        (
            {"outputs": [{"kind": "mqtt", "host": "a", "topic": "b", "password_env": "p w"}]},
            "never the secret itself",
        ),
        ({"outputs": [{"kind": "csv", "path": "a"}, {"kind": "jsonl", "path": "a"}]}, "a is used"),
        ({"outputs": [{"kind": "modbus"}], "page": {"port": 5020}}, "port 5020 is used"),
        ({"archive": {"path": "a", "failed_days": 1}}, "at least max_days"),
        ({"page": {"certificate": "a.pem"}}, "certificate and key need each other"),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, **settings)


def test_the_job_of_the_guide_can_be_used(tmp_path: Path) -> None:
    (block,) = re.findall("```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    (tmp_path / "job.yaml").write_text(block)
    assert load_job(tmp_path / "job.yaml").passes.date is not None


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            name="",
            trigger={"kind": "modbus"},
            read={"patern": "vin"},
            expect={"text": "A", "file": "b"},
            outputs=[{"kind": "mqtt", "topic": "t", "hots": "h"}, {"kind": "fax"}],
            page={"port": 0},
        )
    keys = [problem.partition(":")[0] for problem in caught.value.problems]
    assert keys == [
        "name",
        "unknown key read.patern; did you mean read.patterns?",
        "expect",
        "outputs.0.mqtt.host",
        "unknown key outputs.0.mqtt.hots; did you mean outputs.mqtt.host?",
        "outputs.1",
        "page.port",
    ]


def test_sections_are_compared_although_others_have_problems(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, name="", trigger={"kind": "opcua"}, passes={"verified": True})
    assert len(caught.value.problems) == 3


def test_a_trigger_or_a_posted_picture_brings_part_and_text(tmp_path: Path) -> None:
    expect = {"with_trigger": True}
    posted = load(tmp_path, expect=expect, source={"kind": "http"}, page={})
    job = load(tmp_path, expect=expect, trigger={"kind": "modbus"}, outputs=[{"kind": "modbus"}])
    assert posted.expect is not None and posted.expect.with_trigger
    assert job.expect is not None and job.expect.with_trigger


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").touch()
    (tmp_path / "line.avi").touch()
    job = load(
        tmp_path,
        source={"kind": "camera", "device": "line.avi"},
        read={"config": "my.yaml", "patterns": ["lexicon:lots.txt", "vin"], "bundle": "/b.zip"},
        outputs=[{"kind": "jsonl", "path": "out/r.jsonl"}, {"kind": "sql"}],
        archive={"path": "../kept"},
    )
    assert job.data == tmp_path / "journal"
    assert job.source.device == str(tmp_path / "line.avi")
    assert job.read.config == str(tmp_path / "my.yaml") and job.read.bundle == Path("/b.zip")
    assert job.read.patterns == (f"lexicon:{tmp_path / 'lots.txt'}", "vin")
    assert job.outputs[0].path == tmp_path / "out/r.jsonl"
    assert job.outputs[1].url == f"sqlite:///{tmp_path / 'readings.db'}"
    assert job.archive is not None and job.archive.path == tmp_path / "../kept"


def test_names_and_absolute_addresses_stay(tmp_path: Path) -> None:
    job = load(
        tmp_path,
        source={"kind": "camera", "device": "rtsp://camera/1"},
        read={"config": "fast"},
        outputs=[{"kind": "sql", "url": "sqlite:////var/r.db"}, {"kind": "sql", "url_env": "DB"}],
    )
    assert job.source.device == "rtsp://camera/1" and job.read.config == "fast"
    assert [o.url for o in job.outputs] == ["sqlite:////var/r.db", None]


def test_the_hash_is_that_of_the_content_wherever_it_stands(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    patterns = {"patterns": ["lexicon:lots.txt"]}
    for folder in (here, there):
        folder.mkdir()
        (folder / "lots.txt").write_text("A1\n")
    first = load(here, read=patterns).hash
    assert first == load(there, read=patterns, archive=None).hash
    assert first != load(here, read=patterns, name="other").hash
    (here / "lots.txt").write_text("A2\n")
    assert first != load(here, read=patterns).hash


def test_the_hash_changes_with_the_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    missing = load(tmp_path, read={"bundle": "bundle"}).hash
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")
    first = load(tmp_path, read={"bundle": "bundle"}).hash
    (bundle / "bundle.json").write_text('{"format": 1}')
    assert len({missing, first, load(tmp_path, read={"bundle": "bundle"}).hash}) == 3
