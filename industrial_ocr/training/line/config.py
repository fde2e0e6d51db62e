"""Settings of an adaptation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from industrial_ocr.errors import ConfigError

MIN_STRINGS = 20
"""So many strings are needed, half of them to measure."""


@dataclass(frozen=True)
class Recipe:
    """How a line is learned; with the parents and the data it determines the result.

    Attributes:
        seed: of all random numbers.
        steps: of the recognizer, unless the time is up before.
        batch_size: strings in a step.
        line_share: share of a batch that shows strings of the line; the rest is rehearsal.
        code_share: share of the rehearsal that says codes of the line's symbols.
        lr: peak learning rate of Adam.
        warmup_steps: over which the learning rate rises.
        average: decay of the moving average of the weights.
        blend: share of the way from the parent's weights to the learned ones that the recognizer
            keeps (Wortsman et al., CVPR 2022).
        detector_steps: of the detector, in both rounds together.
        detector_lr: its peak learning rate.
        views: pictures of strings in a step of the detector.
        scenes: rendered scenes beside them.
        scene_size: side of these in pixels.
        crops: views of each symbol that the classifier learns.
        classifier_steps: of its head, and then of its last stages.
    """

    seed: int = 0
    steps: int = 300
    batch_size: int = 16
    line_share: float = 0.5
    code_share: float = 0.5
    lr: float = 4e-4
    warmup_steps: int = 20
    average: float = 0.98
    blend: float = 0.75
    detector_steps: int = 160
    detector_lr: float = 3e-4
    views: int = 6
    scenes: int = 2
    scene_size: int = 256
    crops: int = 200
    classifier_steps: int = 140


@dataclass(frozen=True)
class AdaptConfig:
    """One adaptation.

    Attributes:
        out: the bundle to write, a folder or a .zip.
        parent: the bundle to go on from, None for what the package ships.
        pattern: of the line's codes: a preset, a regular expression, or a name of the parent's.
        symbols: that the line prints besides those of the labels and of the pattern.
        contains: labels may be parts of longer strings.
        unlabeled: folder of more pictures of the line; what reads surely under the pattern is
            learned, too.
        answers: folder of the review page; the strings that were corrected there are learned, too.
        minutes: that it may take; fewer steps are made where they would take longer.
        fonts: folders of fonts for the rehearsal.
        margin: points of accuracy that rendered codes may lose.
        force: write the bundle even if the gate refuses.
        backend: of the bundle; None takes the fastest here.
        recipe: how the strings are learned.
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
            raise ConfigError(f"{self.out}: exists already, and bundles are not overwritten")
        if not self.out.resolve().parent.is_dir():
            raise ConfigError(f"{self.out}: there is no folder {self.out.resolve().parent}")
        if self.minutes <= 0:
            raise ConfigError(f"minutes is above 0, got {self.minutes:g}")
        if self.unlabeled is not None and self.pattern is None:
            raise ConfigError("unlabeled pictures need a pattern: it says which readings are sure")

    def beside(self, suffix: str) -> Path:
        """A file beside ``out``."""
        return self.out.with_name(f"{self.out.name}{suffix}")
