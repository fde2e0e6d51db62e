"""Markdown tables of outcomes and verdicts, with Wilson's 95 % intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from cleanprint.scoring import Outcome
from cleanprint.verifying import ENGINES, RIGHT, WRONG
from industrial_ocr.evaluation.metrics import Proportion

Outcomes = Mapping[str, Sequence[Outcome]]
"""Those of every engine, by its name."""
THRESHOLDS = (0.9, 0.93, 0.95, 0.96, 0.97, 0.98)
BANDS: dict[str, Callable[[Outcome], bool]] = {
    "20 px and more": lambda o: not o.plate and o.height >= 20,
    "12 to 20 px": lambda o: not o.plate and 12 <= o.height < 20,
    "8 to 12 px": lambda o: not o.plate and o.height < 12,
    "nameplates, lines from 20 px": lambda o: o.plate and o.height >= 20,
    "nameplates, lines below 20 px": lambda o: o.plate and o.height < 20,
}


def share(hits: int, count: int) -> str:
    """A share in percent with its interval, and the count of hits."""
    if not count:
        return "-"
    found = Proportion(hits, count)
    low, high = found.interval
    return f"{100 * found.rate:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def _row(engine: str, own: Sequence[Outcome]) -> str:
    n = len(own)
    wrong = sum(o.passed_wrong for o in own)
    cells = (
        engine,
        str(n),
        share(sum(o.right for o in own), n),
        f"{100 * sum(o.nearly for o in own) / n:.1f}",
        f"{100 * sum(o.spaced for o in own) / n:.1f}",
        share(sum(o.right and o.ok for o in own), n),
        f"{share(wrong, n)}: {wrong}",
        str(sum(o.on_head for o in own)),
    )
    return f"| {' | '.join(cells)} |"


def bands(outcomes: Outcomes) -> str:
    """One table a band of heights."""
    parts = []
    for name, holds in BANDS.items():
        lines = [
            f"**{name}**\n",
            "| engine | lines | right | 0 = O, 1 = I = l | with spaces | right and ok "
            "| wrong and ok | on its head |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for engine, own in outcomes.items():
            some = [o for o in own if holds(o)]
            if some:
                lines.append(_row(engine, some))
        if len(lines) > 3:
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def groups(outcomes: Outcomes, title: str, key: Callable[[Outcome], str]) -> str:
    """Right and wrong-and-ok in percent of single strings, by a group."""
    own = {e: [o for o in some if not o.plate] for e, some in outcomes.items()}
    names = sorted({key(o) for o in chain.from_iterable(own.values())})
    lines = [
        f"**by {title}**: right / wrong and ok, percent of single strings of all heights\n",
        f"| {title} | n | {' | '.join(own)} |",
        f"|---|---|{'---|' * len(own)}",
    ]
    for name in names:
        cells, count = [], 0
        for some in own.values():
            group = [o for o in some if key(o) == name]
            n = max(len(group), 1)
            count = max(count, len(group))
            right, wrong = sum(o.right for o in group), sum(o.passed_wrong for o in group)
            cells.append(f"{100 * right / n:.0f} / {100 * wrong / n:.1f}")
        lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def thresholds(outcomes: Outcomes) -> str:
    """Right-and-ok and wrong-and-ok of all lines, if a line passes only from a confidence on."""
    lines = [
        "**by threshold**: right and ok / wrong and ok, percent of all lines\n",
        f"| engine | n | {' | '.join(map(str, THRESHOLDS))} |",
        f"|---|---|{'---|' * len(THRESHOLDS)}",
    ]
    for engine, own in outcomes.items():
        cells = []
        for least in THRESHOLDS:
            passed = [o.right for o in own if o.ok and o.confidence >= least]
            right, wrong = sum(passed), len(passed) - sum(passed)
            cells.append(f"{100 * right / len(own):.1f} / {100 * wrong / len(own):.2f}")
        lines.append(f"| {engine} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def extras(counts: Mapping[str, tuple[int, int]]) -> str:
    """Strings of nameplates that pass as good where no line is: (strings, plates) by engine."""
    lines = [
        "**strings that stand on no line of a nameplate and pass as good**\n",
        "| engine | nameplates | strings |",
        "|---|---|---|",
    ]
    lines += [f"| {e} | {plates} | {n} |" for e, (n, plates) in counts.items()]
    return "\n".join(lines)


def verification(rows: Sequence[Mapping[str, Any]]) -> str:
    """Verdicts by engine and kind of expected text, and wrong passes and right failures."""
    parts = []
    for name, holds in (("20 px and more", lambda h: h >= 20), ("below 20 px", lambda h: h < 20)):
        some = [r for r in rows if holds(r["picture"]["lines"][0]["height"])]
        lines = [
            f"**verify, {name}**\n",
            "| engine | expected text | n | pass | fail | cannot tell |",
            "|---|---|---|---|---|---|",
        ]
        for engine in ENGINES:
            tally = {what: _verdicts(some, engine, (what,)) for what in (RIGHT, *WRONG)}
            tally["**all wrong ones**"] = _verdicts(some, engine, WRONG)
            for what, counts in tally.items():
                n = counts.total()
                cells = " | ".join(share(counts[v], n) for v in ("pass", "fail", "cannot_tell"))
                lines.append(f"| {engine} | {what} | {n} | {cells} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _verdicts(rows: Sequence[Mapping[str, Any]], engine: str, kinds: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(v["verdicts"][engine] for v in row["verify"] if v["what"] in kinds)
    return counts
