"""What the lattice and the check digit each gain, on the same evidence.

    python benchmarks/lattice.py DATA --suite benchmarks/patterns.yaml [--limit 0]

Every image is detected and classified once; then its codes are decoded in five ways: read without a
pattern (right if a string is the code), over the boxes as found or over the lattice (boxes merged,
split, left out), without and with the check choosing among the likeliest readings.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from industrial_ocr.datasets.samples import Label
from industrial_ocr.decoding.code_reading import read_codes
from industrial_ocr.evaluation.label_matching import Rules, match_labels
from industrial_ocr.evaluation.metrics import ReadOutcome
from industrial_ocr.evaluation.records import ReadString, Record
from industrial_ocr.evaluation.session import plan_run
from industrial_ocr.image.load import load_image
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.codes import CodeReading

WAYS = ("no pattern", "boxes", "lattice", "boxes, check", "lattice, check")


def _record(
    name: str, image: str, labels: tuple[Label, ...], codes: list[CodeReading] | None
) -> Record:
    given = None
    if codes is not None:
        given = tuple(ReadString(c.text, c.confidence, status=c.status.value) for c in codes)
    return Record(name, image, "two-stage", "read", (1, 1), labels, codes=given)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--suite", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0)
    args = parser.parse_args()
    plan = plan_run([args.data], args.suite, {}, None, args.limit, [])
    reader = Reader()
    print("| dataset | n | " + " | ".join(WAYS) + " |\n|---|---|" + "---|" * len(WAYS))
    for dataset in plan.datasets:
        rules = plan.rules[dataset.name]
        if rules.pattern is None or dataset.task != "read":
            continue
        free = replace(rules.pattern, check="none")
        right, n = dict.fromkeys(WAYS, 0), 0
        for sample in dataset.samples:
            image = load_image(sample.source)
            evidence, _ = reader.evidence(image)
            strings = tuple(ReadString(s.text, s.confidence) for s in reader.read(image).strings)
            plain = replace(
                _record(dataset.name, sample.name, sample.labels, None), strings=strings
            )
            cases: dict[str, tuple[Record, Rules]] = {
                WAYS[0]: (plain, replace(rules, pattern=None))
            }
            found = [replace(e, merged={}, split={}) for e in evidence]
            for way, pattern, own in (
                (WAYS[1], free, found),
                (WAYS[2], free, evidence),
                (WAYS[3], rules.pattern, found),
                (WAYS[4], rules.pattern, evidence),
            ):
                codes = read_codes(own, pattern, reader.classifier_charset)
                cases[way] = _record(dataset.name, sample.name, sample.labels, codes), rules
            for way, (record, judged) in cases.items():
                found = [label.outcome(judged) for label in match_labels(record, judged)]
                right[way] += sum(o is ReadOutcome.CORRECT for o in found)
                n += len(found) if way == WAYS[1] else 0
        cells = " | ".join(f"{100 * right[w] / max(n, 1):.1f}" for w in WAYS)
        print(f"| {dataset.name} | {n} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
