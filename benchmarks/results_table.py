"""Puts the short table of a recorded run into docs/results.md, between its two markers.

    python benchmarks/results_table.py [benchmarks/results/summary.json] [docs/results.md]

Each cell: share of codes read right with its 95 % interval; in brackets the share read at no more
than 1 % misread.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
BEGIN, END = "<!-- bench table -->", "<!-- end of bench table -->"
ENGINES = ("two-stage", "crnn", "rapidocr", "easyocr", "tesseract")


def table(rows: list[dict[str, str]]) -> str:
    """One line a dataset, one column an engine."""
    cells: dict[str, dict[str, str]] = {}
    counts = {}
    for row in rows:
        counts[row["dataset"]] = row["n"]
        text = f"{row['right']} ({row['95 %']}) [{row['read at 1 %']}]"
        cells.setdefault(row["dataset"], {})[row["engine"]] = text
    lines = ["| dataset | n | " + " | ".join(ENGINES) + " |", "|---" * (2 + len(ENGINES)) + "|"]
    lines += [
        f"| {name} | {counts[name]} | " + " | ".join(own.get(e, "-") for e in ENGINES) + " |"
        for name, own in cells.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Rewrites the file."""
    given = [Path(a) for a in sys.argv[1:]]
    source = given[0] if given else HERE / "results" / "summary.json"
    target = given[1] if len(given) > 1 else HERE.parent / "docs" / "results.md"
    text = target.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    made = table(json.loads(source.read_text(encoding="utf-8"))["summary"])
    target.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
