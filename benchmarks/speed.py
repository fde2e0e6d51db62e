"""Speed and memory of this package and of RapidOCR, side by side on the same pictures.

    python benchmarks/speed.py DATA --pictures 20 --rounds 3 --threads 2

DATA is a folder of pictures; without it, a second table is printed: 16 rendered strings in one
batch, read by ``Reader.recognize`` with the CRNN and by RapidOCR's recognizer, and 64 crops of
characters by the classifier. Every reader runs in a fresh process, one after the other, and the
whole sequence is repeated ``--rounds`` times, so that a busy minute hits all alike. The table
gives the median of the rounds: seconds from the start of the process to the first result, median
milliseconds a picture after one warm-up pass, those of them that our networks take, and the largest
resident memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PICTURES = {".png", ".jpg", ".jpeg", ".bmp"}
OURS = {
    "ours, auto": {"engine": "auto"},
    "ours, two-stage": {"engine": "two-stage"},
    "ours, two-stage, fast": {"engine": "two-stage", "config": "fast"},
    "ours, crnn": {"engine": "crnn"},
}
BACKENDS = ("onnxruntime", "openvino")


def readers() -> list[str]:
    """Names of what is compared."""
    ours = [f"{name}, {backend}" for name in OURS for backend in BACKENDS]
    return [*ours, *(f"RapidOCR, {backend}" for backend in BACKENDS)]


def _reader(name: str, threads: int) -> Callable[[str], Any]:
    """A function that reads one picture file."""
    what, backend = name.rsplit(", ", 1)
    if what == "RapidOCR":
        return _rapidocr(backend, threads)
    from industrial_ocr import Reader

    options = dict(OURS[what])
    engine = options.pop("engine")
    reader = Reader(backend=backend, threads=threads, **options)  # type: ignore[arg-type]
    return lambda path: reader.read(path, engine=engine)


def _rapidocr(backend: str, threads: int) -> Callable[[str], Any]:
    import cv2
    from rapidocr import EngineType, RapidOCR

    cv2.setNumThreads(threads)
    engine = EngineType.OPENVINO if backend == "openvino" else EngineType.ONNXRUNTIME
    option = "inference_num_threads" if backend == "openvino" else "intra_op_num_threads"
    parts = {f"{part}.engine_type": engine for part in ("Det", "Cls", "Rec")}
    read = RapidOCR(params={**parts, f"EngineConfig.{backend}.{option}": threads})
    return lambda path: read(path)


def _seconds_of_networks() -> list[float]:
    """A list that gets the seconds of every call of one of our networks from now on."""
    from industrial_ocr.inference.network import Network

    call, seconds = Network.__call__, list[float]()

    def timed(self: Network, batch: Any) -> Any:
        start = time.perf_counter()
        output = call(self, batch)
        seconds.append(time.perf_counter() - start)
        return output

    Network.__call__ = timed  # type: ignore[method-assign]
    return seconds


def work(name: str, threads: int, pictures: list[str]) -> None:
    """What the fresh process does: a line when the first result is there, one at the end."""
    read = _reader(name, threads)
    read(pictures[0])
    print(json.dumps({"first": time.time()}), flush=True)
    for path in pictures:
        read(path)
    seconds = [] if name.startswith("RapidOCR") else _seconds_of_networks()
    times, networks = [], []
    for path in pictures:
        seconds.clear()
        start = time.perf_counter()
        read(path)
        times.append(time.perf_counter() - start)
        networks.append(sum(seconds))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ms, ours = (statistics.median(values) * 1000 for values in (times, networks))
    print(json.dumps({"ms": ms, "networks": ours, "mb": memory}), flush=True)


def measure(name: str, threads: int, pictures: list[str]) -> dict[str, float] | None:
    """One fresh process; None if the reader is not installed."""
    command = [sys.executable, __file__, "--worker", name, "--threads", str(threads), *pictures]
    start = time.time()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name} is left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    first, rest = map(json.loads, lines)
    return {"first": first["first"] - start, **rest}


def table(found: dict[str, list[dict[str, float]]], about: str) -> str:
    """Markdown: one row a reader, medians of the rounds."""
    rows = [
        about,
        "",
        "| reader | first result, s | a picture, ms | of it networks, ms | memory, MB |",
        "|---|---|---|---|---|",
    ]
    for name, rounds in found.items():
        first, ms, networks, mb = (
            statistics.median(r[k] for r in rounds) for k in ("first", "ms", "networks", "mb")
        )
        ours = f"{networks:.0f}" if networks else ""
        rows.append(f"| {name} | {first:.2f} | {ms:.0f} | {ours} | {mb:.0f} |")
    return "\n".join(rows) + "\n"


def parts(threads: int, repeats: int = 15) -> str:
    """Markdown: milliseconds of strings and of characters without a detector, on each backend."""
    import cv2
    from rapidocr import EngineType, RapidOCR
    from rapidocr.ch_ppocr_rec.typings import TextRecInput

    from industrial_ocr import Reader
    from industrial_ocr.datasets.synthesis.strips import StripRenderer
    from industrial_ocr.inference.loading import Loader
    from industrial_ocr.recognition.classifier import Classifier, glyph_crops
    from industrial_ocr.results.geometry import rect_quad

    codes = [f"{7919 * i % 10000:04d}-AB{i:02d}K{i * 37 % 100:02d}" for i in range(16)]
    renderer = StripRenderer(heights=(30.0, 31.0))
    strips = [renderer.render((7, i), code).image for i, code in enumerate(codes)]
    gray = cv2.cvtColor(strips[0], cv2.COLOR_RGB2GRAY)
    places = [rect_quad(2 * i, 4, 2 * i + 20, 30) for i in range(64)]

    def milliseconds(call: Callable[[], Any]) -> float:
        call()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1000

    rows = ["| | " + " | ".join(BACKENDS) + " |", "|---|---|---|"]
    found: dict[str, list[float]] = {}
    for backend in BACKENDS:
        for config in (None, "fast"):
            reader = Reader(backend=backend, threads=threads, config=config)
            ours = milliseconds(lambda: reader.recognize(strips, engine="crnn"))  # noqa: B023
            name = "a string of 16, ours, crnn" + (f", {config}" if config else "")
            found.setdefault(name, []).append(ours / 16)
        option = "inference_num_threads" if backend == "openvino" else "intra_op_num_threads"
        engine = EngineType(backend)
        rival = RapidOCR(
            params={"Rec.engine_type": engine, f"EngineConfig.{backend}.{option}": threads}
        )._load_rec_model()
        pictures = [strip[..., ::-1] for strip in strips]
        theirs = milliseconds(lambda: rival(TextRecInput(img=pictures)))  # noqa: B023
        found.setdefault("a string of 16, RapidOCR's recognizer", []).append(theirs / 16)
        for precision in ("fp32", "int8"):
            loader = Loader(backend=backend, threads=threads, precision=precision)
            classifier = Classifier(*loader.classifier(None))
            crops = glyph_crops(gray, places, classifier.size)
            took = milliseconds(lambda: classifier.probabilities(crops, 64))  # noqa: B023
            found.setdefault(f"64 characters, {precision}", []).append(took)
    rows += [f"| {name}, ms | {a:.1f} | {b:.1f} |" for name, (a, b) in found.items()]
    return "\n".join(rows) + "\n"


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", help="a folder of pictures")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--readers", nargs="*", default=readers(), help="; ".join(readers()))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.threads, args.data)
        return
    if not args.data:
        print(parts(args.threads))
        return
    files = sorted(p for p in Path(args.data[0]).rglob("*") if p.suffix.lower() in PICTURES)
    pictures = [str(path) for path in files[: args.pictures]]
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(args.rounds):
        for name in args.readers:
            result = measure(name, args.threads, pictures)
            if result is not None:
                found.setdefault(name, []).append(result)
    print(table(found, f"{len(pictures)} pictures, {args.rounds} rounds, {args.threads} threads"))


if __name__ == "__main__":
    main()
