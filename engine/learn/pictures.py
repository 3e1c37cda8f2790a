"""Resizing of pictures, so that every backbone sees bounded sizes."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resized(
    picture: NDArray[np.uint8], width: int, height: int, *, reducing_gap: float | None = None
) -> NDArray[np.uint8]:
    """Resizes a picture (H, W, 3) to (height, width, 3); it is smoothed first when made smaller.

    Args:
        picture: (H, W, 3).
        width: Pixels.
        height: Pixels.
        reducing_gap: At least 1. A large picture is first averaged over whole blocks of pixels, as long as it stays so
            many times larger than what is wanted: twice as quick, and next to the same. Without it none is.
    """
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=reducing_gap))


def multiple_of(step: int, length: float) -> int:
    """Returns the positive multiple of step nearest to length."""
    return max(step, round(length / step) * step)


def at_most(longest: int, picture: NDArray[np.uint8]) -> tuple[float, float]:
    """Returns (width, height) of a picture (H, W, 3), shrunk so that neither is above longest."""
    height, width = picture.shape[:2]
    shrink = min(1.0, longest / max(height, width))
    return width * shrink, height * shrink


def sides_of_area(picture: NDArray[np.uint8], side: int, *, step: int, longest_aspect: float) -> tuple[int, int]:
    """Returns (width, height), multiples of step, about side² in area, of the picture's aspect.

    Args:
        picture: (H, W, 3).
        side: Square root of the area wanted.
        step: Both sides are multiples of this.
        longest_aspect: A longer picture is squeezed to this aspect.
    """
    height, width = picture.shape[:2]
    stretch = math.sqrt(min(max(width / height, 1 / longest_aspect), longest_aspect))
    return multiple_of(step, side * stretch), multiple_of(step, side / stretch)
