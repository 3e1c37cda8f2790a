"""The records of a COCO file as the contract writes them (§7, §7.1), and what may be wrong with one by itself."""

import re
from typing import Annotated

import msgspec

from engine.findings import quoted

EPSILON = 1e-3  # of a side; what exporters' rounding may take a box beyond its picture
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

type Id = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
type Box = tuple[float, float, float, float]
"""Left, top, width, height, each 0…1 of the picture's side."""


class ImageRecord(msgspec.Struct, gc=False):
    """One entry of `images`; `etag` and `sha256` are Darkroom's own, optional fields. What is not read is not kept."""

    id: Id
    file_name: str | None = None
    absolute_url: str | None = None
    coco_url: str | None = None
    width: float | None = None
    height: float | None = None
    etag: str | None = None
    sha256: str | None = None

    @property
    def title(self) -> str:
        """What messages call the image."""
        return f"image {self.id} ({quoted(self.file_name)})" if self.file_name else f"image {self.id}"

    @property
    def url(self) -> str | None:
        """The URL to fetch: absolute_url before coco_url; Azure ML's AmlDatastore:// cannot be fetched."""
        for url in (self.absolute_url, self.coco_url):
            if url and url.lower().startswith(("http://", "https://")):
                return url
        return None

    def problem(self) -> str | None:
        """Says why the record cannot be used, if it cannot."""
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            return "has a sha256 that is not 64 hexadecimal digits. Correct or remove it."
        return None


class AnnotationRecord(msgspec.Struct, gc=False):
    """One entry of `annotations`, for a whole image; a box or polygon is not looked at."""

    id: Id
    image_id: Id
    category_id: Id

    @property
    def title(self) -> str:
        """What messages call the annotation."""
        return f"annotation {self.id}"


class RegionRecord(AnnotationRecord, gc=False):
    """One entry of `annotations`, for a part of an image."""

    bbox: Box | None = None


class CategoryRecord(msgspec.Struct, gc=False):
    """One entry of `categories`."""

    id: Id
    name: str

    @property
    def title(self) -> str:
        """What messages call the category."""
        return f"category {self.id}"

    def problem(self) -> str | None:
        """Says why the record cannot be used, if it cannot."""
        return None if self.name.strip() else "has no name. Give it one."


def checked_box(box: Box | None) -> Box | str:
    """Returns a box cut to its picture, or why it is none; it may reach out by EPSILON."""
    if box is None:
        return "has no bbox. Detection needs one: [left, top, width, height], each 0…1 of the picture's side."
    left, top, width, height = box
    right, bottom = left + width, top + height
    if max(box) > 1 + EPSILON:
        return f"{_shown(box)} must be normalised 0…1; this looks like pixels. Divide by the image's width and height."
    if min(left, top) < -EPSILON or max(right, bottom) > 1 + EPSILON:
        return f"{_shown(box)} reaches beyond the picture. Correct it."
    left, top = max(left, 0.0), max(top, 0.0)
    width, height = min(right, 1.0) - left, min(bottom, 1.0) - top
    if width <= 0 or height <= 0:
        return f"{_shown(box)} covers nothing; width and height must be above 0. Correct or remove it."
    return left, top, width, height


def _shown(box: Box) -> str:
    return f"bbox [{', '.join(f'{value:.6g}' for value in box)}]"
