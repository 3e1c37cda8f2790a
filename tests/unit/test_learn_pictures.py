import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.learn.groups import joined
from engine.learn.heads import rooted
from engine.learn.pictures import at_most, resized, sides_of_area


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_sides_are_multiples_of_the_step_of_about_the_area_wanted(width: int, height: int) -> None:
    picture = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    sides = sides_of_area(picture, 224, step=32, longest_aspect=3.0)
    assert all(side % 32 == 0 for side in sides)
    assert 0.75 < sides[0] * sides[1] / 224**2 < 1.35
    assert max(sides) / min(sides) <= 3.5
    if width >= height:
        assert sides[0] >= sides[1]


@pytest.mark.parametrize(("width", "height", "expected"), [(640, 480, (640, 480)), (4000, 1000, (256, 64))])
def test_only_a_picture_that_is_too_long_is_shrunk(width: int, height: int, expected: tuple[int, int]) -> None:
    assert at_most(640 if width == 640 else 256, np.zeros((height, width, 3), np.uint8)) == expected


def test_a_mirrored_picture_is_resized_to_the_mirror_image() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resized(picture[:, ::-1], 20, 25), resized(picture, 20, 25)[:, ::-1])


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resized(stripes, 16, 16)
    assert np.abs(small.astype(int) - 127).max() < 12


def test_each_group_has_the_length_of_its_weight_after_the_root() -> None:
    groups = [np.array([3.0, -9.0], np.float32), np.full(100, 0.01, np.float32), np.zeros(2, np.float32)]
    rows = rooted(joined(groups, [2.0, 1.0, 5.0])[None])[0]
    lengths = [float(np.linalg.norm(part)) for part in np.split(rows, [2, 102])]
    assert lengths[0] / lengths[1] == pytest.approx(2.0, rel=1e-5)
    assert lengths[2] == 0.0


def test_a_picture_that_is_averaged_first_looks_next_to_the_same() -> None:
    across, down = np.meshgrid(np.linspace(0, 255, 640), np.linspace(0, 255, 480))
    waves = 127 + 60 * np.sin(across / 9) + 60 * np.cos(down / 7)
    picture = np.stack([across, down, waves], axis=-1).astype(np.uint8)
    whole, quick = resized(picture, 256, 192), resized(picture, 256, 192, reducing_gap=1.0)
    assert quick.shape == whole.shape
    assert np.abs(quick.astype(int) - whole).mean() < 1.0


def test_a_picture_that_is_not_twice_as_large_is_not_averaged_first() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resized(picture, 256, 192, reducing_gap=1.0), resized(picture, 256, 192))
