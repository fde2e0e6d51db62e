"""Pictures of known symbols that come along with what is to be learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.retraining import retrain as job
from industrial_ocr.training.retraining.config import FinetuneConfig, FinetuneRecipe
from industrial_ocr.training.retraining.feature_cache import (
    CERTAIN_LOGIT,
    FeatureCache,
    build_cache,
    supplementary_classes,
)
from industrial_ocr.training.retraining.finetuning import Finetuned
from industrial_ocr.training.retraining.gate import Gate
from industrial_ocr.training.retraining.network import load_parent, run
from industrial_ocr.training.retraining.rehearsal import LabeledCrops, Rehearsal
from industrial_ocr.training.retraining.replay_buffer import replay_file
from industrial_ocr.training.retraining.samples import GlyphSample, SampleSet


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
    ("counts", "uncertain", "extra"),
    [
        ({"Ω": 1, "0": 16, "A": 1, REJECT: 4}, False, {"0", "A", REJECT}),  # Ω is new
        ({"0": 16, "A": 2}, True, {"0", "A"}),  # the review page
        ({"0": 16, "A": 3}, False, set()),  # old symbols in a new font
        ({"0": 16, "A": 2}, False, {"A"}),  # too few to be one
    ],
)
def test_which_symbols_come_along(counts: dict[str, int], uncertain: bool, extra: set[str]) -> None:
    new = tuple(s for s in counts if s == "Ω")
    assert supplementary_classes(SampleSet(samples(counts), uncertain=uncertain), new) == extra


def test_what_comes_along_is_rehearsal_that_people_named(tmp_path: Path, small: Rehearsal) -> None:
    parent, found = load_parent(None), samples({"Ω": 2, "0": 1, REJECT: 1})
    recipe = FinetuneRecipe(views=20, prints=30)
    config = FinetuneConfig(tmp_path / "o.safetensors", recipe=recipe)
    cache = build_cache(
        parent, found, ("Ω",), small.training, config, lambda *_: None, frozenset({"0", REJECT})
    )
    of = [np.flatnonzero(cache.groups == i) for i in range(4)]
    assert 20 < len(of[0]) + len(of[1]) <= 50 and not cache.pool.old[[*of[0], *of[1]]].any()
    assert (
        recipe.extra_views < len(of[2]) <= recipe.extra_views + recipe.extra_prints
        and len(of[3]) == recipe.extra_views
    )
    assert cache.pool.old[[*of[2], *of[3]]].all()
    for rows, column in ((of[2], parent.symbols.index("0")), (of[3], -1)):
        answers = cache.pool.parent[rows]
        assert (answers[:, column] == CERTAIN_LOGIT).all()
        assert answers.sum(1) == pytest.approx(-CERTAIN_LOGIT * (answers.shape[1] - 2))
    rest = cache.pool.parent[len(cache.groups) :]
    torch.testing.assert_close(rest, run(cache.split.head, cache.features[len(cache.groups) :]))
    assert cache.rows(supplementary=True).all()
    alone = cache.rows(supplementary=False)
    assert alone[[*of[0], *of[1]]].all() and not alone[[*of[2], *of[3]]].any()
    assert alone[len(cache.groups) :].all()


@pytest.mark.slow
def test_what_harms_old_symbols_is_left_out_and_said(
    tmp_path: Path, small_rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[int] = []
    real_finetune, real_check = job.finetune, job.keeps_old_symbols

    def finetune(cache: FeatureCache, rows: Any, *rest: Any) -> Finetuned:
        taught.append(len(set(cache.groups[rows[: len(cache.groups)]].tolist())))
        return real_finetune(cache, rows, *rest)

    def check(cache: FeatureCache, model: Any, crops: LabeledCrops, *rest: Any) -> Gate:
        assert crops is small_rehearsal.validation or len(crops) == len(small_rehearsal.validation)
        return replace(real_check(cache, model, crops, *rest), reasons=("A fell",))

    monkeypatch.setattr(job, "finetune", finetune)
    monkeypatch.setattr(job, "keeps_old_symbols", check)
    recipe = FinetuneRecipe(views=4, prints=2, fresh=0, head_steps=4, steps=0, batch_size=32)
    config = FinetuneConfig(
        tmp_path / "o.safetensors", recipe=recipe, margin=100, overall_margin=100
    )
    said: list[str] = []
    found = SampleSet(samples({"Ω": 3, "0": 2}), uncertain=True)
    outcome = job.retrain(config, found, said.append, lambda *_: None)
    assert taught == [5, 3] and outcome.written
    told = [line for line in said if "again without these pictures; only Ω" in line]
    assert len(told) == 1 and "A fell" in told[0]
    assert told[0] in outcome.report.read_text(encoding="utf-8")
    kept = np.load(replay_file(config.out))
    assert kept["symbols"].tolist() == ["Ω"]
