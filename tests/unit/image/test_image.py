"""Everything an inspection script may hand over, and every bad input as one clear line."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from industrial_ocr.errors import ImageError
from industrial_ocr.image import arrays, load
from industrial_ocr.image.arrays import MAX_PIXELS, MAX_SIDE
from industrial_ocr.image.load import find_images, load_image

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
GRAY = RGB[..., 0].copy()


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG of some 70 bytes that claims any size: what a decompression bomb looks like."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def error_of(source: Any) -> str:
    """The message of the ImageError, which is one line and comes without any warning."""
    with warnings.catch_warnings(), pytest.raises(ImageError) as caught:
        warnings.simplefilter("error")
        load_image(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "bytearray", "memoryview", "pil"])
def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    data = encoded(RGB)
    path = tmp_path / "code.png"
    path.write_bytes(data)
    sources: dict[str, Any] = {
        "path": path,
        "str": str(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "pil": Image.fromarray(RGB),
    }
    np.testing.assert_array_equal(load_image(sources[kind]), RGB)


# fmt: off
ARRAYS = [
    # what            source                                               expected gray or RGB
    ("gray",          GRAY,                                                GRAY),
    ("gray, 1 ch",    GRAY[..., None],                                     GRAY),
    ("rgb",           RGB,                                                 RGB),
    ("reversed",      RGB[:, ::-1],                                        RGB[:, ::-1]),
    ("fortran",       np.asfortranarray(RGB),                              RGB),
    ("1x1",           np.full((1, 1), 7, np.uint8),                        [[7]]),
    ("bool",          np.array([[True, False]]),                           [[255, 0]]),
    ("float32",       np.array([[0, 0.5, 1]], np.float32),                 [[0, 128, 255]]),
    ("float16",       np.array([[0, 0.2, 1]], np.float16),                 [[0, 51, 255]]),
    ("float64",       RGB / 255.0,                                         RGB),
    ("overshoot",     np.array([[-0.0005, 1.0005]]),                       [[0, 255]]),
    ("int64, 8 bit",  GRAY.astype(np.int64),                               GRAY),
    ("u16, 8 bit",    np.array([[0, 255]], np.uint16),                     [[0, 255]]),
    ("u16, 10 bit",   np.array([[0, 512, 1023]], np.uint16),               [[0, 128, 255]]),
    ("u16, 12 bit",   np.array([[0, 2048, 4095]], np.uint16),              [[0, 128, 255]]),
    ("u16, 14 bit",   np.array([[0, 8192, 16383]], np.uint16),             [[0, 128, 255]]),
    ("u16, 16 bit",   np.array([[0, 32768, 65535]], np.uint16),            [[0, 128, 255]]),
    ("u16, just 12",  np.array([[1024]], np.uint16),                       [[64]]),
    ("big endian",    np.array([[0, 32768, 65535]], ">u2"),                [[0, 128, 255]]),
    ("u16 rgb",       np.array([[[0, 32768, 65535]]], np.uint16),          [[[0, 128, 255]]]),
    ("rgba opaque",   np.array([[[9, 8, 7, 255]]], np.uint8),              [[[9, 8, 7]]]),
    ("rgba clear",    np.array([[[9, 8, 7, 0]]], np.uint8),                [[[255, 255, 255]]]),
    ("rgba half",     np.array([[[0, 100, 255, 128]]], np.uint8),          [[[127, 177, 255]]]),
    ("rgba float",    np.array([[[0.0, 0, 0, 0.0]]]),                      [[[255, 255, 255]]]),
]
# fmt: on


@pytest.mark.parametrize(
    ("source", "expected"), [a[1:] for a in ARRAYS], ids=[a[0] for a in ARRAYS]
)
def test_arrays(source: np.ndarray, expected: object) -> None:
    wanted = np.asarray(expected, np.uint8)
    if wanted.ndim == 2:
        wanted = np.repeat(wanted[..., None], 3, axis=2)
    image = load_image(source)
    np.testing.assert_array_equal(image, wanted)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous and image.flags.writeable


def test_the_result_is_a_copy_because_cameras_reuse_their_buffers() -> None:
    buffer = RGB.copy()
    image = load_image(buffer)
    buffer[:] = 0
    np.testing.assert_array_equal(image, RGB)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_files_keep_their_range(kind: str) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    image = load_image(encoded(ramp, kind))
    np.testing.assert_array_equal(image[..., 0], ramp >> 8)


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B"])
def test_16_bit_pillow_modes(mode: str) -> None:
    picture = Image.new(mode, (2, 1), 2048)
    picture.putpixel((1, 0), 4095)
    np.testing.assert_array_equal(load_image(picture)[0, :, 0], [128, 255])


def test_16_bit_color_file_is_read_by_its_upper_bytes() -> None:
    _, data = cv2.imencode(".png", np.full((2, 3, 3), 30000, np.uint16))
    assert (load_image(data.tobytes()) == 30000 >> 8).all()


def test_float_tiff() -> None:
    image = load_image(encoded(Image.fromarray(np.array([[0, 1]], np.float32)), "TIFF"))
    np.testing.assert_array_equal(image[..., 0], [[0, 255]])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV"])
def test_pillow_modes_white_stays_white(mode: str) -> None:
    white = Image.new("RGB", (3, 2), "white")
    image = load_image(white.convert("L").convert(mode) if mode == "LA" else white.convert(mode))
    assert image.shape == (2, 3, 3)
    assert (image == 255).all()


def test_transparent_palette_and_gray_are_laid_on_white() -> None:
    gray = Image.new("LA", (2, 1), (0, 0))
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((1, 0), 1)
    assert (load_image(gray) == 255).all()
    image = load_image(encoded(palette, transparency=0))
    np.testing.assert_array_equal(image[0], [[255, 255, 255], [10, 20, 30]])


@pytest.mark.parametrize("print_gray", [255, 210, 90, 0])
def test_print_on_a_transparent_ground_is_laid_on_what_contrasts(print_gray: int) -> None:
    rgba = np.zeros((20, 40, 4), np.uint8)
    rgba[5:15, 10:30] = (print_gray, print_gray, print_gray, 255)
    rgba[4, 10:30] = (print_gray, print_gray, print_gray, 60)  # a soft edge
    for source in (rgba, encoded(Image.fromarray(rgba))):
        image = load_image(source).astype(int)
        assert (image[5:15, 10:30] == print_gray).all()
        assert abs(image[0, 0, 0] - print_gray) > 127


def test_translucent_light_print_is_laid_on_black() -> None:
    rgba = np.zeros((20, 40, 4), np.uint8)
    rgba[5:15, 10:30] = (255, 255, 255, 120)
    image = load_image(rgba)
    assert (image[5:15, 10:30] == 120).all()
    assert (image[:5] == 0).all()


def test_a_label_with_dark_print_and_clear_corners_is_laid_on_white() -> None:
    rgba = np.full((40, 60, 4), 255, np.uint8)
    rgba[15:25, 10:50, :3] = 0
    rgba[:4, :4] = 0
    assert (load_image(rgba)[:4, :4] == 255).all()


def test_every_suffix_of_a_kind_that_is_read_counts_in_folders(tmp_path: Path) -> None:
    Image.init()
    known = Image.registered_extensions()
    read = {s for s, kind in known.items() if kind in load._PILLOW_FORMATS}
    assert {".jfif", ".jpe", ".j2k", ".apng"} <= read <= load.IMAGE_SUFFIXES
    (tmp_path / "a.JFIF").write_bytes(encoded(RGB, "JPEG"))
    assert [p.name for p in find_images(tmp_path)] == ["a.JFIF"]


def test_what_pillow_warns_of_is_read_where_warnings_are_errors() -> None:
    data = bytearray(encoded(RGB, "TIFF"))
    compression = data.find(struct.pack("<HHI", 259, 3, 1))
    data[compression + 4] = 2  # two values of a tag that has one, as some cameras write
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load_image(bytes(data)), RGB)
        with pytest.raises(UserWarning, match="too many entries"):
            Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honored(kind: str, orientation: int) -> None:
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :8] = 255  # white top-left corner of a wide picture
    upright[8:, :8] = 128
    # stored = the inverse of what a viewer does for the tag (EXIF 2.32, 4.6.4 A)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = load_image(encoded(np.ascontiguousarray(stored), kind, exif=exif))
    np.testing.assert_allclose(image[..., 0], upright, atol=3)


def test_orientation_of_a_pillow_image_is_honored_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.open(io.BytesIO(encoded(RGB, exif=exif)))
    np.testing.assert_array_equal(load_image(picture), np.rot90(RGB, -1))


def test_damaged_exif_does_not_refuse_sound_pixels() -> None:
    data = encoded(RGB, exif=b"Exif\0\0no TIFF header")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(load_image(data), RGB)


def test_first_page_of_several() -> None:
    pages = [Image.new("L", (2, 2), v) for v in (10, 20)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert (load_image(data) == 10).all()


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "missing.png"
    assert error_of(path) == f"{path}: no such file"


def test_folder(tmp_path: Path) -> None:
    assert error_of(tmp_path).startswith(f"{tmp_path}: is a folder")


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    assert error_of(path) == f"{path}: empty, 0 bytes"
    assert "empty" in error_of(b"")


def test_truncated_jpeg(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(noise, "JPEG")
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) // 2])
    message = error_of(path)
    assert message.startswith(f"{path}: truncated or damaged image")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM"])
def test_files_cut_or_garbled_anywhere_raise_only_our_error(kind: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (24, 24, 3), np.uint8)
    data = encoded(noise, kind)
    assert load_image(data).shape == (24, 24, 3)
    random = np.random.default_rng(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(60):
            damaged = bytearray(data[: random.integers(1, len(data))])
            for place in random.integers(0, len(damaged), 3):
                damaged[place] = random.integers(256)
            try:
                load_image(damaged)
            except ImageError as error:
                assert "\n" not in str(error)


def test_text_file_named_png(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("this is no picture")
    message = error_of(path)
    assert message.startswith(f"{path}: not an image")
    assert "PNG" in message


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "page.eps"
    Image.new("RGB", (4, 4)).save(path)
    assert "not an image" in error_of(path)


# fmt: off
BAD = [
    # what           source                                           said
    ("nan",          np.array([[0.5, np.nan]]),                       "NaN"),
    ("inf",          np.array([[0.5, np.inf]], np.float32),           "infinite"),
    ("float 0..255", RGB.astype(np.float32),                          "float images are 0 to 1"),
    ("float -1..1",  np.array([[-1.0, 1.0]]),                         "got -1 to 1"),
    ("complex",      np.zeros((2, 2), complex),                       "complex128"),
    ("object",       np.array([[None, 1]], object),                   "object"),
    ("strings",      np.array([["a"]]),                               "<U1"),
    ("negative",     np.array([[-1, 5]]),                             "got -1 to 5"),
    ("int64 wide",   np.array([[0, 1 << 40]]),                        "0 to 65535"),
    ("uint64 wide",  np.array([[(1 << 64) - 1]], np.uint64),          "0 to 65535"),
    ("zero size",    np.zeros((0, 5, 3), np.uint8),                   "no pixels"),
    ("zero width",   np.zeros((5, 0), np.float32),                    "no pixels"),
    ("1-d",          np.zeros(5, np.uint8),                           "got shape (5,)"),
    ("0-d",          np.array(5),                                     "got shape ()"),
    ("4-d",          np.zeros((1, 4, 4, 3), np.uint8),                "one by one"),
    ("2 channels",   np.zeros((4, 4, 2), np.uint8),                   "got shape (4, 4, 2)"),
    ("5 channels",   np.zeros((4, 4, 5), np.uint8),                   "got shape (4, 4, 5)"),
    ("channels 1st", np.zeros((3, 8, 8), np.uint8),                   "channels come last"),
    ("none",         None,                                            "got None"),
    ("number",       7,                                               "got int"),
    ("list",         [[1, 2], [3, 4]],                                "got list"),
    ("url",          "https://example.com/a.png",                     "download"),
    ("path of url",  Path("http://example.com/a.png"),                "download"),
    ("null in path", "a\0b.png",                                      "a\0b.png: "),
    ("long path",    "x" * 5000,                                      "xxx: "),
    ("pil, no size", Image.new("L", (0, 3)),                          "no pixels"),
    ("pil negative", Image.new("I", (2, 2), -5),                      "got -5"),
    ("noise",        bytes(range(256)),                               "not an image"),
    ("wide",         np.zeros((1, MAX_SIDE + 1), np.uint8),           f"{MAX_SIDE:,} a side"),
    ("20000x20000",  np.broadcast_to(np.uint8(0), (20000, 20000)),    f"{MAX_PIXELS:,} pixels"),
]
# fmt: on


@pytest.mark.parametrize(("source", "said"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_one_clear_line(source: object, said: str) -> None:
    assert said in error_of(source)


@pytest.mark.parametrize("side", [20_000, 11_000, 70_000])
def test_too_large_a_file_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    message = error_of(path)  # decoding it would say "truncated" instead
    assert str(path) in message
    assert f"{MAX_PIXELS:,}" in message and f"{MAX_SIDE:,}" in message


def test_an_image_just_below_the_limit_brings_no_warning_of_pillow() -> None:
    assert "truncated" in error_of(png_header(9_999, 9_999))  # decoded, after no warning


def test_limit_holds_for_pillow_images_before_they_are_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = Image.open(io.BytesIO(encoded(RGB)))
    monkeypatch.setattr(arrays, "MAX_PIXELS", 53)
    monkeypatch.setattr(picture, "load", lambda: pytest.fail("decoded"))
    assert "9 x 6 is 54 pixels" in error_of(picture)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", "sub/c.tif", ".hidden/d.png", "sub/._c.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_folders_are_searched_recursively_and_sorted(folder: Path) -> None:
    assert find_images([folder]) == [folder / "a.JPG", folder / "b.png", folder / "sub/c.tif"]
    for name in "zqkxmcewphd":
        (folder / f"sub/{name}.bmp").write_bytes(b"x")
    for found in (find_images(folder), find_images(f"{folder}/sub/*.bmp")):
        assert found == sorted(found) and len(found) >= 11


def test_files_are_taken_as_named_and_once(folder: Path) -> None:
    notes = folder / "notes.txt"
    assert find_images([notes, folder / "b.png", folder])[:2] == [notes, folder / "b.png"]
    assert len(find_images([notes, folder / "b.png", folder])) == 4
    assert find_images(str(notes)) == [notes]


def test_globs(folder: Path) -> None:
    assert find_images(f"{folder}/*") == [folder / "a.JPG", folder / "b.png"]
    assert find_images(f"{folder}/**/*.tif") == [folder / "sub/c.tif"]
    odd = folder / "x[1].png"
    odd.write_bytes(b"x")
    assert find_images(odd) == [odd]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.png", "no such file or folder"),
        ("*.bmp", "no image there"),
        ("empty", "no image there"),
    ],
)
def test_what_is_not_found_is_named(folder: Path, name: str, said: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(ImageError, match=said) as caught:
        find_images([folder / "b.png", folder / name])
    assert str(folder / name) in str(caught.value)


def test_urls_are_not_searched() -> None:
    with pytest.raises(ImageError, match="download"):
        find_images("https://example.com/*.png")
