"""The live COCO file as values: its records, and what a look at a path can find. No I/O, no clock.

The file is ordinary COCO (`images`, `annotations`, `categories`) that pycocotools loads. Beside it stand `problems`
(blobs that cannot be used), `claims` (what label files say, kept so that a picture may come before or after them) and
`info`, the head of the file. Ids are unique, stable while a path lives, and never used twice.
"""

from typing import Final, Literal

import msgspec

from shared.formats import Box, Region, Unit
from shared.pictures import Facts

SCHEMA: Final = 2
REMEDY: Final = "Delete the file; `reconcile` builds it anew."

type Source = Literal["", "folder", "import", "metadata", "side-car"]
"""Who gave a picture its labels, in rising precedence; empty when nobody did."""


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A usable picture.

    Attributes:
        id: Unique in the file.
        file_name: Its path in the training container.
        width: In pixels, after the EXIF turn.
        height: Likewise.
        absolute_url: Its URL, without a signature.
        etag: The version of its blob.
        sha256: Hex digest of its bytes.
        light: Mean brightness, 0 to 255.
        metadata_labels: What its blob's metadata says.
        labelled_by: Which source its annotations come from.
        note: What is odd about its labels, for people.
    """

    id: int
    file_name: str
    width: int
    height: int
    absolute_url: str
    etag: str
    sha256: str
    light: int = 0
    metadata_labels: tuple[str, ...] = ()
    labelled_by: Source = ""
    note: str = ""


class Annotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A label of a picture; `bbox` is in shares of its width and height (contract §7), None for the whole picture."""

    id: int
    image_id: int
    category_id: int
    bbox: Box | None = None


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A label's record; `name` is the label."""

    id: int
    name: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A blob under ``images/`` that cannot be used, or not wholly, and why."""

    path: str
    etag: str
    reason: str


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a label file says of a picture.

    Attributes:
        path: Of the side-car; for an imported claim, of the picture.
        etag: The version of the side-car or of the imported file.
        source: Path of the imported file; empty for a side-car.
        regions: The labels; with `numbered`, class numbers as decimals.
        unit: What the boxes are measured in.
        size: The picture's width and height in pixels as the file states them, or None.
        numbered: Whether a class list gives the names (YOLO).
        unusable: Whether the file was meant to label the picture, and nothing in it can be used.
        note: Why it reaches no picture, for people.
    """

    path: str
    etag: str
    source: str = ""
    regions: tuple[Region, ...] = ()
    unit: Unit = "share"
    size: tuple[int, int] | None = None
    numbered: bool = False
    unusable: bool = False
    note: str = ""


class ClassList(msgspec.Struct, frozen=True, kw_only=True):
    """Names of class numbers; it holds for its folder and all below."""

    path: str
    etag: str
    names: tuple[str, ...]


class Records(msgspec.Struct, frozen=True):
    """A run of the file's records; images, problems and claims are in the order of their paths."""

    images: list[Image] = []
    annotations: list[Annotation] = []
    problems: list[Problem] = []
    claims: list[Claim] = []


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What lies at a path: one of a picture, a side-car, a class list, and a problem (or a problem besides).

    Attributes:
        etag: The version that was looked at.
        facts: Of a picture.
        claim: Of a side-car.
        names: Of a class list.
        problem: Why it cannot be used, or not wholly.
    """

    etag: str
    facts: Facts | None = None
    claim: Claim | None = None
    names: tuple[str, ...] | None = None
    problem: str | None = None


def stem_of(path: str) -> str:
    """Return a path without its extension: a picture and its side-cars have the same."""
    folder, slash, name = path.rpartition("/")
    base, dot, _ = name.rpartition(".")
    return f"{folder}{slash}{base}" if dot and base else path
