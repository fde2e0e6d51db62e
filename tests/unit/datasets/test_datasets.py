"""Every format as its tools write it, and every malformed row as one clear line."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.formats import tsv_field, tsv_fields
from industrial_ocr.datasets.formats_store import folder_symbol, symbol_folder
from industrial_ocr.datasets.formats_text import parse_characters
from industrial_ocr.datasets.load import READERS, load_dataset, read_dataset
from industrial_ocr.datasets.samples import Dataset, Label
from industrial_ocr.errors import DatasetError

REAL = Path(__file__).parents[4] / "shared" / "real"


def put_images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((40, 100), number, np.uint8)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def put(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def put_json(path: Path, content: Any) -> Path:
    return put(path, json.dumps(content))


def only(dataset: Dataset) -> Label:
    (sample,) = dataset.samples
    (label,) = sample.labels
    return label


def corners(label: Label) -> list[list[float]]:
    assert label.quad is not None
    return np.round(label.quad, 3).tolist()


def rect(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def error_of(path: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# tsv


def test_tsv_tells_columns_by_their_shape_whatever_their_order(tmp_path: Path) -> None:
    put_images(tmp_path / "images", "a.png", "b.png")
    put(
        tmp_path / "labels.tsv",
        "b.png\tAB\tgood\t1,2,11,12\t1,2,6,12,A;6,2,11,12,B\n"
        "a.png\tÄ 1,2\n\n"
        "b.png\tC\t1.5,2,3,4,5,6.25,7,8\r\n",
    )
    dataset = load_dataset(tmp_path)
    assert (dataset.format, dataset.task, dataset.name) == ("tsv", "read", tmp_path.name)
    assert [s.name for s in dataset.samples] == ["b.png", "a.png"]
    first, third = dataset.samples[0].labels
    assert (first.text, first.kind, first.row) == ("AB", "good", "labels.tsv:1")
    assert corners(first) == rect(1, 2, 11, 12)
    assert [(c.symbol, c.quad.tolist()) for c in first.characters] == [
        ("A", rect(1, 2, 6, 12)),
        ("B", rect(6, 2, 11, 12)),
    ]
    assert corners(third) == [[1.5, 2], [3, 4], [5, 6.25], [7, 8]]
    assert third.row == "labels.tsv:4"
    assert dataset.samples[1].labels[0].text == "Ä 1,2"
    assert dataset.samples[1].labels[0].quad is None


def test_quoted_fields_of_a_tsv_are_taken_out_of_their_quotes(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png", "b.png", "c.png")
    put(
        tmp_path / "labels.tsv",
        '"a.png"\t"5"" pipe"\t"1,2,3,4"\nb.png\t7" disk\n"c.png"\t"A\tB"\nb.png\t"\n',
    )
    dataset = load_dataset(tmp_path)
    texts = [label.text for sample in dataset.samples for label in sample.labels]
    assert texts == ['5" pipe', '7" disk', '"', "A\tB"]
    assert corners(dataset.samples[0].labels[0]) == rect(1, 2, 3, 4)


@pytest.mark.parametrize("text", ['"AB"', '"', '""', 'a"b', '"a', "plain"])
def test_a_field_written_to_a_tsv_is_read_back(text: str) -> None:
    assert tsv_fields("\t".join([tsv_field(text), "x"])) == [text, "x"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_a_csv_of_excel_that_names_its_separator(tmp_path: Path, first: str) -> None:
    put_images(tmp_path, "a.png", "b.png")
    text = f"{first}\nimage;text,a,b,c,d\na.png\nb.png;AB,1\n"
    path = put(tmp_path / "labels.csv", text.replace("text,a,b,c,d", "text"))
    dataset, problems = read_dataset(path)
    assert only(dataset).text == "AB,1"
    assert [p.row for p in problems] == ["labels.csv:3"]


def test_the_parts_of_an_image_folder_are_no_symbols(tmp_path: Path) -> None:
    put_images(tmp_path, "train/A/1.png", "train/B/1.png", "val/A/2.png", "__MACOSX/A/._1.png")
    dataset = load_dataset(tmp_path, "imagefolder")
    assert [label.text for s in dataset.samples for label in s.labels] == ["A", "B", "A"]


@pytest.mark.parametrize(
    ("column", "symbols"),
    [
        ("1,2,3,4,A;5,6,7,8,B", "AB"),
        ("1,2,3,4,5;6,7,8,9,0", "50"),
        ("1,2,3,4,,;5,6,7,8,;", ",;"),
        ("1,2,3,4,;;5,6,7,8,,", ";,"),
        ("1,2,3,4,;", ";"),
        ("1,2,3,4,A;", "A"),
        ("1,2,3,4,é;-5.5,.6,7.,8e1,字", "é字"),
    ],
)
def test_characters_may_be_separators_themselves(column: str, symbols: str) -> None:
    characters = parse_characters(column)
    assert "".join(c.symbol for c in characters) == symbols
    assert characters[0].quad.tolist() == rect(1, 2, 3, 4)


def test_a_hash_label_with_a_box_is_ignored_and_without_one_is_text(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    put(tmp_path / "labels.tsv", "a.png\t###\t0,0,9,9\na.png\t###\n")
    boxed, bare = load_dataset(tmp_path).samples[0].labels
    assert (boxed.ignore, boxed.text, bare.ignore, bare.text) == (True, "", False, "###")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a.png", "no tab"),
        ("\tAB", "no file"),
        ("a.png\tAB\t1,2,3", "a box must be x0,y0,x1,y1, got '1,2,3'"),
        ("a.png\tAB\t1,2,3,A;4,5,6,7,B", "a box must be"),
        ("a.png\tAB\t1,2,3,4,A;5,6,B", "a character must be"),
        ("a.png\tAB\tnan,1,2,3", "finite"),
        ("a.png\tAB\t1e400,1,2,3", "finite"),
        ("a.png\tAB\tgood\tbad", "both kind"),
        ("a.png\tAB\t1,2,3,4\t1,2,3,5", "both box"),
        (b"a.png\tA\xff", "not valid UTF-8"),
    ],
)
def test_malformed_tsv_rows_are_named_and_the_others_read(
    tmp_path: Path, line: str | bytes, complaint: str
) -> None:
    put_images(tmp_path, "a.png", "b.png")
    line = line.encode() if isinstance(line, str) else line
    path = put(tmp_path / "labels.tsv", b"b.png\tX\n" + line + b"\nb.png\tY\n")
    dataset, problems = read_dataset(path)
    (problem,) = problems
    assert (problem.row, problem.kind) == ("labels.tsv:2", "malformed-row")
    assert complaint in problem.message
    assert [label.text for s in dataset.samples for label in s.labels] == ["X", "Y"]
    assert "labels.tsv:2" in error_of(tmp_path)


def test_missing_images_and_the_number_of_problems_are_named(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    put(tmp_path / "labels.tsv", "a.png\tA\nb.png\tB\nc.png\n")
    message = error_of(tmp_path)
    assert "labels.tsv:3" in message and "2 problems, the first: labels.tsv:3" in message
    put(tmp_path / "labels.tsv", "a.png\tA\nb.png\tB\n")
    assert "labels.tsv:2 (b.png): no such image file" in error_of(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real photographs are not here")
def test_all_real_folders_load() -> None:
    tasks = {d.name: load_dataset(d).task for d in sorted(REAL.iterdir()) if d.is_dir()}
    known = {
        **dict.fromkeys(("chips", "containers", "plates_us", "scenes_ic03"), "read"),
        **dict.fromkeys(("digits_meter", "digits_seg7", "glyphs_scene"), "classify"),
        **dict.fromkeys(("plate_crops_es", "words_ic13", "words_svt"), "recognize"),
    }
    assert {name: tasks.get(name) for name in known} == known


# csv


@pytest.mark.parametrize(
    "text",
    [
        'image_path,text\nimages/a.png,"A,1"\n',
        '\ufeffimage_path,text\r\nimages/a.png,"A,1"\r\n',
        "ID;Label;Filename\n7;A,1;images\\a.png\n",
        "file\ttranscription\na.png\tA,1",
    ],
)
def test_csv_of_any_separator_with_its_header_in_any_order(tmp_path: Path, text: str) -> None:
    put_images(tmp_path / "images", "a.png")
    dataset = load_dataset(put(tmp_path / "codes.csv", text))
    assert (dataset.format, dataset.task, dataset.name) == ("csv", "recognize", "codes")
    assert (dataset.samples[0].name, only(dataset).text) == ("a.png", "A,1")
    assert only(dataset).row == "codes.csv:2"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a.png,A,1", "3 columns, the header has 2"),
        ("a.png", "1 columns"),
        (",A", "names no image"),
        ('a.png,"A"B', "not CSV"),
        (b"a.png,\xe9", "UTF-8"),
    ],
)
def test_malformed_csv_rows_are_named(tmp_path: Path, line: str | bytes, complaint: str) -> None:
    put_images(tmp_path, "a.png")
    line = line.encode() if isinstance(line, str) else line
    put(tmp_path / "labels.csv", b"image,text\na.png,X\n" + line + b"\na.png,Y\n")
    dataset, (problem,) = read_dataset(tmp_path)
    assert problem.row == "labels.csv:3" and complaint in problem.message
    assert [label.text for label in dataset.samples[0].labels] == ["X", "Y"]


def test_a_quote_left_open_is_named_at_the_row_that_opens_it(tmp_path: Path) -> None:
    put(tmp_path / "labels.csv", 'image,text\na.png,"A\nb.png,B\nc.png,C\n')
    _, (problem,) = read_dataset(tmp_path)
    assert problem.row == "labels.csv:2"


@pytest.mark.parametrize("header", ["", "a.png,AB", "image,words"])
def test_a_csv_header_without_the_two_columns_is_refused(tmp_path: Path, header: str) -> None:
    assert "labels.csv:1: the header" in error_of(put(tmp_path / "labels.csv", header + "\n"))


def test_an_image_outside_the_folder_keeps_a_unique_name(tmp_path: Path) -> None:
    put_images(tmp_path, "other/a.png", "here/a.png")
    put(tmp_path / "here/labels.csv", "image,text\na.png,A1\n../other/a.png,B2\n")
    dataset = load_dataset(tmp_path / "here")
    assert len({s.name for s in dataset.samples}) == 2
    assert dataset.samples[1].path == tmp_path / "other/a.png"


# icdar


@pytest.mark.parametrize(
    ("line", "text", "quad"),
    [
        ("1,2,9,2,9,8,1,8,A,B", "A,B", rect(1, 2, 9, 8)),
        ("\ufeff1,2,9,3,9,8,1,7,Ü", "Ü", [[1, 2], [9, 3], [9, 8], [1, 7]]),
        ("1,2,9,8,AB", "AB", rect(1, 2, 9, 8)),
        ('1, 2, 9, 8, "A, \\"B\\""', 'A, "B"', rect(1, 2, 9, 8)),
        ('1 2 9 8 "A,B"', "A,B", rect(1, 2, 9, 8)),
        ("1 2 9 8 AB", "AB", rect(1, 2, 9, 8)),
        ("1,2,9,2,9,8,1,8,###", "", rect(1, 2, 9, 8)),
        ("1,2,9,2,9,8,1,8,", "", rect(1, 2, 9, 8)),
    ],
)
@pytest.mark.parametrize("truth", ["gt_a.txt", "a.txt", "gt/gt_a.txt", "labels/a.txt"])
def test_icdar_lines(tmp_path: Path, truth: str, line: str, text: str, quad: Any) -> None:
    put_images(tmp_path, "a.png")
    put(tmp_path / truth, line + "\r\n")
    dataset = load_dataset(tmp_path)
    assert (dataset.format, dataset.task) == ("icdar", "read")
    label = only(dataset)
    assert (label.text, label.ignore, corners(label)) == (text, line.endswith("###"), quad)


def test_lines_of_a_sure_shape_decide_whether_numbers_are_corners_or_text(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    put(tmp_path / "a.txt", "1,2,3,4,AB\n1,2,3,4,CD\n1,2,3,4,5,6,7,8,9\n")
    assert load_dataset(tmp_path).samples[0].labels[2].text == "5,6,7,8,9"
    put(tmp_path / "a.txt", "1,2,9,2,9,8,1,8,AB\n1,2,9,2,9,8,1,CD\n1,2,3,4,EF\n")
    dataset, (problem,) = read_dataset(tmp_path)
    assert problem.row == "a.txt:2" and "got '1,2,9,2,9,8,1,CD'" in problem.message
    assert [label.text for label in dataset.samples[0].labels] == ["AB", "EF"]


@pytest.mark.parametrize("line", ["AB", "1,2,3,AB", "1,2,x,4,AB", "1,2,9,2,nan,8,1,8,AB"])
def test_malformed_icdar_lines_are_named(tmp_path: Path, line: str) -> None:
    put_images(tmp_path, "a.png")
    put(tmp_path / "gt_a.txt", f"1,2,9,2,9,8,1,8,OK\n{line}\n")
    dataset, (problem,) = read_dataset(tmp_path)
    assert (problem.row, problem.kind) == ("gt_a.txt:2", "malformed-row")
    assert only(dataset).text == "OK"


def test_icdar_images_and_truths_without_each_other_are_named(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png", "b.png", "empty.png")
    put(tmp_path / "gt_a.txt", "1,2,3,4,AB\n")
    put(tmp_path / "gt_lost.txt", "1,2,3,4,AB\n")
    put(tmp_path / "gt_empty.txt", "")
    put(tmp_path / "README.txt", "hello")
    dataset, problems = read_dataset(tmp_path)
    assert [(p.row, p.image, p.kind) for p in problems] == [
        ("gt_lost.txt", "", "missing-image"),
        ("", "b.png", "no-label"),
    ]
    assert [(s.name, len(s.labels)) for s in dataset.samples] == [("a.png", 1), ("empty.png", 0)]


# paddle


def test_ppocrlabel_regions_with_paths_from_the_parent(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    put_images(folder, "a.png", "b.png")
    box = rect(1, 2, 9, 8)
    regions = [
        {"transcription": "A\t,B", "points": box, "difficult": False, "key_cls": "code"},
        {"transcription": "C", "points": box, "difficult": True, "key_cls": "None"},
        {"transcription": "###", "points": box},
        {"transcription": "D", "points": [[0, 0], [8, 0], [9, 2], [8, 4], [0, 4]]},
    ]
    put(folder / "Label.txt", f"set/a.png\t{json.dumps(regions)}\nb.png\t[]\n")
    dataset = load_dataset(folder)
    assert (dataset.format, dataset.task) == ("paddle", "read")
    assert [(s.name, len(s.labels)) for s in dataset.samples] == [("a.png", 4), ("b.png", 0)]
    labels = dataset.samples[0].labels
    assert [(x.text, x.ignore, x.kind) for x in labels] == [
        ("A\t,B", False, "code"),
        ("C", True, ""),
        ("", True, ""),
        ("D", False, ""),
    ]
    assert corners(labels[3]) == rect(0, 0, 9, 4)


def test_paddle_recognition_lines(tmp_path: Path) -> None:
    put_images(tmp_path, "crop/a.png", "crop/b.png")
    put(tmp_path / "rec_gt.txt", "\ufeffcrop/a.png\t[1],x\ncrop/b.png\tÄB\n")
    dataset = load_dataset(tmp_path)
    assert (dataset.format, dataset.task) == ("paddle", "recognize")
    assert [s.labels[0].text for s in dataset.samples] == ["[1],x", "ÄB"]


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ('[{"transcription": "A"', "no regions"),
        ('{"transcription": "A"}', "JSON list"),
        ('[{"transcription": "A"}]', "'points' is missing"),
        ('[{"points": [[0,0],[1,0],[1,1],[0,1]]}]', "'transcription' is missing"),
        ('[{"transcription": 7, "points": [[0,0],[1,0],[1,1],[0,1]]}]', "wrong"),
        ('[{"transcription": "A", "points": [[0,0],[1,0]]}]', "3 or more points"),
        ('[{"transcription": "A", "points": [[0,0],[1,0],[1,NaN],[0,1]]}]', "finite"),
        ('[{"transcription": "A", "points": [["x",0],[1,0],[1,1],[0,1]]}]', "wrong"),
        ('["A"]', "wrong"),
        ("[" * 100_000, "no regions"),
        ('[{"transcription": "\\ud800", "points": [[0,0],[1,0],[1,1],[0,1]]}]', "UTF-8"),
    ],
)
def test_malformed_paddle_rows_are_named(tmp_path: Path, cell: str, complaint: str) -> None:
    put_images(tmp_path, "a.png")
    put(tmp_path / "Label.txt", f"a.png\t[]\na.png\t{cell}\nno tab\n")
    _, problems = read_dataset(tmp_path)
    assert [p.row for p in problems] == ["Label.txt:2", "Label.txt:3"]
    assert complaint in problems[0].message


# label-studio


def studio_result(kind: str, value: dict[str, Any], key: str = "r1") -> dict[str, Any]:
    return {
        **{"id": key, "type": kind, "value": value, "from_name": "x", "to_name": "image"},
        **{"original_width": 200, "original_height": 100, "image_rotation": 0},
    }


BOX = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
"""Of an image of 200x100: from 20,20 to 80,60."""


def studio_task(*results: dict[str, Any], url: str = "/data/upload/1/0a1b2c3d-a.png") -> Any:
    return {"id": 7, "data": {"ocr": url}, "annotations": [{"result": list(results)}]}


def test_label_studio_regions_are_joined_by_their_id(tmp_path: Path) -> None:
    put_images(tmp_path / "images", "a.png")
    turned = {**BOX, "rotation": 90}
    points = {"points": [[0, 0], [50, 0], [50, 50], [0, 60]]}
    task = studio_task(
        studio_result("rectangle", BOX),
        studio_result("labels", {**BOX, "labels": ["Text"]}),
        studio_result("textarea", {**BOX, "text": ["AB,"]}),
        studio_result("rectanglelabels", {**turned, "rectanglelabels": ["code"]}, "r2"),
        studio_result("textarea", {**turned, "text": "CD"}, "r2"),
        studio_result("polygonlabels", {**points, "polygonlabels": ["p"]}, "r3"),
        studio_result("textarea", {**points, "text": ["###"]}, "r3"),
        {"type": "relation", "from_id": "r1", "to_id": "r2"},
    )
    task["annotations"].insert(0, {"was_cancelled": False, "result": []})
    task["annotations"].append({"was_cancelled": True, "result": []})
    dataset = load_dataset(put_json(tmp_path / "project-1.json", [task]))
    assert (dataset.format, dataset.task) == ("label-studio", "read")
    first, second, third = dataset.samples[0].labels
    assert (first.text, first.kind, first.row) == ("AB,", "Text", "project-1.json: task 7")
    assert corners(first) == rect(20, 20, 80, 60)
    # Turned by 90 degrees clockwise around its top-left corner, in pixels and not in percent.
    assert (second.text, second.kind) == ("CD", "code")
    assert corners(second) == [[20, 20], [20, 80], [-20, 80], [-20, 20]]
    assert (third.text, third.ignore, third.kind) == ("", True, "p")
    assert corners(third) == [[0, 0], [100, 0], [100, 50], [0, 60]]


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("/data/upload/1/0a1b2c3d-a%20b.png", "a b.png"),
        ("/data/upload/1/0a1b2c3d-a.png", "images/0a1b2c3d-a.png"),
        ("/data/local-files/?d=x%2Fy/a.png", "x/y/a.png"),
        ("/data/local-files/?d=/mnt/x/a.png", "images/a.png"),
        ("https://host/bucket/a.png?token=1", "a.png"),
        ("s3://bucket/deep/a.png", "images/a.png"),
    ],
)
def test_label_studio_images_are_found_by_name(tmp_path: Path, url: str, file: str) -> None:
    put_images(tmp_path, file)
    put_json(tmp_path / "e.json", [studio_task(studio_result("textarea", {"text": "A1"}), url=url)])
    dataset = load_dataset(tmp_path)
    assert dataset.samples[0].path == tmp_path / file
    assert (dataset.task, only(dataset).quad) == ("recognize", None)


def test_label_studio_minimal_json(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png", "b.png")
    size = {"original_width": 200, "original_height": 100}
    shapes = [{**BOX, **size, "rectanglelabels": ["k"]}, {**BOX, **size, "x": 0}]
    tasks = [
        {"id": 1, "ocr": "/data/upload/1/a.png", "bbox": shapes, "transcription": ["A", "B"]},
        {"id": 2, "ocr": "/data/upload/1/b.png", "transcription": "C"},
        {"id": 3, "ocr": "/data/upload/1/b.png", "bbox": shapes, "transcription": ["A"]},
        {"id": 4, "ocr": "/data/upload/1/b.png"},
    ]
    dataset, problems = read_dataset(put_json(tmp_path / "min.json", tasks))
    first, second = dataset.samples[0].labels
    assert (first.text, first.kind, corners(first)) == ("A", "k", rect(20, 20, 80, 60))
    assert (second.text, corners(second)) == ("B", rect(0, 20, 60, 60))
    assert [label.text for label in dataset.samples[1].labels] == ["C"]
    assert [p.row for p in problems] == ["min.json: task 3", "min.json: task 4"]
    assert "2 boxes but 1 texts" in problems[0].message


@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        (7, ""),
        ({"id": 7, "data": {"text": "no image"}}, "address of an image"),
        ({"id": 7, "data": {"image": "\ud800.png"}}, "UTF-8"),
        (studio_task(studio_result("ellipselabels", {"radiusX": 1})), "'ellipselabels'"),
        (studio_task(studio_result("rectangle", {"width": 3})), "'x' is missing"),
        (studio_task(studio_result("rectangle", {**BOX, "x": "wide"})), "wide"),
        (studio_task(studio_result("textarea", {"text": [1]})), "a text was expected"),
        (studio_task({"id": "r", "type": "rectangle", "value": BOX}), "'original_width'"),
        (studio_task({"id": "r"}), "'type' is missing"),
    ],
)
def test_malformed_label_studio_tasks_are_named(tmp_path: Path, task: Any, complaint: str) -> None:
    put_images(tmp_path, "a.png")
    good = studio_task(studio_result("textarea", {"text": "OK"}))
    dataset, (problem,) = read_dataset(put_json(tmp_path / "e.json", [good, task]))
    assert problem.row in ("e.json: task 7", "e.json: task 2") and complaint in problem.message
    assert [label.text for label in dataset.samples[0].labels] == ["OK"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"id": 1},\n{"id": }]', "e.json:2: not JSON"),
        ('{"id": 1}', "expected a list"),
        ("[" * 100_000, "not JSON"),
        ("".encode("utf-16") + "[]".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_broken_json_is_refused(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    assert complaint in error_of(put(tmp_path / "e.json", text))


# cvat

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<image id="3" name="sub/a.png" width="100" height="40">{}</image>
</annotations>"""
CVAT_BOX = '<box label="code" xtl="10" ytl="10" xbr="30" ybr="20"{}>{}</box>'


