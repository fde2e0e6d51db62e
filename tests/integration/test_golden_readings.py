"""What every engine reads on fixed pictures: a change of form must not change it."""

import json
import sys
from pathlib import Path

import pytest

from industrial_ocr import Reader

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))

from make_readings import READINGS, cases, reading  # noqa: E402

pytestmark = pytest.mark.slow

EXPECTED = json.loads(READINGS.read_text(encoding="utf-8"))
ROUNDING = 0.03
"""Other processors and versions of torch give other last digits."""


@pytest.fixture(scope="module")
def reader():
    return Reader(backend="onnxruntime")


def test_every_case_stands_in_the_file():
    assert set(EXPECTED) == {"/".join(case) for case in cases()}


@pytest.mark.parametrize("case", cases(), ids="/".join)
def test_a_reading_is_the_golden_one(reader, case):
    got, expected = reading(reader, *case), EXPECTED["/".join(case)]
    assert _without_confidences(got) == _without_confidences(expected)
    assert _confidences(got) == pytest.approx(_confidences(expected), abs=ROUNDING)


def _confidences(reading):
    return [one[-1] for kind in ("strings", "codes") for one in reading.get(kind, [])]


def _without_confidences(reading):
    texts = {kind: [one[:-1] for one in reading.get(kind, [])] for kind in ("strings", "codes")}
    return {**reading, **texts}
