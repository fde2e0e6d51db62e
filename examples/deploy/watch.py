"""Reads every picture that a camera puts into a folder and writes one line of JSON about it.

    python watch.py BUNDLE FOLDER [--pattern NAME] [--threads N] [--once]

The line is written to FOLDER/readings.jsonl, and the picture is moved to FOLDER/ok or FOLDER/check.
The camera must give every picture a new name, write it as NAME.part, and rename it when it is
complete.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from industrial_ocr import Pattern, Reader
from industrial_ocr.errors import ImageError, IndustrialOcrError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def inspect(reader: Reader, picture: Path, pattern: Pattern | None) -> dict[str, object]:
    """The line of one picture in readings.jsonl."""
    try:
        result = reader.read(picture, pattern=pattern)
    except ImageError as error:
        return {"file": picture.name, "status": "error", "reason": str(error)}
    texts = [code.text for code in result.codes] if pattern else [result.text]
    return {"file": picture.name, "status": result.status.value, "texts": texts}


def main() -> None:
    """Watches the folder until the process is stopped."""
    parser = argparse.ArgumentParser(description="Reads every picture that comes into a folder.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pattern", help="name or regular expression of the code")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--once", action="store_true", help="end when the folder is empty")
    options = parser.parse_args()
    try:
        reader = Reader.from_bundle(options.bundle, threads=options.threads)
        pattern = reader.pattern(options.pattern) if options.pattern else None
    except IndustrialOcrError as error:
        parser.error(str(error))
    for name in ("ok", "check"):
        (options.folder / name).mkdir(exist_ok=True)
    while True:
        pictures = [p for p in sorted(options.folder.iterdir()) if p.suffix.lower() in SUFFIXES]
        for picture in pictures:
            line = inspect(reader, picture, pattern)
            with (options.folder / "readings.jsonl").open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
            picture.replace(
                picture.parent / ("ok" if line["status"] == "ok" else "check") / picture.name
            )
        if options.once and not pictures:
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main()
