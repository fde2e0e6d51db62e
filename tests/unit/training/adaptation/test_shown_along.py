"""Pictures of known symbols that come along with what is to be learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.adaptation import job
from industrial_ocr.training.adaptation.gate import Gate
from industrial_ocr.training.adaptation.learning import Learnt, Recipe
from industrial_ocr.training.adaptation.memory import memory_file
from industrial_ocr.training.adaptation.network import load_parent, run
from industrial_ocr.training.adaptation.orders import Order
from industrial_ocr.training.adaptation.rehearsal import Rehearsal
from industrial_ocr.training.adaptation.samples import GlyphSample, SampleSet
from industrial_ocr.training.adaptation.workshop import (
    ALONG_PRINTS,
    ALONG_VIEWS,
    SURE_LOGIT,
    Bench,
    set_up,
    shown_along,
    without_along,
)


def samples(counts: dict[str, int]) -> tuple[GlyphSample, ...]:
    """Bars of some noise, none like another."""
    found = []
    for symbol, n in counts.items():
        for i in range(n):
            image = np.full((48, 40), 200, np.uint8)
            image[8 + i : 40, 14 : 20 + len(found) % 7] = 40
            found.append(GlyphSample(symbol, image, rect_quad(4, 4, 36, 44), f"{symbol}/{i}"))
    return tuple(found)


@pytest.mark.parametrize(
    ("counts", "doubtful", "along"),
    [
        ({"Ω": 1, "0": 16, "A": 1, REJECT: 4}, False, {"0", "A", REJECT}),  # Ω is new
        ({"0": 16, "A": 2}, True, {"0", "A"}),  # the review page
        ({"0": 16, "A": 3}, False, set()),  # old symbols in a new font
        ({"0": 16, "A": 2}, False, {"A"}),  # too few to be one
    ],
)
def test_which_symbols_come_along(counts: dict[str, int], doubtful: bool, along: set[str]) -> None:
    new = tuple(s for s in counts if s == "Ω")
    assert shown_along(SampleSet(samples(counts), doubtful=doubtful), new) == along


@pytest.mark.slow
def test_what_comes_along_is_rehearsal_that_people_named(tmp_path: Path, small: Rehearsal) -> None:
    parent, found = load_parent(None), samples({"Ω": 2, "0": 1, REJECT: 1})
    recipe = Recipe(views=20, prints=30)
    order = Order(tmp_path / "o.safetensors", recipe=recipe)
    bench = set_up(
        parent, found, ("Ω",), small.training, order, lambda *_: None, frozenset({"0", REJECT})
    )
    of = [np.flatnonzero(bench.groups == i) for i in range(4)]
    assert 20 < len(of[0]) + len(of[1]) <= 50 and not bench.pool.old[[*of[0], *of[1]]].any()
    assert ALONG_VIEWS < len(of[2]) <= ALONG_VIEWS + ALONG_PRINTS and len(of[3]) == ALONG_VIEWS
    assert bench.pool.old[[*of[2], *of[3]]].all()
    for rows, column in ((of[2], parent.symbols.index("0")), (of[3], -1)):
        answers = bench.pool.parent[rows]
        assert (answers[:, column] == SURE_LOGIT).all()
        assert answers.sum(1) == pytest.approx(-SURE_LOGIT * (answers.shape[1] - 2))
    rest = bench.pool.parent[len(bench.groups) :]
    torch.testing.assert_close(rest, run(bench.split.head, bench.features[len(bench.groups) :]))
    alone = without_along(bench)
    assert set(alone.groups.tolist()) == {0, 1}
    assert len(alone.views) == len(alone.groups) == len(of[0]) + len(of[1])
    assert len(alone.pool.labels) == len(alone.features) == len(alone.views) + len(small.training)
    assert alone.pool.group.tolist() == [*alone.groups, *[-1] * len(small.training)]


@pytest.mark.slow
def test_what_harms_old_symbols_is_left_out_and_said(
    tmp_path: Path, small_rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[int] = []
    real_learn, real_judge = job.learn, job.judge

    def learn(bench: Bench, *rest: Any) -> Learnt:
        taught.append(len(set(bench.groups.tolist())))
        return real_learn(bench, *rest)

    def judge(*measured: Any) -> Gate:
        found = real_judge(*measured)
        return replace(found, reasons=("A fell",) if len(taught) == 1 else ())

    monkeypatch.setattr(job, "learn", learn)
    monkeypatch.setattr(job, "judge", judge)
    recipe = Recipe(views=4, prints=2, fresh=0, head_steps=4, steps=0, batch_size=32)
    order = Order(tmp_path / "o.safetensors", recipe=recipe)
    said: list[str] = []
    found = SampleSet(samples({"Ω": 3, "0": 2}), doubtful=True)
    outcome = job.retrain(order, found, said.append, lambda *_: None)
    assert taught == [5, 3] and outcome.written and outcome.gate.passed
    told = [line for line in said if "learnt once more without those; only Ω" in line]
    assert len(told) == 1 and "A fell" in told[0]
    assert told[0] in outcome.report.read_text(encoding="utf-8")
    kept = np.load(memory_file(order.out))
    assert kept["symbols"].tolist() == ["Ω"]
