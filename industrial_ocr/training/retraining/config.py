"""Settings of a retraining."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from industrial_ocr.errors import ConfigError
from industrial_ocr.inference.manifest import load_manifest


@dataclass(frozen=True)
class FinetuneRecipe:
    """How a classifier is retrained; with the parent and the data it determines the result.

    Attributes:
        seed: of all random numbers.
        views: augmented views of each symbol, over all its samples.
        prints: crops of each symbol, over all its samples, with its ink on other surfaces.
        extra_views: views of each sample of a supplementary class, see ``supplementary_classes``.
        extra_prints: prints of each such sample.
        fresh: rehearsal strings rendered besides the shipped crops, if there are fonts.
        batch_size: crops in a step.
        new_share: share of a batch that shows the samples; the rest is rehearsal.
        reject_share: share of the rehearsal crops in a batch that show no character.
        new_reject_share: the same of the samples, which may be boxes that a detector took for
            characters; 0 draws them as often as one symbol.
        head_steps: steps with a frozen backbone.
        head_lr: peak learning rate of these steps.
        steps: steps that train the last stages of the network too.
        lr: peak learning rate of these steps.
        average: decay of the moving average of the weights.
        blend: share of the weights after the last stages were trained in the result.
        label_smoothing: probability spread over the other classes, of the samples only.
        distillation: share of the parent's answer in the target of a rehearsal crop; the rest is
            its label.
        logit_adjustment: how far the loss corrects for classes that are drawn more often than they
            will be read, 0 to 1. A higher value misses more new symbols, a lower one sees them in
            more old ones.
        allowed: share of the old symbols' validation crops that new symbols may cost.
    """

    seed: int = 0
    views: int = 200
    prints: int = 500
    extra_views: int = 4
    extra_prints: int = 8
    fresh: int = 1200
    batch_size: int = 128
    new_share: float = 0.3
    reject_share: float = 0.2
    new_reject_share: float = 0.0
    head_steps: int = 200
    head_lr: float = 3e-3
    steps: int = 280
    lr: float = 7e-4
    average: float = 0.98
    blend: float = 0.75
    label_smoothing: float = 0.05
    distillation: float = 0.8
    logit_adjustment: float = 0.4
    allowed: float = 0.0005


@dataclass(frozen=True)
class FinetuneConfig:
    """One retraining.

    Attributes:
        out: the .safetensors file to write.
        parent: name or file of the classifier to start from, None for the shipped one.
        fonts: folders of fonts for more rehearsal crops; none: the shipped crops alone.
        margin: percentage points that one old class may lose.
        force: write the file even if the gate refuses.
        report: folder of the report, None for one beside ``out``.
        recipe: how it is trained.
        overall_margin: percentage points that all old symbols together may lose.
    """

    out: Path
    parent: str | None = None
    fonts: tuple[str, ...] = ()
    # A class has 70 held-out crops. About 4 % of them change their reading by chance, so that a
    # class moves by up to 7 points although nothing is wrong. All classes have some 5,000 crops.
    margin: float = 10.0
    force: bool = False
    report: Path | None = None
    recipe: FinetuneRecipe = field(default_factory=FinetuneRecipe)
    overall_margin: float = 0.3

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        return self.report or self.out.with_name(f"{self.out.stem}-report")


def check_output(config: FinetuneConfig) -> None:
    """Tries to write where the result and the report will go.

    Raises:
        ConfigError: they cannot be written, or the output has an impossible name.
        WeightsError: the manifest beside the output is damaged.
    """
    out = config.out
    if out.suffix != ".safetensors" or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", out.name):
        raise ConfigError(
            f"{out}: the output must be a .safetensors file; its name may have letters, digits "
            "and . _ -"
        )
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name the .safetensors file to write")
    for folder in (out.parent, config.folder):
        trial = folder / ".trial"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            trial.write_bytes(b"")
            trial.unlink()
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from error
    for model in load_manifest(out.parent).models:
        if model.file == out.name and (model.task, model.name) != ("classifier", out.stem):
            raise ConfigError(f"{out}: is the {model.task} {model.name}; choose another name")
