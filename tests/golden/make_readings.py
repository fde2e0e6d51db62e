"""Writes ``readings.json``: what every engine reads on the pictures of this folder.

    python tests/golden/make_readings.py

Run it after a change that is meant to change readings (new weights, another rule), look at what
changed in the file, and commit it. A change of the code's form must not change it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from industrial_ocr import Reader, ReadResult

FOLDER = Path(__file__).parent
EXAMPLES = FOLDER.parents[1] / "examples"
PICTURES = {p.stem: p for p in sorted([*FOLDER.glob("pictures/*.png"), *EXAMPLES.glob("*.png")])}
READINGS = FOLDER / "readings.json"
ENGINES = ("two-stage", "crnn", "agree", "auto")
ROUTED_EVERY = 3
"""The engines that read with both networks take most of the time: they read every third picture."""
PATTERNS = {
    "container": "iso6346",
    "chip": "[A-Z0-9]{4,14}",
    "label": r"LOT \w{6}-\d",
}


def cases() -> list[tuple[str, str, str]]:
    """(picture, what is done, engine) of every golden reading."""
    names = list(PICTURES)
    found = []
    for i, name in enumerate(names):
        engines = ENGINES if i % ROUTED_EVERY == 0 else ENGINES[:2]
        found += [(name, "recognize" if name.startswith("crop") else "read", e) for e in engines]
    found += [(name, "pattern", e) for name in PATTERNS for e in ENGINES]
    printed = [name for name in names if name.startswith("string")]
    for name in printed[::3]:
        for engine in ("two-stage", "crnn"):
            found += [(name, "verify right", engine), (name, "verify wrong", engine)]
    return found


def reading(reader: Reader, name: str, task: str, engine: Any) -> dict[str, Any]:
    """One golden reading as it stands in the file."""
    path = PICTURES[name]
    if task.startswith("verify"):
        printed = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        expected = printed if task == "verify right" else printed[:-1] + "7"
        verdict = reader.verify(path, expected, engine=engine)
        return {"verdict": verdict.verdict.value}
    if task == "recognize":
        return _of(reader.recognize([path], engine=engine)[0])
    pattern = PATTERNS[name] if task == "pattern" else None
    return _of(reader.read(path, engine=engine, pattern=pattern))


def _of(result: ReadResult) -> dict[str, Any]:
    return {
        "status": result.status.value,
        "strings": [[s.text, s.status.value, round(s.confidence, 3)] for s in result.strings],
        "codes": [[c.text, c.status.value, round(c.confidence, 3)] for c in result.codes],
    }


def main() -> None:
    """Reads everything and writes the file."""
    reader = Reader(backend="onnxruntime")
    lines = [
        f"{json.dumps('/'.join(case))}: {json.dumps(reading(reader, *case), ensure_ascii=False)}"
        for case in cases()
    ]
    READINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
