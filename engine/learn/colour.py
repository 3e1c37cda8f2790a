"""Colours of a picture: how many of each, and how light and hue are spread over it."""

import numpy as np
from numpy.typing import NDArray

HUES, SATURATIONS, VALUES = 12, 3, 3
COLOURS = HUES * SATURATIONS * VALUES
GRID = 3
HISTOGRAMS_WIDTH = 2 * COLOURS
MOMENTS_WIDTH = GRID**2 * 2 * 3

Array = NDArray[np.float32]


def colour_histograms(picture: NDArray[np.uint8]) -> Array:
    """Counts the colours of a picture (H, W, 3), and those of its middle: 2 · 108 shares."""
    height, width = picture.shape[:2]
    bins = _hsv_bins(picture)
    middle = bins[height // 4 : height - height // 4, width // 4 : width - width // 4]
    shares = [np.bincount(part.ravel(), minlength=COLOURS) / part.size for part in (bins, middle)]
    return np.concatenate(shares).astype(np.float32)


def colour_moments(picture: NDArray[np.uint8]) -> Array:
    """Returns mean and deviation of L*, a*, b* in each cell of a 3 x 3 grid over a picture (H, W, 3): 54 numbers."""
    lab = _lab(picture)
    cells = [cell for rows in np.array_split(lab, GRID, axis=0) for cell in np.array_split(rows, GRID, axis=1)]
    moments = [moment for cell in cells for moment in (cell.mean(axis=(0, 1)), cell.std(axis=(0, 1)))]
    return np.concatenate(moments).astype(np.float32)


def _hsv_bins(picture: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Numbers the hue, saturation and value of each pixel of (H, W, 3): (H, W) in 0…107."""
    scaled = picture.astype(np.float32) / 255
    red, green, blue = scaled[..., 0], scaled[..., 1], scaled[..., 2]
    value = scaled.max(axis=-1)
    chroma = value - scaled.min(axis=-1)
    divisor = np.maximum(chroma, 1e-6)
    sixths = np.select(
        [value == red, value == green],
        [((green - blue) / divisor) % 6, (blue - red) / divisor + 2],
        (red - green) / divisor + 4,
    )
    saturation = chroma / np.maximum(value, 1e-6)
    hue_and_saturation = _level(sixths / 6, HUES) * SATURATIONS + _level(saturation, SATURATIONS)
    return np.asarray(hue_and_saturation * VALUES + _level(value, VALUES), np.intp)


def _level(share: NDArray[np.floating], levels: int) -> NDArray[np.intp]:
    bins: NDArray[np.intp] = np.minimum((share * levels).astype(np.intp), levels - 1)
    return bins


# sRGB to CIE XYZ, then relative to the white point D65 (IEC 61966-2-1; CIE 15)
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
WHITE = np.array([0.9505, 1.0, 1.089], np.float32)


def _lab(picture: NDArray[np.uint8]) -> Array:
    """Maps sRGB (H, W, 3) to CIE L*a*b* (H, W, 3)."""
    scaled = picture.astype(np.float32) / 255
    linear = np.where(scaled > 0.04045, ((scaled + 0.055) / 1.055) ** 2.4, scaled / 12.92)
    ratio = linear @ XYZ.T / WHITE
    bent = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    x, y, z = bent[..., 0], bent[..., 1], bent[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)
