"""Loads images from files, bytes, Pillow images or arrays as RGB uint8."""

from __future__ import annotations

import glob
import importlib.util
import io
import itertools
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from industrial_ocr.errors import ImageError
from industrial_ocr.image.arrays import check_size, rgb_from_array, rgb_from_rgba, size_limits
from industrial_ocr.image.preprocess import to_rgb
from industrial_ocr.results.types import ImageArray

# A closed list: Pillow's EPS reader, for one, would run Ghostscript on an untrusted file.
_FORMAT_SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "SUN": (".ras",),
    "QOI": (".qoi",),
    "AVIF": (".avif", ".avifs"),
}
"""File suffixes by Pillow's format name."""
IMAGE_SUFFIXES = frozenset(itertools.chain(*_FORMAT_SUFFIXES.values()))
"""Suffixes, in lower case, by which ``find_images`` knows an image inside a folder."""

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]
"""What ``load_image`` takes."""

_PILLOW_FORMATS = list(_FORMAT_SUFFIXES)
if importlib.util.find_spec("PIL.AvifImagePlugin") is None:  # before Pillow 11.3
    _PILLOW_FORMATS.remove("AVIF")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WARNING_FILTERS = threading.RLock()
if hasattr(os, "register_at_fork"):  # a lock that another thread holds would stay locked in a child
    os.register_at_fork(
        before=_WARNING_FILTERS.acquire,
        after_in_parent=_WARNING_FILTERS.release,
        after_in_child=_WARNING_FILTERS.release,
    )


def image_list(sources: Iterable[Any]) -> list[Any]:
    """The images of a batch, not loaded yet.

    Raises:
        ImageError: ``sources`` is one image; its rows or bytes would be taken for images.
    """
    single = isinstance(sources, (str, bytes, bytearray, memoryview, os.PathLike, Image.Image))
    if isinstance(sources, np.ndarray):
        single = sources.ndim < 3 or (sources.ndim == 3 and sources.shape[2] in (1, 3, 4))
    if single:
        raise ImageError("expected several images, got one; put it into a list: [image]")
    return list(sources)


def load_image(source: ImageSource) -> ImageArray:
    """Loads one image as RGB.

    Pillow decodes files and bytes (the first of several pages). The EXIF orientation is applied,
    an ICC profile is not. For every source:

    * Transparent images are composited on white, or on black if they are almost all light.
    * Integers wider than 8 bit are scaled by one rule: full scale is the smallest of 8, 10, 12,
      14 and 16 bit that holds the largest value of the image. A 12-bit camera in a 16-bit file
      thus comes out at full brightness; pass uint8 where the scale must not depend on the
      content. (Color files of 16 bit are read by Pillow as their upper 8 bit.)
    * Floats are 0 (black) to 1 (white); bool is black and white.

    Args:
        source: a path; the bytes of an image file; a Pillow image; or an array (H, W), (H, W, 1),
            (H, W, 3) RGB or (H, W, 4) RGBA of bool, integers or floats. Images of OpenCV are BGR:
            pass ``image[..., ::-1]``.

    Returns:
        (H, W, 3) uint8 RGB, contiguous, always a copy.

    Raises:
        ImageError: the source is missing, empty, damaged, of no type above, or beyond
            ``arrays.MAX_PIXELS`` or ``arrays.MAX_SIDE``. The message is one line with its name.
    """
    try:
        return _load(source)
    except Warning:  # the program turns Pillow's warnings into errors; the image is valid
        with _WARNING_FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _load(source)


def _load(source: ImageSource) -> ImageArray:
    if isinstance(source, Image.Image):
        name = getattr(source, "filename", "") or f"Pillow image of mode {source.mode}"
        return _decode(source, str(name))
    if isinstance(source, np.ndarray):
        return rgb_from_array(source, f"array {source.shape} of {source.dtype}")
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        if not data:
            raise ImageError("image bytes: empty, 0 bytes")
        return _open(io.BytesIO(data), f"image bytes ({len(data)} bytes)")
    if isinstance(source, (str, os.PathLike)):
        return _from_file(os.fspath(source))
    kind = f"{type(source).__module__}.{type(source).__qualname__}".removeprefix("builtins.")
    raise ImageError(
        "an image is a path, the bytes of a file, a Pillow image or a numpy array, "
        f"got {'None' if source is None else kind}"
    )


