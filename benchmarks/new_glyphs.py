"""Teaches five new symbols, a new typeface and real digits from a few pictures, and measures.

    python benchmarks/new_glyphs.py --fonts DIR [--data DATA] [--counts 3,5,10,15] [--threads 2]

The new symbols are rendered in font families of no rehearsal crop (they are held out by name);
pictures to learn from are not measured on. Only legible pictures are used: with enough contrast,
and with neighbors of the symbol that the shipped classifier reads; the share of neighbors that it
reads is printed with the table. The new typeface has 3x5 blocks and is rendered nowhere else. With
DATA, ten pictures of each real digit of digits_seg7 and of digits_meter are learned from and the
others measured (nothing of it is kept), and glyphs_scene shows how well other symbols are still
read. The table goes to results/new_glyphs.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch

from industrial_ocr.datasets.formats_store import symbol_folder
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, Glyph, GlyphSource
from industrial_ocr.datasets.synthesis.strips import Strip, StripRenderer
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import bounds
from industrial_ocr.training.retraining.augmentation import plain_crop
from industrial_ocr.training.retraining.config import FinetuneConfig
from industrial_ocr.training.retraining.font_samples import render_symbols
from industrial_ocr.training.retraining.network import Parent, load_parent, probabilities
from industrial_ocr.training.retraining.rehearsal import part_of
from industrial_ocr.training.retraining.retrain import FinetuneResult, retrain
from industrial_ocr.training.retraining.samples import GlyphSample, close_cut
from industrial_ocr.training.retraining.sources import read_samples

NEW_SYMBOLS = ("Ω", "Δ", "µ", "⌀", "→")
TEST_PICTURES = 200
MIN_CONTRAST = 30.0
"""Least standard deviation within the character's quad, in gray levels."""
HEIGHTS, CAMERA = (28.0, 64.0), 0.3
RESULTS = Path(__file__).parent / "results" / "new_glyphs.md"
TABLE_HEAD = (
    "| what | pictures each | before | cut close | in its string | old, held-out | glyphs_scene "
    "| gate | minutes |"
)
BLOCKS = {
    "0": "111101101101111",
    "1": "010110010010111",
    "2": "111001111100111",
    "3": "111001011001111",
    "4": "101101111001001",
    "5": "111100111001111",
    "6": "111100111101111",
    "7": "111001010010010",
    "8": "111101111101111",
    "9": "111101111001111",
}


class BlockFace:
    """Digits of 3x5 blocks."""

    name = "blocks"

    def supports(self, symbol: str) -> bool:
        """Digits only."""
        return symbol in BLOCKS

    def glyph(self, symbol: str) -> Glyph:
        """The digit, its blocks a little apart."""
        side = CAP_HEIGHT // 5
        mask = np.zeros((5 * side, 3 * side), np.uint8)
        for i, bit in enumerate(BLOCKS[symbol]):
            y, x = divmod(i, 3)
            if bit == "1":
                mask[y * side : (y + 1) * side - 2, x * side : (x + 1) * side - 2] = 255
        return Glyph(mask, 0.0, float(5 * side), 3.9 * side)


@dataclass(frozen=True, eq=False)
class MeasuredClassifier:
    """A classifier whose accuracy is measured on samples."""

    parent: Parent

    def right(self, samples: Sequence[GlyphSample], fold: bool = False) -> float:
        """Share of samples classified right; ``fold`` ignores case and the reject class."""
        crops = np.stack([plain_crop(s, self.parent.size) for s in samples])
        found = probabilities(self.parent.model, crops, self.parent.entry.temperature)
        names = np.array((*self.parent.symbols, ""))
        named = names[(found[:, :-1] if fold else found).argmax(1)]
        pairs = zip(named.tolist(), samples, strict=True)
        return float(np.mean([(n.upper() if fold else n) == s.symbol for n, s in pairs]))


