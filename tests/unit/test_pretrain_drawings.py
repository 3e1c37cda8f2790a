"""A drawing is a function of its seed, so that the recorded runs can be repeated.

Bytes depend on OpenCV and on the processor, so that they are compared only when asked: PRETRAIN_DIGESTS=1.
"""

import hashlib
import os

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="drawing needs OpenCV, of pretrain/requirements.lock")

from pretrain.drawings import Artist  # noqa: E402 - needs cv2

# Seed, number of drawings, mean colours of the last four of them
MEANS = [
    (0, 12, [[33.5, 37.4, 37.8], [93.9, 88.2, 77.3], [86.1, 66.5, 102.9], [87.9, 84.3, 94.2]]),
    (7, 4, [[166.1, 125.3, 133.0], [196.6, 233.4, 218.1], [139.2, 139.1, 115.5], [67.5, 51.9, 63.9]]),
]
FIRST_24 = {  # of OpenCV 5.0.0 on x86-64, which made the recorded runs
    0: "fc8851eccdf4f82b459df59f4a01c29d6018293830969e25a2506d6b54fa1aa3",
    7: "0c10e0565737de0aa6f9b1d3ee9f7ea7d30a028cd041aee8ec5e864caa5ef9ea",
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    cv2.setNumThreads(1)


@pytest.mark.parametrize(("seed", "count", "means"), MEANS)
def test_the_first_drawings_look_like_those_of_the_recorded_runs(
    seed: int, count: int, means: list[list[float]]
) -> None:
    artist = Artist(seed, 128)
    views = [view for _ in range(count) for view in artist.draw()][-len(means) :]
    assert all((view.shape, view.dtype) == ((128, 128, 3), np.uint8) for view in views)
    assert np.allclose([view.mean((0, 1)) for view in views], means, atol=0.5)


@pytest.mark.skipif("PRETRAIN_DIGESTS" not in os.environ, reason="bytes depend on the processor; PRETRAIN_DIGESTS=1")
@pytest.mark.parametrize("seed", FIRST_24)
def test_the_first_drawings_are_byte_for_byte_those_of_the_recorded_runs(seed: int) -> None:
    artist = Artist(seed, 128)
    each = [hashlib.sha256(view.tobytes()).hexdigest() for _ in range(24) for view in artist.draw()]
    assert hashlib.sha256("".join(each).encode()).hexdigest() == FIRST_24[seed]


def test_views_of_a_scene_differ() -> None:
    first, second = Artist(1, 64).draw(2)
    assert not np.array_equal(first, second)