def find_images(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> list[Path]:
    """The image files behind files, folders and globs.

    A file is taken with any suffix. A folder gives all files below it with ``IMAGE_SUFFIXES``,
    sorted, without hidden ones; so does a glob (``**`` included), with hidden ones if it names
    them. A file found twice is kept once, in its first position.

    Raises:
        ImageError: a path does not exist, or a folder or glob has no images; names the path.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: dict[Path, None] = {}
    for each in paths:
        found.update(dict.fromkeys(_expand(os.fspath(each))))
    return list(found)


def _expand(text: str) -> list[Path]:
    """The image files behind one file, folder or glob, at least one."""
    _refuse_url(text)
    path = Path(text)
    try:
        if path.is_file():
            return [path]
        if path.is_dir():
            inside = [p.relative_to(path) for p in path.rglob("*")]
            visible = (p for p in inside if not any(part.startswith(".") for part in p.parts))
            images = sorted(path / p for p in visible if _looks_like_image(path / p))
        else:
            images = sorted(filter(_looks_like_image, map(Path, glob.glob(text, recursive=True))))
    except (OSError, ValueError) as error:
        raise ImageError(f"{text}: cannot be searched: {_one_line(error)}") from error
    if images:
        return images
    if path.is_dir() or glob.has_magic(text):
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise ImageError(f"{text}: no image there; images have one of these suffixes: {known}")
    raise ImageError(f"{text}: no such file or folder")


def _looks_like_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _from_file(text: str) -> ImageArray:
    _refuse_url(text)
    path = Path(text)
    try:
        if path.is_dir():
            raise ImageError(f"{text}: is a folder; find_images lists the images in it")
        if not path.exists():
            raise ImageError(f"{text}: no such file")
        if not path.is_file():
            raise ImageError(f"{text}: is not a regular file")
        if path.stat().st_size == 0:
            raise ImageError(f"{text}: empty, 0 bytes")
        with path.open("rb") as file:
            return _open(file, text)
    except (OSError, ValueError) as error:
        raise ImageError(f"{text}: cannot be opened: {_one_line(error)}") from error


@contextmanager
def _one_error(name: str, problem: str) -> Iterator[None]:
    """Turns whatever Pillow's decoders raise on damaged bytes into an ImageError."""
    try:
        yield
    except (ImageError, Warning):
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: {_one_line(error)}; {size_limits()}") from error
    except UnidentifiedImageError as error:
        kinds = ", ".join(_PILLOW_FORMATS)
        raise ImageError(f"{name}: not an image of a known format ({kinds})") from error
    except Exception as error:
        raise ImageError(f"{name}: {problem}: {_one_line(error)}") from error


def _open(file: IO[bytes], name: str) -> ImageArray:
    """Decodes an open image file; Pillow reads only its header until the size is accepted."""
    # check_size decides on the size, not Pillow's warning. Warning filters are global to the
    # process, hence the lock.
    with _one_error(name, "damaged image"), _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(file, formats=_PILLOW_FORMATS)
    with image:
        return _decode(image, name)


def _decode(image: Image.Image, name: str) -> ImageArray:
    """A Pillow image, perhaps not decoded yet, as RGB."""
    check_size(*image.size, name)
    with _one_error(name, "truncated or damaged image"):
        image.load()
        image = _upright(image)
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            return rgb_from_array(np.asarray(image), name)
        if image.has_transparency_data:
            return rgb_from_rgba(np.asarray(image.convert("RGBA")))
        if image.mode == "L":
            return to_rgb(np.asarray(image))
        return np.array(image if image.mode == "RGB" else image.convert("RGB"), order="C")


def _upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation of a decoded image."""
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Warning:
        raise
    except Exception:  # a damaged EXIF block is no reason to refuse valid pixels
        return image
    return image if turn is None else image.transpose(turn)


def _refuse_url(text: str) -> None:
    scheme, separator, _ = text.partition(":/")
    if separator and scheme.lower() in ("http", "https", "ftp", "s3", "gs", "file"):
        raise ImageError(f"{text}: is a URL; download the file first and pass its path")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
