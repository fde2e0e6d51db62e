"""Named patterns in YAML: those shipped in ``configs/patterns.yaml``, and users' own files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from industrial_ocr.config import Section, config_path, load_config, parse_config
from industrial_ocr.errors import PatternError

NonEmptyText = Annotated[str, Field(min_length=1)]


class Preset(Section):
    """One named pattern, with either a regex or a template.

    Attributes:
        title: a short description for people.
        source: the standard or other origin.
        regex: the regular expression, or None.
        template: the template, or None.
        ignore_case: lower case is read as upper case.
        separators: single characters that may stand between the symbols of a code.
        groups: numbers of symbols after which a separator or a new string may come.
        check: the rule for check digits or dates, see ``checkdigits.verify``.
        examples: texts that match and pass the check; at least one.
        counter_examples: texts that do not.
    """

    title: NonEmptyText
    source: NonEmptyText
    regex: NonEmptyText | None = None
    template: NonEmptyText | None = None
    ignore_case: bool = False
    separators: tuple[Annotated[str, Field(min_length=1, max_length=1)], ...] = ()
    groups: tuple[PositiveInt, ...] = ()
    check: NonEmptyText = "none"
    examples: Annotated[tuple[NonEmptyText, ...], Field(min_length=1)]
    counter_examples: tuple[NonEmptyText, ...] = ()

    @model_validator(mode="after")
    def _one_expression(self) -> Preset:
        if (self.regex is None) == (self.template is None):
            raise ValueError("a preset has either a regex or a template")
        return self


class _File(Section):
    """The contents of a presets file before its presets are parsed."""

    patterns: dict[str, dict[str, object]]


def load_presets(path: str | os.PathLike[str] | None = None) -> dict[str, Preset]:
    """The presets of a file by name; without a path, the shipped ones.

    An expression is compiled only when ``Pattern.preset`` needs it.

    Raises:
        ConfigError: the file is missing or damaged, or a key is unknown or has an impossible
            value; it names the file, the preset and the key.
    """
    return dict(_shipped()) if path is None else _load(path)


def find_preset(name: str, presets: Mapping[str, Preset] | None = None) -> Preset:
    """A preset by its full name, of ``presets`` or of the shipped ones.

    Raises:
        PatternError: there is no such preset; it names the nearest.
    """
    known = _shipped() if presets is None else presets
    if name in known:
        return known[name]
    near = nearest_preset(name, known)
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(known)}"
    raise PatternError(f"no preset is called {name!r}; {hint}")


def nearest_preset(name: str, presets: Mapping[str, Preset] | None = None) -> str | None:
    """The preset that a misspelled name probably means; None if there is no similar name."""
    known = _shipped() if presets is None else presets
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.65)
    return close[0] if close else None


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Preset]:
    return _load(config_path("patterns"))


def _load(path: str | os.PathLike[str]) -> dict[str, Preset]:
    file = load_config(path, _File)
    # One by one, so that error messages name the preset.
    return {
        name: parse_config(data, Preset, source=f"{path}: patterns.{name}")
        for name, data in file.patterns.items()
    }
