"""What a picture looks like in 256 bits, so that near copies can be found among many pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WORDS = 4  # of 64 bits each
NEAR = 31  # two pictures whose looks differ in no more bits are near copies; the bound of PDQ's authors

_SIDE = 64
_WAVES = 16
_LEAST_CONTRAST = 50  # of PDQ's quality measure, 0…100
_GREY = np.array([0.299, 0.587, 0.114])
_COSINES = np.sqrt(2 / _SIDE) * np.cos(np.pi / _SIDE * np.outer(np.arange(1, _WAVES + 1), np.arange(_SIDE) + 0.5))


def look_of(picture: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns the perceptual hash of a picture, or 0 when it has too little contrast to be told from others.

    The picture is averaged to 64 x 64 grey values; a bit says whether one of their 16 x 16 slowest cosine waves is
    stronger than the median. Re-encoding, scaling, small changes of light and trims of 1 % leave most bits as they are;
    colour is not looked at. Source: PDQ (Facebook, The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing
    Algorithm, 2019), with a plain average in place of its two tent filters.

    Args:
        picture: (H, W, 3) RGB.

    Returns:
        (4,) uint64, little-endian words; how unlike two pictures look is the number of bits that differ (see `NEAR`).
        The look of a picture with contrast has 128 bits set, so none of them is 0.
    """
    small = Image.fromarray(np.ascontiguousarray(picture)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float64) @ _GREY
    if _contrast(grey) < _LEAST_CONTRAST:
        return np.zeros(WORDS, dtype=np.uint64)
    waves = _COSINES @ grey @ _COSINES.T
    # Which wave has which bit matters to the search: the waves of a 16-bit piece of a look share no row and no column,
    # so that it is rarely the same in all pictures of one background.
    scattered = np.stack([np.diagonal(np.roll(waves, -shift, axis=1)) for shift in range(_WAVES)])
    order = np.argsort(scattered, axis=None, kind="stable")  # half of the bits, whatever is equal
    bits = np.zeros(scattered.size, dtype=np.bool_)
    bits[order[scattered.size // 2 :]] = True
    return np.packbits(bits).view("<u8").astype(np.uint64)


def _contrast(grey: NDArray[np.float64]) -> float:
    """Adds up the steps between neighbours that can be seen: PDQ's quality, above 100 for most photographs."""
    steps = [np.abs(np.trunc(np.diff(grey, axis=axis) * (100 / 255))).sum() for axis in (0, 1)]
    return float(sum(steps)) / 90
