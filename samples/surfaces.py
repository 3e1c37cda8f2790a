"""What the parts lie on: eight textures, each a colour and a relief that the light can rake across.

A texture is made once per picture as a (SIDE, SIDE, 4) float32 tile (red, green, blue, height; 0 to 1) and then turned
and enlarged to the frame, so that its grain runs in any direction and comes in any size.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

type Field = NDArray[np.floating]
type Texture = Callable[[np.random.Generator], Field]

SIDE = 416
"""Pixels a side of a texture's tile; enlarged 1.95 times it still covers a 640 x 480 frame at any angle."""


def noise(rng: np.random.Generator, cell_x: float, cell_y: float, side: int = SIDE) -> Field:
    """Draws smooth noise in 0..1 whose spots are about `cell_x` by `cell_y` pixels; returns (side, side)."""
    columns, rows = math.ceil(side / cell_x) + 1, math.ceil(side / cell_y) + 1
    coarse = Image.fromarray(rng.random((rows, columns), dtype=np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def clouds(rng: np.random.Generator, cell: float, octaves: int = 3) -> Field:
    """Sums noise at halving sizes, each half as strong; returns (SIDE, SIDE), mean about 0.5."""
    weights = [0.5**octave for octave in range(octaves)]
    layers = [weight * noise(rng, cell * weight, cell * weight) for weight in weights]
    return np.asarray(sum(layers) / np.float32(sum(weights)), dtype=np.float32)


def between(dark: tuple[int, int, int], light: tuple[int, int, int], mix: Field) -> Field:
    """Blends two colours (0 to 255) by `mix` (0 to 1); returns (..., 3) in 0..1."""
    low, high = (np.asarray(colour, dtype=np.float32) / 255 for colour in (dark, light))
    return low + (high - low) * np.clip(mix, 0, 1)[..., None]


def _axes() -> tuple[Field, Field]:
    """Gives x (1, SIDE) and y (SIDE, 1), which broadcast: what depends on one of them alone is computed once a line."""
    line = np.arange(SIDE, dtype=np.float32)
    return line[None, :], line[:, None]


def _tile(colour: Field, height: Field) -> Field:
    return np.dstack([colour, height]).astype(np.float32)


def wood(rng: np.random.Generator) -> Field:
    """Planks of pale to dark timber: rings stretched along the grain, pores, and a seam between boards."""
    _, y = _axes()
    rings = noise(rng, 260, 34) * rng.uniform(5, 10) + y / rng.uniform(30, 60)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * rings)
    pores = noise(rng, 70, 1.6)
    mix = 0.55 * grain + 0.35 * pores + 0.3 * noise(rng, 200, 120)
    woods = [((96, 58, 32), (188, 132, 84)), ((58, 36, 24), (122, 80, 52)), ((168, 128, 84), (226, 190, 142))]
    dark, light = woods[rng.integers(len(woods))]
    board = rng.uniform(150, 260)
    seam = np.abs((y + rng.uniform(0, board)) % board - board / 2) < 1.3
    return _tile(between(dark, light, mix) * np.where(seam, 0.35, 1)[..., None], 0.15 * grain + 0.35 * pores)


def steel(rng: np.random.Generator) -> Field:
    """A brushed metal bench with a few scratches."""
    brushed = noise(rng, 120, 1.1)
    plate = Image.new("L", (SIDE, SIDE))
    for _ in range(rng.integers(3, 9)):
        start, end = rng.uniform(0, SIDE, 2), rng.uniform(0, SIDE, 2)
        ImageDraw.Draw(plate).line((*start, *end), fill=int(rng.integers(50, 150)))
    scratches = np.asarray(plate, dtype=np.float32) / 255
    mix = 0.6 * brushed + 0.4 * clouds(rng, 220, 2) + 0.5 * scratches
    return _tile(between((92, 96, 102), (186, 190, 194), mix), 0.3 * brushed - 0.4 * scratches)


def cloth(rng: np.random.Generator) -> Field:
    """Woven cotton: over-and-under threads of uneven thickness, in one of several dyes."""
    x, y = _axes()
    pitch = rng.uniform(5, 10)
    sway = 0.4 * noise(rng, 60, 60)
    across, along = np.sin(np.pi * (x / pitch + sway)), np.sin(np.pi * (y / pitch + sway))
    weave = np.where(across * along > 0, np.abs(across), np.abs(along))
    dyes = [(58, 78, 120), (150, 62, 54), (92, 112, 84), (196, 184, 160), (60, 60, 66), (204, 170, 82)]
    dye = dyes[rng.integers(len(dyes))]
    mix = 0.7 * weave + 0.5 * clouds(rng, 90, 3) - 0.1
    return _tile(between(_scaled(dye, 0.55), _scaled(dye, 1.15), mix), 0.35 * weave)


def paper(rng: np.random.Generator) -> Field:
    """Office paper: fibres, a faint crumple, and often squares or lines."""
    x, y = _axes()
    crumple, fibres = clouds(rng, 120, 3), noise(rng, 2, 2)
    mix = 0.6 + 0.3 * crumple + 0.2 * fibres
    sheet = between((198, 194, 184), (250, 248, 242), mix)
    ruling, step = rng.integers(3), rng.uniform(18, 34)
    if ruling:
        lines = np.abs(y % step - step / 2) < 0.7
        if ruling == 1:
            lines = lines | (np.abs(x % step - step / 2) < 0.7)
        sheet *= np.where(lines[..., None], np.array([0.66, 0.76, 0.9], dtype=np.float32), np.float32(1))
    return _tile(sheet, 0.9 * crumple + 0.04 * fibres)


def gravel(rng: np.random.Generator) -> Field:
    """Loose stones: cells about scattered points, domed, each of its own grey."""
    pitch = rng.uniform(18, 40)
    near, second, stone = _cells(rng, pitch)
    gap = np.clip((second - near) / (0.45 * pitch), 0, 1)
    grey = stone * 0.85 + 0.3 * clouds(rng, 12, 2) - 0.1
    tones = [((92, 88, 82), (190, 184, 174)), ((104, 84, 70), (196, 168, 142)), ((70, 76, 82), (160, 166, 172))]
    dark, light = tones[rng.integers(len(tones))]
    return _tile(between(dark, light, grey) * (0.35 + 0.65 * np.sqrt(gap))[..., None], 0.9 * np.sqrt(gap))


def concrete(rng: np.random.Generator) -> Field:
    """A workshop floor: stains, fine grit and pinholes."""
    grit, stains = noise(rng, 1.5, 1.5), clouds(rng, 150, 4)
    holes = np.clip((noise(rng, 7, 7) - 0.88) * 14, 0, 1)
    mix = 0.9 * stains + 0.35 * grit - 0.15
    tint = _scaled((150, 148, 142), float(rng.uniform(0.75, 1.15)))
    colour = between(_scaled(tint, 0.6), _scaled(tint, 1.25), mix) * (1 - 0.5 * holes)[..., None]
    return _tile(colour, 0.2 * grit + 0.6 * stains - 0.4 * holes)


def mat(rng: np.random.Generator) -> Field:
    """A cutting mat: flat rubber with a printed grid, thick at every fifth line, and knife marks."""
    x, y = _axes()
    step = rng.uniform(13, 22)
    mats = [(38, 104, 84), (44, 70, 122), (70, 72, 76), (112, 44, 66)]
    base = mats[rng.integers(len(mats))]
    printed = np.maximum(*(np.maximum(0.35 * (axis % step < 0.8), 0.75 * (axis % (5 * step) < 1.6)) for axis in (x, y)))
    rubber = between(_scaled(base, 0.85), _scaled(base, 1.15), clouds(rng, 60, 4))
    ink = np.array([0.86, 0.88, 0.78], dtype=np.float32)
    return _tile(rubber + (ink - rubber) * printed[..., None].astype(np.float32), 0.12 * noise(rng, 1.5, 1.5))


def cardboard(rng: np.random.Generator) -> Field:
    """A box's side: faint flutes, long fibres and flecks."""
    x, _ = _axes()
    flutes = 0.5 + 0.5 * np.sin(2 * np.pi * (x / rng.uniform(9, 16) + 0.3 * noise(rng, 90, 90)))
    fibres = noise(rng, 3, 24)
    mix = 0.3 * flutes + 0.4 * fibres + 0.4 * clouds(rng, 120, 3)
    flecks = np.clip((noise(rng, 4, 4) - 0.9) * 10, 0, 1)
    return _tile(between((146, 108, 70), (206, 168, 122), mix - 0.5 * flecks), 0.16 * flutes + 0.15 * fibres)


def _scaled(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def _cells(rng: np.random.Generator, pitch: float) -> tuple[Field, Field, Field]:
    """Finds, per pixel, the distances to the nearest two of one point per grid cell, and the nearest's own shade."""
    half = SIDE // 2
    y, x = np.mgrid[0:half, 0:half].astype(np.float32) * 2 / pitch
    count = math.ceil(SIDE / pitch) + 3
    points = rng.uniform(0.1, 0.9, (count, count, 2)).astype(np.float32)
    shades = rng.random((count, count), dtype=np.float32)
    column, row = x.astype(np.intp) + 1, y.astype(np.intp) + 1
    near, second, shade = (np.full_like(x, 9), np.full_like(x, 9), np.zeros_like(x))
    for step in np.ndindex(3, 3):
        rows, columns = row + step[0] - 1, column + step[1] - 1
        dx, dy = columns - 1 + points[rows, columns, 0] - x, rows - 1 + points[rows, columns, 1] - y
        distance = np.hypot(dx, dy).astype(np.float32)
        closer = distance < near
        second = np.where(closer, near, np.minimum(second, distance))
        shade = np.where(closer, shades[rows, columns], shade)
        near = np.minimum(near, distance)
    return _enlarged(near * pitch), _enlarged(second * pitch), _enlarged(shade)


def _enlarged(field: Field) -> Field:
    return np.asarray(Image.fromarray(field).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


TEXTURES: dict[str, Texture] = {
    "wood": wood,
    "steel": steel,
    "cloth": cloth,
    "paper": paper,
    "gravel": gravel,
    "concrete": concrete,
    "mat": mat,
    "cardboard": cardboard,
}
