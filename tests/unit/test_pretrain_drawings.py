"""A drawing is a function of its seed, so that the recorded runs can be repeated."""

import hashlib

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="drawing needs OpenCV, of pretrain/requirements.lock")

from pretrain.drawings import Artist  # noqa: E402 - needs cv2

RECORDED_WITH = "5.0.0"  # of OpenCV; other versions draw other letters and edges
FIRST_24 = {
    0: "fc8851eccdf4f82b459df59f4a01c29d6018293830969e25a2506d6b54fa1aa3",
    7: "0c10e0565737de0aa6f9b1d3ee9f7ea7d30a028cd041aee8ec5e864caa5ef9ea",
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    cv2.setNumThreads(1)


@pytest.mark.parametrize("seed", FIRST_24)
def test_the_first_drawings_are_those_of_the_recorded_runs(seed: int) -> None:
    if not cv2.__version__.startswith(RECORDED_WITH):
        pytest.skip(f"recorded with OpenCV {RECORDED_WITH}, not {cv2.__version__}")
    artist = Artist(seed, 128)
    each = [hashlib.sha256(view.tobytes()).hexdigest() for _ in range(24) for view in artist.draw()]
    assert hashlib.sha256("".join(each).encode()).hexdigest() == FIRST_24[seed]


def test_the_same_seed_draws_the_same_and_another_draws_otherwise() -> None:
    first, again, other = (np.stack(Artist(seed, 64).draw(3)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_views_of_a_scene_are_pictures_and_differ() -> None:
    views = Artist(1, 96).draw(2)
    assert [(view.shape, view.dtype) for view in views] == [((96, 96, 3), np.uint8)] * 2
    assert not np.array_equal(*views)
    assert all(view.std() > 3 for view in views)
