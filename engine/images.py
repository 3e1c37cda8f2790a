"""Turns bytes from anywhere into pixels, within bounds, whatever the bytes claim to be."""

import struct
import threading
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from engine.errors import PictureFormatError, PictureSizeError
from engine.floods import check_before_decoding, check_before_opening

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "ICO")  # MPO is read as its first JPEG
MAX_BYTES = 20_971_520
MAX_PIXELS = 150_000_000  # 600 MB as Pillow holds RGB; a decompression bomb has more
MAX_BUFFERED_PIXELS = 75_000_000  # of formats whose decoders hold the picture several times: 1.2 GB
_BUFFERED = ("WEBP", "TIFF")
_LARGE = 25_000_000  # pixels; of larger pictures one is decoded at a time, whatever comes in at once
_STRIP_PIXELS = 4_000_000  # of a large picture with layers, flattened at once
WORKING_SIDE = 2_048  # no backbone looks closer; larger pictures are reduced while they are decoded
_AVERAGED_MODES = ("L", "RGB", "CMYK")  # whose pixels may be averaged as they are, unlike palette entries
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN = (
    OSError,  # includes UnidentifiedImageError and truncation
    SyntaxError,  # what Pillow's PNG and TIFF readers raise on broken chunks
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_one_at_a_time = threading.Lock()  # large pictures take turns


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
    check_before_opening(content)
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, before anything is decoded
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            check_sides(*image.size, limits)
            _check_pixels(image)
            check_before_decoding(image, content)
            width, height = image.size
            with _one_at_a_time if width * height > _LARGE else nullcontext():
                sideways = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
                flat = _reduced(image)
    except _BROKEN as exc:
        raise PictureFormatError(
            f"The bytes are not a picture that can be decoded ({_brief(exc)}). "
            f"Use a whole JPEG, PNG, BMP, GIF, TIFF, WebP or ICO file."
        ) from exc
    except MemoryError as exc:
        raise PictureSizeError("The picture takes more memory than there is. Make it smaller.") from exc
    if sideways:
        width, height = height, width
    return Picture(np.asarray(flat), width, height)


def check_sides(width: int, height: int, limits: SideLimits) -> None:
    """Refuses a picture with too few or too many pixels a side.

    Raises:
        PictureSizeError: It has.
    """
    if min(width, height) < limits.least or max(width, height) > limits.most:
        raise PictureSizeError(
            f"The picture has {width} x {height} pixels; {limits.least} to {limits.most} a side are allowed."
        )


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    most = MAX_BUFFERED_PIXELS if image.format in _BUFFERED else MAX_PIXELS
    if width * height > most:
        raise PictureSizeError(f"The picture has {width} x {height} pixels, more than {most} in all. Make it smaller.")


def _reduced(image: Image.Image) -> Image.Image:
    """Returns an image upright, flat, and fit into WORKING_SIDE squared; a smaller one keeps its size."""
    if image.mode in _AVERAGED_MODES:
        _reduce(image)  # first of all: a JPEG is then decoded at a fraction of its size, and memory stays small
    image.load()
    factor = max(image.size) // WORKING_SIDE
    flat = _over_white(image) if factor < 2 else _flattened_in_strips(image, factor)
    _reduce(flat)
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return flat if turn is None else flat.transpose(turn)


def _flattened_in_strips(image: Image.Image, factor: int) -> Image.Image:
    """Flattens and averages by a whole factor, a strip at a time: no layer of a large picture is held whole."""
    width, height = image.size
    flat = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        flat.paste(_over_white(strip).reduce(factor), (0, top // factor))
    return flat


def _reduce(image: Image.Image) -> None:
    """Makes an image fit into WORKING_SIDE squared, in place; a smaller one stays as it is."""
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; convert() would clip it to white
        grey = np.asarray(image).astype(np.int64).clip(0, 65_535) // 256
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")  # a copy takes half as long as the decoding
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _brief(exc: BaseException) -> str:
    return "no known format" if isinstance(exc, UnidentifiedImageError) else f"{type(exc).__name__}: {exc}"[:120]
