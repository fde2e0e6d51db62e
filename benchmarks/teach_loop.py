"""The loop of a factory with a symbol outside the charset: read, collect, review, retrain, read.

    python benchmarks/teach_loop.py --fonts DIR [--teach 40] [--measure 60] [--threads 1]

Renders scenes (``datasets.synthesis.code_scenes``, in fonts that have the symbol and whose families
no rehearsal crop has) that show a code of ``R[0-9]{2}Ω-[0-9]{4}`` besides other text. The shipped
reader reads the teaching scenes under no pattern and keeps what it doubts (``Collector``);
``industrial-ocr review`` serves the page on a free port, and this script answers every item
through it as the page does: with the symbol that was rendered there, with "no character" where
none was, and it skips what lies on its side or holds two characters. ``industrial-ocr retrain``
learns from corrections.jsonl (with --force; the result of its gate stands below the table). Other
scenes are read before and after. Scenes of the same seeds and fonts with a K instead of the symbol
show how hard they are. The table goes to results/teach_loop.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import cv2
import numpy as np
import torch

from industrial_ocr.datasets.synthesis.code_scenes import CodeSceneRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import GlyphSource
from industrial_ocr.datasets.synthesis.scenes import Scene
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import iou, mean_axis
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, FloatArray, ImageArray
from industrial_ocr.review.collecting import Collector
from industrial_ocr.training.retraining.rehearsal import part_of

CODE_PATTERN = "R[0-9]{{2}}{}-[0-9]{{4}}"
KNOWN_SYMBOL = "K"
"""A known symbol, to tell how many such scenes can be read at all."""
SIZE = 448
MIN_IOU = 0.45
"""Least IoU of a box and the character it holds."""
MIN_OVERLAP = 0.2
"""Least IoU of a box that holds a part of a character."""
MIN_COSINE = 0.7
"""Least cosine of the angle between a box and its character for a person to name the character."""
RESULTS = Path(__file__).parent / "results" / "teach_loop.md"
COMMAND = (sys.executable, "-m", "industrial_ocr.cli")


class Faces:
    """Font faces that have a symbol, each as often as any other."""

    def __init__(self, fonts: Sequence[str], symbol: str) -> None:
        library = FaceLibrary(fonts, families=lambda name: part_of(name) == "held_out")
        needed = (symbol, KNOWN_SYMBOL, "R", "8", "-")
        self.all = [f for f in library.font_faces() if all(map(f.supports, needed))]
        if not self.all:
            raise SystemExit(f"no held-out font has {symbol}: more --fonts are needed")

    def pick(self, rng: np.random.Generator, text: str = "") -> GlyphSource:
        """A face, if possible one that has all of a text."""
        faces = [self.all[i] for i in rng.permutation(len(self.all))]
        return next((f for f in faces if all(map(f.supports, set(text) - {" "}))), faces[0])


@dataclass(frozen=True, eq=False)
class LabeledScene:
    """A scene and the code on it."""

    scene: Scene
    code: str


def rendered(faces: Faces, symbol: str, seed: int, count: int) -> list[LabeledScene]:
    """``count`` scenes of codes with a symbol."""
    pattern = Pattern.regex(CODE_PATTERN.format(symbol))
    renderer = CodeSceneRenderer((), (SIZE, SIZE), write=pattern.sample)
    renderer.faces = faces  # type: ignore[assignment]
    return [LabeledScene(*renderer.render_code((seed, number))) for number in range(count)]


def read_right(
    reader: Reader, shown: Sequence[LabeledScene], pattern: Pattern | None = None
) -> tuple[int, int]:
    """How many codes are read right as a string without the pattern, and how many under it."""
    plain = under = 0
    for each in shown:
        result = reader.read(each.scene.image, engine="two-stage", pattern=pattern)
        plain += any("".join(s.text.split()) == each.code for s in result.strings)
        under += result.code is not None and result.code.text == each.code
    return plain, under


# What a person would answer


def truth_of(scene: Scene, box: FloatArray) -> tuple[str, str]:
    """The answer for a box of a scene: an action and, for ``label``, the symbol."""
    found: list[tuple[float, str, FloatArray]] = []
    for string in scene.strings:
        pairs = zip(string.symbols, string.quads, strict=True)
        found += [(iou(box, quad), symbol, quad) for symbol, quad in pairs]
    found.sort(key=lambda t: -t[0])
    if not found or found[0][0] < MIN_OVERLAP:
        return "nothing", ""
    share, symbol, quad = found[0]
    lone = len(found) < 2 or found[1][0] < MIN_OVERLAP
    if share >= MIN_IOU and lone and float(mean_axis(box) @ mean_axis(quad)) >= MIN_COSINE:
        return "label", symbol
    return "skip", ""


def box_of(item: dict[str, Any], result: ReadResult) -> FloatArray:
    """The box of an item in the picture that was read; its id ends with the box's middle."""
    middle = np.array([int(item["id"][-8:-4], 16), int(item["id"][-4:], 16)])
    boxes: list[Character] = []
    for string in result.strings:
        boxes += [*string.characters, *(rejected for _, rejected in string.rejected)]
    return min((c.quad for c in boxes), key=lambda q: float(np.hypot(*(q.mean(0) - middle))))


