"""Fixtures of unit and integration tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from industrial_ocr.line.reading import Reading


@pytest.fixture
def make_reading() -> Callable[..., Reading]:
    """``make_reading(7)``: the reading with that sequence number; its id is ``id-7``."""

    def make(sequence: int, **changes: Any) -> Reading:
        values: dict[str, Any] = {
            "id": f"id-{sequence}",
            "sequence": sequence,
            "job": "date",
            "job_hash": "ab12",
            "weights": {"detector": "cd34"},
            "picture": f"{sequence}.png",
            "picture_sha256": "ef56",
            "part": f"part {sequence}",
            "time": datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc),
            "text": f"L{sequence}",
            "raw_text": f"L {sequence}",
            "status": "ok",
            "passed": True,
            "reasons": (),
            "confidence": 0.97,
            "characters": ({"symbol": "L", "confidence": 0.98},),
        }
        return Reading(**values | changes)

    return make
