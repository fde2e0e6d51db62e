"""The parts of a retraining: rehearsal, views, network, batches, suspects, gate, report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fitting.rehearsal import MEASURED, render_classes, renderer
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.errors import ConfigError, DatasetError, WeightsError
from industrial_ocr.inference.torch_backend import load_model
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining import finetuning, report
from industrial_ocr.training.retraining.augmentation import Augmenter, plain_crop
from industrial_ocr.training.retraining.config import FinetuneConfig, FinetuneRecipe, check_output
from industrial_ocr.training.retraining.finetuning import (
    folds_of,
    interpolate,
    limit_change,
    set_new_biases,
    train_last_stages,
)
from industrial_ocr.training.retraining.gate import ClassChange, CropReadings, changes, judge
from industrial_ocr.training.retraining.network import (
    DividedClassifier,
    extended,
    load_parent,
    network_input,
    run,
)
from industrial_ocr.training.retraining.rehearsal import (
    LabeledCrops,
    Rehearsal,
    load_rehearsal,
    mosaic,
    part_of,
    save_rehearsal,
    unpack,
)
from industrial_ocr.training.retraining.replay_buffer import rehearsal_for, replay_file, save_replay
from industrial_ocr.training.retraining.reprinting import Reprinter, ink_of
from industrial_ocr.training.retraining.samples import GlyphSample
from industrial_ocr.training.retraining.sampling import (
    Pool,
    adaptation_loss,
    batches,
    class_prior,
)
from industrial_ocr.training.retraining.suspects import duplicates, label_errors


def sample(symbol: str, text: str = "", seed: int = 0, ink: int = 40) -> GlyphSample:
    """A stroke letter on a plain ground with a little noise, as a close cut."""
    rng = np.random.default_rng(seed)
    image = np.full((48, 40), 205, np.uint8)
    cv2.putText(image, text or symbol, (7, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.3, ink, 3)
    noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    return GlyphSample(symbol, noisy, rect_quad(4, 8, 36, 43), f"{symbol}/{seed}")


# Rehearsal


def test_the_shipped_set_covers_every_symbol_in_every_part() -> None:
    found = load_rehearsal()
    for part in (found.training, found.validation, found.held_out):
        assert set(part.symbols.tolist()) == {*DEFAULT_SYMBOLS, REJECT}
        assert part.images.shape[1:] == (40, 40)
    assert min(Counter(found.held_out.symbols.tolist()).values()) >= 70


def test_a_mosaic_gives_its_crops_back() -> None:
    ramp = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (40, 1))
    crops = np.stack([np.full((40, 40), v, np.uint8) for v in range(0, 250, 25)] + [ramp])
    back = unpack(mosaic(crops, 95), 11, 40)
    assert np.abs(back.astype(int) - crops).max() < 8
    with pytest.raises(ValueError, match="has 16 crops, 17"):
        unpack(mosaic(crops, 95), 17, 40)


def test_a_damaged_set_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    for data in (b"PK nonsense", b""):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=r"r\.npz: not a rehearsal set"):
            load_rehearsal(path)
    with pytest.raises(DatasetError, match="not a rehearsal set"):
        load_rehearsal(tmp_path / "missing.npz")


def test_a_set_that_cannot_be_written_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError("no space left")

    crops = LabeledCrops(np.zeros((1, 40, 40), np.uint8), np.array(["A"]))
    path = tmp_path / "r.npz"
    path.write_bytes(b"older")
    monkeypatch.setattr("os.replace", disk_full)
    with pytest.raises(DatasetError, match="cannot be written: no space left"):
        save_rehearsal(path, [crops] * 3, 90)
    assert path.read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_the_maker_is_deterministic_and_balanced() -> None:
    one, two = (render_classes(renderer((), "held_out", MEASURED), (3,), 1, 5.0) for _ in range(2))
    assert {s: len(c) for s, c in one.items() if s} == dict.fromkeys(DEFAULT_SYMBOLS, 1)
    for symbol, crops in one.items():
        np.testing.assert_array_equal(crops, two[symbol])


def test_families_are_held_out_by_name(tmp_path: Path) -> None:
    parts = Counter(part_of(f"family{i}") for i in range(200))
    assert min(parts.values()) > 20 and parts["training"] > 100
    kept, other = FaceLibrary(families=lambda n: True), FaceLibrary(families=lambda n: False)
    assert len(kept) == len(other)  # no folders: the built-in faces remain in both


# Views and prints


def test_views_are_of_the_seed_and_of_many_kinds(small: Rehearsal) -> None:
    views = Augmenter(40, small.training.images)
    one = [views.draw(np.random.default_rng(k), sample("A")) for k in range(12)]
    again = [views.draw(np.random.default_rng(k), sample("A")) for k in range(12)]
    np.testing.assert_array_equal(one, again)
    assert one[0].shape == (40, 40) and one[0].dtype == np.uint8
    bright = [v[:3].mean() > v[12:28, 12:28].mean() for v in one]
    assert any(bright) and not all(bright)  # polarity is inverted in some


def test_ink_is_cut_out_whichever_way_it_is_lit() -> None:
    dark, light = ink_of(sample("A", ink=30)), ink_of(sample("A", ink=255))
    assert dark is not None and light is not None
    assert np.corrcoef(dark.ravel(), light.ravel())[0, 1] > 0.9
    flat = GlyphSample("A", np.full((48, 40), 90, np.uint8), rect_quad(4, 8, 36, 43), "flat")
    assert ink_of(flat) is None


def test_prints_are_of_the_seed() -> None:
    mask = ink_of(sample("A"))
    assert mask is not None
    one, two = (Reprinter(40, ()).draw((5, 1), mask) for _ in range(2))
    assert one is not None and two is not None
    np.testing.assert_array_equal(one, two)


# Network


def test_new_rows_stand_before_the_reject_class_and_leave_the_others() -> None:
    parent = load_parent(None)
    means = torch.randn(3, 512, generator=torch.Generator().manual_seed(0))
    model = extended(parent, means)
    crops = network_input(np.random.default_rng(0).integers(0, 255, (4, 40, 40)).astype(np.uint8))
    with torch.inference_mode():
        before, after = parent.model(crops), model(crops)
    n = len(parent.symbols)
    torch.testing.assert_close(after[:, :n], before[:, :n])
    torch.testing.assert_close(after[:, -1], before[:, -1])
    assert after.shape == (4, n + 3)


def test_a_split_network_computes_the_same() -> None:
    parent = load_parent(None)
    split = DividedClassifier(parent.model, parent.size)
    crops = np.random.default_rng(1).integers(0, 255, (3, 40, 40)).astype(np.uint8)
    whole = run(parent.model, crops)
    torch.testing.assert_close(run(split, run(split.trunk, crops)), whole)
    assert len(split.trunk) and len(split.trained()) < len(list(parent.model.parameters()))


def test_a_parent_of_another_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = load_parent(None).entry
    other = entry.model_copy(update={"architecture": {"architecture": "resnet18"}})
    monkeypatch.setattr("industrial_ocr.training.retraining.network.find_entry", lambda *_: other)
    with pytest.raises(WeightsError, match="do not fit its architecture; perhaps"):
        load_parent("other")
    unknown = entry.model_copy(update={"architecture": {"backbone": "resnet10t", "depth": 3}})
    monkeypatch.setattr("industrial_ocr.training.retraining.network.find_entry", lambda *_: unknown)
    with pytest.raises(WeightsError, match="do not fit its architecture; perhaps"):
        load_parent("other")
    with pytest.raises(WeightsError, match="do not fit its architecture"):
        load_model(unknown)


# Batches and loss


def pool() -> Pool:
    """Three views of class 2, and rehearsal of 0, 1 and the reject class 3."""
    labels = torch.tensor([2, 2, 2, 0, 0, 1, 3, 3])
    old = labels.numpy() != 2
    group = np.array([0, 0, 1, -1, -1, -1, -1, -1])
    return Pool(torch.eye(8), labels, torch.zeros(8, 3), old, group)


def test_views_and_rejects_have_their_share_of_a_batch() -> None:
    recipe = FinetuneRecipe(batch_size=400, new_share=0.25, reject_share=0.2)
    rows = next(batches(pool(), np.ones(8, bool), np.random.default_rng(0), recipe))
    labels = pool().labels.numpy()[rows]
    assert len(labels) == 400 and (labels == 2).sum() == 100
    assert (labels == 3).mean() == pytest.approx(0.75 * 0.2, abs=0.03)
    assert (labels == 0).sum() == pytest.approx((labels == 1).sum(), abs=40)
    alone = next(batches(pool(), pool().old, np.random.default_rng(0), recipe))
    assert len(alone) == 400  # without views rehearsal fills the batch


def test_the_last_stages_are_trained_until_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    network: Any = torch.nn.Linear(8, 4)
    network.trained = lambda: [*network.parameters()]
    now = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(finetuning, "time", SimpleNamespace(monotonic=lambda: next(now)))
    done: list[int] = []
    recipe = FinetuneRecipe(batch_size=4, steps=10)
    train_last_stages(network, pool(), np.ones(8, bool), recipe, lambda i, _: done.append(i), 2.0)
    assert done == [1, 2]


def test_symbols_as_which_samples_are_misread_are_rehearsed_more_often() -> None:
    own = pool()
    own.parent[:3] = torch.tensor([[0.0, 9.0, 0.0]] * 3)  # class 2 is read as class 1
    recipe = FinetuneRecipe(batch_size=400, reject_share=0.0, neighbor_share=0.5)
    rows = next(batches(own, np.ones(8, bool), np.random.default_rng(0), recipe))
    labels = own.labels.numpy()[rows]
    # Half of the rehearsal is class 1; the other half is divided evenly among 0, 1 and 3.
    assert (labels == 1).sum() / (labels != 2).sum() == pytest.approx(2 / 3, abs=0.08)
    none = FinetuneRecipe(batch_size=400, reject_share=0.0)
    even = own.labels.numpy()[next(batches(own, np.ones(8, bool), np.random.default_rng(0), none))]
    assert (even == 1).sum() / (even != 2).sum() == pytest.approx(1 / 3, abs=0.08)


def test_left_out_samples_are_in_no_batch() -> None:
    rows = pool().without(np.array([0]))
    drawn_rows = next(batches(pool(), rows, np.random.default_rng(0), FinetuneRecipe()))
    assert not {0, 1} & set(drawn_rows.tolist()) and 2 in drawn_rows


def test_the_prior_is_what_new_classes_have_too_much() -> None:
    prior = class_prior(
        pool(), np.ones(8, bool), FinetuneRecipe(logit_adjustment=1.0, new_share=0.5)
    )
    assert prior[2] > 0 and prior[0] < 0
    assert prior[0] == pytest.approx(float(prior[1]))
    none = class_prior(pool(), np.ones(8, bool), FinetuneRecipe(logit_adjustment=0.0))
    assert none.abs().max() == 0


def test_known_symbols_in_a_new_look_keep_their_standing_on_rehearsal() -> None:
    """Drawn more often, they are not held back on their old looks; new symbols are, everywhere."""
    recipe, even = FinetuneRecipe(distillation=0.0), torch.zeros(4)

    def loss(own: Pool, row: int, prior: torch.Tensor) -> float:
        return float(adaptation_loss(torch.zeros(1, 4), own, np.array([row]), prior, recipe))

    with_new = pool()
    known = Pool(with_new.x, with_new.labels, torch.zeros(8, 4), with_new.old, with_new.group)
    often = torch.tensor([0.0, 0.0, 1.5, 0.0])
    assert loss(known, 3, often) == loss(known, 3, even)  # a rehearsal crop of class 0
    assert loss(with_new, 3, often) > loss(with_new, 3, even)
    for own in (known, with_new):
        assert loss(own, 0, often) < loss(own, 0, even)  # a view of class 2


def test_the_parent_is_a_target_on_rehearsal_alone() -> None:
    kept, plain = FinetuneRecipe(distillation=1.0), FinetuneRecipe(distillation=0.0)
    logits, zero = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)), torch.zeros(4)
    new, old = np.array([0, 1, 2]), np.array([3, 5, 6])
    own = pool()
    assert adaptation_loss(logits[new], own, new, zero, kept) == adaptation_loss(
        logits[new], own, new, zero, plain
    )
    # The parent knows classes 0, 1 and the reject class alike, and nothing of the new class 2.
    wanted = -torch.log_softmax(logits[old], -1)[:, [0, 1, 3]].mean()
    torch.testing.assert_close(adaptation_loss(logits[old], own, old, zero, kept), wanted)
    labels = torch.log_softmax(logits[old], -1)[[0, 1, 2], own.labels[old]]
    torch.testing.assert_close(adaptation_loss(logits[old], own, old, zero, plain), -labels.mean())


def test_weights_are_blended() -> None:
    split = DividedClassifier(load_parent(None).model, 40)
    before = [p.detach().clone() for p in split.trained()]
    bias = split.head.bias.detach().clone()
    with torch.no_grad():
        split.head.bias += 1.0
    interpolate(split, before, 0.75)
    torch.testing.assert_close(split.head.bias.detach(), bias + 0.75)


def new_row(bias: float) -> nn.Linear:
    """Known classes 0 and 1, the new class 2, which also shows in crops of 0, and no character."""
    head = nn.Linear(2, 4)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[4.0, 0], [0, 4.0], [4.0, 0], [-9.0, -9.0]]))
        head.bias.copy_(torch.tensor([0.0, 0.0, bias, 0.0]))
    return head


def test_new_rows_are_lowered_until_old_crops_are_kept() -> None:
    head, features, labels = new_row(0.55), torch.eye(2), np.array([0, 1])
    for change in (-0.6, 0.0):
        added = set_new_biases(head, features, labels, labels, slice(2, 3), 0.0, 0.1)
        assert added == pytest.approx(change, abs=1e-6)
        assert run(head, features).argmax(1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("allowed", "class_loss", "change"),
    [(0.0, 1.0, 0.5), (0.5, 0.1, 0.5), (0.5, 0.8, 1.0)],  # of class 0, 3 of 4 crops and one more
)
def test_new_rows_are_raised_as_far_as_old_crops_allow(
    allowed: float, class_loss: float, change: float
) -> None:
    head, features, labels = new_row(-0.55), torch.eye(2).repeat(4, 1), np.tile([0, 1], 4)
    added = set_new_biases(head, features, labels, labels, slice(2, 3), allowed, class_loss)
    assert added == pytest.approx(change)
    assert head.bias[3] == 0


class OneLayer(nn.Linear):
    """As little of a split network as ``limit_change`` asks for."""

    def trained(self) -> list[nn.Parameter]:
        return [self.weight]


def test_of_a_new_look_as_much_is_kept_as_old_crops_allow() -> None:
    """Of 100 old crops of each class some lie nearer and nearer to what is learned as class 1."""
    side = torch.linspace(0.01, 1.0, 100)
    x = torch.cat([torch.stack([side, 0 * side], 1), torch.tensor([[0.0, 1.0]] * 100)])
    labels = np.repeat([0, 1], 100)
    start = [torch.eye(2)]

    def kept(change: float, recipe: FinetuneRecipe = FinetuneRecipe()) -> float:
        layer = OneLayer(2, 2, bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(2) + torch.tensor([[0.0, 0.0], [change, 0.0]]))
        found = limit_change(layer, start, x, labels, labels, recipe)  # type: ignore[arg-type]
        torch.testing.assert_close(
            layer.weight.detach(), torch.eye(2) + torch.tensor([[0.0, 0.0], [found * change, 0.0]])
        )
        return found

    assert kept(0.9) == 1.0  # nothing is lost
    assert kept(1.5) == 0.6  # 0.8 of it would name class 0 as 1
    assert kept(50.0) == 0.2  # never all of it: the gate decides
    # At a change of 1.5 all crops of class 0 are lost, half of all.
    assert kept(1.5, FinetuneRecipe(known_loss=0.5, class_loss=1.0)) == 1.0
    assert kept(1.5, FinetuneRecipe(known_loss=0.5)) == 0.6
    assert kept(1.5, FinetuneRecipe(class_loss=1.0)) == 0.6


def test_near_duplicates_share_a_fold() -> None:
    samples = [sample("A", seed=i) for i in range(5)]
    fold = folds_of(samples, [(4, 0)], 4)
    assert fold.tolist() == [0, 1, 2, 3, 0]


# Suspects


def test_duplicates_are_found_across_symbols() -> None:
    samples = [sample("A"), sample("B"), sample("A", seed=1), sample("C", text="A", seed=2)]
    crops = np.stack([plain_crop(s, 40) for s in samples])
    found = duplicates(samples, crops)
    assert [s.samples for s in found][0] == (2, 0)
    assert "but one is 'C' and the other 'A'" in found[1].message
    assert duplicates(samples[:2], crops[:2]) == []


def test_a_sample_among_the_wrong_symbols_is_found() -> None:
    rng = np.random.default_rng(0)
    centers = {"Ω": np.eye(8)[0], "Δ": np.eye(8)[1], "→": np.eye(8)[2]}
    symbols = ["Ω"] * 5 + ["Δ"] * 5 + ["→"] * 5
    shown = [*symbols]
    shown[3] = "Δ"
    features = np.stack([centers[s] * 3 for s in shown]) + rng.normal(0, 0.2, (15, 8))
    parent = np.full((15, 3), 1 / 3, np.float32)
    samples = [sample(s, "X") for s in symbols]
    found = label_errors(samples, features.astype(np.float32), parent, ("A", "B"))
    assert [s.samples for s in found] == [(3,)]
    assert "is labeled 'Ω', but looks like 'Δ'" in found[0].message


def test_the_parent_contradicts_what_it_is_sure_of() -> None:
    samples = [sample("A", seed=i) for i in range(4)]
    parent = np.tile(np.float32([0.99, 0.0, 0.01]), (4, 1))
    parent[2] = [0.0, 0.99, 0.01]
    features = np.ones((4, 3), np.float32)
    found = label_errors(samples, features, parent, ("A", "B"))
    assert [s.samples for s in found] == [(2,)]
    # All of a new symbol read as B: it looks like a B, nobody erred.
    alike = [sample("ß", "B", seed=i) for i in range(4)]
    parent[:] = [0.0, 0.99, 0.01]
    assert label_errors(alike, features, parent, ("A", "B")) == []


# Gate and report


def change(symbol: str, before: float, after: float, n: int = 70) -> ClassChange:
    return ClassChange(symbol, n, before, after)


def test_the_gate_names_the_class_that_fell() -> None:
    good = judge([change("A", 0.9, 0.82), change("B", 0.8, 0.9)], (), (), 10.0, 0.3)
    assert good.passed and good.before == pytest.approx(0.85)
    assert judge([change("A", 0.9, 0.8), change("B", 0.8, 0.9)], (), (), 10.0, 0.3).passed
    bad = judge([change("A", 0.9, 0.79), change("B", 0.8, 0.95)], (), (), 10.0, 0.3)
    assert not bad.passed and "A fell by 11.0 points (70 crops)" in bad.reasons[0]


def test_the_gate_watches_all_symbols_together() -> None:
    old = [change(s, 0.9, 0.896) for s in "ABCDE"]
    gate = judge([*old, change(REJECT, 0.9, 0.9)], (), (), 10.0, 0.3)
    assert gate.reasons == ("all known symbols together fell by 0.40 points, 0.3 are allowed",)
    assert judge([change(s, 0.9, 0.898) for s in "ABCDE"], (), (), 10.0, 0.3).passed


def test_changes_count_each_class() -> None:
    true, before, after = map(np.array, (["A", "A", "B"], ["A", "B", "B"], ["A", "A", "A"]))
    a, b, c = changes(("A", "B", "C"), true, before, after)
    assert (a.n, a.before, a.after, a.points) == (2, 0.5, 1.0, 50.0)
    assert (b.before, b.after) == (1.0, 0.0)
    assert (c.n, c.after, c.points) == (0, None, None)


def test_the_pictures_of_a_report(tmp_path: Path) -> None:
    images: ImageArray = np.zeros((3, 40, 40), np.uint8)
    true, named = np.array(["A", "Ω", REJECT]), np.array(["A", "A", "Ω"])
    seen = CropReadings(images, true, named, np.array([0.9, 0.1, 0.2]))
    report.draw_confusion(tmp_path / "c.png", seen, ("A", "Ω"))
    report.draw_worst(tmp_path / "w.png", seen)
    confusion = np.array(Image.open(tmp_path / "c.png"))
    red, blue = confusion[52 + 11 + 3, 52 + 3], confusion[52 + 3, 52 + 3]
    assert red[0] > red[2] and blue[2] > blue[0]
    assert Image.open(tmp_path / "w.png").size[0] > 2 * report.TILE_SIDE
    assert report.ascii_name("Ω") == "U+03A9" and report.ascii_name("CE") == "CE"


# Output and memory


@pytest.mark.parametrize(
    "name", ["x.pth", "my model.safetensors", "-x.safetensors", "Ω.safetensors"]
)
def test_outputs_of_impossible_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="must be a .safetensors file"):
        check_output(FinetuneConfig(tmp_path / name))


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written"):
        check_output(FinetuneConfig(tmp_path / "file" / "x.safetensors"))
    (tmp_path / "y.safetensors").mkdir()
    with pytest.raises(ConfigError, match="this is a folder"):
        check_output(FinetuneConfig(tmp_path / "y.safetensors"))


def test_what_a_parent_was_taught_is_remembered(tmp_path: Path, small_rehearsal: Rehearsal) -> None:
    parent = load_parent(None)
    entry = parent.entry.model_copy(update={"folder": tmp_path, "file": "p.safetensors"})
    own = LabeledCrops(np.zeros((100, 40, 40), np.uint8), np.array(["Ω"] * 100))
    save_replay(replay_file(tmp_path / "p.safetensors"), own, parent)
    child = type(parent)(entry, parent.model, (*parent.symbols, "Ω", "Δ"), parent.size)
    rehearsal, lost = rehearsal_for(child)
    assert lost == ("Δ",)
    for part in (rehearsal.training, rehearsal.validation, rehearsal.held_out):
        assert "Ω" in part.symbols
    again = LabeledCrops(np.zeros((100, 40, 40), np.uint8), np.array(["Δ"] * 100))
    save_replay(replay_file(tmp_path / "q.safetensors"), again, child)
    kept = load_rehearsal(replay_file(tmp_path / "q.safetensors"))
    assert set(kept.held_out.symbols.tolist()) == {"Δ", "Ω"}
