"""A suite: several datasets and their rules of judging labels, in one YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from industrial_ocr.config import Section
from industrial_ocr.datasets.samples import Task
from industrial_ocr.errors import DatasetError, PatternError
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.metrics import CODE_TEXT, VERBATIM
from industrial_ocr.patterns.pattern import Pattern


class Judging(Section):
    """How a dataset is run and judged.

    Attributes:
        task: of its images, None: as the dataset's reader finds.
        match: a reading equals the label, or contains it.
        pattern: a preset or regular expression of the codes that are asked for.
        decode: False: nothing is read under the pattern, it is only looked for in what was read, as
            for engines that know none.
        labels: regular expression over normalized text: labels that count.
        verbatim: compare character by character instead of A-Z0-9 in upper case.
        engines: only these, None: all that were asked for.
        lexicon: adds the crnn under a lexicon as an engine of its own: a file of words; a folder
            with a file NAME.txt for each image; ``column`` for the words that each label has;
            ``labels`` for the lexicon of all labels.
        about: one line on what the images are.
        folder: of the images, where it is not named as the dataset: one folder can be read twice.
    """

    task: Task | None = None
    match: Literal["exact", "contains"] = "exact"
    pattern: str | None = None
    decode: bool = True
    labels: str | None = None
    verbatim: bool = False
    engines: tuple[str, ...] | None = None
    lexicon: str | None = None
    about: str = ""
    folder: str | None = None

    @field_validator("pattern", "labels")
    @classmethod
    def _can_be_parsed(cls, value: str | None, info: Any) -> str | None:
        try:
            if value is not None and info.field_name == "pattern":
                Pattern.parse(value)
            elif value is not None:
                re.compile(value)
        except PatternError as error:
            raise ValueError(f"no pattern: {error}") from error
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return value

    def rules(self) -> Rules:
        """The rules that readings are judged by."""
        comparison = VERBATIM if self.verbatim else CODE_TEXT
        return Rules(
            replace(comparison, contains=self.match == "contains"),
            Pattern.parse(self.pattern) if self.pattern else None,
            re.compile(self.labels) if self.labels else None,
            self.decode,
        )


class Suite(Section):
    """Datasets by name, which is that of their folder unless they name another.

    Attributes:
        datasets: in the order in which they run.
        thresholds: by engine: below it a reading counts as rejected.
    """

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
