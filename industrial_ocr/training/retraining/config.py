"""Settings of a retraining."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from industrial_ocr.errors import ConfigError
from industrial_ocr.inference.manifest import load_manifest
from industrial_ocr.results.files import try_folder


@dataclass(frozen=True)
class FinetuneRecipe:
    """Hyperparameters of a retraining. With the parent and the data they determine the result.

    Attributes:
        seed: seed of all random numbers.
        views: number of augmented views of each symbol, over all its samples.
        prints: number of prints of each symbol, over all its samples: its ink on other surfaces.
        extra_views: views of each sample of a supplementary class, see ``supplementary_classes``.
        extra_prints: prints of each sample of a supplementary class.
        fresh: number of rehearsal strings rendered besides the shipped crops, if there are fonts.
        batch_size: crops in a batch.
        new_share: share of a batch that shows the samples; the rest is rehearsal.
        reject_share: share of crops without a character in the rehearsal part of a batch.
        new_reject_share: the same in the part of the samples; 0 draws them as often as one symbol.
        neighbor_share: share of the rehearsal that shows the symbols as which the parent misreads
            samples, the frequent ones more often; 0 draws all known symbols equally often.
        head_steps: steps with a frozen backbone.
        head_lr: peak learning rate of these steps.
        steps: steps that also train the last stages of the network.
        lr: peak learning rate of these steps.
        average: decay of the moving average of the weights.
        blend: weight of the trained last stages in their mean with those before; 1: no mean.
        label_smoothing: probability spread over the other classes, only for the samples.
        distillation: share of the parent's output in the target of a rehearsal crop; the rest is
            its label.
        logit_adjustment: 0 to 1, how much the loss corrects for classes that are drawn more often
            than they will be read. With a higher value more new symbols are missed; with a lower
            one more known symbols are read as new ones.
        allowed: largest share of the known symbols' validation crops that may be read as new ones.
        known_loss: if there are no new symbols, largest share of these crops that may be lost.
        class_loss: largest share that a single symbol may lose.
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
    neighbor_share: float = 0.0
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
    known_loss: float = 0.0015
    class_loss: float = 0.1


@dataclass(frozen=True)
class FinetuneConfig:
    """Settings of one retraining.

    Attributes:
        out: the .safetensors file to write.
        parent: name or file of the classifier to start from; None for the shipped one.
        fonts: folders of fonts for more rehearsal crops; none: only the shipped crops.
        margin: percentage points of accuracy that one known class may lose.
        force: write the file even if the gate refuses it.
        report: folder of the report; None for one beside ``out``.
        recipe: hyperparameters of the training.
        overall_margin: percentage points that all known symbols together may lose.
    """

    out: Path
    parent: str | None = None
    fonts: tuple[str, ...] = ()
    # A class has 70 held-out crops. The readings of about 4 % of them change by chance, which moves
    # a class by up to 7 points. All classes together have about 5,000 crops.
    margin: float = 10.0
    force: bool = False
    report: Path | None = None
    recipe: FinetuneRecipe = field(default_factory=FinetuneRecipe)
    overall_margin: float = 0.3

    @property
    def folder(self) -> Path:
        """The folder of the report."""
        return self.report or self.out.with_name(f"{self.out.stem}-report")


def check_output(config: FinetuneConfig) -> None:
    """Tries to write into the folders of the result and the report.

    Raises:
        ConfigError: this is not possible, or the name of the output cannot be used.
        WeightsError: the manifest beside the output is damaged.
    """
    out = config.out
    if out.suffix != ".safetensors" or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", out.name):
        raise ConfigError(
            f"{out}: the output must be a .safetensors file; its name may have letters, digits "
            "and . _ -"
        )
    if out.is_dir():
        raise ConfigError(f"{out}: this is a folder; name the .safetensors file to write")
    for folder in (out.parent, config.folder):
        try:
            try_folder(folder)
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from error
    for model in load_manifest(out.parent).models:
        if model.file == out.name and (model.task, model.name) != ("classifier", out.stem):
            raise ConfigError(f"{out}: is the {model.task} {model.name}; choose another name")