@pytest.mark.parametrize(
    ("shape", "text", "quad"),
    [
        (CVAT_BOX.format("", '<attribute name="text">A,é&amp;</attribute>'), "A,é&", "box"),
        (CVAT_BOX.format("", '<attribute name="Transcription">AB</attribute>'), "AB", "box"),
        (CVAT_BOX.format("", '<attribute name="size">9</attribute>'), "", "box"),
        (
            CVAT_BOX.format(' rotation="90.0"', '<attribute name="label">AB</attribute>'),
            "AB",
            [[25, 5], [25, 25], [15, 25], [15, 5]],
        ),
        (
            '<polygon label="code" points="1,2;9,3;9,8;1,7">'
            '<attribute name="text">AB</attribute></polygon>',
            "AB",
            [[1, 2], [9, 3], [9, 8], [1, 7]],
        ),
        ('<points label="code" points="1,2;9,2;9,8;1,8"/>', "", rect(1, 2, 9, 8)),
        ('<tag label="code"><attribute name="text">AB</attribute></tag>', "AB", None),
    ],
)
def test_cvat_shapes(tmp_path: Path, shape: str, text: str, quad: Any) -> None:
    put_images(tmp_path, "images/sub/a.png")
    put(tmp_path / "annotations.xml", CVAT.format(shape))
    dataset = load_dataset(tmp_path)
    assert (dataset.format, dataset.samples[0].name) == ("cvat", "sub/a.png")
    label = only(dataset)
    assert (label.text, label.kind) == (text, "code")
    expected = rect(10, 10, 30, 20) if quad == "box" else quad
    assert (label.quad if quad is None else corners(label)) == expected


