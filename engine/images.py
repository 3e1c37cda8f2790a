"""Turns bytes from anywhere into pixels, within bounds, whatever the bytes claim to be."""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from engine.errors import PictureFormatError, PictureSizeError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "ICO")  # MPO is read as its first JPEG
MAX_BYTES = 20_971_520
MAX_PIXELS = 150_000_000  # about 450 MB as RGB; a decompression bomb has more
WORKING_SIDE = 2_048  # no backbone looks closer; larger pictures are reduced while they are decoded
_AVERAGED_MODES = ("L", "LA", "RGB", "RGBA", "CMYK")  # whose pixels may be averaged, unlike palette entries
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_BROKEN = (
    OSError,  # includes UnidentifiedImageError and truncation
    SyntaxError,  # what Pillow's PNG and TIFF readers raise on broken chunks
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class SideLimits:
    """Least and most pixels a side."""

    least: int
    most: int


TRAINING = SideLimits(10, 10_240)
PREDICTION = SideLimits(50, 16_000)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (H, W, 3) RGB, upright, neither side above WORKING_SIDE.
        width: Of the picture as submitted, in pixels, upright.
        height: Of the picture as submitted, in pixels, upright.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int


def decode_picture(content: bytes, limits: SideLimits) -> Picture:
    """Decodes a picture: first frame, turned as its EXIF says, alpha over white.

    Raises:
        PictureSizeError: Bytes or pixels are out of bounds.
        PictureFormatError: Not a picture we can read, or a broken one.
    """
    if not 0 < len(content) <= MAX_BYTES:
        raise PictureSizeError(f"The picture has {len(content)} bytes; 1 to {MAX_BYTES} are allowed.")
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, before anything is decoded
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(image.size, limits)
            width, height = image.size
            if image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS:
                width, height = height, width
            if image.mode in _AVERAGED_MODES:
                _reduce(image)  # first of all: a JPEG is then decoded at a fraction of its size, and memory stays small
            flat = _over_white(ImageOps.exif_transpose(image))
    except _BROKEN as exc:
        raise PictureFormatError(
            f"The bytes are not a picture that can be decoded ({_brief(exc)}). "
            f"Use a whole JPEG, PNG, BMP, GIF, TIFF, WebP or ICO file."
        ) from exc
    _reduce(flat)
    return Picture(np.asarray(flat), width, height)


def _check_size(size: tuple[int, int], limits: SideLimits) -> None:
    width, height = size
    if min(size) < limits.least or max(size) > limits.most:
        raise PictureSizeError(
            f"The picture has {width} x {height} pixels; {limits.least} to {limits.most} a side are allowed."
        )
    if width * height > MAX_PIXELS:
        raise PictureSizeError(
            f"The picture has {width} x {height} pixels, more than {MAX_PIXELS} in all. Make it smaller."
        )


def _reduce(image: Image.Image) -> None:
    """Makes an image fit into WORKING_SIDE squared, in place; a smaller one stays as it is."""
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; convert() would clip it to white
        grey = np.asarray(image).astype(np.int64).clip(0, 65_535) // 256
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _brief(exc: BaseException) -> str:
    return "no known format" if isinstance(exc, UnidentifiedImageError) else f"{type(exc).__name__}: {exc}"[:120]
