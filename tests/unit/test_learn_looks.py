"""What two pictures' looks say about how alike they are."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.learn.looks import look_of


def drawing(seed: int, width: int = 300, height: int = 200) -> NDArray[np.uint8]:
    """Smooth patches of colour, unlike for each seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


def differing_bits(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.bitwise_count(look_of(one) ^ look_of(other)).sum())


def test_a_look_is_four_words_and_the_same_each_time() -> None:
    look = look_of(drawing(1))
    assert (look.shape, look.dtype) == ((4,), np.uint64)
    assert np.array_equal(look, look_of(drawing(1)))


def test_a_bit_says_that_the_grey_rises_to_the_right() -> None:
    rising = np.repeat(np.tile(np.arange(17, dtype=np.uint8) * 10, (16, 1))[:, :, np.newaxis], 3, axis=2)
    assert look_of(rising).tolist() == [2**64 - 1] * 4
    assert look_of(rising[:, ::-1]).tolist() == [0] * 4


def test_a_copy_that_was_scaled_and_compressed_differs_in_few_bits_and_another_picture_in_many() -> None:
    picture, buffer = drawing(1), io.BytesIO()
    Image.fromarray(picture).resize((150, 100)).save(buffer, "JPEG", quality=60)
    assert differing_bits(picture, np.asarray(Image.open(buffer))) <= 10
    assert differing_bits(picture, drawing(2)) >= 80
