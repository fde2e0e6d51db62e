"""Glyphs and layout: ink where the quads say, faces that know what they lack, sizes of scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ImageFont

from industrial_ocr.datasets.synthesis import plain
from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary, built_in_faces
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, FontFace, GlyphSource
from industrial_ocr.datasets.synthesis.layout import (
    Block,
    captioned,
    line_of_text,
    scaled,
    stack_of_text,
)
from industrial_ocr.datasets.synthesis.plain import PlainPrinter, _line_as_set
from industrial_ocr.datasets.synthesis.scenes import CHARACTER_HEIGHTS, SceneRenderer
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.geometry import edge_lengths


@pytest.fixture(scope="module")
def font(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The font that Pillow carries, as a file."""
    loaded = ImageFont.load_default(20)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    path = tmp_path_factory.mktemp("fonts") / "Aileron-Regular.otf"
    path.write_bytes(loaded.font_bytes)
    return path


def faces(font: Path) -> list[GlyphSource]:
    return [FontFace(font), *built_in_faces()[::7]]


def test_capitals_stand_on_the_baseline_at_cap_height(font: Path) -> None:
    for face in faces(font):
        for symbol in "H7":
            if face.supports(symbol):
                glyph = face.glyph(symbol)
                assert abs(glyph.top - CAP_HEIGHT) < 0.25 * CAP_HEIGHT, (face.name, symbol)
                assert abs(glyph.mask.shape[0] - CAP_HEIGHT) < 0.35 * CAP_HEIGHT, face.name
                assert 0 < glyph.advance < 3 * CAP_HEIGHT
                assert glyph.mask.max() > 200 and glyph.mask[0].any() and glyph.mask[:, -1].any()


def test_a_font_knows_what_it_lacks(font: Path) -> None:
    face = FontFace(font)
    assert face.supports("A") and face.glyph("A") is face.glyph("A")
    assert not face.supports("\U0001f600") and not face.supports(" ")
    with pytest.raises(DatasetError, match="no glyph for"):
        face.glyph("\U0001f600")


def test_no_font_is_said_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "broken.ttf"
    path.write_bytes(b"no font")
    with pytest.raises(DatasetError, match=r"broken\.ttf"):
        FontFace(path)


def ink(block: Block, index: int) -> float:
    """Share of the block's ink that lies in one quad, one pixel around it included."""
    quad = block.strings[0].quads[index]
    (x0, y0), (x1, y1) = np.floor(quad.min(0)).astype(int) - 1, np.ceil(quad.max(0)).astype(int) + 1
    inside = block.mask[max(y0, 0) : y1, max(x0, 0) : x1]
    return float(inside.sum() / block.mask.sum())


def test_quads_hold_the_ink_of_their_characters(font: Path) -> None:
    for face in faces(font):
        text = "1204 879" if face.supports("2") else "H"
        for block in (line_of_text(face, text, 0.2), stack_of_text(face, text, 1.5)):
            string = block.strings[0]
            count = len(text.replace(" ", ""))
            assert string.quads.shape == (count, 4, 2) and "".join(string.symbols) == "1204879"
            shares = [ink(block, i) for i in range(count)]
            assert min(shares) > 0.03, face.name
            assert sum(shares) == pytest.approx(1, abs=0.06), (face.name, shares)
            assert string.space_after == tuple(i == 3 for i in range(count))


def test_stacked_letters_run_downwards_and_lines_to_the_right(font: Path) -> None:
    face = FontFace(font)
    line = line_of_text(face, "ABC").strings[0].quads.mean(1)
    stack = stack_of_text(face, "ABC", 1.3).strings[0].quads.mean(1)
    assert (np.diff(line[:, 0]) > 0).all() and np.ptp(line[:, 1]) < 1
    assert (np.diff(stack[:, 1]) > CAP_HEIGHT).all() and np.ptp(stack[:, 0]) < 0.2 * CAP_HEIGHT


