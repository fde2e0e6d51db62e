"""A suite: several datasets with their rules for judging readings, in one YAML file."""

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
    """How a dataset is read and judged.

    Attributes:
        task: task of the images; None: detected from the dataset.
        match: whether a right reading must equal the label, or may contain it.
        pattern: preset or regular expression of the codes to find.
        decode: whether engines read under the pattern; if not, it is only searched in their
            readings, as for engines without patterns.
        labels: regular expression over normalized text of the labels that count.
        verbatim: compare character by character instead of A-Z0-9 in upper case.
        engines: the only engines for this dataset; None: all engines of the run.
        lexicon: adds the engine ``crnn+lexicon``: a file of words; a folder with a file NAME.txt
            for each image; ``column`` for the words of each label; ``labels`` for all labels.
        about: one line about the images.
        folder: folder of the images if it has another name than the dataset, so that one folder can
            be read in two ways.
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
            raise ValueError(f"not a pattern: {error}") from error
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    def rules(self) -> Rules:
        """The rules for judging readings."""
        comparison = VERBATIM if self.verbatim else CODE_TEXT
        return Rules(
            replace(comparison, contains=self.match == "contains"),
            Pattern.parse(self.pattern) if self.pattern else None,
            re.compile(self.labels) if self.labels else None,
            self.decode,
        )


class Suite(Section):
    """Datasets by name, which is that of their folder unless they give another folder.

    Attributes:
        datasets: the datasets, in the order in which they run.
        thresholds: for each engine the confidence below which a reading is rejected.
    """

    datasets: Mapping[str, Judging] = Field(min_length=1)
    thresholds: Mapping[str, float] = Field(default_factory=dict)

    def folders(self, root: Path) -> dict[str, Path]:
        """Existing folders of the datasets below a root, by name.

        Raises:
            DatasetError: no folder exists.
        """
        found = {n: root / (j.folder or n) for n, j in self.datasets.items()}
        found = {n: folder for n, folder in found.items() if folder.exists()}
        if not found:
            raise DatasetError(f"{root} has no dataset of the suite: {', '.join(self.datasets)}")
        return found