def legible(reader: Reader, neighbors_read: list[bool]) -> Callable[[Strip, int], bool]:
    """A function that tells whether the character at an index of a strip is legible (see above).

    It appends to ``neighbors_read`` whether each of the other characters was read.
    """

    def good(strip: Strip, at: int) -> bool:
        x0, y0, x1, y1 = (round(max(v, 0)) for v in bounds(strip.string.quads[at]))
        if to_gray(strip.image)[y0 : y1 + 1, x0 : x1 + 1].std() < MIN_CONTRAST:
            return False
        others = [i for i in range(len(strip.string.symbols)) if i != at]
        named = reader.classify_boxes(strip.image, [strip.string.quads[i] for i in others])
        read = [
            n.symbols[0].upper() == strip.string.symbols[i]
            for n, i in zip(named, others, strict=True)
        ]
        neighbors_read.extend(read)
        return all(read)

    return good


def rendered(
    fonts: Sequence[str], count: int, reader: Reader, neighbors_read: list[bool]
) -> dict[str, list[GlyphSample]]:
    """``count`` legible samples of each new symbol, over all held-out families that have it."""
    library = FaceLibrary(fonts, families=lambda name: part_of(name) == "held_out")
    found = {}
    for symbol in NEW_SYMBOLS:
        faces = [f for f in library.font_faces() if f.supports(symbol) and f.supports("8")]
        if not faces:
            raise SystemExit(f"no held-out font has {symbol}: more --fonts are needed")
        each = -(-count // len(faces))
        own: list[GlyphSample] = []
        for i, face in enumerate(faces):
            own += legible_samples(face, (symbol,), each, i, reader, neighbors_read)
        order = np.random.default_rng(1).permutation(len(own))
        found[symbol] = [own[i] for i in order[:count]]
        print(f"{symbol}: {len(faces)} faces, {len(found[symbol])} pictures", flush=True)
    return found


def legible_samples(
    face: GlyphSource,
    symbols: Sequence[str],
    count: int,
    seed: int,
    reader: Reader,
    neighbors_read: list[bool],
) -> list[GlyphSample]:
    """Legible samples of symbols in a face."""
    strips = StripRenderer(words=(), heights=HEIGHTS, camera=CAMERA)
    good = legible(reader, neighbors_read) if face.supports("A") else None
    return render_symbols(face, symbols, count, seed, strips, good)


def cut(sample: GlyphSample) -> GlyphSample:
    """The sample as a picture cut close to the character."""
    x0, y0, x1, y1 = (round(max(v, 0)) for v in bounds(sample.quad))
    return close_cut(sample.symbol, sample.image[y0 : y1 + 1, x0 : x1 + 1], sample.source)


def retrained(
    samples: Sequence[GlyphSample], fonts: Sequence[str]
) -> tuple[FinetuneResult, MeasuredClassifier, float]:
    """Retrains from pictures on disk, whatever the gate says; the minutes it took."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for i, sample in enumerate(samples):
            path = root / "glyphs" / symbol_folder(sample.symbol) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), sample.image)
        start = time.monotonic()
        found = read_samples(root / "glyphs", (), 0, 0, lambda: Reader().models)
        config = FinetuneConfig(root / "new.safetensors", fonts=tuple(fonts), force=True)
        outcome = retrain(config, found, lambda line: None, lambda *_: None)
        minutes = (time.monotonic() - start) / 60
        return outcome, MeasuredClassifier(load_parent(str(config.out))), minutes


def labeled(folder: Path) -> list[GlyphSample]:
    """The samples of a real dataset of single characters."""
    return [
        close_cut(sample.labels[0].text, load_image(sample.source), sample.name)
        for sample in load_dataset(folder).samples
        if len(sample.labels[0].text) == 1
    ]


def split(
    samples: Sequence[GlyphSample], count: int
) -> tuple[list[GlyphSample], list[GlyphSample]]:
    """``count`` random samples of each symbol, and the others."""
    order = np.random.default_rng(2).permutation(len(samples))
    taken: dict[str, int] = {}
    parts: tuple[list[GlyphSample], list[GlyphSample]] = ([], [])
    for i in order:
        number = taken.get(samples[i].symbol, 0)
        parts[number >= count].append(samples[i])
        taken[samples[i].symbol] = number + 1
    return parts


class Table:
    """Rows of the result, written as they come."""

    def __init__(self, fonts: Sequence[str], data: Path | None, intro: str, add: bool) -> None:
        self._fonts, self._intro = fonts, intro
        self._scene = [] if data is None else labeled(data / "glyphs_scene")
        self._before = MeasuredClassifier(load_parent(None))
        lines = RESULTS.read_text(encoding="utf-8").splitlines() if add else []
        self._rows = [x for x in lines if x.startswith("| ") and x != TABLE_HEAD]

    def add(
        self,
        what: str,
        count: int,
        training: Sequence[GlyphSample],
        test: Sequence[GlyphSample],
        in_string: Sequence[GlyphSample] = (),
    ) -> None:
        """Retrains, measures, and writes the table."""
        outcome, after, minutes = retrained(training, self._fonts)
        gate, known = outcome.gate, set(self._before.parent.symbols)
        before = self._before.right(test) if test[0].symbol in known else None
        cells = [
            what,
            str(count),
            "" if before is None else f"{before:.1%}",
            f"{after.right(test):.1%}",
            f"{after.right(in_string):.1%}" if in_string else "",
            f"{gate.before:.2%} to {gate.after:.2%} ({100 * (gate.after - gate.before):+.2f})",
            self._scenes(after),
            "passed" if gate.passed else "; ".join(gate.reasons),
            f"{minutes:.1f}",
        ]
        self._rows.append(f"| {' | '.join(cells)} |")
        for symbol in dict.fromkeys(s.symbol for s in test):
            own = [s for s in test if s.symbol == symbol]
            print(f"  {symbol} {after.right(own):.1%} of {len(own)}", flush=True)
        print(self._rows[-1], flush=True)
        lines = ["# New glyphs", "", self._intro, "", TABLE_HEAD, "|" + "---|" * 9, *self._rows]
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _scenes(self, after: MeasuredClassifier) -> str:
        if not self._scene:
            return ""
        was, now = self._before.right(self._scene, True), after.right(self._scene, True)
        return f"{was:.1%} to {now:.1%} ({100 * (now - was):+.2f})"


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--counts", default="3,5,10,15")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="symbols,font,real")
    parser.add_argument("--add", action="store_true", help="to the rows that are there")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    counts, parts = [int(c) for c in args.counts.split(",")], args.only.split(",")
    neighbors_read: list[bool] = []
    pool = rendered(args.fonts, TEST_PICTURES + max(counts), Reader(), neighbors_read)
    intro = (
        f"`python benchmarks/new_glyphs.py`, {args.threads} threads. "
        f"New symbols {' '.join(NEW_SYMBOLS)}, {TEST_PICTURES} pictures each for measuring, of "
        "held-out font families; of all characters beside them the shipped classifier reads "
        f"{np.mean(neighbors_read):.1%}. Old symbols: the held-out rehearsal crops, and "
        "glyphs_scene with case folded."
    )
    table = Table(args.fonts, args.data, intro, args.add)
    for count in counts if "symbols" in parts else ():
        training = list(chain.from_iterable(s[TEST_PICTURES:][:count] for s in pool.values()))
        training = [cut(s) for s in training]
        test = list(chain.from_iterable(own[:TEST_PICTURES] for own in pool.values()))
        table.add("five new symbols", count, training, [cut(s) for s in test], test)
    if "font" in parts:
        digits = legible_samples(
            BlockFace(), tuple(BLOCKS), TEST_PICTURES // 10 + 10, 3, Reader(), []
        )
        training, test = split(digits, 10)
        table.add(
            "digits of a new typeface", 10, [cut(s) for s in training], [cut(s) for s in test], test
        )
    for name in ("digits_seg7", "digits_meter") if args.data and "real" in parts else ():
        training, test = split(labeled(args.data / name), 10)
        table.add(f"{name}, real", 10, training, test)


if __name__ == "__main__":
    main()
