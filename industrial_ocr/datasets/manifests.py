"""Names and sha256 of a dataset's images, which can be published if the images cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from industrial_ocr.datasets.samples import Dataset
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.files import write_whole


def sample_digests(dataset: Dataset) -> dict[str, str]:
    """The sha256 of every encoded image by its name.

    Raises:
        DatasetError: an image cannot be read.
    """
    found = {}
    for sample in dataset.samples:
        source = sample.source
        try:
            data = source if isinstance(source, bytes) else source.read_bytes()
        except OSError as error:
            raise DatasetError(f"{dataset.name}: {sample.name} cannot be read: {error}") from error
        found[sample.name] = hashlib.sha256(data).hexdigest()
    return found


def write_manifest(path: Path, digests: Mapping[str, str]) -> None:
    """Writes one line per image: name, tab, sha256."""
    text = "".join(f"{name}\t{digest}\n" for name, digest in sorted(digests.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def read_manifest(path: Path) -> dict[str, str]:
    """The digests of a file that ``write_manifest`` wrote.

    Raises:
        DatasetError: the file is missing, or a line is not name, tab, sha256.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: the manifest cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        name, tab, digest = line.rpartition("\t")
        if not tab or len(digest) != 64:
            raise DatasetError(f"{path}:{number}: the line must be name, tab, sha256")
        found[name] = digest
    return found