@pytest.mark.parametrize("attribute", ["text", "ignore"])
def test_cvat_ignored_shapes(tmp_path: Path, attribute: str) -> None:
    put_images(tmp_path, "sub/a.png")
    value = "###" if attribute == "text" else "true"
    shape = CVAT_BOX.format("", f'<attribute name="{attribute}">{value}</attribute>')
    assert only(load_dataset(put(tmp_path / "x.xml", CVAT.format(shape)))).ignore


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ('<box label="c" xtl="1" ytl="1" xbr="3"/>', "'ybr' is missing"),
        ('<box label="c" xtl="one" ytl="1" xbr="3" ybr="4"/>', "one"),
        ('<box xtl="1" ytl="1" xbr="3" ybr="4"/>', "'label' is missing"),
        ('<polygon label="c" points="1,1;2,2"/>', "3 or more"),
        ('<polygon label="c" points="1,1;2;3,3"/>', "a polygon is wrong"),
        ('<ellipse label="c" cx="1" cy="1" rx="2" ry="2"/>', "a ellipse is not read"),
    ],
)
def test_malformed_cvat_shapes_are_named(tmp_path: Path, shape: str, complaint: str) -> None:
    put_images(tmp_path, "sub/a.png")
    good = CVAT_BOX.format("", '<attribute name="text">OK</attribute>')
    path = put(tmp_path / "annotations.xml", CVAT.format(shape + good))
    dataset, (problem,) = read_dataset(path)
    assert problem.row == "annotations.xml: image 3" and complaint in problem.message
    assert only(dataset).text == "OK"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_xml_with_entities_is_refused_before_they_grow(tmp_path: Path, encoding: str) -> None:
    layers = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "lol">{layers}]><annotations>&l11;</annotations>'
    assert "document type" in error_of(put(tmp_path / "a.xml", bomb.encode(encoding)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<annotations><image>", "not XML"),
        ("<svg/>", "<svg>"),
        ("<annotations><track/></annotations>", "video"),
        ("<annotations/>", "no samples"),
        ('<!DOCTYPE annotations SYSTEM "http://host/x.dtd"><annotations/>', "document type"),
        ("", "not XML"),
    ],
)
def test_other_xml_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in error_of(put(tmp_path / "a.xml", text))


