"""What two pictures' looks say about how alike they are."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.learn.looks import NEAR, look_of
from tests.learn_support import shape_picture

Pixels = NDArray[np.uint8]


def drawing(seed: int, width: int = 300, height: int = 200) -> Pixels:
    """Patches of colour of all sizes, as photographs have, unlike for each seed."""
    rng, total = np.random.default_rng(seed), np.zeros((height, width, 3))
    for cells in (2, 4, 8, 16, 32):
        patches = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(patches.resize((width, height), Image.Resampling.BICUBIC)) / cells**0.5
    return (255 * (total - total.min()) / np.ptp(total)).astype(np.uint8)


def differing_bits(one: Pixels, other: Pixels) -> int:
    return int(np.bitwise_count(look_of(one) ^ look_of(other)).sum())


def compressed(picture: Pixels, quality: int, shrink: int = 1) -> Pixels:
    image, buffer = Image.fromarray(picture), io.BytesIO()
    image.resize((image.width // shrink, image.height // shrink)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_a_look_is_four_words_with_half_their_bits_set_and_the_same_each_time() -> None:
    look = look_of(drawing(1))
    assert (look.shape, look.dtype) == ((4,), np.uint64)
    assert int(np.bitwise_count(look).sum()) == 128
    assert np.array_equal(look, look_of(drawing(1)))


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_that_was_scaled_compressed_brightened_or_trimmed_is_near(seed: int) -> None:
    picture = drawing(seed)
    assert differing_bits(picture, compressed(picture, 50)) <= NEAR
    assert differing_bits(picture, compressed(picture, 75, shrink=3)) <= NEAR
    assert differing_bits(picture, np.clip(picture * 1.15 + 8, 0, 255).astype(np.uint8)) <= NEAR
    assert differing_bits(picture, picture[2:-2, 3:-3]) <= NEAR


def test_different_pictures_are_far_from_each_other_even_if_each_is_a_shape_on_plain_ground() -> None:
    rng = np.random.default_rng(0)
    for pictures in (
        [drawing(seed) for seed in range(30)],
        [shape_picture(shape, rng) for shape in ("disc", "ring", "bar") for _ in range(10)],
    ):
        looks = np.stack([look_of(picture) for picture in pictures])
        distances = np.bitwise_count(looks[:, None] ^ looks[None]).sum(axis=2)
        assert distances[~np.eye(len(looks), dtype=bool)].min() > NEAR


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 40, 40)])
def test_a_picture_without_contrast_has_no_look(colour: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).normal(0, 3, (90, 120, 3))
    assert not look_of(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).any()


def test_a_picture_of_one_pixel_and_a_thin_one_have_a_look_or_none_but_never_fail() -> None:
    assert not look_of(np.zeros((1, 1, 3), np.uint8)).any()
    assert int(np.bitwise_count(look_of(drawing(1)[:, :1])).sum()) in (0, 128)
