"""Colours as nature has them, and ramps of them that turn a field into a picture."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def colour(rng: np.random.Generator) -> Floats:
    """Chooses a colour (3,) in 0…255: mostly muted, now and then strong."""
    hue, value = rng.random() * 180, rng.beta(1.6, 1.4) * 255
    saturation = rng.beta(1.2, 2.2 if rng.random() < 0.7 else 0.8) * 255
    pixel = np.array([[[hue, saturation, value]]]).astype(np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def palette(rng: np.random.Generator, count: int) -> Floats:
    """Chooses colours (count, 3) in 0…255, often neighbours of the first."""
    first = colour(rng)
    if rng.random() < 0.55:
        spread = rng.choice([12, 30, 60])
        near = first + rng.normal(0, spread, (count, 3)) + rng.normal(0, spread, (count, 1))
        return np.clip(near, 0, 255).astype(np.float32)
    return np.stack([first, *(colour(rng) for _ in range(count - 1))])


def mapped(rng: np.random.Generator, field: Floats) -> Floats:
    """Colours a field (H, W) in 0…1 by a ramp of its own: (H, W, 3) in 0…255."""
    count = int(rng.integers(2, 6))
    colours = palette(rng, count)
    stops = np.sort(rng.random(count))
    ramp = np.stack([np.interp(np.linspace(0, 1, 256), stops, colours[:, c]) for c in range(3)], axis=1)
    if rng.random() < 0.3:  # hard edges
        ramp = colours[np.clip((np.linspace(0, 0.999, 256) * count).astype(int), 0, count - 1)]
    return ramp.astype(np.float32)[(field * 255).astype(np.uint8)]
