"""What a picture looks like in 256 bits, so that near copies can be found among many pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WORDS = 4  # of 64 bits each
_SIDE = 16


def look_of(picture: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns the difference hash of a picture.

    The picture is averaged to 16 rows of 17 grey values; a bit says whether a value is less than the one to its right
    (dHash, N. Krawetz, "Kind of Like That", 2013, with 256 bits in place of 64). Re-encoding, scaling and small changes
    of brightness change few bits. A picture without contrast from left to right has the look 0, as all of its kind.

    Args:
        picture: (H, W, 3) RGB.

    Returns:
        (4,) uint64, little-endian words; how unlike two pictures look is the number of bits that differ.
    """
    small = Image.fromarray(np.ascontiguousarray(picture)).resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.int64) @ np.array([299, 587, 114])
    return np.packbits(grey[:, :-1] < grey[:, 1:]).view("<u8").astype(np.uint64)
