"""Pictures of one series are in one part, and count once for the misread rate."""

from __future__ import annotations

from pathlib import Path

from industrial_ocr.datasets.samples import Sample
from industrial_ocr.training.line.calibrating import curve_of, folds_of
from industrial_ocr.training.line.gate import LineReading
from industrial_ocr.training.line.strings import LinePicture


def test_a_series_is_in_one_fold() -> None:
    series = [4, 0, 4, 1, 2, 3, 5, 0]
    pictures = [LinePicture(Sample("", Path(), ()), True, (), (), "", s) for s in series]
    # In the order of their first pictures: 4, 0, 1, 2 and 3 are in folds of their own, then 5.
    assert folds_of(pictures) == [0, 1, 0, 2, 3, 4, 0, 1]


def test_one_misread_makes_a_series_wrong_and_a_series_counts_once() -> None:
    def reading(series: int, confidence: float, text: str = "1", ok: bool = True) -> LineReading:
        return LineReading("", "1", text, confidence, ok, series)

    curve = curve_of(
        [
            *[reading(1, 0.9), reading(1, 0.6, "7"), reading(1, 0.5, "7"), reading(1, 0.4)],
            *[reading(2, 0.8), reading(2, 0.8)],
            reading(3, 0.95, ok=False),
        ]
    )
    assert curve.thresholds.tolist() == [0.6, 0.8, 0.9]
    assert curve.accepted.tolist() == [2, 2, 1]
    assert curve.wrong.tolist() == [1, 0, 0]
    assert curve.total == 3


def test_without_an_accepted_reading_nothing_is_proven() -> None:
    assert curve_of([LineReading("a", "1", "7", 0.9, False)]).lowest_rate() == 1.0
