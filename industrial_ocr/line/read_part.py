"""Makes the reader of a job, and reads the pictures of one part with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from industrial_ocr.line.job import Job, ReadOptions
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import ImageArray
from industrial_ocr.results.verdicts import Verification

if TYPE_CHECKING:
    from industrial_ocr.reader.reader import Reader


def make_reader(options: ReadOptions) -> Reader:
    """Makes the reader that a job describes.

    Raises:
        ConfigError: an option cannot be used.
        WeightsError: a network is missing or damaged.
    """
    from industrial_ocr.reader.reader import Reader

    names = (
        "device", "backend", "threads", "config", "detector", "classifier", "recognizer",
        "max_misread_rate",
    )  # fmt: skip
    given = {name: getattr(options, name) for name in names}
    chosen = {name: value for name, value in given.items() if value not in (None, "auto")}
    return (
        Reader(**chosen) if options.bundle is None else Reader.from_bundle(options.bundle, **chosen)
    )


def read_part(
    reader: Reader,
    job: Job,
    images: Sequence[ImageArray],
    patterns: Sequence[Pattern],
    expected: str | None,
) -> tuple[list[ReadResult], list[Verification]]:
    """Reads one part, and verifies the expected text if the job asks for it.

    Args:
        reader: reader of the job.
        job: the job.
        images: pictures of the part, each (H, W, 3) uint8 RGB; several are read together.
        patterns: compiled patterns of the job.
        expected: the text that must be printed.

    Returns:
        A result for each roi, and a verification of the first picture for each roi, by the engine
        of the job (``auto``: two-stage).
    """
    engine, asked = job.read.engine, list(patterns) or None
    verifier = Engine.TWO_STAGE if engine == Engine.AUTO else engine
    results, verifications = [], []
    for roi in job.read.rois or (None,):
        if len(images) == 1:
            results.append(reader.read(images[0], engine=engine, roi=roi, pattern=asked))
        else:
            results.append(reader.read_frames(images, engine=engine, roi=roi, pattern=asked))
        if job.passes.verified and expected is not None:
            verifications.append(reader.verify(images[0], expected, engine=verifier, roi=roi))
    return results, verifications
