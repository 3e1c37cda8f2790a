"""Draws the small pictures that tests need."""

import io

import numpy as np
from PIL import Image


def draw(seed: int, *, size: tuple[int, int] = (64, 56), file_format: str = "JPEG", **options: object) -> bytes:
    """Return an encoded picture of coloured noise; equal seeds give equal bytes."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size).save(buffer, file_format, **options)
    return buffer.getvalue()


def turned(seed: int, *, size: tuple[int, int] = (64, 56)) -> bytes:
    """Return a JPEG whose EXIF says that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return draw(seed, size=size, exif=exif)
