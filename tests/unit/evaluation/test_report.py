"""The HTML report: it needs nothing besides itself, escapes what it shows, and never gives up."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from industrial_ocr.datasets.samples import Label
from industrial_ocr.evaluation import report, report_gallery
from industrial_ocr.evaluation.curves import rate_curve
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.metrics import VERBATIM, Prediction
from industrial_ocr.evaluation.records import ReadString, Record, RecordedRun
from industrial_ocr.evaluation.report import write_report
from industrial_ocr.evaluation.report_figures import (
    confusion_figure,
    confusion_symbols,
    engine_styles,
    rate_figure,
)
from industrial_ocr.evaluation.report_gallery import choose, failure_picture, marked, window
from industrial_ocr.evaluation.summary import summarize_run
from industrial_ocr.results.geometry import rect_quad

ABOUT = {
    "format": 1,
    "command": "industrial-ocr bench --limit 3",
    "engines": {"one": "1.2.3"},
    "datasets": {"codes": {"task": "read", "images": 3}},
    "machine": {"processor": "some processor", "cores": 4, "date": "2026-01-02"},
    "versions": {"python": "3.11.9"},
}
VOID = {"meta", "img", "br", "link", "input"}
EVIL = '<script>alert("1")</script>'


class Page(HTMLParser):
    """What stands in a page: tags with attributes, text, and whether its tags fit."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def jpeg(width: int = 200, height: int = 100) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 90, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def record(
    image: str, engine: str, truth: str, reading: str, confidence: float | None = 0.9,
    boxes: bool = True, error: str = "",
) -> Record:  # fmt: skip
    quad = rect_quad(20, 20, 120, 60) if boxes else None
    found = () if not reading else (
        ReadString(reading, confidence, None if quad is None else quad.tolist()),
    )  # fmt: skip
    task = "read" if boxes else "recognize"
    return Record(
        "codes", image, engine, task, (200, 100), (Label(truth, quad),), found,
        seconds=0.0 if error else 0.25, timings={} if error else {"detect": 0.2}, error=error,
    )  # fmt: skip


def page_of(
    tmp_path: Path,
    records: Sequence[Record],
    sources: dict[tuple[str, str], Path | bytes] | None = None,
    rules: Rules | None = None,
    thresholds: dict[str, float] | None = None,
    about: dict[str, object] | None = None,
) -> Page:
    run = RecordedRun(ABOUT if about is None else about, tuple(records))
    summaries = summarize_run(run.records, {"": rules or Rules()}, thresholds or {})
    if sources is None:
        sources = {("codes", r.image): jpeg() for r in records}
    path = tmp_path / "report.html"
    write_report(path, run, summaries, sources)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


MIXED = [
    record("a.png", "one", "AB12", "AB12"),
    record("a.png", "two", "AB12", "A812", 0.4),
    record("b.png", "one", "CD34", "C034", 0.8),
    record("b.png", "two", "CD34", ""),
    record("c.png", "one", "EF56", "EF56", 0.99),
    record("c.png", "two", "EF56", "EF56", 0.95),
]


def test_holds_every_part(tmp_path: Path) -> None:
    page = page_of(tmp_path, MIXED, thresholds={"two": 0.5})
    for part in (
        "Benchmark report", "industrial-ocr bench --limit 3", "some processor", "4 cores",
        "2026-01-02",
        "3.11.9", "Results; rates in percent", "Boxes found at IoU 0.5", "Codes lost, by stage",
        "Paired differences", "Right characters by position", "Wall time of an image",
        "Mean time of an image by stage", "Most frequent confusions of one", "one 0, two 0.5",
    ):  # fmt: skip
        assert part in page.text, part
    kinds = [str(a.get("class")).split()[-1] for a in page.named("svg")]
    assert (kinds.count("rates"), kinds.count("reliability"), kinds.count("confusion")) == (1, 2, 2)
    assert len(page.named("img")) == 2
    assert all(a.get("alt") for a in page.named("img"))
    assert all(a.get("scope") in ("row", "col") for a in page.named("th"))
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_kinds_of_codes_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    kinds = [
        replace(r, labels=(replace(r.labels[0], kind="odd" if r.image == "b.png" else "even"),))
        for r in MIXED
    ]
    text = page_of(tmp_path, kinds).text
    assert "Right by kind of code" in text
    at = text.index("Right by kind of code")
    assert text.index("even", at) < text.index("odd", at)
    (tmp_path / "report.html").unlink()
    assert "Right by kind of code" not in page_of(tmp_path, MIXED).text


