"""Clean print in ordinary fonts: how much every engine reads, and what passes wrong.

    examples/install_fonts.sh bench_fonts benchmarks/clean_print_fonts.tsv
    python benchmarks/clean_print.py --fonts bench_fonts --out clean_print --split test \
        --engines two-stage,crnn,agree,auto,rapidocr,tesseract --verify 1000

One picture of sixteen is a nameplate of 6 to 10 lines, the others show one string: capitals 8 to 96
pixels high, both polarities, slight blur, noise, JPEG, up to 3 degrees of rotation, margins from 0
on. The pictures depend on the seed alone, not on the engines. Every reading is a line of
``OUT/SPLIT-ENGINE.jsonl``, so that a run that was stopped can be continued; the tables are made of
these files (``--table`` makes them without reading anything).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from cleanprint import tables  # noqa: E402
from cleanprint.engines import ENGINES, make_engine  # noqa: E402
from cleanprint.faces import TABLE, load_faces  # noqa: E402
from cleanprint.render import PLATE_EVERY, SPLITS, Picture, render  # noqa: E402
from cleanprint.scoring import Outcome, score  # noqa: E402
from cleanprint.verifying import RIGHT, verify  # noqa: E402

from industrial_ocr.errors import EngineError  # noqa: E402
from industrial_ocr.evaluation.engines import OWN_ENGINES  # noqa: E402

Row = dict[str, Any]
VERIFY = "verify"
MARGINS = {"0 to 0.12 heights": 0.12, "0.12 to 0.6": 0.6, "more": float("inf")}
GROUPS: dict[str, Callable[[Outcome], str]] = {
    "kind": lambda o: o.kind,
    "margin": lambda o: next(n for n, most in MARGINS.items() if o.margin <= most),
    "print": lambda o: "light on dark" if o.light else "dark on light",
    "family": lambda o: o.family,
}


class Log:
    """A JSONL file: its first line says what it was made with, every other one is a picture.

    Args:
        path: of the file.
        meta: what the rows depend on; SystemExit if the file was made with something else.
    """

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.path = path
        if path.exists():
            known = _rows(path)
            if known[0] != dict(meta):
                raise SystemExit(
                    f"{path} was made with {known[0]}, not with {dict(meta)}; "
                    "take another --out or delete it"
                )
            self.done = {row["picture"]["number"] for row in known[1:]}
            text = path.read_text(encoding="utf-8")
            # A run that was killed may have left half a line.
            path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
        else:
            self.done = set()
            path.write_text(json.dumps(meta) + "\n", encoding="utf-8")

    def add(self, row: Row) -> None:
        """Writes one picture."""
        self.done.add(row["picture"]["number"])
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _rows(path: Path) -> list[Row]:
    """The lines of a file; half a last one is left out."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def singles(count: int) -> Iterator[int]:
    """The numbers of the first ``count`` pictures that show one string."""
    number = 0
    while count > 0:
        if number % PLATE_EVERY != PLATE_EVERY - 1:
            yield number
            count -= 1
        number += 1


def run(args: argparse.Namespace, picture: Callable[[int], Picture]) -> None:
    """Reads what is not yet in the files."""

    @cache
    def reader() -> Any:
        from industrial_ocr import Reader

        return Reader(**json.loads(args.reader))

    args.out.mkdir(parents=True, exist_ok=True)
    same = {"seed": args.seed, "split": args.split, "fonts": _digest(TABLE), "reader": args.reader}
    engines = {}
    for name in args.engines:
        try:
            engines[name] = make_engine(name, reader)
        except (EngineError, ImportError, OSError) as error:
            if name in OWN_ENGINES:
                raise
            print(f"{name} is left out: {error}", file=sys.stderr)
    logs = {
        name: Log(args.out / f"{args.split}-{name}.jsonl", {**same, **engine.meta})
        for name, engine in engines.items()
    }
    for number in range(args.count):
        for name, engine in engines.items():
            if number not in logs[name].done:
                own = picture(number)
                logs[name].add({"picture": own.to_dict(), "reading": engine.read(own)})
        if number % 100 == 99:
            print(f"{number + 1} of {args.count}", file=sys.stderr)
    if args.verify:
        meta = {**same, "weights": dict(reader().weights)}
        log = Log(args.out / f"{args.split}-{VERIFY}.jsonl", meta)
        for number in singles(args.verify):
            if number not in log.done:
                own = picture(number)
                log.add({"picture": own.to_dict(), "verify": verify(own, reader(), args.seed)})


