"""The shipped weights, end to end, on pictures that the tests draw themselves."""

from __future__ import annotations

import io
import json
import shutil
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

from industrial_ocr import Lexicon, Reader
from industrial_ocr.errors import ConfigError, ImageError, WeightsError
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.reader.arguments import reading_config
from industrial_ocr.results.geometry import bounds
from industrial_ocr.results.types import Status, Verdict

CODE = "HK74XR92"


def picture(text: str = CODE, size: tuple[int, int] = (480, 240)) -> np.ndarray:
    canvas = Image.new("RGB", size, (235, 235, 235))
    font = ImageFont.load_default(48)
    ImageDraw.Draw(canvas).text((60, 90), text, fill=(20, 20, 20), font=font)
    return np.asarray(canvas)


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(device="cpu")


@pytest.mark.parametrize("engine", ["two-stage", "crnn"])
def test_both_engines_read_clean_print(reader: Reader, engine: Any) -> None:
    result = reader.read(picture(), engine=engine)
    assert letters(result.text).upper() == CODE
    (string,) = result.strings
    assert result.engine == engine and 0 < string.confidence <= 1
    x0, y0, x1, y1 = bounds(string.quad)
    assert 40 < x0 < 80 and y0 > 80 and y1 < 160 and x1 < 400
    assert [c.symbol for c in string.characters] == list(letters(string.text))
    centers = [float(c.quad[:, 0].mean()) for c in string.characters]
    assert centers == sorted(centers)
    assert {"detect", "segment", "link", "decode", "total"} <= set(result.timings)


@pytest.mark.parametrize("engine", ["two-stage", "crnn", "agree"])
def test_a_line_of_dots_is_verified_although_one_dot_stands_alone(
    reader: Reader, engine: Any
) -> None:
    label = Path(__file__).parents[2] / "examples" / "label.png"
    assert reader.verify(label, "EXP 08/2027", engine=engine).verdict is Verdict.PASS


def test_a_roi_of_fractions_is_refused(reader: Reader) -> None:
    with pytest.raises(ImageError, match="smaller than a pixel"):
        reader.read(picture(), roi=(0.1, 0.1, 0.5, 0.5))


def test_a_lexicon_of_unknown_characters_is_refused(reader: Reader) -> None:
    words = Lexicon((CODE, "GRÜN"))
    with pytest.raises(ConfigError, match="'GRÜN'"):
        reader.recognize([picture()[80:160, 40:400]], engine="crnn", lexicon=words)
    with pytest.raises(ConfigError, match="needs engine crnn"):
        reader.recognize([picture()], engine="two-stage", lexicon=Lexicon((CODE,)))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["read", "recognize"])
@pytest.mark.parametrize("engine", ["two-stage", "crnn", "agree"])
def test_the_configuration_weighs_positions(task: str, engine: Any) -> None:
    shown = picture() if task == "read" else picture()[75:160, 45:350]
    settings = {"confidence": {"position_weights": [1.0, 0.0]}}
    weighing, plain = (Reader(config=c, device="cpu") for c in (settings, None))
    found = []
    for reader in (weighing, plain):
        if task == "read":
            found.append(reader.read(shown, engine=engine))
        else:
            found += reader.recognize([shown], engine=engine)
    (string,), (unweighed,) = (result.strings for result in found)
    # Two-stage multiplies the probability of the character by that of its box.
    least = 0.9 if engine != "crnn" else 0.999
    assert least < string.scores.weighted / string.characters[0].confidence < 1.001
    assert string.scores.weighted != string.scores.mean
    assert unweighed.scores.weighted == pytest.approx(unweighed.scores.mean)


