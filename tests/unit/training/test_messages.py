"""The progress of all stages together."""

from __future__ import annotations

from industrial_ocr.training.messages import with_whole


def test_the_whole_advances_with_the_share_of_each_stage_and_never_falls() -> None:
    seen: list[tuple[str, int, int]] = []
    report = with_whole(lambda *step: seen.append(step), {"first": 0.2, "second": 0.8}, "all")
    report("first", 1, 4)
    report("another", 1, 2)
    report("second", 1, 2)
    report("first", 4, 4)
    assert [step for step in seen if step[0] == "all"] == [
        ("all", 5, 100),  # a quarter of 20 %
        ("all", 60, 100),  # 20 % and a half of 80 %
        ("all", 60, 100),
    ]
    assert ("another", 1, 2) in seen
