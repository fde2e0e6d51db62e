"""Throughput of the three networks on a GPU (or CPU) with torch.

    python benchmarks/gpu.py --device cuda --out benchmarks/results/gpu.md

For every network, batch size and precision: milliseconds a batch (median), pictures, strings or
characters a second with the copies to and from the device, and which share of the device's bf16
limit is reached. The limit is measured, too: the largest rate that a product of two square
matrices reaches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.inference.torch_backend import TorchSession, load_model

SHAPES = {"detector": (2, 736, 960), "classifier": (1, 40, 40), "recognizer": (1, 32, 256)}
BATCHES = {"detector": (1, 8, 32), "classifier": (64, 1024, 8192), "recognizer": (1, 64, 512)}
UNITS = {"detector": "pictures", "classifier": "characters", "recognizer": "strings"}


def seconds(call: object, device: torch.device, repeats: int) -> float:
    """The median time of a call, after three calls to warm up."""
    assert callable(call)
    times = []
    for i in range(repeats + 3):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if i >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def limit(device: torch.device, side: int, repeats: int) -> float:
    """Floating point operations a second of a product of two bf16 matrices."""
    one, two = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    return 2 * side**3 / seconds(lambda: one @ two, device, repeats)


def operations(task: str) -> int:
    """Floating point operations for one picture, string or character."""
    model = load_model(find_entry(task))  # type: ignore[arg-type]
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        model(torch.zeros(1, *SHAPES[task]))
    return int(counter.get_total_flops())


def rows(device: torch.device, top: float, repeats: int, largest: int) -> list[str]:
    """One row of the table for each network, precision and batch size."""
    found = []
    for task, shape in SHAPES.items():
        work = operations(task)
        for bf16 in (False, True):
            session = TorchSession(load_model(find_entry(task)), device, bf16)  # type: ignore[arg-type]
            for size in (n for n in BATCHES[task] if n <= largest):
                batch = np.zeros((size, *shape), np.float32)
                took = seconds(lambda s=session, b=batch: s.run(b), device, repeats)
                rate = size / took
                share = 100 * rate * work / top
                cells = (task, "bf16" if bf16 else "fp32", size, f"{took * 1000:.1f}")
                found.append(
                    f"| {' | '.join(map(str, cells))} | {rate:,.0f} {UNITS[task]} | {share:.1f} % |"
                )
    return found


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--largest", type=int, default=8192, help="batch size")
    parser.add_argument("--side", type=int, default=8192, help="of the matrices for the limit")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    device = torch.device(args.device)
    top = limit(device, args.side, args.repeats)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    table = [
        f"{name}, torch {torch.__version__}; measured bf16 limit {top / 1e12:.1f} TFLOP/s",
        "",
        "| network | precision | batch | ms | a second | of the limit |",
        "|---|---|---|---|---|---|",
        *rows(device, top, args.repeats, args.largest),
    ]
    text = "\n".join(table) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