# lmdb


def put_lmdb(folder: Path, records: dict[str, bytes]) -> Path:
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(folder), map_size=1 << 22) as base, base.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key.encode(), value)
    return folder


def test_lmdb_records_are_read_undecoded(tmp_path: Path) -> None:
    records = {"image-000000001": b"one", "label-000000001": "Ä,1".encode(), "num-samples": b"1"}
    folder = put_lmdb(tmp_path, records)
    for path in (folder, folder / "data.mdb"):
        dataset = load_dataset(path)
        assert (dataset.format, dataset.task, only(dataset).text) == ("lmdb", "recognize", "Ä,1")
        assert dataset.samples[0].source == b"one"


def test_malformed_lmdb_records_are_named(tmp_path: Path) -> None:
    records = {
        **{"image-000000001": b"1", "label-000000001": b"A", "label-000000002": b"B"},
        **{"image-000000003": b"3", "image-000000004": b"4", "label-000000004": b"\xff"},
        "num-samples": b"1000000000000",
    }
    dataset, problems = read_dataset(put_lmdb(tmp_path, records))
    kinds = [(p.row, p.kind) for p in problems]
    assert kinds[0] == ("num-samples", "malformed-row")
    assert kinds[1:4] == [
        ("label-000000002", "missing-image"),
        ("label-000000003", "malformed-row"),
        ("label-000000004", "malformed-row"),
    ]
    assert [label.text for s in dataset.samples for label in s.labels] == ["A"]


