"""Training from shards against rendering on the fly: speed and memory.

    industrial-ocr synth strips SHARDS --count 20000 --shards 4 --fonts DIR
    python benchmarks/shards.py SHARDS --fonts DIR --out benchmarks/results/shards.md

Each way runs in a process of its own, with the recipe of the shipped recognizer.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from industrial_ocr.datasets.shards import find_shards, index_of

RECIPE = Path(__file__).resolve().parents[1] / "configs" / "train" / "recognizer.yaml"


def work(data: str | None, fonts: list[str], steps: int) -> dict[str, Any]:
    """Strips a second of one worker, processor seconds a step, and the processes' memory."""
    from industrial_ocr.config import load_config
    from industrial_ocr.training.config import RecognizerTrainConfig
    from industrial_ocr.training.loop import Trainer
    from industrial_ocr.training.recognizer import RecognizerTask

    with tempfile.TemporaryDirectory() as out:
        changes = {"data": data, "fonts": tuple(map(Path, fonts)), "out": Path(out)}
        changes |= {"steps": steps, "workers": 1, "threads": 1, "validate_every": 10 * steps}
        recipe = load_config(RECIPE, RecognizerTrainConfig).model_copy(update=changes)
        task = RecognizerTask(recipe)
        task.render(0, 1)
        start = time.process_time()
        for number in range(steps):
            task.render(number, 2)
        batch_s = (time.process_time() - start) / steps
        trainer = Trainer(task)
        trainer.validate = lambda: {"score": 0.0}  # type: ignore[method-assign]
        start = time.process_time()
        trainer.run()
        step_s = (time.process_time() - start) / steps
    usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, child = (found.ru_maxrss / 1024 for found in usage)
    return {"strips": recipe.batch_size / batch_s, "step": step_s, "own": own, "child": child}


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", choices=("rendered", "shards"))
    args = parser.parse_args()
    if args.work:
        data = args.data if args.work == "shards" else None
        print(json.dumps(work(data, args.fonts, args.steps)))
        return
    shards = find_shards(args.data)
    size = sum(path.stat().st_size for path in shards) / 1e9
    count = sum(len(index_of(path)) for path in shards)
    lines = [
        "`python benchmarks/shards.py SHARDS --fonts DIR --out FILE`: the recipe of the shipped",
        f"CRNN, {args.steps} steps of 32 strips, one worker, one thread; {count:,} strips in",
        f"{len(shards)} shards of {size:.1f} GB. The worker renders or reads, beside the training.",
        "Processor time; largest memory.",
        "",
        "| strips | strips a second of a worker | training, seconds a step | "
        "memory: training (MB) | worker (MB) |",
        "|---|---|---|---|---|",
    ]
    for what in ("rendered", "shards"):
        command = [sys.executable, *sys.argv, "--work", what]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        found = json.loads(done.stdout.splitlines()[-1])
        print(what, found, flush=True)
        lines.append(
            f"| {what} | {found['strips']:.0f} | {found['step']:.2f} | {found['own']:.0f} | "
            f"{found['child']:.0f} |"
        )
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