def test_links_lead_somewhere(tmp_path: Path) -> None:
    page = page_of(tmp_path, MIXED)
    targets = {a["id"] for _, a in page.tags if "id" in a}
    links = [str(a["href"]) for a in page.named("a")]
    assert links and all(link[0] == "#" and link[1:] in targets for link in links)


def test_needs_nothing_besides_itself(tmp_path: Path) -> None:
    page = page_of(tmp_path, MIXED)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "http:" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https:" not in html and "@import" not in html and "url(" not in html
    assert not {"script", "link", "iframe", "object", "base", "use"} & {t for t, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("src", "data:")).startswith("data:image/jpeg;base64,") or (
            "src" not in attributes
        )
    policy = next(a for a in page.named("meta") if a.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_escapes_names_and_readings(tmp_path: Path) -> None:
    name = f"{EVIL}' onerror='x.png"
    records = [
        record(name, f"one{EVIL}", "AB12", f"AB12{EVIL}", 0.9),
        record(name, "two", "AB12", "", error=f"ValueError: {EVIL}"),
        record("b.png", f"one{EVIL}", EVIL, "CD", 0.9, boxes=False),
    ]
    about = {**ABOUT, "command": EVIL, "versions": {EVIL: EVIL}, "machine": {"date": EVIL}}
    page = page_of(tmp_path, records, rules=Rules(VERBATIM), about=about)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if "onerror" in a]
    assert f"<bdi>{EVIL}' onerror='x.png" not in html
    assert any(name in words for words in page.words)
    assert any(f"ValueError: {EVIL}" in words for words in page.words)
    assert any(EVIL in words for words in page.words)


def test_missing_and_damaged_pictures_are_told_of(tmp_path: Path) -> None:
    records = [record(f"{n}.png", "one", "AB12", "A812") for n in "abc"]
    sources: dict[tuple[str, str], Path | bytes] = {
        ("codes", "a.png"): jpeg(),
        ("codes", "b.png"): tmp_path / "gone.png",
        ("codes", "c.png"): b"no image",
    }
    page = page_of(tmp_path, records, sources)
    assert len(page.named("img")) == 1
    assert page.text.count("no picture") == 2
    assert all(f"{n}.png" in page.text for n in "abc")


def test_without_failures(tmp_path: Path) -> None:
    page = page_of(tmp_path, [record("a.png", "one", "AB12", "AB12")])
    assert "No failures" in page.text
    assert page.named("img") == [] and page.named("article") == []
    assert "Codes lost, by stage" not in page.text


def test_without_any_label(tmp_path: Path) -> None:
    assert "No label was measured" in page_of(tmp_path, [], about={}).text


def test_engine_without_confidences(tmp_path: Path) -> None:
    records = [
        record("a.png", "one", "AB12", "AB12", None),
        record("b.png", "one", "AB12", "A812", None),
    ]
    page = page_of(tmp_path, records)
    assert "gives no confidence" in page.text
    assert "reliability" not in " ".join(str(a.get("class")) for a in page.named("svg"))


def test_dataset_without_boxes(tmp_path: Path) -> None:
    records = [record("a.png", "one", "AB12", "A812", boxes=False)]
    page = page_of(tmp_path, records)
    assert "Boxes found" not in page.text
    assert len(page.named("img")) == 1


def test_nan_is_shown_as_a_dash(tmp_path: Path) -> None:
    # An engine that failed on every image has neither times nor a calibration error.
    page = page_of(tmp_path, [record("a.png", "one", "AB12", "", error="OSError: broken")])
    assert not [w for w in page.words if re.search(r"\b(nan|inf)\b", w)]
    cells = page.text[page.text.index("p95 ms") : page.text.index("What the columns mean")]
    assert cells.split()[-3:] == ["-", "-", "-"]
    assert "OSError: broken" in page.text


def test_rejected_readings_stand_in_the_gallery(tmp_path: Path) -> None:
    records = [record("a.png", "one", "AB12", "AB12", 0.4)]
    assert page_of(tmp_path, records, thresholds={"one": 0.3}).named("article") == []
    page = page_of(tmp_path, records, thresholds={"one": 0.5})
    assert len(page.named("article")) == 1
    assert "AB12" in page.text and "rejected" in page.text


def test_an_engine_that_was_not_run_on_an_image(tmp_path: Path) -> None:
    records = [*MIXED, record("d.png", "one", "GH78", "6H78")]
    assert "not run" in page_of(tmp_path, records).text


def test_lone_surrogates_of_file_names(tmp_path: Path) -> None:
    page = page_of(tmp_path, [record("\udcff.png", "one", "AB12", "A812")], {})
    assert len(page.named("article")) == 1


def test_gallery_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = partial(report_gallery.gallery, most=3)
    monkeypatch.setattr(report, "gallery", few)
    records = [record(f"{i}.png", "one", "AB12", "A812") for i in range(7)]
    page = page_of(tmp_path, records)
    assert len(page.named("article")) == 3
    assert "4 more such images not shown" in page.text


def test_choose_takes_engines_in_turn() -> None:
    many = [f"many{i}" for i in range(50)]
    chosen = choose([many, ["few0", "few1"], []], 6)
    assert len(chosen) == 6
    assert {"few0", "few1"} <= chosen
    assert choose([many, many], 6) == choose([many[::-1], many], 6)
    assert choose([many], 100) == set(many)


@pytest.mark.parametrize(
    ("truth", "reading", "pieces"),
    [
        ("AB12", "A812", [("same", "A"), ("wrong", "8"), ("same", "12")]),
        ("AB12", "AB1", [("same", "AB1"), ("missing", "2")]),
        ("AB12", "XAB12", [("wrong", "X"), ("same", "AB12")]),
        ("AB12", "AB12", [("same", "AB12")]),
    ],
)
def test_marked(truth: str, reading: str, pieces: list[tuple[str, str]]) -> None:
    assert list(marked(truth, reading)) == pieces


def test_wrong_characters_are_marked_in_the_page(tmp_path: Path) -> None:
    page_of(tmp_path, [record("a.png", "one", "AB1234", "A8123")])
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'A<mark title="wrong">8</mark>123<del title="missing">4</del>' in html


def test_window_cuts_small_labels_out_of_large_pictures() -> None:
    quad = rect_quad(900, 500, 1000, 540)
    x0, y0, x1, y1 = window(2000, 1000, [quad])
    assert (x0, y0, x1, y1) == (860, 460, 1040, 580)
    assert window(2000, 1000, [rect_quad(0, 0, 50, 20)])[:2] == (0, 0)
    assert window(2000, 1000, []) == (0, 0, 2000, 1000)
    assert window(2000, 1000, [rect_quad(10, 10, 1900, 900)]) == (0, 0, 2000, 1000)
    assert window(400, 300, [rect_quad(10, 10, 20, 20)]) == (0, 0, 400, 300)
    assert window(2000, 1000, [rect_quad(5000, 5000, 5010, 5010)]) == (0, 0, 2000, 1000)


def picture(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_picture_shows_label_and_engine_where_they_are() -> None:
    style = engine_styles(["one"])["one"]
    string = ReadString("AB", 0.9, rect_quad(500, 100, 700, 200).tolist())
    shown = picture(failure_picture(jpeg(840, 420), [rect_quad(100, 100, 400, 400)], [
        (style, [string, ReadString("no place")])
    ]))  # fmt: skip
    assert shown.shape == (210 + 8 + 210, 420, 3)
    assert abs(shown[5:205, 5:-5] - 90).max() < 15  # above it stands the picture without boxes
    shown = shown[218:]
    red, green, blue = shown[125, 48:53].mean(0)  # the left edge of the label
    assert green > red + 30
    red, green, blue = shown[75, 244:252].mean(0)  # the left edge of the string, 3 px outside
    assert blue > red + 30
    assert abs(shown[100, 220] - 90).max() < 15  # between them nothing


def test_picture_of_strange_quads() -> None:
    style = engine_styles(["one"])["one"]
    quads = [[[math.nan, 0.0], [1e12, 0.0], [1e12, 5.0], [0.0, -1e12]]]
    assert failure_picture(jpeg(), [], [(style, [ReadString("A", 0.5, quads[0])])])
    assert picture(failure_picture(jpeg(20, 10), [], [])).shape == (128, 120, 3)
    assert picture(failure_picture(jpeg(10, 20), [], [])).shape == (120, 128, 3)


def test_without_a_labeled_place_the_picture_shows_what_was_read() -> None:
    style = engine_styles(["one"])["one"]
    string = ReadString("AB", 0.9, rect_quad(500, 100, 700, 110).tolist())
    shown = picture(failure_picture(jpeg(2000, 1000), [], [(style, [string])]))
    assert shown.shape == (2 * 185 + 8, 420, 3)  # 340 x 150 pixels with the margin, enlarged


def test_styles_differ() -> None:
    styles = engine_styles([f"engine{i}" for i in range(10)])
    assert len(set(styles.values())) == 10
    assert len({s.color for s in list(styles.values())[:8]}) == 8


def test_rate_figure_goes_through_its_points() -> None:
    items = [
        Prediction("a", "A", "A", 0.9), Prediction("b", "B", "8", 0.8),
        Prediction("c", "C", "C", 0.7), Prediction("d", "D", "", None),
    ]  # fmt: skip
    svg = rate_figure({"one": rate_curve(items)}, {"one": (0.25, 0.5)}, engine_styles(["one"]), "x")
    # Right ends at 25 % misread, its axis at 25 %: read 0, 25 (sure ones), 25 and 50 % of 206 px.
    path = re.search(r'class="line" d="([^"]*)"', svg)
    assert path is not None
    assert path[1].startswith("M42.0 214.0H42.0V162.5H358.0V162.5H358.0V111.0")
    assert 'cx="358.0" cy="111.0"' in svg


def test_confusion_figure() -> None:
    confusions = [(("B", "8"), 4), (("0", ""), 2), (("", "<"), 1)]
    assert confusion_symbols(confusions) == ["0", "8", "<", "B", ""]
    svg = confusion_figure(confusions, "x")
    assert "B read as 8: 4" in svg and "0 read as nothing: 2" in svg
    assert "nothing read as &lt;: 1" in svg
    assert svg.count('class="heat"') == 3


def test_most_confused_symbols_are_kept() -> None:
    many = [((chr(0x4E00 + i), "A"), 1 + (i == 99)) for i in range(100)]
    symbols = confusion_symbols(many)
    assert len(symbols) == 40
    assert "A" in symbols and chr(0x4E00 + 99) in symbols


def test_one_color_an_engine_on_every_dataset(tmp_path: Path) -> None:
    page_of(tmp_path, MIXED)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for engine, style in engine_styles(["one", "two"]).items():
        swatches = re.findall(rf'stroke="(#\w+)"[^<]*/></svg> <bdi>{engine}</bdi>', html)
        assert len(swatches) > 5
        assert set(swatches) == {style.color}


def test_unwritable_path(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        write_report(tmp_path / "no" / "report.html", RecordedRun({}, ()), [], {})