def test_an_lmdb_without_number_or_without_pages_is_refused(tmp_path: Path) -> None:
    assert "num-samples" in error_of(put_lmdb(tmp_path / "a", {"x": b"1"}))
    assert "not a readable LMDB" in error_of(put(tmp_path / "b/data.mdb", b"x" * 9000))


def test_a_missing_lmdb_package_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert 'pip install "industrial-ocr[bench]"' in error_of(put(tmp_path / "data.mdb", b""))


# imagefolder


def test_imagefolder_symbols(tmp_path: Path) -> None:
    put_images(tmp_path, "A/1.png", "a_lower/1.png", "slash/1.png", "U+00C5/deep/1.png", "7/1.png")
    (tmp_path / "empty").mkdir()
    dataset = load_dataset(tmp_path)
    assert (dataset.format, dataset.task) == ("imagefolder", "classify")
    assert {s.name: s.labels[0].text for s in dataset.samples} == {
        **{"A/1.png": "A", "a_lower/1.png": "a", "slash/1.png": "/"},
        **{"U+00C5/deep/1.png": "Å", "7/1.png": "7"},
    }


def test_imagefolder_problems_are_named(tmp_path: Path) -> None:
    put_images(tmp_path, "A/1.png", "stray.png", "U+FFFFFF/1.png")
    dataset, problems = read_dataset(tmp_path, format="imagefolder")
    assert [p.row for p in problems] == ["stray.png", "U+FFFFFF"]
    assert [s.name for s in dataset.samples] == ["A/1.png"]


