"""Font folders, and the table of the packages that the models were trained with."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from industrial_ocr.config import shipped_folder
from industrial_ocr.datasets.synthesis import faces
from industrial_ocr.errors import DatasetError

STYLES = {
    "grotesque", "mono", "din", "ocr", "iso3098", "stencil", "pixel", "dotmatrix", "segment",
    "plate", "serif", "display", "lettering", "foreign",
}  # fmt: skip


def test_only_folders_that_exist_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    places = (str(tmp_path), str(tmp_path / "none"), str(tmp_path / "file"), "~/none-of-these")
    monkeypatch.setattr(faces, "_SYSTEM_FOLDERS", places)
    assert faces.system_font_folders() == (tmp_path,)


def test_built_in_faces_are_always_mentioned(tmp_path: Path) -> None:
    for folders in ((), (tmp_path,)):
        line = faces.describe_fonts(folders)
        assert line.startswith("0 font files") and "built-in" in line and "\n" not in line


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        faces.describe_fonts([tmp_path / "nowhere"])


def test_the_table_of_font_packages_is_whole() -> None:
    with (shipped_folder("configs") / "fonts.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert all(list(r) == ["package", "source", "style", "license", "version"] for r in rows)
    assert all(value and value == value.strip() for r in rows for value in r.values())
    assert {r["source"] for r in rows} == {"debian", "npm"}
    assert all((r["version"] == "-") == (r["source"] == "debian") for r in rows)
    assert len({(r["source"], r["package"]) for r in rows}) == len(rows) > 150
    assert {r["style"] for r in rows} == STYLES
    terms = {t for r in rows for t in re.split(" (?:OR|AND|WITH) ", r["license"])}
    assert [t for t in sorted(terms) if not re.fullmatch(r"[A-Z]\w*(-[\w.]+)+|MIT|IPA", t)] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_is_sound_and_reads_the_table() -> None:
    script = Path(__file__).parents[4] / "examples" / "install_fonts.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "configs/fonts.tsv" in script.read_text(encoding="utf-8")
