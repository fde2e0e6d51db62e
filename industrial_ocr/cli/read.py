"""The command ``industrial-ocr read``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import typer

from industrial_ocr.cli import files as cli_files
from industrial_ocr.cli import options, output
from industrial_ocr.cli.read_output import print_csv, print_table
from industrial_ocr.errors import CollectError, ConfigError
from industrial_ocr.results.engine import Engine

if TYPE_CHECKING:
    from industrial_ocr.patterns.pattern import Pattern
    from industrial_ocr.reader.reader import Reader
    from industrial_ocr.results.read_result import ReadResult
    from industrial_ocr.review.collecting import Collector


@dataclass(frozen=True)
class CollectOptions:
    """Options for collecting uncertain characters."""

    collect: Annotated[
        Path | None, typer.Option(help="Folder for uncertain characters, for the review page.")
    ] = None
    collect_limit_mb: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Largest size of this folder in MB; the oldest are removed.",
            show_default="200",
        ),
    ] = None

    def collector(self, reader: Reader) -> Collector | None:
        """The collector by the rules of the reader, if a folder was given."""
        if self.collect is None:
            if self.collect_limit_mb is not None:
                raise ConfigError("--collect-limit-mb needs --collect DIR")
            return None
        from industrial_ocr.review.collecting import Collector

        rules = reader.config.collecting
        limit = self.collect_limit_mb or rules.limit_mb
        return Collector(self.collect, limit_mb=limit, rules=rules)


@options.grouped
def read(
    paths: options.ImagePaths,
    engine: options.EngineName = None,
    as_json: options.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per string.")] = False,
    out: options.OutFolder = None,
    crops: options.Crops = False,
    roi: options.Region = None,
    pattern: options.CodePatterns = None,
    lexicon: Annotated[
        Path | None,
        typer.Option(help="With --crops: a file of words, or a folder with NAME.txt for each."),
    ] = None,
    *,
    collecting: CollectOptions,
    runtime: options.Runtime,
    networks: options.Networks,
) -> None:
    """Reads images. Exit code 0: all were read; 1: some were not; 2: wrong usage."""
    with output.one_line_errors(output.WRONG_USAGE):
        csv = partial(print_csv, with_codes=bool(pattern))
        show = output.printer(as_json, as_csv, csv, print_table)
        if lexicon is not None and not (crops and engine in (None, Engine.CRNN)):
            raise ConfigError("--lexicon needs --crops and engine crnn")
        region = cli_files.region(roi, crops)
        patterns = _compiled(pattern or [], runtime.bundle)
        from industrial_ocr.decoding.lexicon import lexicon_finder

        files, problems = cli_files.find_files(paths)
        pictures = None if out is None else output.PictureFolder(out, files)
        if files:
            reader = options.make_reader(**vars(runtime), **vars(networks))
            collector = collecting.collector(reader)
            words = None if lexicon is None else lexicon_finder(lexicon, reader.charset)
        sources = cli_files.image_sources(files)
    chosen = engine or (Engine.CRNN if crops else Engine.AUTO)
    asked: dict[str, Any] = {"engine": chosen, "pattern": patterns}
    lock = Lock()

    def read_one(file: Path) -> ReadResult:
        if crops:
            own = None if words is None else words(file.name)
            result = reader.recognize([sources[file]], lexicon=own, **asked)[0]
        else:
            result = reader.read(sources[file], roi=region, **asked)
        if collector is not None:
            try:
                with lock:
                    collector.add(result, None if file == cli_files.STDIN else file.name)
            except CollectError as error:
                output.add_problem(problems, file, error)
        return result

    to_terminal = (as_json or as_csv) and sys.stdout.isatty()
    results = output.results_of_files(
        files, read_one, pictures, problems, not to_terminal, two_at_a_time=True
    )
    show({"file": str(file), **result.to_dict()} for file, result in results)
    if problems:
        raise typer.Exit(output.FAILED)


def _compiled(given: list[str], bundle: Path | None) -> list[Pattern] | None:
    """The patterns of the command line, compiled before any network is loaded."""
    if not given:
        return None
    from industrial_ocr.reader.arguments import compiled_patterns

    return list(compiled_patterns(given, options.known_patterns(bundle)))
