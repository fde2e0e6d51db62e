"""The commands ``industrial-ocr patterns list|show|test``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from industrial_ocr.cli import output

if TYPE_CHECKING:
    from industrial_ocr.patterns.pattern import Pattern

patterns_app = typer.Typer(
    no_args_is_help=True, help="Lists and explains patterns of codes, and tests codes."
)
Wanted = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN",
        help="A preset's name, a regular expression, template:AA99, lexicon:FILE.",
    ),
]
PresetFile = Annotated[Path | None, typer.Option("--file", help="YAML with your own presets.")]


@patterns_app.command("list")
def list_patterns(file: PresetFile = None) -> None:
    """Lists the presets."""
    from industrial_ocr.patterns.pattern import Pattern
    from industrial_ocr.patterns.presets import load_presets

    with output.one_line_errors(output.WRONG_USAGE):
        presets = load_presets(file)
        table = output.new_table("name", "what", "symbols", "codes", "bits/symbol", "check")
        table.columns[0].no_wrap = True
        for name, preset in presets.items():
            pattern = Pattern.preset(name, presets)
            bits = f"{pattern.bits_per_position():.2f}"
            cells = (name, preset.title, _lengths(pattern), _codes(pattern), bits, pattern.check)
            table.add_row(*map(escape, cells))
    output.show_table(table)


@patterns_app.command()
def show(pattern: Wanted, file: PresetFile = None) -> None:
    """Shows what a pattern allows: lengths, number of codes, bits per symbol, check, examples."""
    with output.one_line_errors(output.WRONG_USAGE):
        made = _parse(pattern, file)
        preset = made.preset_data
        rows = {"pattern": made.text}
        if preset is not None:
            rows = {"name": made.name, "what": preset.title, "source": preset.source} | rows
        rows |= {
            "symbols": _lengths(made),
            "codes": _codes(made),
            "bits/symbol": f"{made.bits_per_position():.2f}",
            "upper and lower case": "the same" if made.ignore_case else "told apart",
            "separators": _separators(made),
            "check": made.check,
            "states": str(len(made.core)),
        }
        if preset is not None:
            rows["examples"] = "  ".join(preset.examples)
    for name, value in rows.items():
        typer.echo(f"{name + ':':<22}{value}")


@patterns_app.command("test")
def try_texts(
    pattern: Wanted,
    texts: Annotated[list[str], typer.Argument(help="Codes to test.")],
    file: PresetFile = None,
) -> None:
    """Shows which texts match and where the others fail; the exit code is 1 if one fails."""
    with output.one_line_errors(output.WRONG_USAGE):
        made = _parse(pattern, file)
    passed = [_try(made, text) for text in texts]
    if not all(passed):
        raise typer.Exit(output.FAILED)


def _try(pattern: Pattern, text: str) -> bool:
    """Prints and returns whether a text matches and passes the check."""
    found = pattern.match(text)
    if found is None:
        why = pattern.explain(text)
        typer.echo(f"no match      {text}\n{'':14}{' ' * why.position}^ {why.message}")
        return False
    check = pattern.verify(text)
    state = "ok" if check.ok else "check failed"
    code = "" if found.code == text else f" -> {found.code}"
    rule = "" if check.rule == "none" else f": {check.rule}, {check.message}"
    typer.echo(f"{state:<14}{text}{code}{rule}")
    return check.ok


def _parse(text: str, file: Path | None) -> Pattern:
    from industrial_ocr.patterns.pattern import Pattern
    from industrial_ocr.patterns.presets import load_presets

    shipped = load_presets()
    return Pattern.parse(text, shipped if file is None else shipped | load_presets(file))


def _lengths(pattern: Pattern) -> str:
    found = sorted(pattern.lengths)
    if pattern.max_length is None:
        return f"{found[0]} and more"
    if len(found) > 1 and isinstance(pattern.lengths, range):
        return f"{found[0]}-{found[-1]}"
    return ", ".join(map(str, found))


def _codes(pattern: Pattern) -> str:
    """The number of codes; from ten million on in powers of ten."""
    codes = pattern.cardinality
    if isinstance(codes, float):
        return "no end"
    if codes <= 10**7:
        return f"{codes:,}"
    power = math.floor(math.log10(codes))
    return f"{codes // 10 ** (power - 1) / 10:.1f}e{power}"


def _separators(pattern: Pattern) -> str:
    if not pattern.separators:
        return "none"
    marks = " ".join("space" if s == " " else s for s in pattern.separators)
    if pattern.groups:
        return f"{marks}, after groups of {', '.join(map(str, pattern.groups))}"
    return f"{marks}, {'where the pattern has one' if pattern.has_slots else 'anywhere'}"
