"""A suite: several datasets, each with how its labels are judged, in one YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from industrial_ocr.datasets.samples import Task
from industrial_ocr.errors import DatasetError, PatternError
from industrial_ocr.evaluation.items import Rules
from industrial_ocr.evaluation.metrics import CODES, VERBATIM, Matching
from industrial_ocr.patterns.pattern import Pattern


class Judging(BaseModel):
    """How a dataset is run and judged.

    Attributes:
        task: of its images, None: as the dataset's reader finds.
        match: a reading equals the label, or contains it.
        pattern: a preset or regular expression of the codes that are asked for.
        decode: False: nothing is read under the pattern, it is only looked for in what was read, as
            for engines that know none.
        labels: regular expression over folded text: labels that count.
        verbatim: compare character by character instead of A-Z0-9 in upper case.
        engines: only these, None: all that were asked for.
        lexicon: a file of words, or ``labels`` for the lexicon of all labels: adds the crnn under
            this lexicon as an engine of its own.
        about: one line on what the images are.
        folder: of the images, where it is not named as the dataset: one folder can be read twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task | None = None
    match: Matching = "exact"
    pattern: str | None = None
    decode: bool = True
    labels: str | None = None
    verbatim: bool = False
    engines: tuple[str, ...] | None = None
    lexicon: str | None = None
    about: str = ""
    folder: str | None = None

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                Pattern.parse(value)
            except PatternError as error:
                raise ValueError(f"no pattern: {error}") from error
        return value

    @field_validator("labels")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"no regular expression: {error}") from error
        return value

    def rules(self) -> Rules:
        """The rules that answers are judged by."""
        return Rules(
            VERBATIM if self.verbatim else CODES,
            self.match,
            Pattern.parse(self.pattern) if self.pattern else None,
            re.compile(self.labels) if self.labels else None,
            self.decode,
        )


class Suite(BaseModel):
    """Datasets by name, which is that of their folder unless they tell another.

    Attributes:
        datasets: in the order in which they run.
        thresholds: by engine: below it an answer counts as rejected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    datasets: Mapping[str, Judging] = Field(min_length=1)
    thresholds: Mapping[str, float] = Field(default_factory=dict)

    def folders(self, root: Path) -> dict[str, Path]:
        """Folders of the datasets that are there, below a root, by name.

        Raises:
            DatasetError: none is.
        """
        found = {n: root / (j.folder or n) for n, j in self.datasets.items()}
        found = {n: folder for n, folder in found.items() if folder.exists()}
        if not found:
            raise DatasetError(f"{root} has no dataset of the suite: {', '.join(self.datasets)}")
        return found


def rules_of(names: Sequence[str], suite: Suite | None, otherwise: Judging) -> dict[str, Rules]:
    """Rules by dataset name; ``""`` holds those of datasets that the suite does not name."""
    known = {} if suite is None else suite.datasets
    found = {name: known[name].rules() for name in names if name in known}
    return {"": otherwise.rules(), **found}
