"""What is written in a format and loaded again is what it was, or the loss was announced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.convert import convert_dataset
from industrial_ocr.datasets.load import READERS, load_dataset
from industrial_ocr.datasets.samples import Dataset, Label, LabeledCharacter, Sample, Task
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.geometry import rect_quad

BOX = rect_quad(1.1, 2.3, 61.7, 32.9)
QUAD = np.array([[5, 6.5], [70, 8], [69, 30], [4, 28.123]], np.float32)
LETTERS = (
    LabeledCharacter("A", rect_quad(1.5, 2, 6, 12)),
    LabeledCharacter(",", rect_quad(6, 2, 11, 12)),
    LabeledCharacter(";", rect_quad(11, 2, 16, 12)),
)
TRICKY = ["A,1", 'Q"U"', "ÄÖ字", "A  B", "&<>'", "#", "A;1,2,3,4,B", "[1]"]


@pytest.fixture(autouse=True)
def _needs_lmdb(request: pytest.FixtureRequest) -> None:
    """LMDB is an extra; its cases are skipped where it is not installed."""
    spec = getattr(request.node, "callspec", None)
    if spec is not None and spec.params.get("format") == "lmdb":
        pytest.importorskip("lmdb")


def png(value: int) -> bytes:
    return cv2.imencode(".png", np.full((40, 100), value, np.uint8))[1].tobytes()


def made(folder: Path, labels: dict[str, list[Label]], task: Task) -> Dataset:
    samples = []
    for number, (name, of_image) in enumerate(labels.items()):
        path = folder / "source" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(number))
        samples.append(Sample(name, path, tuple(of_image)))
    return Dataset("set", folder, "tsv", task, tuple(samples))


def content(dataset: Dataset, names: bool = True) -> list[Any]:
    """Everything a dataset says, rows aside; coordinates to a thousandth of a pixel."""

    def points(quad: Any) -> Any:
        return None if quad is None else (np.round(quad.astype(float), 3) + 0).tolist()

    return [
        (
            sample.name if names else "",
            sample.data or (sample.path or Path()).read_bytes(),
            [
                (
                    *(label.text, points(label.quad), label.ignore, label.kind),
                    [(c.symbol, points(c.quad)) for c in label.characters],
                )
                for label in sample.labels
            ],
        )
        for sample in dataset.samples
    ]


def scenes(folder: Path, *labels: Label, bare: bool = False) -> Dataset:
    boxed = [Label(text, BOX) for text in TRICKY]
    images = {"b.png": [*boxed, *labels], "a/deep b.png": [Label("", QUAD), Label("X", QUAD)]}
    return made(folder, images | ({"empty.png": []} if bare else {}), "read")


CASES: list[tuple[str, str, list[Label], bool]] = [
    (
        "tsv",
        "tsv",
        [
            Label("A,;", BOX, LETTERS, kind="good"),
            Label("A,;", None, LETTERS),
            Label("", BOX, ignore=True),
            Label("whole", kind="0"),
            Label(" ###"),
            Label(
                "mirrored", rect_quad(9, 1, 2, 5), (LabeledCharacter("A", rect_quad(9, 1, 2, 5)),)
            ),
        ],
        False,
    ),
    ("icdar", "icdar", [Label("", QUAD, ignore=True)], True),
    ("paddle", "paddle", [Label("A\n\t ", QUAD, (), True, "k"), Label("", BOX, ignore=True)], True),
    (
        "label-studio",
        "label-studio",
        [Label("A\n\t ", QUAD, kind="k"), Label("whole"), Label(""), Label("", BOX, ignore=True)],
        True,
    ),
    ("cvat", "cvat", [Label(" A\n\t", QUAD, (), True, "k<&"), Label("whole"), Label("")], True),
]


@pytest.mark.parametrize(("format", "detected", "labels", "bare"), CASES)
def test_scenes_come_back(
    tmp_path: Path, format: str, detected: str, labels: list[Label], bare: bool
) -> None:
    dataset = scenes(tmp_path, *labels, bare=bare)
    assert convert_dataset(dataset, format, tmp_path / "out") == len(dataset.samples)
    back = load_dataset(tmp_path / "out")
    assert (back.format, back.task) == (detected, "read")
    # ICDAR has no order of images but that of their names.
    assert sorted(content(back)) == sorted(content(dataset))
    if format != "icdar":
        assert [s.name for s in back.samples] == ["b.png", "a/deep b.png", "empty.png"][: 2 + bare]


@pytest.mark.parametrize("format", ["tsv", "csv", "paddle", "lmdb"])
def test_crops_come_back(tmp_path: Path, format: str) -> None:
    texts = {f"{n}.png": [Label(text)] for n, text in enumerate([*TRICKY, ""])}
    dataset = made(tmp_path, texts, "recognize")
    convert_dataset(dataset, format, tmp_path / "out")
    back = load_dataset(tmp_path / "out")
    assert (back.format, back.task) == (format, "recognize")
    assert content(back, names=format != "lmdb") == content(dataset, names=format != "lmdb")


def test_a_csv_holds_any_text(tmp_path: Path) -> None:
    labels = {"a.png": [Label(" A\r\nB\t"), Label("###"), Label('"')]}
    dataset = made(tmp_path, labels, "recognize")
    convert_dataset(dataset, "csv", tmp_path / "out")
    assert content(load_dataset(tmp_path / "out")) == content(dataset)


def test_symbols_come_back(tmp_path: Path) -> None:
    symbols = [*"Aa/.:é9-|", "CE"]
    dataset = made(tmp_path, {f"{n}.png": [Label(s)] for n, s in enumerate(symbols)}, "classify")
    convert_dataset(dataset, "imagefolder", tmp_path / "out")
    back = load_dataset(tmp_path / "out")
    assert (back.format, back.task) == ("imagefolder", "classify")
    found = {s.name.rpartition("/")[2]: s.labels[0].text for s in back.samples}
    assert found == {f"{n}.png": s for n, s in enumerate(symbols)}
    convert_dataset(back, "imagefolder", tmp_path / "again")
    assert content(load_dataset(tmp_path / "again")) == content(back)


@pytest.mark.parametrize(
    ("format", "label", "loss", "kept"),
    [
        ("tsv", Label("A\tB"), "texts that", None),
        ("tsv", Label("A", ignore=True), "ignored labels", None),
        ("tsv", Label("A", BOX, ignore=True), "texts of ignored", Label("", BOX, ignore=True)),
        ("tsv", Label("A", kind="1,2,3,4"), "kinds", Label("A")),
        ("tsv", Label("A", None, (LabeledCharacter("A", QUAD),)), "characters", Label("A")),
        ("tsv", Label("A", None, (LabeledCharacter("A;B", BOX),)), "characters", Label("A")),
        ("csv", Label("A", BOX), "boxes", Label("A")),
        ("csv", Label("A", kind="k"), "kinds", Label("A")),
        ("csv", Label("A", ignore=True), "ignored labels", None),
        ("icdar", Label("A"), "without a box", None),
        ("icdar", Label("A\nB", BOX), "texts that", None),
        ("icdar", Label(" A", BOX), "texts that", None),
        ("icdar", Label("###", BOX), "texts that", None),
        ("icdar", Label("A", BOX, LETTERS), "characters", Label("A", BOX)),
        ("paddle", Label("A", BOX, kind="None"), "kinds", Label("A", BOX)),
        ("paddle", Label("A", kind="k"), "kinds", Label("A")),
        ("paddle", Label("[{A"), "texts that", None),
        ("label-studio", Label("A", BOX, LETTERS), "characters", Label("A", BOX)),
        ("label-studio", Label("###", BOX), "texts that", None),
        ("cvat", Label("A\x01", BOX), "texts that", None),
        ("cvat", Label("A", BOX, kind="unclassified"), "kinds", Label("A", BOX)),
        (
            "lmdb",
            Label("A", BOX, LETTERS),
            "1 boxes (first 'A' at odd.png), 1 labels with",
            Label("A"),
        ),
        ("imagefolder", Label("A", BOX), "boxes", Label("A")),
        (
            "imagefolder",
            Label("AB"),
            "1 texts that it would change or cannot hold (first 'AB' at odd.png)",
            None,
        ),
        ("imagefolder", Label(""), "texts that", None),
    ],
)
def test_what_a_format_cannot_hold_is_refused_or_left_out(
    tmp_path: Path, format: str, label: Label, loss: str, kept: Label | None
) -> None:
    boxed = label.quad is not None or format == "icdar"
    good = Label("B", BOX if boxed and format not in ("csv", "lmdb", "imagefolder") else None)
    dataset = made(tmp_path, {"good.png": [good], "odd.png": [label]}, "recognize")
    out = tmp_path / "out"
    with pytest.raises(DatasetError, match="lossy=True") as caught:
        convert_dataset(dataset, format, out)
    assert loss in str(caught.value) and "\n" not in str(caught.value)
    assert "at odd.png" in str(caught.value)
    assert not out.exists()
    convert_dataset(dataset, format, out, lossy=True)
    labels = {"good.png": [good], "odd.png": [] if kept is None else [kept]}
    expected = content(made(tmp_path, labels, "recognize"), names=False)
    holds_bare = format in ("icdar", "label-studio", "cvat") or (format == "paddle" and boxed)
    back = load_dataset(out)
    found = sorted(content(back, names=False), key=lambda entry: entry[1])
    order = [entry for entry in expected if entry[2] or holds_bare]
    assert found == sorted(order, key=lambda entry: entry[1])


@pytest.mark.parametrize("format", ["tsv", "csv", "lmdb", "imagefolder"])
def test_images_without_label_and_further_labels(tmp_path: Path, format: str) -> None:
    labels = {"a.png": [], "b.png": [Label("A"), Label("B")]}
    dataset = made(tmp_path, labels, "read")
    with pytest.raises(DatasetError, match="1 images without label") as caught:
        convert_dataset(dataset, format, tmp_path / "out")
    one = format in ("lmdb", "imagefolder")
    assert ("1 further labels" in str(caught.value)) == one
    assert convert_dataset(dataset, format, tmp_path / "out", lossy=True) == 1
    (sample,) = load_dataset(tmp_path / "out").samples
    assert len(sample.labels) == (1 if one else 2)


def test_names_become_files_inside_the_folder_and_stay_apart(tmp_path: Path) -> None:
    names = [
        "../../x.png",
        "/etc/x.png",
        "X.PNG",
        "x.jpg",
        "a\tb",
        ".hidden.png",
        "..",
        "c:\\y.png",
    ]
    dataset = made(tmp_path, {n: [Label(f"T{i}", BOX)] for i, n in enumerate(names)}, "read")
    for format in ("tsv", "icdar", "cvat"):
        out = tmp_path / "deep" / "er" / format
        convert_dataset(dataset, format, out)
        back = load_dataset(out)
        texts = {s.labels[0].text: (s.path or Path()).read_bytes() for s in back.samples}
        assert texts == {f"T{i}": png(i) for i in range(len(names))}
        assert len({s.name.casefold() for s in back.samples}) == len(names)
        inside = [p for p in out.rglob("*") if p.is_file()]
        assert sum(p.suffix.lower() in (".png", ".jpg") for p in inside) == len(names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "source"]


def test_images_of_a_database_get_the_suffix_of_their_bytes(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((9, 9), np.uint8))[1].tobytes()
    samples = (
        Sample("image-000000001", None, (Label("AB"),), jpeg),
        Sample("image-000000002", None, (Label("CD"),), png(1)),
    )
    dataset = Dataset("set", tmp_path, "lmdb", "recognize", samples)
    convert_dataset(dataset, "tsv", tmp_path / "out")
    names = [s.name for s in load_dataset(tmp_path / "out").samples]
    assert names == ["image-000000001.jpg", "image-000000002.png"]


@pytest.mark.parametrize("format", READERS)
def test_a_failure_leaves_nothing_behind(tmp_path: Path, format: str) -> None:
    crops = format in ("csv", "lmdb", "webdataset", "imagefolder")
    dataset = made(
        tmp_path, {n: [Label("A", None if crops else BOX)] for n in ("a.png", "gone.png")}, "read"
    )
    path = dataset.samples[1].path
    assert path is not None
    path.unlink()
    for out in (tmp_path / "new", tmp_path / "empty"):
        if out.name == "empty":
            out.mkdir()
        with pytest.raises(DatasetError, match=r"gone\.png"):
            convert_dataset(dataset, format, out)
    assert not (tmp_path / "new").exists() and not any((tmp_path / "empty").iterdir())


def test_only_an_empty_folder_is_written_to(tmp_path: Path) -> None:
    dataset = scenes(tmp_path)
    for name in ("source", "file"):
        (tmp_path / "file").touch()
        with pytest.raises(DatasetError, match="not an empty folder"):
            convert_dataset(dataset, "tsv", tmp_path / name)
    with pytest.raises(DatasetError, match="cannot be written"):
        convert_dataset(dataset, "tsv", tmp_path / "file" / "below")
    with pytest.raises(DatasetError, match="unknown dataset format 'coco'"):
        convert_dataset(dataset, "coco", tmp_path / "new")
    with pytest.raises(DatasetError, match="nothing to write"):
        convert_dataset(made(tmp_path, {}, "read"), "tsv", tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "source").iterdir()) == ["0.bin", "1.bin"]


def test_an_unreadable_image_has_no_size_for_percentages(tmp_path: Path) -> None:
    dataset = scenes(tmp_path)
    (tmp_path / "source/1.bin").write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"deep b\.png"):
        convert_dataset(dataset, "label-studio", tmp_path / "out")
    assert convert_dataset(dataset, "tsv", tmp_path / "out") == 2


def test_label_studio_gets_what_its_import_asks_for(tmp_path: Path) -> None:
    dataset = made(
        tmp_path, {"a b.png": [Label("AB", rect_quad(10, 10, 50, 30), kind="k")]}, "read"
    )
    convert_dataset(dataset, "label-studio", tmp_path / "out")
    (task,) = json.loads((tmp_path / "out/label-studio.json").read_text())
    assert task["data"] == {"ocr": "/data/local-files/?d=images/a%20b.png"}
    results = task["annotations"][0]["result"]
    assert [r["type"] for r in results] == ["rectangle", "labels", "textarea"]
    assert len({r["id"] for r in results}) == 1
    for result in results:
        assert (result["original_width"], result["original_height"]) == (100, 40)
        box = {k: result["value"][k] for k in ("x", "y", "width", "height", "rotation")}
        assert box == {"x": 10, "y": 25, "width": 40, "height": 50, "rotation": 0}
