"""Writes a labeled dataset in another format, after a check of what that format can hold."""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from industrial_ocr.datasets import writers
from industrial_ocr.datasets.formats import IGNORE, reason
from industrial_ocr.datasets.formats_export import UNCLASSIFIED
from industrial_ocr.datasets.formats_store import import_lmdb, symbol_folder
from industrial_ocr.datasets.formats_text import parse_characters, parse_columns
from industrial_ocr.datasets.load import READERS
from industrial_ocr.datasets.samples import Dataset, Label, LabeledCharacter, Sample
from industrial_ocr.datasets.writers import NamedSample
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import IMAGE_SUFFIXES

_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class _OutputFormat:
    """The writer of a format and what the format can hold.

    Attributes:
        write: takes the items, whose images are in place already, and the folder.
        holds_text: whether the format keeps a text.
        several: whether an image may have several labels.
        unlabeled: whether an image may have no label.
        boxes: whether labels may have boxes; "must": a label without a box is lost.
        characters: whether labels may have boxes of characters.
        lexicon: whether labels may have words; a word with a comma is lost.
        holds_kind: whether the format keeps a kind that is not empty.
        ignore: whether labels may be ignored; "mark": the text of an ignored label is lost.
        images: whether the writer needs the images in ``images/``.
    """

    write: Callable[[list[NamedSample], Path], None]
    holds_text: Callable[[str], bool] = lambda text: True
    several: bool = True
    unlabeled: bool = False
    boxes: Literal["no", "yes", "must"] = "no"
    characters: bool = False
    lexicon: bool = False
    holds_kind: Callable[[str], bool] = lambda kind: False
    ignore: Literal["no", "boxed-mark", "mark", "text"] = "no"
    images: bool = True


def _has_no_tab(text: str) -> bool:
    return not set(text) & set("\t\n\r")


def _is_one_line(text: str) -> bool:
    return text == text.strip() and text != IGNORE and _has_no_tab(text)


def _is_text(text: str) -> bool:
    return text != IGNORE


def _is_tsv_kind(kind: str) -> bool:
    try:
        return _has_no_tab(kind) and parse_columns([kind]).kind == kind
    except ValueError:
        return False


_OUTPUTS = {
    "tsv": _OutputFormat(
        writers.write_tsv,
        holds_text=_has_no_tab,
        boxes="yes",
        characters=True,
        lexicon=True,
        holds_kind=_is_tsv_kind,
        ignore="boxed-mark",
    ),
    "csv": _OutputFormat(writers.write_csv),
    "icdar": _OutputFormat(
        writers.write_icdar, _is_one_line, unlabeled=True, boxes="must", ignore="mark"
    ),
    "paddle regions": _OutputFormat(
        writers.write_paddle_regions,
        holds_text=_is_text,
        unlabeled=True,
        boxes="must",
        holds_kind=lambda kind: kind != "None",
        ignore="text",
    ),
    "paddle texts": _OutputFormat(
        writers.write_paddle_texts,
        holds_text=lambda text: _is_one_line(text) and not text.startswith("[{") and text != "[]",
        ignore="mark",
    ),
    "label-studio": _OutputFormat(
        writers.write_label_studio,
        holds_text=_is_text,
        unlabeled=True,
        boxes="yes",
        holds_kind=lambda kind: True,
        ignore="mark",
    ),
    "cvat": _OutputFormat(
        writers.write_cvat,
        holds_text=lambda text: _is_text(text) and not _NOT_IN_XML.search(text),
        unlabeled=True,
        boxes="yes",
        holds_kind=lambda kind: kind != UNCLASSIFIED and not _CONTROL.search(kind),
        ignore="text",
    ),
    "lmdb": _OutputFormat(writers.write_lmdb, several=False, images=False),
    "webdataset": _OutputFormat(
        writers.write_webdataset, _is_one_line, several=False, images=False
    ),
    "imagefolder": _OutputFormat(
        writers.write_imagefolder, lambda text: len(text) == 1, several=False, images=False
    ),
}


def _format(name: str, dataset: Dataset) -> _OutputFormat:
    """The format to write; PaddleOCR has one file for regions and another for crops."""
    if name not in READERS:
        raise DatasetError(f"unknown dataset format {name!r}; known: {', '.join(READERS)}")
    if name == "paddle":
        boxed = any(label.quad is not None for label in dataset.labels)
        name = "paddle regions" if boxed or dataset.task == "read" else "paddle texts"
    if name == "imagefolder" and dataset.task == "classify":
        return replace(_OUTPUTS[name], holds_text=bool)  # also symbols of several characters
    return _OUTPUTS[name]


