"""Codes that look like words with one character changed: who corrects them into the word?

    python benchmarks/near_words.py --fonts DIR --out FILE
    python benchmarks/near_words.py --strings strings.txt

The fonts are those of ``clean_print.py``; the test families are used. ``--recognizer`` adds a CRNN
of one's own, for example one that was trained on words alone (``word_share: 1``). ``--strings``
writes the same letters in any order, for one that was trained on no words (``words: strings.txt``).
"""

from __future__ import annotations

import argparse
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from cleanprint.faces import Face, load_faces, pick
from numpy.random import Generator
from PIL import Image, ImageDraw

from industrial_ocr import Engine, Reader, Status
from industrial_ocr.datasets.synthesis.noise import sensor_noise
from industrial_ocr.datasets.synthesis.text import shipped_words
from industrial_ocr.evaluation.other_engines import RapidOcrEngine
from industrial_ocr.results.types import ImageArray

PREFACE = """\
`python benchmarks/near_words.py --fonts DIR --out FILE --count {count} --blur {blur:g}{slow}`:
rendered codes of three kinds: a dictionary word as it is; one letter of it replaced by another one
so that no word comes out; one letter replaced by a digit. Capitals 12 to 28 px high, 35 font
families that no network of ours saw, blurred and noisy (`--blur 2`: twice as much). Percent; 0 = O
and 1 = I count as one and never stand in for another character. **Corrected**: the word was read
instead of what is printed. **Ok and wrong**: passes and is wrong, in brackets those corrected;
RapidOCR accepts all that it reads. CPU ms: of one thread for an image, on a busy machine.

The shipped CRNN learnt from words, codes and dates; RapidOCR reads by the recognizer of PP-OCRv6,
which was trained on text.
"""
SEED = 2026
SIGNS = "".join(c for c in string.ascii_uppercase + string.digits if c not in "0O1I")
LONGEST = 10
BATCH = 32
Answer = tuple[str, bool]
"""A reading, and whether it passes as good."""


@dataclass(frozen=True)
class Code:
    """What is printed, the word that it looks like, and how it differs from that."""

    printed: str
    word: str
    kind: str


def folded(text: str) -> str:
    """Capitals and digits, 0 as O and 1 as I."""
    kept = (c for c in text.upper() if c.isascii() and c.isalnum())
    return "".join(kept).translate(str.maketrans("01", "OI"))


def codes(count: int, kind: str) -> Iterator[Code]:
    """Words of 5 to 10 letters with one letter changed, or as they are."""
    rng = np.random.default_rng((SEED, len(kind)))
    known = {w.upper() for w in shipped_words()}
    usable = [w for w in sorted(known) if 5 <= len(w) <= LONGEST and w.isalpha() and w.isascii()]
    pool = [c for c in SIGNS if c.isdigit() == (kind == "digit")]
    found = 0
    while found < count:
        word = str(rng.choice(usable))
        at, sign = int(rng.integers(len(word))), str(rng.choice(pool))
        printed = word if kind == "word" else word[:at] + sign + word[at + 1 :]
        if kind == "word" or (word[at] in SIGNS and printed not in known):
            found += 1
            yield Code(printed, word, kind)


def random_strings() -> Iterator[str]:
    """As many strings as the word list has words, as long, of the same letters in any order."""
    words = shipped_words()
    letters = np.random.default_rng(SEED).permutation(list("".join(words).lower()))
    ends = np.cumsum([len(word) for word in words])
    return ("".join(part) for part in np.split(letters, ends[:-1]))


def picture(
    rng: Generator, faces: Mapping[str, list[Face]], text: str, blur: float = 1.0
) -> ImageArray:
    """(H, W, 3) uint8 RGB, dark on light or light on dark, blurred and noisy."""
    cap = float(np.exp(rng.uniform(np.log(12), np.log(28))))
    font = pick(faces, rng).font(cap)
    x0, y0, x1, y1 = font.getbbox(text, anchor="ls")
    margin = int(0.3 * cap) + 1
    canvas = Image.new("L", (int(x1 - x0) + 2 * margin, int(y1 - y0) + 2 * margin))
    ImageDraw.Draw(canvas).text((margin - x0, margin - y0), text, 255, font, "ls")
    ground, contrast = rng.uniform(90, 165), rng.uniform(35, 90) * rng.choice([-1, 1])
    image = ground + contrast * np.asarray(canvas, np.float32)[..., None] / 255
    image = cv2.GaussianBlur(image, (0, 0), blur * rng.uniform(0.04, 0.13) * cap)[..., None]
    image = image + sensor_noise(rng, (*image.shape[:2], 3), rng.uniform(2, 14))
    return np.clip(image, 0, 255).astype(np.uint8)