def test_symbol_folders_come_back_and_never_fold_into_one() -> None:
    symbols = [chr(c) for c in range(33, 127)]
    symbols += ["CE", "Ce", "ce", "dot", "slash", "U+0041", "CON", "Å", "å", "字", "ß", "E\u0301"]
    names = [symbol_folder(s) for s in symbols]
    assert [folder_symbol(n) for n in names] == symbols
    assert not {"CON", "E\u0301", "ce", "U+0041"} & set(names)
    assert len({n.casefold() for n in names}) == len(symbols)
    assert not any(set(n) & set('/\\:*?"<>|.') or n.strip() != n for n in names)


# detection and task


def test_a_folder_without_dataset_says_what_was_looked_for(tmp_path: Path) -> None:
    put_images(tmp_path, "train/1.png", "test/2.png", "val/3.png")
    message = error_of(tmp_path)
    for name in READERS:
        assert f"({name})" in message
    assert "looked for labels.csv or one *.csv (csv)" in error_of(tmp_path, format="csv")


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "train.csv", "image,text\n")
    put(tmp_path / "val.csv", "image,text\n")
    assert "name one: train.csv, val.csv" in error_of(tmp_path)
    assert "no such file" in error_of(tmp_path / "nowhere")
    assert "unknown dataset format 'coco'" in error_of(tmp_path, format="coco")
    assert "ends in one of" in error_of(put(tmp_path / "labels.bin", b""))
    assert "must be a folder" in error_of(tmp_path / "train.csv", format="icdar")
    assert "no samples" in error_of(tmp_path / "train.csv")


