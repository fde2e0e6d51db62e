"""Settings of an adaptation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from industrial_ocr.errors import ConfigError
from industrial_ocr.results.files import try_folder

MIN_STRINGS = 20
"""Smallest number of strings for an adaptation; half of them are held out."""


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of the training. With the parents and the data they determine the result.

    Attributes:
        seed: seed of all random numbers.
        steps: training steps of the recognizer, if the time suffices.
        batch_size: strings in a batch of the recognizer.
        line_share: share of a batch that shows strings of the line; the rest is rehearsal.
        code_share: share of the rehearsal that shows codes made of the line's symbols.
        lr: peak learning rate of the recognizer.
        warmup_steps: steps over which the learning rate rises.
        average: decay of the moving average of the weights.
        blend: weight of the trained recognizer in its mean with the parent (Wortsman et al., CVPR
            2022); 1 is the trained recognizer alone.
        detector_steps: training steps of the detector in all rounds together.
        detector_lr: peak learning rate of the detector.
        views: pictures of strings in a batch of the detector.
        scenes: rendered scenes in a batch of the detector.
        scene_size: side of a rendered scene in pixels.
        crops: views of each symbol for the training of the classifier.
        classifier_steps: training steps of the classifier's head, and again of its last stages.
    """

    seed: int = 0
    steps: int = 600
    batch_size: int = 16
    line_share: float = 0.5
    code_share: float = 0.5
    lr: float = 4e-4
    warmup_steps: int = 20
    average: float = 0.98
    blend: float = 0.75
    detector_steps: int = 400
    detector_lr: float = 3e-4
    views: int = 6
    scenes: int = 2
    scene_size: int = 256
    crops: int = 200
    classifier_steps: int = 140


@dataclass(frozen=True)
class AdaptConfig:
    """Settings of one adaptation.

    Attributes:
        out: the bundle to write, a folder or a .zip.
        parent: the bundle to start from; None for the shipped networks.
        pattern: pattern of the line's codes: a preset, a regular expression, or a name in the
            parent bundle.
        symbols: symbols that the line prints besides those of the labels and of the pattern.
        contains: labels may be parts of longer strings.
        unlabeled: folder of more pictures of the line; confident readings under the pattern are
            used as labels.
        answers: folder of the review page; the strings that were corrected there are used, too.
        minutes: time limit of the training; it makes fewer steps if it would take longer.
        fonts: folders of fonts for the rehearsal.
        margin: largest loss of accuracy on rendered codes, in percentage points.
        force: write the bundle even if the gate refuses it.
        backend: backend of the bundle; None takes the fastest one that is installed.
        recipe: hyperparameters of the training.
    """

    out: Path
    parent: Path | None = None
    pattern: str | None = None
    symbols: str = ""
    contains: bool = False
    unlabeled: Path | None = None
    answers: Path | None = None
    minutes: float = 15.0
    fonts: tuple[str, ...] = ()
    margin: float = 2.0
    force: bool = False
    backend: str | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if self.out.exists():
            raise ConfigError(f"{self.out}: this bundle exists already and is not overwritten")
        if not self.out.resolve().parent.is_dir():
            raise ConfigError(f"{self.out}: there is no folder {self.out.resolve().parent}")
        try:
            try_folder(self.out.resolve().parent)
        except OSError as error:
            raise ConfigError(f"{self.out}: the bundle cannot be written: {error}") from error
        if self.minutes <= 0:
            raise ConfigError(f"minutes must be above 0, got {self.minutes:g}")
        if self.unlabeled is not None and self.pattern is None:
            raise ConfigError("unlabeled pictures need a pattern, which confirms their readings")

    def beside(self, suffix: str) -> Path:
        """The file beside ``out`` whose name is that of ``out`` with this suffix."""
        return self.out.with_name(f"{self.out.name}{suffix}")
