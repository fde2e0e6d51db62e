"""What a retraining came to, for people: a markdown table and three pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.datasets.formats_store import symbol_folder
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.results.types import ImageArray
from industrial_ocr.results.viz import contact_sheet
from industrial_ocr.training.adaptation.gate import ClassChange, Gate, shown
from industrial_ocr.training.adaptation.suspects import Suspect

TILE = 96
"""Side of a picture on a sheet in pixels."""
CAPTION = 18
WORST = 60
"""Most pictures on the sheet of the worst."""
SUSPECTS, CONFUSION, WORST_NAME = "suspects.png", "confusion.png", "worst.png"
CELL, EDGE = 11, 52
"""Of the matrix, in pixels: a cell, and the room for the names beside it."""


@dataclass(frozen=True, eq=False)
class Confused:
    """What held-out crops show and what they are named now.

    Attributes:
        images: (N, S, S) uint8 gray.
        true: (N,) their symbols.
        named: (N,) the readings.
        trust: (N,) probability of the right symbol.
    """

    images: ImageArray
    true: NDArray[np.str_]
    named: NDArray[np.str_]
    trust: NDArray[np.floating]


def spelled(symbol: str) -> str:
    """A symbol in ASCII, as the letters drawn on pictures have no others."""
    if symbol == REJECT:
        return "none"
    return (
        symbol
        if symbol.isascii()
        else symbol_folder(symbol)
        if len(symbol) > 1
        else (f"U+{ord(symbol):04X}")
    )


def tile(crop: ImageArray, caption: str) -> ImageArray:
    """A gray crop enlarged, with a line of ASCII under it, (H, W, 3) uint8."""
    large = Image.fromarray(crop).resize((TILE, TILE), Image.Resampling.NEAREST).convert("RGB")
    canvas = Image.new("RGB", (TILE, TILE + CAPTION), (24, 24, 24))
    canvas.paste(large)
    font = ImageFont.load_default(size=12)
    ImageDraw.Draw(canvas).text((2, TILE + 1), caption[:16], (235, 235, 235), font=font)
    return np.array(canvas, np.uint8)


def draw_suspects(
    path: Path, suspects: Sequence[Suspect], crops: ImageArray, symbols: Sequence[str]
) -> None:
    """Writes the suspicious pictures side by side, each with its number and its label."""
    tiles = []
    for number, suspect in enumerate(suspects, 1):
        kind = "?" if suspect.kind == "label" else "="
        tiles += [tile(crops[i], f"{number}{kind} {spelled(symbols[i])}") for i in suspect.samples]
    if tiles:
        Image.fromarray(contact_sheet(tiles, 10)).save(path)


def draw_worst(path: Path, seen: Confused) -> None:
    """Writes the crops that are read wrong, those first that have least of the right symbol."""
    wrong = np.flatnonzero(seen.true != seen.named)
    wrong = wrong[np.argsort(seen.trust[wrong], kind="stable")][:WORST]
    tiles = [
        tile(seen.images[i], f"{spelled(seen.true[i])} as {spelled(seen.named[i])}") for i in wrong
    ]
    blank = np.full((TILE, TILE), 24, np.uint8)
    Image.fromarray(contact_sheet(tiles or [tile(blank, "nothing wrong")], 10)).save(path)


def draw_confusion(path: Path, seen: Confused, symbols: Sequence[str]) -> None:
    """Writes the matrix: rows what is shown, columns what was read, dark for often."""
    names = [*symbols, REJECT]
    place = {s: i for i, s in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for true, named in zip(seen.true.tolist(), seen.named.tolist(), strict=True):
        counts[place[true], place[named]] += 1
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    edge = EDGE
    side = edge + CELL * len(names) + 4
    canvas = Image.new("RGB", (side, side), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=10)
    for i, symbol in enumerate(names):
        at = edge + CELL * i
        pen.text((2, at - 1), spelled(symbol), (0, 0, 0), font=font)
        if len(spelled(symbol)) == 1:
            pen.text((at + 2, edge - 13), spelled(symbol), (0, 0, 0), font=font)
        for j in np.flatnonzero(shares[i]):
            level = int(255 * (1 - shares[i, j]))
            color = (level, level, 255) if i == j else (255, level, level)
            x = edge + CELL * int(j)
            pen.rectangle((x, at, x + CELL - 2, at + CELL - 2), fill=color)
    canvas.save(path)


def _row(change: ClassChange) -> str:
    before, after = ("" if v is None else f"{100 * v:.1f} %" for v in (change.before, change.after))
    points = "" if change.points is None else f"{change.points:+.1f}"
    name = shown(change.symbol).replace("|", "\\|")
    return f"| `{name}` | {change.n} | {before} | {after} | {points} |"


def table(rows: Sequence[ClassChange]) -> list[str]:
    """Lines of a markdown table."""
    head = "| class | n | before | after | points |"
    return [head, "|---|---|---|---|---|", *map(_row, rows)]


def text(gate: Gate, facts: dict[str, object], notes: Sequence[str]) -> str:
    """The report as markdown."""
    verdict = "passed" if gate.passed else "FAILED: " + "; ".join(gate.reasons)
    lines = ["# Retrained classifier", "", f"Gate: {verdict}.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    if gate.new:
        lines += ["", "## New symbols, cross-validated", "", *table(gate.new)]
    if gate.taught:
        lines += ["", "## Old symbols on your pictures, cross-validated", "", *table(gate.taught)]
    overall = (
        f"All symbols together: {100 * gate.before:.2f} % before, {100 * gate.after:.2f} % now"
    )
    lines += ["", "## Old symbols on held-out rendered crops", "", f"{overall}.", ""]
    lines += table(sorted(gate.old, key=lambda c: c.points or 0.0))
    lines += ["", "## Pictures", ""]
    lines += [f"- `{CONFUSION}`: rows are what is shown, columns what was read."]
    lines += [f"- `{WORST_NAME}`: what is read worst; your pictures first, then held-out crops."]
    if notes:
        lines += ["", "## To look at", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"
