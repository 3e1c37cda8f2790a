"""What is said of a picture in a word."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.learn.traits import SHAPED, TRAITS, shaped, traits_of


def scene(seed: int = 0, *, height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    """Coarse coloured noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


def measured(picture: NDArray[np.uint8]) -> dict[str, float]:
    return dict(zip(TRAITS, traits_of(picture).tolist(), strict=True))


def test_a_darker_picture_is_less_bright_and_as_sharp() -> None:
    picture = scene()
    light, dark = measured(picture), measured((picture * 0.4).astype(np.uint8))
    assert dark["brightness"] == pytest.approx(0.4 * light["brightness"], rel=0.02)
    assert dark["sharpness"] == pytest.approx(light["sharpness"], rel=0.02)


def test_a_blurred_picture_is_less_sharp_and_as_bright() -> None:
    picture = scene()
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(4)))
    sharp, soft = measured(picture), measured(blurred)
    assert soft["sharpness"] < 0.7 * sharp["sharpness"]
    assert soft["brightness"] == pytest.approx(sharp["brightness"], abs=0.02)


def test_noise_of_a_large_picture_is_not_taken_for_sharpness() -> None:
    picture = scene(height=960, width=1280)
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(40))).astype(float)
    noisy = np.clip(blurred + np.random.default_rng(1).normal(0, 20, blurred.shape), 0, 255).astype(np.uint8)
    assert measured(noisy)["sharpness"] < 0.7 * measured(picture)["sharpness"]


def test_a_grey_picture_has_no_colour_and_a_flat_one_no_sharpness() -> None:
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    assert measured(grey)["colour"] == 0
    assert measured(np.full((30, 40, 3), 200, np.uint8)) == pytest.approx(
        {"brightness": 200 / 255, "sharpness": 0, "colour": 0}
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (5000, 1)])
def test_the_narrowest_pictures_have_traits_too(shape: tuple[int, int]) -> None:
    assert np.isfinite(traits_of(np.full((*shape, 3), 9, np.uint8))).all()


def test_sizes_add_the_shorter_side_and_how_narrow_a_picture_is_whichever_way_it_stands() -> None:
    sizes = np.array([[200, 100], [100, 200]], dtype=np.uint32)
    both = shaped(np.zeros((2, 3), np.float32), sizes)
    assert SHAPED[-2:] == ("side", "narrowness")
    assert both[:, -2:].tolist() == [[100, 2], [100, 2]]
