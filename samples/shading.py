"""How things look under a light: finishes that every label shares, and the shadow on the table."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from samples.surfaces import Field

type Vector = tuple[Field, Field, Field]


@dataclass(frozen=True, slots=True)
class Finish:
    """What a part is made of. No finish belongs to a label.

    Attributes:
        colour: Reflectance or albedo, red, green, blue, 0 to 1.
        metal: 1 mirrors its surroundings, 0 scatters light.
        roughness: Width of the highlight, 0 to 1.
    """

    colour: tuple[float, float, float]
    metal: float
    roughness: float


FINISHES = (
    Finish((0.80, 0.81, 0.83), 1.0, 0.35),  # zinc
    Finish((0.70, 0.71, 0.74), 1.0, 0.20),  # stainless steel
    Finish((0.88, 0.72, 0.38), 1.0, 0.25),  # brass
    Finish((0.82, 0.52, 0.38), 1.0, 0.30),  # copper
    Finish((0.86, 0.85, 0.80), 0.0, 0.30),  # white nylon
    Finish((0.16, 0.34, 0.68), 0.0, 0.30),  # blue plastic
    Finish((0.72, 0.16, 0.14), 0.0, 0.30),  # red plastic
    Finish((0.14, 0.48, 0.30), 0.0, 0.30),  # green plastic
    Finish((0.90, 0.66, 0.14), 0.0, 0.30),  # yellow plastic
)


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp and the sky. Angles in radians; `azimuth` points from the table to the lamp, y down."""

    azimuth: float
    elevation: float
    softness: float
    fill: float

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector to the lamp, x right, y down, z towards the camera."""
        flat = math.cos(self.elevation)
        return flat * math.cos(self.azimuth), flat * math.sin(self.azimuth), math.sin(self.elevation)


def shade(finish: Finish, normal: Vector, looking: Vector, light: Light) -> Field:
    """Lights a surface: metals mirror a simple room (lamp, bright sky, dark horizon), the others scatter.

    `normal` and `looking` (towards the camera) are unit vectors, fields of one shape; returns that shape and 3.
    """
    lamp = light.direction
    facing = sum(n * towards for n, towards in zip(normal, looking, strict=True))
    mirrored = tuple(2 * facing * n - towards for n, towards in zip(normal, looking, strict=True))
    lit = sum(n * part for n, part in zip(normal, lamp, strict=True))
    glint = np.clip(1 - sum(m * part for m, part in zip(mirrored, lamp, strict=True)), 0, 2)
    width = 0.02 + 0.25 * finish.roughness * finish.roughness + 0.1 * light.softness
    highlight = np.exp(-glint / width)
    horizon = np.exp(-(((mirrored[2] - 0.1) / 0.28) ** 2))
    room = light.fill * (0.62 + 0.3 * mirrored[2]) + 0.5 * np.clip(1.1 - glint, 0, 1) - 0.22 * horizon
    mirror = np.clip(room, 0.04, None) + 0.9 * highlight
    scatter = light.fill * 0.62 + (0.95 - 0.4 * light.fill) * np.clip(lit, 0, 1)
    colour = np.asarray(finish.colour, dtype=np.float32)
    body = colour * (finish.metal * mirror + (1 - finish.metal) * scatter)[..., None]
    gloss = (0.12 + 0.38 * (1 - finish.metal)) * (1 - finish.roughness)
    return np.asarray(body + (gloss * highlight)[..., None], dtype=np.float32)


def shadow(cover: Field, light: Light, height: float) -> Field:
    """Finds how much the parts of `cover` (h, w) darken the table, 0 to 1: a cast shadow and one where they touch.

    Args:
        cover: How far each pixel is covered by a part.
        light: The lamp; a low one casts a long shadow, a soft one a blurred shadow.
        height: How high the parts stand, in pixels.
    """
    small = Image.fromarray((cover * 255).astype(np.uint8)).reduce(4)
    length = min(height / math.tan(light.elevation), 1.6 * height) / 4
    offset = (length * math.cos(light.azimuth), length * math.sin(light.azimuth))
    touch = np.asarray(small.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32)
    cast = np.zeros_like(touch)
    for share in (0.35, 0.7, 1.0):
        moved = small.transform(
            small.size,
            Image.Transform.AFFINE,
            (1, 0, share * offset[0], 0, 1, share * offset[1]),
            Image.Resampling.BILINEAR,
        )
        blurred = moved.filter(ImageFilter.GaussianBlur(0.8 + share * (1 + 4 * light.softness)))
        cast = np.maximum(cast, np.asarray(blurred, dtype=np.float32))
    dark = (0.75 - 0.35 * light.fill) * cast / 255 + 0.3 * touch / 255
    enlarged = Image.fromarray(dark).resize((cover.shape[1], cover.shape[0]), Image.Resampling.BILINEAR)
    darkness: Field = np.minimum(np.asarray(enlarged), 0.9)
    return darkness
