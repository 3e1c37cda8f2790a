"""Tells what the bytes of an uploaded blob are: a picture that can be trained on, or why not."""

import hashlib
import io
import struct
import threading
import zlib
from contextlib import nullcontext
from typing import Final

import msgspec
from PIL import ExifTags, Image, UnidentifiedImageError

from shared import limits

# Contract §3.1: jpg, png, bmp, gif, and what the concept page adds; Pillow reads mpo as JPEG.
FORMATS: Final = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "ICO")
# Pillow refuses twice as many pixels before it decodes; below that our own limit on a side decides.
Image.MAX_IMAGE_PIXELS = limits.TRAINING_SIDE[1] ** 2
# What Pillow's readers raise on broken files: far from all of them turn it into an OSError.
_BROKEN: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)
LARGE_PIXELS: Final = 16_000_000
_one_large: Final = threading.Lock()
_SIDEWAYS: Final = (5, 6, 7, 8)  # EXIF orientations that swap width and height


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one version of a blob was found to be.

    Attributes:
        etag: The version that was read, without quotes.
        sha256: Hex digest of all bytes; empty when they were not read.
        width: Width in pixels after the EXIF turn; 0 for what is no usable picture.
        height: Height in pixels after the EXIF turn.
        problem: Why it cannot be used, or None.
    """

    etag: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    light: int = 0
    labels: tuple[str, ...] = ()
    problem: str | None = None


def inspect(data: bytes, *, etag: str, labels: tuple[str, ...] = ()) -> Facts:
    """Look at a blob's bytes: digest, format by content, size, truncation.

    A broken picture is a value, not an error. The name and the content type are not believed. `labels` are passed on.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        return Facts(etag=etag, sha256=sha256, problem="the blob is empty. Upload it again.")
    try:
        width, height, light = _measure(data)
    except UnidentifiedImageError:
        problem = f"not a picture of a known format ({', '.join(FORMATS)}), whatever its name says"
    except Image.DecompressionBombError:
        problem = f"more pixels than a picture of {limits.TRAINING_SIDE[1]:,} px a side can have"
    except _BROKEN as error:
        problem = f"truncated or damaged ({error}). Upload it again."
    else:
        least, most = limits.TRAINING_SIDE
        if least <= min(width, height) and max(width, height) <= most:
            return Facts(etag=etag, sha256=sha256, width=width, height=height, light=light, labels=labels)
        problem = f"{width:,} x {height:,} px; training takes {least:,} to {most:,} px a side"
    return Facts(etag=etag, sha256=sha256, problem=problem)


def _measure(data: bytes) -> tuple[int, int, int]:
    """Return width and height after the EXIF turn, and the mean brightness, having read the data to its end.

    A JPEG is decoded at an eighth of its size, so it does not cost the memory of its pixels. Of other large pictures
    one at a time is decoded: 10,240 px a side are 400 MB.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        width, height = picture.size
        if max(width, height) > limits.TRAINING_SIDE[1]:
            return width, height, 0  # refused by its size: not worth decoding
        picture.draft("L", (max(1, width // 8), max(1, height // 8)))  # a no-op but for JPEG
        with _one_large if picture.size[0] * picture.size[1] > LARGE_PIXELS else nullcontext():
            mean = picture.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        sideways = picture.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
    light = mean if isinstance(mean, int) else 0  # of mode L it always is
    return (height, width, light) if sideways else (width, height, light)
