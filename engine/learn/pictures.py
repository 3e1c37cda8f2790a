"""Resizing of pictures, so that every backbone sees bounded sizes."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resizes a picture (H, W, 3) to (height, width, 3); it is smoothed first when made smaller."""
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def multiple_of(step: int, length: float) -> int:
    """Returns the positive multiple of step nearest to length."""
    return max(step, round(length / step) * step)


def sides_of_area(picture: NDArray[np.uint8], side: int, step: int, longest: float) -> tuple[int, int]:
    """Returns (width, height), multiples of step, about side² in area, of the picture's aspect.

    Args:
        picture: (H, W, 3).
        side: Square root of the area wanted.
        step: Both sides are multiples of this.
        longest: Largest aspect that is kept; a longer picture is squeezed to it.
    """
    height, width = picture.shape[:2]
    aspect = min(max(width / height, 1 / longest), longest)
    return multiple_of(step, side * math.sqrt(aspect)), multiple_of(step, side / math.sqrt(aspect))
