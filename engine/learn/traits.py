"""What can be said of a picture in a word: dark, blurred, grey, small. Advice names what goes wrong by it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TRAITS = ("brightness", "sharpness", "colour")
SHAPED = (*TRAITS, "side", "narrowness")

_LONGEST = 256  # px; sharpness is that of a picture of this size, so that noise is not taken for detail
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def traits_of(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measures a picture (H, W, 3) RGB: (3,) float32, in the order of TRAITS.

    brightness: mean of the grey values, 0…1.
    sharpness: how strong steps between neighbours are against the picture's contrast, 0…; 0 without any contrast.
    colour: mean difference of a pixel's strongest and weakest channel, 0…1.
    """
    height, width = picture.shape[:2]
    shrink = min(1.0, _LONGEST / max(height, width))
    sides = max(round(width * shrink), 1), max(round(height * shrink), 1)
    small = Image.fromarray(np.ascontiguousarray(picture)).resize(sides, Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32) / 255
    grey = pixels @ _GREY
    steps = sum(float(np.square(np.diff(grey, axis=axis)).mean()) for axis in (0, 1) if grey.shape[axis] > 1)
    contrast = float(grey.var())
    sharpness = np.sqrt(steps / contrast) if contrast > 1e-6 else 0.0
    colour = float((pixels.max(axis=2) - pixels.min(axis=2)).mean())
    return np.array([grey.mean(), sharpness, colour], dtype=np.float32)


def shaped(traits: NDArray[np.float32], sizes: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Adds what the sizes (n, 2) of pictures say to their traits (n, 3): (n, 5), in the order of SHAPED.

    side: the shorter one, in pixels.
    narrowness: longer by shorter side, 1 for a square.
    """
    short, long = sizes.min(axis=1), sizes.max(axis=1)
    return np.column_stack([traits, short, long / np.maximum(short, 1)]).astype(np.float32)