def test_a_scaled_block_keeps_its_characters_under_their_quads(font: Path) -> None:
    block = line_of_text(FontFace(font), "AB12")
    half = scaled(block, 0.5)
    assert half.mask.shape == pytest.approx(np.array(block.mask.shape) / 2, abs=1)
    np.testing.assert_allclose(half.strings[0].quads * 2, block.strings[0].quads, atol=1.5)
    assert sum(ink(half, i) for i in range(4)) == pytest.approx(1, abs=0.06)


def test_captions_are_smaller_than_what_they_stand_beside(font: Path) -> None:
    library = FaceLibrary([font.parent], built_in=0.0)
    for seed in range(20):
        block = captioned(np.random.default_rng(seed), library, lambda rng: "AB12")
        heights = [edge_lengths(s.quads[0])[1] for s in block.strings]
        assert len(heights) > 1
        assert max(heights) == pytest.approx(CAP_HEIGHT, rel=0.4)
        assert sorted(heights)[-2] < 0.85 * max(heights)


def test_digits_are_often_set_in_segments_where_built_in_faces_are_wanted(font: Path) -> None:
    def share(built_in: float, text: str) -> float:
        library = FaceLibrary([font.parent], built_in=built_in)
        rng = np.random.default_rng(2)
        names = [library.pick(rng, text).name for _ in range(200)]
        return float(np.mean([name.startswith("segments-7") for name in names]))

    assert 0.1 < share(0.18, "0123") < 0.35
    assert share(0.18, "A123") == 0
    assert share(0.0, "0123") == 0


def test_families_come_up_equally_often(font: Path, tmp_path: Path) -> None:
    names = [*(f"ibm-plex-mono-latin-{w}00-normal" for w in range(1, 8)), "ibm-plex-sans-latin-400",
             "Lato-Bold", "Lato-Thin"]  # fmt: skip
    for name in names:
        (tmp_path / f"{name}.otf").write_bytes(font.read_bytes())
    library = FaceLibrary([tmp_path], built_in=0.0)
    rng = np.random.default_rng(1)
    picked = [library.pick(rng, "A1").name for _ in range(300)]
    for family in ("ibm-plex-mono", "ibm-plex-sans", "Lato"):
        assert 70 < sum(p.startswith(family) for p in picked) < 130


def test_lettering_is_for_words_and_foreign_fonts_for_neither(font: Path, tmp_path: Path) -> None:
    for name in ("lettering/Pacifico", "foreign/han/Gothic", "plain/Lato"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / f"{name}.otf").write_bytes(font.read_bytes())
    library = FaceLibrary([tmp_path], built_in=0.0)
    rng = np.random.default_rng(1)
    assert {library.pick(rng, "AB").name for _ in range(50)} == {"Lato"}
    names = [library.pick(rng, "AB", lettering=0.5).name for _ in range(200)]
    assert set(names) == {"Lato", "Pacifico"} and 60 < names.count("Pacifico") < 140
    assert library.foreign(rng) is None, "this font has none of those characters"
    inner = FaceLibrary([tmp_path / "lettering"], built_in=0.0)
    assert inner.pick(rng, "AB").name == "Pacifico", "only folders below the given one count"


