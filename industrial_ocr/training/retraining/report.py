"""The report of a retraining: a Markdown text and three pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.datasets.formats_store import symbol_folder
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.results.types import ImageArray
from industrial_ocr.results.viz import contact_sheet
from industrial_ocr.training.retraining.gate import ClassChange, CropReadings, Gate, shown
from industrial_ocr.training.retraining.suspects import Suspect

TILE_SIDE = 96
"""Side of a picture on a sheet, in pixels."""
SUSPECTS, CONFUSION, WORST_READ = "suspects.png", "confusion.png", "worst.png"


def ascii_name(symbol: str) -> str:
    """A symbol in ASCII, because the font of the pictures has few other characters."""
    if symbol == REJECT:
        return "none"
    if symbol.isascii():
        return symbol
    return symbol_folder(symbol) if len(symbol) > 1 else f"U+{ord(symbol):04X}"


def tile(crop: ImageArray, caption: str) -> ImageArray:
    """An enlarged crop with a caption in ASCII below it, (H, W, 3) uint8."""
    side = TILE_SIDE
    large = Image.fromarray(crop).resize((side, side), Image.Resampling.NEAREST).convert("RGB")
    canvas = Image.new("RGB", (side, side + 18), (24, 24, 24))
    canvas.paste(large)
    font = ImageFont.load_default(size=12)
    ImageDraw.Draw(canvas).text((2, side + 1), caption[:16], (235, 235, 235), font=font)
    return np.array(canvas, np.uint8)


def draw_suspects(
    path: Path, suspects: Sequence[Suspect], crops: ImageArray, symbols: Sequence[str]
) -> None:
    """Writes a sheet of the suspicious samples with their numbers and labels."""
    tiles = []
    for number, suspect in enumerate(suspects, 1):
        kind = "?" if suspect.kind == "label" else "="
        tiles += [
            tile(crops[i], f"{number}{kind} {ascii_name(symbols[i])}") for i in suspect.samples
        ]
    if tiles:
        Image.fromarray(contact_sheet(tiles, 10)).save(path)


def draw_worst(path: Path, readings: CropReadings) -> None:
    """Writes a sheet of up to 60 misread crops, the lowest probability of the true symbol first."""
    wrong = np.flatnonzero(readings.true != readings.read)
    wrong = wrong[np.argsort(readings.right[wrong], kind="stable")][:60]
    tiles = [
        tile(
            readings.images[i], f"{ascii_name(readings.true[i])} as {ascii_name(readings.read[i])}"
        )
        for i in wrong
    ]
    blank = np.full((TILE_SIDE, TILE_SIDE), 24, np.uint8)
    Image.fromarray(contact_sheet(tiles or [tile(blank, "nothing wrong")], 10)).save(path)


def draw_confusion(path: Path, readings: CropReadings, symbols: Sequence[str]) -> None:
    """Writes the confusion matrix: rows are true symbols, columns are read symbols."""
    cell, edge = 11, 52  # pixels of a cell, and of the names at the left and at the top
    names = [*symbols, REJECT]
    class_of = {s: i for i, s in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for true, read in zip(readings.true.tolist(), readings.read.tolist(), strict=True):
        counts[class_of[true], class_of[read]] += 1
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    side = edge + cell * len(names) + 4
    canvas = Image.new("RGB", (side, side), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=10)
    for i, symbol in enumerate(names):
        y = edge + cell * i
        pen.text((2, y - 1), ascii_name(symbol), (0, 0, 0), font=font)
        if len(ascii_name(symbol)) == 1:
            pen.text((y + 2, edge - 13), ascii_name(symbol), (0, 0, 0), font=font)
        for j in np.flatnonzero(shares[i]):
            level = int(255 * (1 - shares[i, j]))
            color = (level, level, 255) if i == j else (255, level, level)
            x = edge + cell * int(j)
            pen.rectangle((x, y, x + cell - 2, y + cell - 2), fill=color)
    canvas.save(path)


def _table(rows: Sequence[ClassChange]) -> list[str]:
    """Lines of a markdown table."""
    lines = ["| class | n | before | after | points |", "|---|---|---|---|---|"]
    for row in rows:
        before, after = ("" if v is None else f"{100 * v:.1f} %" for v in (row.before, row.after))
        points = "" if row.points is None else f"{row.points:+.1f}"
        name = shown(row.symbol).replace("|", "\\|")
        lines.append(f"| `{name}` | {row.n} | {before} | {after} | {points} |")
    return lines


def text(gate: Gate, facts: Mapping[str, object], notes: Sequence[str]) -> str:
    """The report as markdown."""
    verdict = "passed" if gate.passed else "FAILED: " + "; ".join(gate.reasons)
    lines = ["# Retrained classifier", "", f"Gate: {verdict}.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    if gate.new:
        lines += ["", "## New symbols, cross-validated", "", *_table(gate.new)]
    if gate.taught:
        lines += [
            "",
            "## Known symbols on your pictures, cross-validated",
            "",
            *_table(gate.taught),
        ]
    overall = (
        f"All symbols together: {100 * gate.before:.2f} % before, {100 * gate.after:.2f} % now"
    )
    lines += ["", "## Known symbols on held-out rendered crops", "", f"{overall}.", ""]
    lines += _table(sorted(gate.old, key=lambda c: c.points or 0.0))
    lines += ["", "## Pictures", ""]
    lines += [f"- `{CONFUSION}`: rows are true symbols, columns are readings."]
    lines += [f"- `{WORST_READ}`: the worst misreads; your pictures first, then held-out crops."]
    if notes:
        lines += ["", "## To look at", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"