# The page


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a review page that runs as long as this context."""
    command = [*COMMAND, "review", str(folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip().rstrip("/")
    finally:
        server.terminate()
        server.wait(20)


def ask(url: str, body: dict[str, str] | None = None) -> Any:
    """The JSON of a GET, or of a POST as the page sends it."""
    origin = url[: url.index("/api")]
    headers = {"Content-Type": "application/json", "Origin": origin}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers), timeout=30) as reply:
        return json.load(reply)


def reviewed(url: str, shown: dict[str, tuple[LabeledScene, ReadResult]]) -> Counter[str]:
    """Answers every open item in the page's order; how often each symbol or action was given."""
    given: Counter[str] = Counter()
    while True:
        item = ask(f"{url}/api/state?{urlencode({'show': 'open', 'order': 'doubt'})}")["item"]
        if item is None:
            return given
        scene, result = shown[item["source"]]
        action, symbol = truth_of(scene.scene, box_of(item, result))
        ask(f"{url}/api/answers", {"id": item["id"], "action": action, "symbol": symbol})
        given[symbol or action] += 1


# The loop


def write_picture(path: Path, image: ImageArray) -> None:
    """Writes an RGB picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1])):
        raise OSError(f"{path}: cannot be written")


def collected(
    reader: Reader, shown: Sequence[LabeledScene], root: Path
) -> dict[str, tuple[LabeledScene, ReadResult]]:
    """Reads scenes and collects uncertain characters; each scene and its result by file name."""
    collector = Collector(root / "doubtful")
    found = {}
    for number, each in enumerate(shown):
        path = root / "pictures" / f"{number}.png"
        write_picture(path, each.scene.image)
        result = reader.read(path, engine="two-stage")
        collector.add(result, path)
        found[path.name] = each, result
    return found


def retrained(root: Path, fonts: Sequence[str], threads: int) -> tuple[Path, str]:
    """The classifier that the command writes, and the result of its gate, which is overruled."""
    out = root / "mine.safetensors"
    command = [*COMMAND, "retrain", str(root / "doubtful" / "corrections.jsonl"), "--out", str(out)]
    for folder in fonts:
        command += ["--fonts", folder]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "COLUMNS": "120"}
    done = subprocess.run(
        [*command, "--force"], capture_output=True, text=True, env=env, check=False
    )
    print(done.stdout + done.stderr, flush=True)
    if done.returncode:
        raise SystemExit(f"retrain ended with exit code {done.returncode}")
    said = [line.removeprefix("gate: ") for line in done.stderr.splitlines()]
    refused = [s for s, line in zip(said, done.stderr.splitlines(), strict=True) if s != line]
    return out, f"refused, overruled by --force: {'; '.join(refused)}" if refused else "passed"


def table(symbol: str, n: int, counts: dict[str, tuple[int, int]], facts: dict[str, str]) -> str:
    """The result as markdown."""
    before, after, twin_before, twin_after = (
        counts[k] for k in ("before", "after", "twin before", "twin after")
    )
    twin = f"{KNOWN_SYMBOL} in place of {symbol}"
    lines = [
        "# The loop of a factory",
        "",
        f"`python benchmarks/teach_loop.py`. Codes `{CODE_PATTERN.format(symbol)}`; {symbol} is "
        f"not in the shipped charset. {n} scenes, other ones than were learnt from.",
        "",
        f"| codes read right, of {n} | before | after |",
        "|---|---|---|",
        f"| no pattern | {before[0]} | {after[0]} |",
        f"| their pattern | refused: {symbol} is not known | {after[1]} |",
        f"| {twin}, no pattern | {twin_before[0]} | {twin_after[0]} |",
        f"| {twin}, their pattern | {twin_before[1]} | {twin_after[1]} |",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs the loop once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--symbol", default="Ω")
    parser.add_argument("--teach", type=int, default=40)
    parser.add_argument("--measure", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to work in; else a temporary one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as temporary:
        text = loop(args, args.keep or Path(temporary))
    args.out.write_text(text, encoding="utf-8")
    print(text)


def loop(args: argparse.Namespace, root: Path) -> str:
    """Teaches, measures, and gives the table."""
    faces = Faces(args.fonts, args.symbol)
    print(f"{len(faces.all)} faces have {args.symbol}", flush=True)
    learnt = rendered(faces, args.symbol, 1, args.teach)
    held_out = rendered(faces, args.symbol, 2, args.measure)
    twins = rendered(faces, KNOWN_SYMBOL, 2, args.measure)
    reader = Reader()
    found = collected(reader, learnt, root)
    start = time.monotonic()
    with served(root / "doubtful") as url:
        given = reviewed(url, found)
    seconds = time.monotonic() - start
    print(f"answers: {dict(given)}", flush=True)
    twin, pattern = (Pattern.regex(CODE_PATTERN.format(s)) for s in (KNOWN_SYMBOL, args.symbol))
    counts = {
        "before": read_right(reader, held_out),
        "twin before": read_right(reader, twins, twin),
    }
    print(counts, flush=True)
    start = time.monotonic()
    out, gate = retrained(root, args.fonts, args.threads)
    minutes = (time.monotonic() - start) / 60
    taught = Reader(classifier=out)
    counts |= {
        "after": read_right(taught, held_out, pattern),
        "twin after": read_right(taught, twins, twin),
    }
    labels = sum(n for s, n in given.items() if s not in ("nothing", "skip"))
    facts = {
        "teaching scenes": f"{args.teach}, read under no pattern with a `Collector`",
        "answers on the page": f"{sum(given.values())}: {given[args.symbol]} {args.symbol}, "
        f"{labels - given[args.symbol]} other symbols, {given['nothing']} no character, "
        f"{given['skip']} skipped; {seconds:.0f} s by script",
        "retraining": f"{minutes:.1f} minutes on {args.threads} thread(s); gate {gate}",
    }
    return table(args.symbol, args.measure, counts, facts)


if __name__ == "__main__":
    main()
