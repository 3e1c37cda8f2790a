"""Draws pictures of falling leaves, from which the built-in backbone learns what patches of pictures look like.

Shapes of many sizes that hide one another, with light, grain and blur, have edges, corners and colours distributed
much as in photographs. Source: Lee, Mumford and Huang, Occlusion models for natural images, 2001; Baradad et al.,
Learning to see by looking at noise, 2021.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SCALE = 2  # drawn larger and then shrunk, which smooths the edges
LEAVES = 90


def drawings(count: int, side: int, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yields pictures (side, side, 3) in RGB; the same generator state gives the same pictures."""
    for _ in range(count):
        yield _drawing(side, rng)


def _drawing(side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    palette = _palette(rng)
    canvas = Image.new("RGB", (side * SCALE, side * SCALE), palette[0])
    brush = ImageDraw.Draw(canvas)
    for size in _sizes(rng) * side * SCALE:
        _leaf(brush, rng, float(size), side * SCALE, palette[int(rng.integers(len(palette)))])
    drawn = np.asarray(canvas.resize((side, side), Image.Resampling.BOX), dtype=np.float64)
    lit = drawn * _light(side, rng) + _grain(side, rng)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _sizes(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws radii, in shares of the side, whose density falls as radius⁻³: the same at every scale."""
    smallest, largest = 0.05, 0.6
    share = rng.random(LEAVES)
    sizes: NDArray[np.float64] = (smallest**-2 - share * (smallest**-2 - largest**-2)) ** -0.5
    return sizes


def _palette(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Draws a few colours that differ more in light than in hue, as those of one scene do."""
    tint = rng.normal(0, 15, 3)
    light = rng.uniform(20, 235, (8, 1))
    hue = rng.normal(0, rng.uniform(3, 35), (8, 3))
    return [(int(r), int(g), int(b)) for r, g, b in np.clip(light + hue + tint, 0, 255)]


def _leaf(
    brush: ImageDraw.ImageDraw, rng: np.random.Generator, size: float, side: int, colour: tuple[int, int, int]
) -> None:
    """Draws a polygon of 3 to 16 corners (round at the upper end) or a bar."""
    centre = rng.random(2) * side
    turn = rng.uniform(0, 2 * np.pi)
    corners = int(rng.choice((3, 4, 4, 16, 16)))
    angles = turn + np.arange(corners) * 2 * np.pi / corners
    stretch = np.array([1.0, float(rng.choice((1.0, 1.0, 0.5, 0.15)))])
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size * stretch
    tilt = rng.uniform(0, np.pi)
    spin = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    outline = [(float(x), float(y)) for x, y in centre + ring @ spin.T]
    brush.polygon(outline, fill=colour)


def _light(side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns a soft gradient of brightness (side, side, 1)."""
    across = np.linspace(-0.5, 0.5, side)
    slope = rng.normal(0, 0.4, 2)
    light: NDArray[np.float64] = 1.0 + slope[0] * across[:, None, None] + slope[1] * across[None, :, None]
    return light


def _grain(side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns grain (side, side, 1) that is coarser in some drawings than in others."""
    coarse = int(rng.choice((1, 2, 4)))
    noise = rng.normal(0, rng.uniform(0, 12), (side // coarse + 1, side // coarse + 1))
    grain = np.repeat(np.repeat(noise, coarse, axis=0), coarse, axis=1)
    return grain[:side, :side, None]
