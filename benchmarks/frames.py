"""Bursts of barely legible frames: one frame alone, several read as one, and a vote.

    examples/install_fonts.sh bench_fonts benchmarks/clean_print_fonts.tsv
    python benchmarks/frames.py --fonts bench_fonts --out frames.jsonl [--count 300] [--split test]

A code of 7 to 10 characters (no I, O and Q, as in ISO 3779), 11 to 22 pixels high, in a font that
was not used for training (``--split dev``: one that was; everything tunable was chosen with such
fonts and other seeds). Each of its 5 frames has its own shift, rotation, blur or motion blur and
noise, and two of five have a reflection. All 5 are read alone, the first 2, 3 and 5 as a burst, and
all by a vote: the text with the largest sum of confidences (``crop_views.agreed_text``). Each code
is a line of ``OUT``, so that a run that was stopped can be continued; ``--table`` only prints the
table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parent))

from cleanprint.faces import Face, load_faces, pick, twins  # noqa: E402
from cleanprint.scoring import HOMOGLYPHS, folded, plain  # noqa: E402
from cleanprint.texts import take  # noqa: E402

from industrial_ocr.datasets.synthesis.noise import sensor_noise  # noqa: E402
from industrial_ocr.image.load import load_image  # noqa: E402
from industrial_ocr.reader.arguments import roi_part  # noqa: E402
from industrial_ocr.reader.crop_views import agreed_text  # noqa: E402
from industrial_ocr.reader.frames import read_alone, read_burst  # noqa: E402
from industrial_ocr.reader.pipelines import EngineRun  # noqa: E402
from industrial_ocr.reader.reader import Reader  # noqa: E402
from industrial_ocr.results.engine import PIPELINES, Engine  # noqa: E402
from industrial_ocr.results.read_result import ReadResult  # noqa: E402
from industrial_ocr.results.types import Status  # noqa: E402

SYMBOLS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
SIZE = (360, 150)
SCALE = 4
"""Codes are drawn this many times larger than they are seen."""
FRAMES = 5
BURSTS = (2, 3, 5)
ENGINES = (*PIPELINES, Engine.AGREE, Engine.AUTO)
RATES = (30, 40, 50, 60, 70, 80)
"""Percent of the codes read right, at which misreads are compared."""

Answer = tuple[str, float, bool]
"""Text, confidence, and whether the status is ok."""


def burst(
    faces: Mapping[str, list[Face]], seed: int, number: int
) -> tuple[str, list[str], list[np.ndarray]]:
    """The code of that number, symbols that its font draws alike, and its (H, W) uint8 frames."""
    rng = np.random.default_rng((seed, number))
    face, code = pick(faces, rng), take(rng, SYMBOLS, 7, 10)
    height = float(rng.uniform(11, 22))
    height *= min(1.0, 0.8 * SIZE[0] / face.font(height).getlength(code))
    levels = [float(rng.uniform(140, 220)), float(rng.uniform(20, 110))]
    if rng.random() < 0.3:
        levels.reverse()
    width, rows = (SCALE * n for n in SIZE)
    canvas = Image.new("L", (width, rows))
    font = face.font(SCALE * height)
    ImageDraw.Draw(canvas).text((width / 2, rows / 2), code, fill=255, font=font, anchor="mm")
    mask = np.asarray(canvas)
    return code, twins(face, height), [_frame(rng, mask, height, levels) for _ in range(FRAMES)]


def _frame(
    rng: np.random.Generator, mask: np.ndarray, height: float, levels: Sequence[float]
) -> np.ndarray:
    """One picture of a mask; ``levels`` are those of the ground and of the ink."""
    (width, rows), ground, ink = SIZE, levels[0], levels[1]
    middle = np.array([width, rows]) / 2
    matrix = cv2.getRotationMatrix2D((SCALE * middle).tolist(), rng.normal(0, 0.8), 1 / SCALE)
    matrix[:, 2] += middle - SCALE * middle + rng.normal(0, 4, 2)
    soft = cv2.GaussianBlur(mask, (0, 0), SCALE / 2.5)
    alpha = cv2.warpAffine(soft, matrix, SIZE).astype(np.float32) / 255
    image = ground + (ink - ground) * alpha
    sigma = rng.uniform(0.04, 0.15) * height
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    else:
        side = int(max(3, 2.8 * sigma)) | 1
        line = np.zeros((side, side), np.float32)
        line[side // 2] = 1
        turn = cv2.getRotationMatrix2D((side // 2, side // 2), rng.uniform(0, 180), 1)
        line = cv2.warpAffine(line, turn, (side, side))
        image = cv2.GaussianBlur(cv2.filter2D(image, -1, line / line.sum()), (0, 0), 0.05 * height)
    if rng.random() < 0.4:
        x, y = np.meshgrid(np.arange(width), np.arange(rows))
        at = rng.uniform(0.15, 0.85) * width, rng.uniform(0.3, 0.7) * rows
        wide, high = rng.uniform(0.8, 2.4) * height, rng.uniform(0.6, 1.3) * height
        spot = np.exp(-(((x - at[0]) / wide) ** 2 + ((y - at[1]) / high) ** 2) / 2)
        image = image + rng.uniform(80, 330) * spot
    noise = sensor_noise(rng, image.shape, float(rng.uniform(3, 18)))
    return np.clip(np.clip(image, 0, 255) + noise, 0, 255).astype(np.uint8)


def _answer(result: ReadResult) -> Answer:
    text = plain(result.text.replace("\n", "")).replace(" ", "")
    return text, round(result.confidence, 5), result.status is Status.OK


def read(reader: Reader, frames: Sequence[np.ndarray]) -> dict[str, Any]:
    """The answers of every engine for each frame alone and for the bursts."""
    pixels = [roi_part(load_image(f), None, reader.config.detection)[0] for f in frames]
    models, config = reader.models, reader.config
    alone = read_alone(pixels, models, PIPELINES)
    bursts = {n: read_burst(alone[:n], models) for n in BURSTS}
    row: dict[str, Any] = {}
    for engine in ENGINES:
        run = EngineRun(engine, (), models, reader.routes)

        def combine(own: Mapping[Engine, ReadResult], run: EngineRun = run) -> ReadResult:
            return run.joined({name: own[name] for name in run.pipelines})

        row[engine.value] = {
            "alone": [_answer(combine(a.results)) for a in alone],
            "burst": {
                str(n): _answer(b.result(combine, config.confidence)) for n, b in bursts.items()
            },
        }
    return row


def voted(answers: Sequence[Answer]) -> Answer:
    """The text that most frames read, their confidences as weights."""
    read = [(text, confidence) for text, confidence, _ in answers if text]
    if not read:
        return "", 0.0, False
    best, share = agreed_text(read)
    text, confidence = read[best]
    return text, confidence * share**0.5, confidence * share**0.5 >= 0.9


def table(rows: Sequence[Mapping[str, Any]], alike: Sequence[str] = ()) -> str:
    """Misreads that pass, in Markdown; ``alike``: groups of symbols that count as one."""
    lines = [
        "| engine | read as | right, % | ok and right, % | ok and wrong, % | "
        + " | ".join(f"at {r} %" for r in RATES)
        + " |",
        "|---" * (5 + len(RATES)) + "|",
    ]
    for engine in ENGINES:
        ways: dict[str, list[tuple[Answer, bool]]] = {"one frame": []}
        for row in rows:
            own = row["engines"][engine.value]
            ways["one frame"] += [_judged(a, row, alike) for a in own["alone"]]
            for n in BURSTS:
                ways.setdefault(f"{n} frames", []).append(_judged(own["burst"][str(n)], row, alike))
            vote = voted([tuple(a) for a in own["alone"]])
            ways.setdefault(f"vote of {FRAMES}", []).append(_judged(vote, row, alike))
        for name, judged in ways.items():
            right = np.array([good for _, good in judged])
            passed = np.array([answer[2] for answer, _ in judged])
            shares = (right, passed & right, passed & ~right)
            cells = [f"{100 * share.mean():.1f}" for share in shares]
            cells += _at_rates(judged)
            lines.append(f"| {engine.value} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _judged(
    answer: Sequence[Any], row: Mapping[str, Any], alike: Sequence[str]
) -> tuple[Answer, bool]:
    text, confidence, ok = answer
    read, printed = (folded(folded(t, row["twins"]), alike) for t in (text, row["code"]))
    return (text, confidence, ok), read == printed


def _at_rates(judged: Sequence[tuple[Answer, bool]]) -> list[str]:
    """Percent of misreads above the threshold at which each of ``RATES`` is read right."""
    order = sorted(judged, key=lambda j: -j[0][1])
    right = np.cumsum([good for _, good in order])
    cells = []
    for rate in RATES:
        reached = np.flatnonzero(100 * right >= rate * len(order))
        if len(reached):
            at = int(reached[0])
            cells.append(f"{100 * (at + 1 - right[at]) / len(order):.2f}")
        else:
            cells.append("-")
    return cells


def main() -> None:
    """Reads the codes that are not yet in the file and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", type=Path, default=Path("bench_fonts"), help="their folder")
    parser.add_argument("--split", choices=["dev", "test"], default="test", help="of the families")
    parser.add_argument("--count", type=int, default=300, help="codes")
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--out", type=Path, default=Path("frames.jsonl"), help="of readings")
    parser.add_argument("--table", action="store_true", help="only print the table")
    args = parser.parse_args()
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    if not args.table:
        faces, reader = load_faces(args.fonts, args.split), Reader(device="cpu", threads=1)
        for number in range(len(lines), args.count):
            code, alike, frames = burst(faces, args.seed, number)
            row = {"code": code, "twins": alike, "engines": read(reader, frames)}
            lines.append(json.dumps(row))
            with args.out.open("a") as file:
                file.write(lines[-1] + "\n")
    rows = [json.loads(line) for line in lines[: args.count]]
    print(f"{len(rows)} codes of {FRAMES} frames, fonts {args.split}, seed {args.seed}\n")
    print(table(rows))
    print("\n0 and O, 1, I and l counted as one:\n")
    print(table(rows, HOMOGLYPHS))


if __name__ == "__main__":
    main()
