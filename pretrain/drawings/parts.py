"""Parts of things: an outline that wears a texture, lit so that it looks solid, with its shadow."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pretrain.drawings.colours import Floats, colour
from pretrain.drawings.outlines import Rings, outline
from pretrain.drawings.textures import Bank

SUBPIXEL = 4  # bits of a pixel's fraction, for OpenCV
SHALLOW = 4  # px: a part that is smaller is painted flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a part looks, so that it can be painted again elsewhere.

    Attributes:
        rings: Outlines around the origin, of radius about 1.
        fill: Texture (side, side, 3), stretched over the part.
        depth: 0 is flat; how much the light changes the texture.
        gloss: Brightness of the highlight, 0…160.
        edge: Whether the outline is inked.
        ink: Colour of the outline (3,).
        shadow: Darkness of the shadow, 0…1.
        roundness: Which share of the way to its middle the part rises.
        bump: How much the texture's brightness raises the surface.
    """

    rings: Rings
    fill: Floats
    depth: float
    gloss: float
    edge: int
    ink: Floats
    shadow: float
    roundness: float
    bump: float


def new_style(rng: np.random.Generator, bank: Bank, scale: float) -> Style:
    """Chooses a look for a part of a size in pixels."""
    return Style(
        rings=outline(rng),
        fill=bank.piece(96 if scale > 12 else 32),
        depth=rng.choice([0, 0, 0.5, 1, 1]) * rng.uniform(0.4, 1.3),
        gloss=rng.choice([0, 0, 1]) * rng.uniform(20, 160),
        edge=int(rng.choice([0, 0, 0, 1])),
        ink=colour(rng) * 0.5,
        shadow=rng.choice([0, 1, 1]) * rng.uniform(0.2, 0.8),
        roundness=rng.uniform(0.2, 1.0),
        bump=rng.choice([0, 0, 1]) * rng.uniform(0.2, 0.8),
    )


def paint_part(canvas: Floats, style: Style, centre: Floats, scale: float, light: Floats) -> None:
    """Paints a part onto a canvas (n, n, 3), in place.

    Args:
        canvas: Values 0…255, float32.
        style: How it looks.
        centre: (x, y), px; may lie outside.
        scale: Its radius, px.
        light: Direction to the light, (3,) of length 1.
    """
    rings = [ring * scale for ring in style.rings]
    corners = _bounds(np.concatenate(rings), centre, scale, len(canvas))
    (left, top), (right, bottom) = corners
    if right - left < 3 or bottom - top < 3:
        return
    patch = canvas[top:bottom, left:right]
    points = [((ring + centre - corners[0]) * (1 << SUBPIXEL)).astype(np.int32) for ring in rings]
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, points, 255, cv2.LINE_AA, SUBPIXEL)
    if style.shadow:
        _cast_shadow(patch, mask, style.shadow, scale, light)
    high, wide = mask.shape
    shrinks = max(high, wide) <= 96
    fill = cv2.resize(style.fill, (wide, high), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if style.depth and scale > SHALLOW:
        fill = _lit(fill, mask, style, scale, light)
    patch += (fill - patch) * (mask.astype(np.float32)[..., None] / 255)
    if style.edge:
        ink = tuple(map(float, style.ink))
        cv2.polylines(patch, points, True, ink, max(1, int(scale * 0.05)), cv2.LINE_AA, SUBPIXEL)


def _bounds(points: Floats, centre: Floats, scale: float, side: int) -> NDArray[np.intp]:
    """Finds the corners (2, 2) of what a part and its shadow may touch, within the canvas."""
    pad = int(scale * 0.25 + 3)
    low = np.floor(points.min(0) + centre - 4).astype(int) - pad
    high = np.ceil(points.max(0) + centre + 5).astype(int) + pad
    return np.clip(np.stack([low, high]), 0, side)


def _kernel(radius: float) -> tuple[int, int]:
    side = min(15, max(1, int(radius))) * 2 + 1
    return side, side


def _cast_shadow(patch: Floats, mask: NDArray[np.uint8], darkness: float, scale: float, light: Floats) -> None:
    high, wide = mask.shape
    away = np.array([[1, 0, -light[0] * scale * 0.15], [0, 1, -light[1] * scale * 0.15]], np.float32)
    moved = cv2.warpAffine(mask, away, (wide, high))
    soft = cv2.GaussianBlur(moved, _kernel(scale * 0.12), 0)
    patch *= 1 - darkness * (soft.astype(np.float32)[..., None] / 255)


def _lit(fill: Floats, mask: NDArray[np.uint8], style: Style, scale: float, light: Floats) -> Floats:
    """Lights a texture (h, w, 3) as if the part rose roundly from its edge (Lambert), with a highlight (Phong)."""
    distance = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    reach = min(max(1.0, float(distance.max()) * style.roundness), 2 * scale)
    t = np.clip(distance / reach, 0, 1)
    height = np.sqrt(np.clip(1 - (1 - t) ** 2, 0, 1)) * reach
    if style.bump:
        height = height + (fill.mean(-1) - 128) / 128 * style.bump * 3
    height = cv2.GaussianBlur(height.astype(np.float32), _kernel(reach * 0.25), 0)
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    lit = (-gx * light[0] - gy * light[1] + light[2]) * (1 / np.sqrt(gx * gx + gy * gy + 1))
    shaded = 1 - style.depth + style.depth * (0.45 + 0.75 * np.clip(lit, 0, 1.3))
    out: Floats = fill * shaded[..., None]
    if style.gloss:
        out = out + style.gloss * (np.clip(lit, 0, 1) ** 24)[..., None]
    return out