@pytest.mark.slow
def test_bfloat16_reads_the_same_within_hundredths(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast preset computes so where it is faster, and only there."""
    shown, exact = picture(), Reader(backend="torch", device="cpu")
    for fast in (True, False):
        name = "industrial_ocr.inference.torch_backend.has_bf16"
        monkeypatch.setattr(name, lambda _, fast=fast: fast)
        other = Reader(precision="auto", backend="torch", device="cpu")
        (was,), (now,) = (r.read(shown).strings for r in (exact, other))
        assert now.text == was.text
        assert now.confidence == pytest.approx(was.confidence, abs=0.05)
        assert (now.confidence == was.confidence) is not fast


@pytest.mark.parametrize("turns", [0, 2])
def test_a_text_that_must_be_printed(reader: Reader, turns: int) -> None:
    image = np.ascontiguousarray(np.rot90(picture(), turns))
    right = reader.verify(image, "HK74 XR92")
    assert right.verdict is Verdict.PASS, right.reason
    assert right.worst is not None and right.worst.log_odds > 1.6
    wrong = reader.verify(image, "HK74XR93", roi=(20, 60, 460, 180), engine="agree")
    assert wrong.verdict is Verdict.FAIL
    assert wrong.worst is not None and (wrong.worst.symbol, wrong.worst.rival) == ("3", "2")
    assert wrong.worst.quad is not None and wrong.quad is not None
    x0, y0, x1, y1 = bounds(wrong.quad)
    assert x0 > 40 and x1 < 440 and y0 > 70 and y1 < 170
    assert wrong.draw().shape == image.shape


def test_a_text_that_cannot_be_verified(reader: Reader) -> None:
    with pytest.raises(ConfigError, match="does not know Ω"):
        reader.verify(picture(), "HKΩ")
    blank = np.full((90, 90, 3), 200, np.uint8)
    assert reader.verify(blank, CODE).verdict is Verdict.CANNOT_TELL


def forms(tmp_path: Path) -> dict[str, Any]:
    rgb = picture()
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(buffer.getvalue())
    gray = rgb[..., 0]
    return {
        "path": path, "text": str(path), "bytes": buffer.getvalue(),
        "PIL": Image.fromarray(rgb), "gray": gray, "RGB": rgb,
        "RGBA": np.dstack([rgb, np.full_like(gray, 255)]),
        "16 bit": gray.astype(np.uint16) * 257,
    }  # fmt: skip


def test_every_form_of_an_image_reads_the_same(reader: Reader, tmp_path: Path) -> None:
    texts = {name: reader.read(image).text for name, image in forms(tmp_path).items()}
    assert len(set(texts.values())) == 1, texts


def test_a_batch_reads_as_its_images_do(reader: Reader) -> None:
    images = [picture(), picture("9ZT4 KM", (400, 300)), np.zeros((50, 60, 3), np.uint8)]
    for engine in ("two-stage", "crnn"):
        together = reader.read_batch(images, engine=engine)
        alone = [reader.read(i, engine=engine) for i in images]
        assert [r.text for r in together] == [r.text for r in alone]
        for a, b in zip(together, alone, strict=True):
            assert a.confidence == pytest.approx(b.confidence, abs=1e-3)


def test_a_region_is_read_in_coordinates_of_the_whole(reader: Reader) -> None:
    wide = np.concatenate([picture("AAAAA"), picture()], axis=1)
    result = reader.read(wide, roi=(480, 0, 960, 240))
    assert letters(result.text).upper() == CODE
    assert bounds(result.strings[0].quad)[0] > 500
    assert result.image.shape == wide.shape
    with pytest.raises(ImageError, match="outside"):
        reader.read(wide, roi=(2000, 0, 2100, 50))
    for swapped in ((960, 0, 480, 240), [[480, 240], [960, 0]], (500, 100, 500, 200)):
        with pytest.raises(ImageError, match="x0 < x1 and y0 < y1.*width and height"):
            reader.read(wide, roi=swapped)


@pytest.mark.parametrize("engine", ["two-stage", "crnn"])
def test_crops_are_one_string(reader: Reader, engine: Any) -> None:
    """One string an image; the shipped detector still loses characters in tight crops."""
    (result,) = reader.recognize([picture()[85:150, 50:330]], engine=engine)
    assert len(result.strings) == 1
    least = 1.0 if engine == "crnn" else 0.7
    assert Levenshtein.normalized_similarity(letters(result.text).upper(), CODE) >= least


def test_a_crop_is_never_read_on_its_head(reader: Reader) -> None:
    """It is known to run left to right; of a whole picture the letters tell."""
    turned = np.ascontiguousarray(picture("TRHU1700369")[::-1, ::-1])
    assert reader.read(turned).text == "TRHU1700369"
    crop = np.ascontiguousarray(picture("AH806920")[80:155, 45:310][::-1, ::-1])
    ((string,),) = (r.strings for r in reader.recognize([crop], engine="two-stage"))
    assert "6908H" in string.text
    assert all(c.quad[1, 0] > c.quad[0, 0] for c in string.characters)


def test_single_characters_are_named(reader: Reader) -> None:
    canvas = Image.new("L", (60, 70), 230)
    ImageDraw.Draw(canvas).text(
        (30, 35), "K", fill=10, font=ImageFont.load_default(60), anchor="mm"
    )
    (named,) = reader.classify([canvas])
    assert named is not None and named.symbols[0].upper() == "K"


def test_a_counter_between_two_digits_shows_none(reader: Reader) -> None:
    canvas = Image.new("L", (60, 72), 230)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(60)
    for digit, middle in (("5", 0), ("6", 72)):
        draw.text((30, middle), digit, fill=10, font=font, anchor="mm")
    assert reader.classify([canvas]) == [None]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (300, 300)])
def test_no_text_is_a_result(reader: Reader, size: tuple[int, int]) -> None:
    for engine in ("two-stage", "crnn"):
        result = reader.read(np.full((*size, 3), 128, np.uint8), engine=engine)
        assert result.status is Status.NO_TEXT and result.text == "" and result.strings == ()
        assert result.draw().shape == (*size, 3)


def test_json_round_trip_and_picture(reader: Reader) -> None:
    result = reader.read(picture())
    back = json.loads(result.to_json())
    assert back == result.to_dict() and back["strings"][0]["characters"][0]["alternatives"]
    drawn = result.draw()
    assert drawn.shape == result.image.shape and (drawn != result.image).any()


def test_threads_share_a_reader(reader: Reader) -> None:
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(reader.read(picture()).text)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 3 and len(set(texts)) == 1


def test_damaged_weights_name_their_hash(tmp_path: Path) -> None:
    entry = find_entry("classifier")
    shutil.copytree(entry.path.parent, tmp_path / "weights")
    weights = tmp_path / "weights" / entry.path.name
    for file, sha256, backend in (
        (weights, entry.sha256, "torch"),
        (weights.with_suffix(".onnx"), entry.onnx_sha256, "onnxruntime"),
    ):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        with pytest.raises(WeightsError, match=sha256):
            Reader(device="cpu", classifier=weights, backend=backend).load()


def test_unknown_names_are_named() -> None:
    with pytest.raises(ConfigError, match="moon"):
        Reader(device="moon")
    with pytest.raises(ConfigError, match="text_treshold"):
        Reader(config={"segmentation": {"text_treshold": 0.3}})
    with pytest.raises(WeightsError, match="nobody"):
        Reader(device="cpu", detector="nobody")
    with pytest.raises(ConfigError, match="magic"):
        Reader(device="cpu").read(picture(), engine="magic")


def _huge_png(side: int) -> bytes:
    """A PNG whose header promises side x side pixels, without the pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (_huge_png(20000), "limit is 100,000,000 pixels"),
        (b"", "empty"),
        (b"not a picture", "image"),
        (np.zeros((0, 5, 3), np.uint8), "0"),
        (np.full((5, 5), np.nan), "NaN"),
        (np.zeros((5, 5), np.complex64), "complex"),
        ("/no/such/file.png", "file.png"),
    ],
)
def test_bad_images_are_one_clear_line(reader: Reader, bad: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        reader.read(bad)
    assert "\n" not in str(caught.value)


def test_one_image_is_no_list_of_images(reader: Reader, tmp_path: Path) -> None:
    one = picture()
    Image.fromarray(one).save(tmp_path / "one.png")
    for alone in (one, one[..., 0], tmp_path / "one.png", str(tmp_path / "one.png"), b"png"):
        for call in (reader.recognize, reader.classify, reader.read_batch):
            with pytest.raises(ImageError, match=r"put it into a list"):
                call(alone)
    assert len(reader.classify(np.stack([one[:60, :60], one[:60, :60]]))) == 2


def test_the_fast_configuration_is_known_by_its_name(reader: Reader, tmp_path: Path) -> None:
    fast = Reader(device="cpu", config="fast")
    assert fast.config.detection.long_side < reader.config.detection.long_side
    assert fast.config.confidence == reader.config.confidence
    # A large picture of small print: the first look sees letters of 24 pixels at half their size.
    canvas = Image.new("RGB", (1280, 960), (235, 235, 235))
    font = ImageFont.load_default(34)
    ImageDraw.Draw(canvas).text((500, 400), CODE, fill=(20, 20, 20), font=font)
    result = fast.read(np.asarray(canvas))
    assert letters(result.text).upper() == CODE
    assert result.timings["closer look"] > 0
    with pytest.raises(ConfigError, match="faster"):
        Reader(device="cpu", config="faster")


def test_the_default_is_the_pipeline_configuration() -> None:
    assert reading_config("pipeline") == reading_config(None) != reading_config("fast")
