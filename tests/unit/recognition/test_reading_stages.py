"""Classification and recognition with networks small enough to know by heart."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.config import ClassificationConfig, RecognitionConfig
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.recognition.classifier import Classifier, glyph_crops, shows_none
from industrial_ocr.recognition.recognizer import Recognizer, StringFrames, strip
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import CharCandidates

ONE = Charset(("I",), blank=True)


def by_brightness(x: np.ndarray) -> np.ndarray:
    """Class 0 where the left half is brighter, 1 where the right one is, reject where equal."""
    half = x.shape[-1] // 2
    difference = (x[..., :half].mean((1, 2, 3)) - x[..., half:].mean((1, 2, 3))) * 9
    return np.stack([difference, -difference, np.ones_like(difference)], 1)


def framewise(x: np.ndarray) -> np.ndarray:
    """Class 1 with the brightness of each frame, blank with the rest."""
    bright = x.reshape(len(x), 32, -1, 4).mean((1, 3))
    bright = np.pad(bright, ((0, 0), (0, 1)))
    return np.stack([-bright, bright], -1).transpose(1, 0, 2) * 4


def picture() -> np.ndarray:
    image = np.zeros((40, 120, 3), np.uint8)
    image[10:30, 10:20] = 255
    image[10:30, 70:80] = 255
    return image


QUADS = [rect_quad(10, 10, 30, 30), rect_quad(60, 10, 80, 30), rect_quad(90, 10, 110, 30)]


def classifier(temperature: float = 1.0) -> Classifier:
    return Classifier(by_brightness, Charset(("L", "R")), 24, temperature)


def test_symbols_come_with_their_probabilities_and_the_reject_class() -> None:
    ((left, right, none),) = classifier().classify([picture()], [QUADS], ClassificationConfig())
    assert (left.symbols[0], right.symbols[0]) == ("L", "R")
    assert left.probabilities[0] > 0.9
    assert none.reject > 0.5
    for c in (left, right, none):
        assert float(c.probabilities.sum()) + c.reject == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    config = ClassificationConfig(batch_size=batch_size, top_k=1)
    images = [picture(), picture()[:, ::-1].copy()]
    named = classifier().classify(images, [QUADS[:1], QUADS], config)
    assert [[c.symbols[0] for c in own] for own in named] == [["L"], ["L", "L", "R"]]
    assert all(len(c.symbols) == 1 for own in named for c in own)


def test_a_doubtful_crop_is_read_at_two_more_sizes() -> None:
    seen: list[np.ndarray] = []

    def network(crops: np.ndarray) -> np.ndarray:
        """Sure of L in the first crop, unsure of the second one; later sure of R."""
        seen.append(crops)
        later = np.array([[-9, 9, -9]] * len(crops), np.float32)
        return later if len(seen) > 1 else np.array([[9, -9, -9], [0, 0, -9]], np.float32)

    reader = Classifier(network, Charset(("L", "R")), 24, 1.0)
    ((sure, doubtful),) = reader.classify([picture()], [QUADS[:2]], ClassificationConfig())
    assert (sure.symbols[0], doubtful.symbols[0]) == ("L", "R")
    assert sure.probabilities[0] > 0.999 and doubtful.probabilities[0] > 0.99
    first, small, large = seen
    assert len(first) == 2 and len(small) == len(large) == 1
    assert not np.array_equal(small, large) and not np.array_equal(small[0], first[1])


def test_a_higher_temperature_doubts_more() -> None:
    sure, doubting = (
        classifier(t).classify([picture()], [QUADS[:1]], ClassificationConfig())[0][0]
        for t in (1.0, 5.0)
    )
    assert doubting.probabilities[0] < sure.probabilities[0]


def test_no_strings_are_no_work() -> None:
    assert classifier().classify([picture()], [[]], ClassificationConfig()) == [[]]
    assert glyph_crops(picture()[..., 0], [], 24).shape == (0, 24, 24)


def test_a_character_by_itself_is_the_mean_of_its_views() -> None:
    """The inmost view shows one flat gray, the shifted one the same as the whole."""
    crop = np.full((40, 40, 3), 90, np.uint8)
    crop[:, 4:8] = 255
    views = ((1.0, 0.0), (0.4, 0.0), (1.0, 0.1))
    alone = [
        classifier().classify_whole([crop], ClassificationConfig(whole_views=(v,)))[0]
        for v in views
    ]
    config = ClassificationConfig(whole_views=views)
    named = classifier().classify_whole([crop, crop[:, ::-1].copy()], config)
    assert [n.symbols[0] for n in named] == ["L", "R"]
    assert alone[1].reject > 0.4 > alone[0].reject == pytest.approx(alone[2].reject)
    assert named[0].reject == pytest.approx(np.mean([a.reject for a in alone]), abs=1e-5)
    assert classifier().classify_whole([], config) == []


def test_a_strip_keeps_proportions_and_sets_stacked_letters_side_by_side() -> None:
    gray = picture()[..., 0]
    pixels, widths = strip(gray, [rect_quad(0, 0, 120, 40)], 32)
    assert pixels.shape == (32, 96) and widths == (96,)
    pixels, widths = strip(gray, [rect_quad(10, 0, 30, 40), rect_quad(60, 0, 80, 40)], 32)
    assert pixels.shape == (32, 32) and widths == (16, 16)


def test_frames_beyond_the_strip_are_cut_off_and_batches_do_not_matter() -> None:
    recognizer = Recognizer(framewise, ONE, 1.0)
    strings = [[rect_quad(0, 0, 120, 40)], [rect_quad(0, 0, 60, 40)]]
    every = [
        recognizer.recognize([picture()], [strings], RecognitionConfig(batch_size=n))[0]
        for n in (1, 8)
    ]
    for one, two in zip(*every, strict=True):
        assert one.log_probs.shape == two.log_probs.shape
    assert [len(f.log_probs) for f in every[0]] == [25, 13]


def test_a_frame_has_its_place_in_the_picture() -> None:
    frames = StringFrames(np.zeros((25, 2), np.float32), (rect_quad(100, 50, 196, 82),), (96,), ONE)
    quad = frames.span_quad(10, 11)
    assert quad[:, 0].tolist() == pytest.approx([138, 146, 146, 138])
    assert quad[:, 1].tolist() == pytest.approx([50, 50, 82, 82])


def test_a_network_without_padding_lacks_the_frame_at_the_edge() -> None:
    """The variant selu gives W / 4 - 1 frames; its characters stand where those of others do."""
    image, quads = np.zeros((32, 120, 3), np.uint8), [[[rect_quad(0, 0, 120, 32)]]]
    image[:, 60:64] = 255

    def narrower(x: np.ndarray) -> np.ndarray:
        return framewise(x)[1:-1]

    whole, without = (
        Recognizer(network, ONE, 1.0).recognize([image], quads, RecognitionConfig())[0][0]
        for network in (framewise, narrower)
    )
    assert without.log_probs.argmax(0)[1] == whole.log_probs.argmax(0)[1] == 15
    assert without.log_probs[0, 0] == pytest.approx(0, abs=1e-6)


def test_a_frame_of_a_stack_lies_in_its_own_letter() -> None:
    pieces = (rect_quad(0, 0, 16, 32), rect_quad(0, 40, 16, 72))
    frames = StringFrames(np.zeros((9, 2), np.float32), pieces, (16, 16), ONE)
    assert frames.span_quad(6, 6)[:, 1].tolist() == pytest.approx([40, 40, 72, 72])


def knows_space(x: np.ndarray) -> np.ndarray:
    """Blank 0.2, I 0.1, space 0.7 in every frame."""
    row = np.log(np.array([0.2, 0.1, 0.7], np.float32))
    return np.broadcast_to(row, (x.shape[-1] // 4 + 1, len(x), 3))


def test_the_space_of_a_network_is_no_symbol_but_blank_with_a_probability() -> None:
    plain = Recognizer(framewise, ONE, 1.0)
    knowing = Recognizer(knows_space, ONE, 1.0, knows_space=True)
    strings = [[[rect_quad(0, 0, 120, 40)]]]
    ((without,),) = plain.recognize([picture()], strings, RecognitionConfig())
    ((seen,),) = knowing.recognize([picture()], strings, RecognitionConfig())
    assert without.space is None and without.log_probs.shape == seen.log_probs.shape
    assert seen.space is not None and seen.space.shape == (25,)
    np.testing.assert_allclose(np.exp(seen.log_probs), np.tile([0.9, 0.1], (25, 1)), atol=1e-6)
    np.testing.assert_allclose(seen.space, 0.7, atol=1e-6)


@pytest.mark.parametrize(
    ("symbol", "best", "reject", "times", "none"),
    [
        ("8", 0.3, 0.6, 1.5, True),
        ("8", 0.5, 0.5, 1.5, False),
        ("8", 0.0, 0.9, 0.0, False),
        ("I", 0.1, 0.9, 1.5, False),
    ],
)
def test_an_image_of_one_character_shows_none_where_that_is_much_likelier(
    symbol: str, best: float, reject: float, times: float, none: bool
) -> None:
    named = CharCandidates((symbol,), np.array([best], np.float32), reject)
    assert shows_none(named, times) is none
