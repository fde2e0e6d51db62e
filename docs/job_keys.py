"""The directive ``job-keys``: every key of a job file, from the models that check it."""

from __future__ import annotations

import inspect
import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docutils import nodes
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from industrial_ocr.config import Section, sections_in
from industrial_ocr.line.job import Job

NAMES = {bool: "`true`, `false`", int: "number", float: "number", str: "text", Path: "path"}


class JobKeys(SphinxDirective):
    """A table for every section."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(keys_page(), allow_section_headings=True)


def keys_page() -> str:
    """All sections in the order of the job, as Markdown."""
    parts = [_section("The whole file", Job)]
    for name, field in Job.model_fields.items():
        for section in sections_in(field.annotation):
            kind = section.model_fields.get("kind")
            title = f"`{name}`" if kind is None else f"`{name}`, {_values(kind.annotation)}"
            parts.append(_section(title, section))
            for inner, own in section.model_fields.items():
                parts += [_section(f"`{name}.{inner}`", s) for s in sections_in(own.annotation)]
    return "\n\n".join(parts)


def _section(title: str, section: type[Section]) -> str:
    text, meanings = described(section)
    rows = [
        f"| `{name}` | {_values(field.annotation)} | {_default(field)} | {meanings[name]} |"
        for name, field in section.model_fields.items()
        if name != "kind"
    ]
    if rows:
        rows = ["| key | value | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"### {title}", "", text, "", *rows])


def described(section: type[Section]) -> tuple[str, dict[str, str]]:
    """The text about a section, and the meanings of its keys, from its docstring and its bases'."""
    text, meanings = "", {}
    for base in reversed(section.__mro__[: section.__mro__.index(Section)]):
        text, _, attributes = inspect.cleandoc(base.__doc__ or "").partition("\n\nAttributes:\n")
        entries = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", attributes, re.MULTILINE)
        meanings |= {name: " ".join(meaning.split()) for name, meaning in entries}
    return text, meanings


def _values(annotation: Any) -> str:
    """What a key takes, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if sections_in(annotation):
        return "list of sections" if origin is tuple else "section"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin is Annotated:
        return _values(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_values(p) for p in parts if p is not type(None)))
    if origin is tuple:
        return f"list of {'lists of numbers' if get_origin(parts[0]) is tuple else 'texts'}"
    if origin is dict:
        return "keys and texts"
    return NAMES[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ((), {}) or isinstance(value, Section):
        return ""
    shown = str(value).lower() if isinstance(value, bool) else str(value).replace("\n", "\\n")
    return f"`{shown}`"


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes the directive known to Sphinx."""
    app.add_directive("job-keys", JobKeys)
    return {"parallel_read_safe": True}