def convert_dataset(
    dataset: Dataset, format: str, out: str | os.PathLike[str], lossy: bool = False
) -> int:
    """Writes a dataset in a format; images are copied byte for byte.

    Images keep their names if the file system allows it. In an LMDB they have no names; in folders
    of symbols the symbol comes first.

    Args:
        dataset: from ``load.load_dataset``.
        format: one of ``load.READERS``.
        out: a new or empty folder.
        lossy: whether data that the format cannot hold, also labels and images, are left out.

    Returns:
        the number of images written.

    Raises:
        DatasetError: the format cannot hold the dataset and ``lossy`` is False (it says what would
            be lost), ``out`` is not empty, or an image or the disk fails. Then nothing is left.
    """
    to = _format(format, dataset)
    if format == "lmdb":
        import_lmdb()
    fitted, lost = _fit_all(dataset, to)
    if lost and not lossy:
        listed = ", ".join(f"{len(of)} {what} (first {of[0]})" for what, of in lost.items())
        raise DatasetError(
            f"{format} cannot hold all of {dataset.name}: it would lose {listed}; "
            "pass lossy=True to leave them out"
        )
    if not fitted:
        raise DatasetError(
            f"{format} cannot hold any image of {dataset.name}: there is nothing to write"
        )
    folder = Path(out)
    created = _prepare(folder)
    try:
        items = _name_all(fitted, format)
        if to.images:
            for sample, name in items:
                writers.put_image(sample, folder / "images" / name)
        to.write(items, folder)
    except BaseException as error:
        _clear(folder, created)
        if isinstance(error, OSError):
            raise DatasetError(f"{folder}: cannot be written: {reason(error)}") from error
        raise
    return len(items)


def _prepare(folder: Path) -> bool:
    """Creates the folder or checks that it is empty; True if it was created."""
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            return True
        if not folder.is_dir() or any(folder.iterdir()):
            raise DatasetError(f"{folder}: is not an empty folder; name a new one")
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written: {reason(error)}") from error
    return False


def _clear(folder: Path, created: bool) -> None:
    """Removes what was written; the folder was empty before."""
    for path in list(folder.iterdir()):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if created:
        folder.rmdir()


def _fit_all(dataset: Dataset, to: _OutputFormat) -> tuple[list[Sample], dict[str, list[str]]]:
    """The samples that the format can hold, and the places of each kind of loss."""
    fitted: list[Sample] = []
    lost: defaultdict[str, list[str]] = defaultdict(list)
    for sample in dataset.samples:
        labels: list[Label] = []
        for label in sample.labels:
            place = f"{label.text!r} at {label.row or sample.name}"
            kept, losses = _fit(label, to)
            if kept is not None and labels and not to.several:
                losses.append("further labels of an image")
            elif kept is not None:
                labels.append(kept)
            for what in losses:
                lost[what].append(place)
        if labels or to.unlabeled:
            fitted.append(replace(sample, labels=tuple(labels)))
        elif not sample.labels:
            lost["images without label"].append(sample.name)
    return fitted, lost


def _fit(label: Label, to: _OutputFormat) -> tuple[Label | None, list[str]]:
    """The label that the format can hold, or None, and the kinds of loss."""
    marked = label.ignore and to.ignore in ("mark", "boxed-mark")
    if label.ignore and (to.ignore == "no" or (to.ignore == "boxed-mark" and label.quad is None)):
        return None, ["ignored labels"]
    if label.quad is None and to.boxes == "must":
        return None, ["labels without a box"]
    if not marked and not to.holds_text(label.text):
        return None, ["texts that it would change or cannot hold"]
    lost = []
    if marked and label.text:
        lost.append("texts of ignored labels")
        label = replace(label, text="")
    if label.quad is not None and to.boxes == "no":
        lost.append("boxes")
        label = replace(label, quad=None)
    if label.kind and not to.holds_kind(label.kind):
        lost.append("kinds")
        label = replace(label, kind="")
    fit_a_list = all(word and "," not in word and _has_no_tab(word) for word in label.lexicon)
    if label.lexicon and not (to.lexicon and fit_a_list):
        lost.append("lexicons")
        label = replace(label, lexicon=())
    if label.characters and not (to.characters and _are_tsv_characters(label.characters)):
        lost.append("labels with boxes of characters")
        label = replace(label, characters=())
    return label, lost


def _are_tsv_characters(characters: tuple[LabeledCharacter, ...]) -> bool:
    """Whether the format keeps boxes of characters: upright ones with valid symbols."""
    column = writers.character_column(characters)
    try:
        back = parse_characters(column)
    except ValueError:
        return False
    return (
        _has_no_tab(column)
        and [c.symbol for c in back] == [c.symbol for c in characters]
        and all(np.array_equal(a.quad, b.quad) for a, b in zip(back, characters, strict=True))
    )


def _name_all(samples: list[Sample], format: str) -> list[NamedSample]:
    """Gives every sample a unique path below the folder of images."""
    taken: set[str] = set()
    items: list[NamedSample] = []
    for number, sample in enumerate(samples, 1):
        raw = _CONTROL.sub("_", sample.name.replace("\\", "/"))
        parts = [part.lstrip("./") for part in PurePosixPath(raw).parts]
        name = PurePosixPath(*[part for part in parts if part] or [f"image-{number}"])
        if name.suffix.lower() not in IMAGE_SUFFIXES:
            name = name.with_name(name.name + writers.suffix_of(sample))
        if format == "imagefolder":
            name = PurePosixPath(symbol_folder(sample.labels[0].text), name.name)
        stem, copy = name.stem, 1
        while (key := _key(name, format)) in taken:
            copy += 1
            name = name.with_name(f"{stem}_{copy}{name.suffix}")
        taken.add(key)
        items.append((sample, name.as_posix()))
    return items


def _key(name: PurePosixPath, format: str) -> str:
    # Some file systems ignore case; ICDAR finds the labels by the stem of the image.
    return str(name.with_suffix("") if format == "icdar" else name).casefold()