@pytest.mark.parametrize(
    ("lines", "task"),
    [
        (["a.png\tA", "b.png\t1"], "classify"),
        (["a.png\tA", "b.png\t"], "classify"),
        (["a.png\t", "b.png\t"], "recognize"),
        (["a.png\tA", "b.png\tBC"], "recognize"),
        (["a.png\tA", "a.png\tA"], "classify"),
        (["a.png\tA", "a.png\tB"], "read"),
        (["a.png\tA", "b.png\tB\t0,0,9,9"], "read"),
    ],
)
def test_the_task_follows_from_the_labels(tmp_path: Path, lines: list[str], task: str) -> None:
    put_images(tmp_path, "a.png", "b.png")
    put(tmp_path / "labels.tsv", "\n".join(lines))
    assert load_dataset(tmp_path).task == task
    assert load_dataset(tmp_path, task="recognize").task == "recognize"


def test_ten_thousand_lines_load_without_opening_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    for number in range(100):
        (tmp_path / f"images/{number}.png").touch()
    lines = [f"{n % 100}.png\tAB{n}\t0,0,9,9\n" for n in range(10_000)]
    put(tmp_path / "labels.tsv", "".join(lines))
    opened: list[str] = []
    real = builtins.open
    monkeypatch.setattr(builtins, "open", lambda f, *a, **k: opened.append(f) or real(f, *a, **k))
    dataset = load_dataset(tmp_path)
    assert [len(s.labels) for s in dataset.samples] == [100] * 100
    assert not [f for f in opened if str(f).endswith(".png")]


def test_a_header_line_is_passed_over_unless_it_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((20, 60), np.uint8))
    (tmp_path / "labels.tsv").write_text("file\ttext\na.png\tAB\n")
    assert [s.name for s in load_dataset(tmp_path).samples] == ["a.png"]


@pytest.mark.parametrize(
    ("size", "task"),
    [((640, 480), "read"), ((120, 32), "recognize"), ((3000, 400), "recognize")],
)
def test_single_texts_are_read_in_pictures_and_recognized_in_crops(
    size: tuple[int, int], task: str, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    for name in "abc":
        path = str(tmp_path / "images" / f"{name}.png")
        cv2.imwrite(path, np.zeros(size[::-1], np.uint8))
    (tmp_path / "labels.tsv").write_text("".join(f"{n}.png\tAB1\n" for n in "abc"))
    assert load_dataset(tmp_path).task == task