def own_engine(reader: Reader, engine: Engine, images: Sequence[ImageArray]) -> list[Answer]:
    """The readings of one of this package's engines."""
    results = reader.recognize(images, engine=engine)
    return [(r.text, r.status is Status.OK) for r in results]


def rapidocr(engine: RapidOcrEngine, images: Sequence[ImageArray]) -> list[Answer]:
    """The readings of RapidOCR's recognizer, all of which pass."""
    found = (engine.read(image, "recognize").strings for image in images)
    return [("".join(s.text for s in strings), bool(strings)) for strings in found]


def row(
    name: str,
    kind: str,
    asked: Sequence[Code],
    answers: Sequence[Answer],
    passes: bool,
    milliseconds: float,
) -> str:
    """A line of the table."""
    counts: Counter[str] = Counter()
    for code, (text, ok) in zip(asked, answers, strict=True):
        read = folded(text)
        right = read == folded(code.printed)
        corrected = not right and read == folded(code.word)
        counts["right"] += right
        counts["ok"] += ok and right
        counts["corrected"] += corrected
        counts["passed"] += ok and not right
        counts["passed, corrected"] += ok and corrected

    def share(what: str) -> str:
        return f"{100 * counts[what] / len(asked):.1f}"

    passed = f"{share('passed')} ({share('passed, corrected')})" if passes else ""
    corrected = "" if kind == "word" else share("corrected")
    right_and_ok = share("ok") if passes else ""
    cells = [name, kind, len(asked), share("right"), right_and_ok, corrected, passed]
    cells.append(f"{milliseconds:.0f}")
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path)
    parser.add_argument("--recognizer", action="append", default=[], help="a name or a file")
    parser.add_argument("--count", type=int, default=1000, help="codes of each kind")
    parser.add_argument("--slow", type=int, help="codes of each kind for two-stage and auto")
    parser.add_argument("--blur", type=float, default=1.0, help="times as much blur")
    parser.add_argument("--engines", nargs="+", help="only these rows of the table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--strings", type=Path, help="write random strings there, and no table")
    args = parser.parse_args()
    if args.strings:
        args.strings.write_text("\n".join(random_strings()) + "\n", encoding="utf-8")
        return
    if args.fonts is None or args.out is None:
        parser.error("--fonts and --out are needed for the table")
    make = partial(Reader, threads=args.threads)
    shipped = make()
    engines: dict[str, tuple[Callable[[Sequence[ImageArray]], list[Answer]], bool]] = {
        "two-stage": (partial(own_engine, shipped, Engine.TWO_STAGE), True),
        "auto": (partial(own_engine, shipped, Engine.AUTO), True),
        "crnn": (partial(own_engine, shipped, Engine.CRNN), True),
        "RapidOCR": (partial(rapidocr, RapidOcrEngine(threads=args.threads)), True),
    }
    for weights in args.recognizer:
        other = make(recognizer=weights)
        engines[Path(weights).stem] = (partial(own_engine, other, Engine.CRNN), False)
    engines = {name: engines[name] for name in args.engines or engines}
    faces = load_faces(args.fonts, "test")
    rows: dict[str, list[str]] = {name: [] for name in engines}
    for kind in ("word", "letter", "digit"):
        asked = list(codes(args.count, kind))
        seeds = (np.random.default_rng((SEED, len(kind), n)) for n in range(args.count))
        images = [
            picture(rng, faces, c.printed, args.blur) for rng, c in zip(seeds, asked, strict=True)
        ]
        for name, (read, passes) in engines.items():
            limit = args.slow if name in ("two-stage", "auto") and args.slow else args.count
            answers: list[Answer] = []
            begun = time.process_time()
            for start in range(0, limit, BATCH):
                answers += read(images[start : min(start + BATCH, limit)])
            spent = 1000 * (time.process_time() - begun) / limit
            rows[name].append(row(name, kind, asked[:limit], answers, passes, spent))
            print(rows[name][-1], flush=True)
    slow = f" --slow {args.slow}" if args.slow else ""
    lines = [
        PREFACE.format(count=args.count, blur=args.blur, slow=slow),
        "| engine | printed | n | right | right and ok | corrected | ok and wrong (corrected) | "
        "CPU ms |",
        "|---|---|---|---|---|---|---|---|",
        *(line for own in rows.values() for line in own),
    ]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