def _digest(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()[:12]


def report(args: argparse.Namespace) -> str:
    """The tables of all files of a split."""
    outcomes, extra = {}, {}
    for name in ENGINES:
        path = args.out / f"{args.split}-{name}.jsonl"
        if path.exists():
            scored = [
                score(row) for row in _rows(path)[1:] if row["picture"]["number"] < args.count
            ]
            outcomes[name] = list(chain.from_iterable(own for own, _ in scored))
            plates = len({o.number for o in outcomes[name] if o.plate})
            extra[name] = (sum(len(e) for _, e in scored), plates)
    parts = [f"# Clean print, {args.split} families", tables.bands(outcomes)]
    parts += [tables.thresholds(outcomes), tables.extras(extra)]
    for title, key in GROUPS.items():
        parts.append(tables.groups(outcomes, title, key))
    path = args.out / f"{args.split}-{VERIFY}.jsonl"
    if path.exists():
        parts.append(tables.verification(_rows(path)[1:]))
    return "\n\n".join(parts)


def write_failures(args: argparse.Namespace, picture: Callable[[int], Picture]) -> None:
    """Pictures of what passed wrong, with a table of what was printed and what was read."""
    args.failures.mkdir(parents=True, exist_ok=True)
    found: list[Sequence[str]] = []
    for name in args.engines:
        path = args.out / f"{args.split}-{name}.jsonl"
        for row in _rows(path)[1:] if path.exists() else []:
            outcomes, extra = score(row)
            number = str(row["picture"]["number"])
            wrong = [o for o in outcomes if o.passed_wrong]
            found += [(number, name, o.kind, f"{o.height:.1f}", o.truth, o.read) for o in wrong]
            found += [(number, name, "extra", "", "", s["text"]) for s in extra]
    path = args.out / f"{args.split}-{VERIFY}.jsonl"
    for row in _rows(path)[1:] if path.exists() else []:
        line = row["picture"]["lines"][0]
        for one in row["verify"]:
            bad = "fail" if one["what"] == RIGHT else "pass"
            engines = [e for e, v in one["verdicts"].items() if v == bad]
            if engines:
                what = f"{bad} by {' '.join(engines)}: {one['what']}"
                values = (f"{line['height']:.1f}", line["text"], one["expected"])
                found.append((str(row["picture"]["number"]), VERIFY, what, *values))
    for shown in sorted({int(f[0]) for f in found}):
        Image.fromarray(picture(shown).image).save(args.failures / f"{shown:05}.png")
    head = ("number", "engine", "kind", "height", "printed", "read or expected")
    text = "\n".join("\t".join(f) for f in (head, *found))
    (args.failures / "failures.tsv").write_text(text + "\n", encoding="utf-8")


def _engines(text: str) -> list[str]:
    names = [n for n in text.split(",") if n]
    unknown = [n for n in names if n not in ENGINES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no engine {unknown[0]!r}; there are {', '.join(ENGINES)}"
        )
    return names


def main() -> None:
    """Reads, verifies, and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", type=Path, default=Path("bench_fonts"), help="their folder")
    parser.add_argument("--split", choices=list(SPLITS), default="test", help="of the families")
    parser.add_argument("--count", type=int, default=6400, help="pictures; 6400: 6000 strings")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--engines", type=_engines, default=list(ENGINES), help="comma-separated")
    parser.add_argument("--verify", type=int, default=0, metavar="N", help="strings to verify")
    parser.add_argument("--out", type=Path, default=Path("clean_print"), help="folder of readings")
    parser.add_argument("--reader", default="{}", help="arguments of Reader as JSON")
    parser.add_argument("--table", action="store_true", help="only print the tables")
    parser.add_argument("--failures", type=Path, help="folder for what passed wrong")
    args = parser.parse_args()
    cv2.setNumThreads(1)

    @cache
    def faces() -> Any:
        return load_faces(args.fonts, args.split)

    last: list[Picture] = []

    def picture(number: int) -> Picture:
        """The last one is kept: the engines read it after each other."""
        if not last or last[0].number != number:
            last[:] = [render(faces(), args.split, args.seed, number)]
        return last[0]

    if not args.table:
        run(args, picture)
    if args.failures:
        write_failures(args, picture)
    print(report(args))


if __name__ == "__main__":
    main()
