"""One picture: a texture, one to three parts of one label, a lamp and a camera, all decided by the seed."""

import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from samples.parts import PARTS
from samples.rendering import REACH, Cutout, Pose, View, render
from samples.shading import FINISHES, Light, shadow
from samples.surfaces import SIDE, TEXTURES, Field

LABELS = tuple(sorted(PARTS))
WIDTH, HEIGHT = 640, 480
TURN = math.radians(30)
"""A part is turned at most so far either way, as by someone who lays parts down roughly in line."""

_TABLE_CONTRAST, _TABLE_BRIGHTNESS = 0.4, 0.78


@dataclass(frozen=True, slots=True)
class Box:
    """Where a part is: its label, and pixels of the picture from its upper left corner."""

    label: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture (640 x 480, RGB), a box about each part in it, and the quality its camera saves with."""

    picture: Image.Image
    boxes: tuple[Box, ...]
    quality: int

    def jpeg(self) -> bytes:
        """Encodes the picture as its camera would."""
        buffer = io.BytesIO()
        self.picture.save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()


def draw(label: str, seed: int) -> Drawn:
    """Draws a picture of `label`; the same seed gives the same picture.

    Texture, finish, light, size, turn and camera are drawn alike for every label, so that only shape tells them apart.

    Raises:
        ValueError: `label` is none of `LABELS`.
    """
    if label not in PARTS:
        raise ValueError(f"no part is called {label!r}; draw one of {', '.join(LABELS)}")
    rng = np.random.default_rng([seed, zlib.crc32(label.encode())])
    light, view = set_up(rng)
    poses = _scatter(rng)
    table = lay_table(light, rng)
    cutouts = [
        render(PARTS[label](rng), FINISHES[rng.integers(len(FINISHES))], pose, view, light, rng) for pose in poses
    ]
    cover = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    for cutout in cutouts:
        window, inside = windows(cutout)
        cover[window] = np.maximum(cover[window], cutout.cover[inside])
    table *= 1 - shadow(cover, light, 0.22 * poses[0].radius)[..., None]
    for cutout in cutouts:
        lay_down(cutout, table)
    boxes = tuple(_box(label, cutout) for cutout in cutouts)
    return Drawn(photograph(table, light, rng), boxes, quality=int(rng.integers(78, 95)))


def set_up(rng: np.random.Generator) -> tuple[Light, View]:
    """Sets up the lamp and the camera."""
    light = Light(rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.15), rng.uniform(0, 1), rng.uniform(0.4, 0.8))
    return light, View(rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.55), rng.uniform(0, 0.12))


def _scatter(rng: np.random.Generator) -> Sequence[Pose]:
    """Places one part near the middle, seldom two or three anywhere, wholly in the frame and apart from each other."""
    wanted = int(rng.choice([1, 2, 3], p=[0.88, 0.09, 0.03]))
    largest, roaming = {1: (0.42, 0.3), 2: (0.29, 1.0), 3: (0.24, 1.0)}[wanted]
    poses: list[Pose] = []
    for _ in range(40):
        radius = rng.uniform(0.8, 1.0) * largest * HEIGHT
        margin = radius * REACH + 2
        room_x, room_y = max(WIDTH / 2 - margin, 0), max(HEIGHT / 2 - margin, 0)
        x, y = WIDTH / 2 + roaming * rng.uniform(-1, 1) * room_x, HEIGHT / 2 + roaming * rng.uniform(-1, 1) * room_y
        if all(math.hypot(x - other.x, y - other.y) > 1.05 * (radius + other.radius) for other in poses):
            poses.append(Pose(x, y, radius, rng.uniform(-TURN, TURN)))
        if len(poses) == wanted:
            break
    return poses


def lay_table(light: Light, rng: np.random.Generator) -> Field:
    """Lays a texture out over the frame and rakes the light across it; (HEIGHT, WIDTH, 3)."""
    name = list(TEXTURES)[rng.integers(len(TEXTURES))]
    tile = TEXTURES[name](rng)
    zoom, turn = rng.uniform(1.95, 2.5), rng.uniform(0, 2 * np.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    x, y, _ = light.direction
    slope_y, slope_x = np.gradient(tile[..., 3])
    raked = ((x * cos - y * sin) * slope_x + (x * sin + y * cos) * slope_y) * -rng.uniform(1.0, 2.0)
    brightness: Field = np.clip(0.95 + raked, 0.35, 1.6)
    lit = tile[..., :3] * brightness[..., None]
    flat = Image.fromarray((np.clip(lit, 0, 1) * 255).astype(np.uint8))
    cos, sin = cos / zoom, sin / zoom
    corner_x = SIDE / 2 - cos * WIDTH / 2 + sin * HEIGHT / 2
    corner_y = SIDE / 2 - sin * WIDTH / 2 - cos * HEIGHT / 2
    affine = (cos, -sin, corner_x, sin, cos, corner_y)
    laid = flat.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    table = np.asarray(laid, dtype=np.float32) * (_TABLE_BRIGHTNESS / 255)
    mean = table.mean(axis=(0, 1), dtype=np.float32)
    return np.asarray(mean + (table - mean) * _TABLE_CONTRAST)


def lay_down(cutout: Cutout, table: Field) -> None:
    """Paints a part over `table` (HEIGHT, WIDTH, 3), in place."""
    window, inside = windows(cutout)
    table[window] += (cutout.colour[inside] - table[window]) * cutout.cover[inside][..., None]


def windows(cutout: Cutout) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Cuts a cutout to the frame: the pixels it takes there, and which of its own those are."""
    rows, columns = cutout.cover.shape
    top, bottom = max(cutout.top, 0), min(cutout.top + rows, HEIGHT)
    left, right = max(cutout.left, 0), min(cutout.left + columns, WIDTH)
    inside = slice(top - cutout.top, bottom - cutout.top), slice(left - cutout.left, right - cutout.left)
    return (slice(top, bottom), slice(left, right)), inside