def test_small_capitals_are_no_lower_case(font: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    face = FontFace(font)
    assert face.supports("a") and face.supports("A")
    real = ImageFont.FreeTypeFont.getmask

    def small_capitals(self: ImageFont.FreeTypeFont, text: str, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        smaller = self.font_variant(size=self.size * 0.8) if text.islower() else self
        return real(smaller, text.upper(), *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageFont.FreeTypeFont, "getmask", small_capitals)
    face = FontFace(font)
    assert face.supports("A") and face.supports("1") and not face.supports("a")


@pytest.mark.slow
def test_loading_draws_everything_beforehand(font: Path) -> None:
    library = FaceLibrary([font.parent], built_in=0.0)
    library.load(DEFAULT_SYMBOLS)
    face = library.pick(np.random.default_rng(0), "A")
    assert isinstance(face, FontFace)
    assert set(face._glyphs) >= set(DEFAULT_SYMBOLS)


@pytest.mark.slow
def test_scenes_hold_characters_of_the_stated_sizes(font: Path) -> None:
    renderer = SceneRenderer((font.parent,), (256, 256))
    scenes = [renderer.render((4, i)) for i in range(60)]
    heights = [edge_lengths(q)[1] for s in scenes for t in s.strings for q in t.quads]
    assert len(heights) > 300
    assert 10 < np.median(heights) < 40
    assert np.mean([h < 2 * CHARACTER_HEIGHTS[1] for h in heights]) == 1
    assert 0 < np.mean([not s.strings for s in scenes]) < 0.3


@pytest.mark.slow
def test_magnified_scenes_hold_blurred_characters_where_the_quads_are(font: Path) -> None:
    heights, sharp, contrast = [], [], []
    for magnified in (0.0, 1.0):
        renderer = SceneRenderer((font.parent,), (256, 256), plain=1.0, magnified=magnified)
        scenes = [s for i in range(30) if (s := renderer.render((6, i))).strings]
        grays = [to_gray(scene.image).astype(float) for scene in scenes]
        # What magnification interpolates has small second differences.
        sharp.append(np.mean([np.abs(np.diff(g, 2, 1)).mean() / g.std() for g in grays]))
        quads = [q for s in scenes for t in s.strings for q in t.quads]
        heights.append(np.median([edge_lengths(q)[1] for q in quads]))
        inside = np.zeros(2)
        for scene, gray in zip(scenes, grays, strict=True):
            mask = np.zeros(gray.shape, np.uint8)
            for string in scene.strings:
                for quad in string.quads:
                    cv2.fillPoly(mask, [np.round(quad).astype(np.int32)], 1)
            edges = np.abs(np.diff(gray, axis=1))
            inside += edges[mask[:, 1:] > 0].mean(), edges[mask[:, 1:] == 0].mean()
        contrast.append(inside[0] / inside[1])
    assert 14 < heights[0] < 30 and 38 < heights[1] < 60
    assert sharp[1] < 0.5 * sharp[0]
    assert min(contrast) > 3


def test_crops_without_a_character_show_something(font: Path) -> None:
    renderer = GlyphRenderer((font.parent,), reject_share=0.5)
    crops = [c for i in range(60) for c in renderer.render((9, i))]
    rejects = [image for image, symbol in crops if symbol == REJECT]
    assert 0.4 < len(rejects) / len(crops) < 0.6
    assert np.mean([image.max() == 0 for image in rejects]) < 0.03


def test_counters_show_digits_and_the_way_between_them(font: Path) -> None:
    renderer = GlyphRenderer((font.parent,), reject_share=0.0, counter_share=1.0)
    crops = [c for i in range(80) for c in renderer.render((5, i))]
    symbols = [symbol for _, symbol in crops]
    assert set(symbols) == {*"0123456789", REJECT}
    assert 0.3 < symbols.count(REJECT) / len(symbols) < 0.6
    assert all(image.shape == (40, 40) for image, _ in crops)


def test_stacks_lean_no_more_than_lines_do(font: Path) -> None:
    """The camera's tilt is measured in letters, not in the height of the whole stack."""
    strips = StripRenderer((font.parent,))
    leans = []
    for i in range(60):
        string = strips.render((8, i), "ABCDEFGH", stacked=True).string
        run = string.quads[-1].mean(0) - string.quads[0].mean(0)
        leans.append(abs(run[0]) / abs(run[1]))
        assert np.ptp(string.quads[..., 0]) < 0.9 * np.ptp(string.quads[..., 1])
    assert max(leans) < 0.35


def test_plain_print_takes_another_font_where_the_glyphs_are_empty(
    font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Block] = []

    def first_without_ink(face: FontFace, text: str, height: float) -> Block:
        block = _line_as_set(face, text, height)
        drawn.append(block if drawn else replace(block, mask=np.zeros_like(block.mask)))
        return drawn[-1]

    monkeypatch.setattr(plain, "_line_as_set", first_without_ink)
    printer = PlainPrinter(FaceLibrary([font.parent], built_in=0.0), ("word",))
    picture = printer.picture(np.random.default_rng(3), "AB12", (20, 30))
    assert picture is not None and len(drawn) == 2
    assert np.ptp(picture[0]) > 30