def _box(label: str, cutout: Cutout) -> Box:
    window, inside = windows(cutout)
    return box_about(label, cutout.cover[inside] > 0.5, left=window[1].start, top=window[0].start)


def box_about(label: str, solid: NDArray[np.bool_], *, left: int = 0, top: int = 0) -> Box:
    """Puts a box about what is `solid` (h, w), at least a pixel; `left` and `top` say where its corner lies."""
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return Box(
        label,
        left=left + int(columns[0]),
        top=top + int(rows[0]),
        width=int(columns[-1] - columns[0]) + 1,
        height=int(rows[-1] - rows[0]) + 1,
    )


def photograph(table: Field, light: Light, rng: np.random.Generator) -> Image.Image:
    """Takes the picture: fall-off of the lamp, vignette, white balance, exposure, blur and noise."""
    y, x = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None], np.linspace(-1, 1, WIDTH, dtype=np.float32)
    falloff = 1 + rng.uniform(0.05, 0.3) * (x * math.cos(light.azimuth) + y * math.sin(light.azimuth))
    vignette = 1 - rng.uniform(0.0, 0.28) * (x * x + y * y) / 2
    warmth, tint = rng.normal(0, 0.07), rng.normal(0, 0.02)
    balance = np.array([1 + warmth, 1 - tint, 1 - warmth], dtype=np.float32) * rng.uniform(0.82, 1.12)
    exposed = table * (falloff * vignette)[..., None] * (balance * 255)
    rolled = np.minimum(exposed, 143 + 0.3 * exposed)
    sharp = Image.fromarray(np.clip(rolled, 0, 255).astype(np.uint8))
    blurred = np.asarray(sharp.filter(ImageFilter.BoxBlur(rng.uniform(0.2, 0.9))))
    grain = rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * np.float32(rng.uniform(1.5, 6))
    return Image.fromarray(np.clip(blurred + grain, 0, 255).astype(np.uint8))
