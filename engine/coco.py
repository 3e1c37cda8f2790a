"""Reads the contract's COCO dialect (§7) into labelled pictures, and names the record that is wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from engine.access import shown
from engine.errors import JobError

CORRUPT = "datasetCorrupt"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ImageRecord(msgspec.Struct):
    """One entry of `images`; `etag` and `sha256` are Darkroom's own, optional fields."""

    id: int
    file_name: str = ""
    absolute_url: str | None = None
    coco_url: str | None = None
    etag: str | None = None
    sha256: str | None = None

    @property
    def url(self) -> str | None:
        """The URL to fetch: absolute_url before coco_url; Azure ML's AmlDatastore:// cannot be fetched."""
        for url in (self.absolute_url, self.coco_url):
            if url and url.lower().startswith(("http://", "https://")):
                return url
        return None


class AnnotationRecord(msgspec.Struct):
    """One entry of `annotations`."""

    id: int
    image_id: int
    category_id: int


class CategoryRecord(msgspec.Struct):
    """One entry of `categories`."""

    id: int
    name: str


class CocoFile(msgspec.Struct):
    """A COCO file, as far as classification needs it."""

    images: list[ImageRecord]
    annotations: list[AnnotationRecord]
    categories: list[CategoryRecord]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with its label.

    Attributes:
        label: The category's name.
        url: Where the picture lies.
        title: What messages call the picture.
        name: Its file_name, else its URL without query.
        sha256: Of its bytes, lower-case hex, when the file says so.
        etag: Of its blob, when the file says so.
    """

    label: str
    url: str
    title: str
    name: str
    sha256: str | None
    etag: str | None


def parse_coco(content: bytes, source: str) -> CocoFile:
    """Parses a COCO file.

    Args:
        content: The file.
        source: What messages call the file.

    Raises:
        JobError: datasetCorrupt, with the place in the file.
    """
    try:
        return msgspec.json.decode(content, type=CocoFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise JobError(CORRUPT, f"{source} is not a COCO file: {exc}. Correct it and train again.") from exc


def labelled_pictures(files: Sequence[tuple[str, CocoFile]]) -> list[Example]:
    """Merges COCO files into labelled pictures, one per annotated image; images without annotation are left out.

    Ids count per file; across files a category is its name.

    Args:
        files: Pairs of what messages call the file, and the file.

    Raises:
        JobError: datasetCorrupt, naming file and id.
    """
    return [example for source, file in files for example in _of_file(source, file)]


def _of_file(source: str, file: CocoFile) -> list[Example]:
    images = _by_id(source, "image", file.images)
    categories = _by_id(source, "category", file.categories)
    _by_id(source, "annotation", file.annotations)
    labelled: dict[int, Example] = {}
    for annotation in file.annotations:
        place = f"{source}: annotation {annotation.id}"
        image, category = images.get(annotation.image_id), categories.get(annotation.category_id)
        if image is None:
            raise JobError(CORRUPT, f"{place} belongs to image {annotation.image_id}, which the file does not have.")
        if category is None:
            raise JobError(
                CORRUPT, f"{place} belongs to category {annotation.category_id}, which the file does not have."
            )
        if image.id in labelled:
            raise JobError(
                CORRUPT,
                f"{place} is the second one of image {image.id} ('{image.file_name}'). "
                "Classification takes one label per picture; remove one.",
            )
        labelled[image.id] = _example(source, image, category)
    return list(labelled.values())


def _example(source: str, image: ImageRecord, category: CategoryRecord) -> Example:
    title = f"image {image.id} ('{image.file_name}') of {source}"
    url = image.url
    if url is None:
        raise JobError(CORRUPT, f"{title} has no http(s) URL in absolute_url or coco_url.")
    if not category.name.strip():
        raise JobError(CORRUPT, f"{source}: category {category.id} has no name.")
    sha256 = image.sha256.lower() if image.sha256 else None
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise JobError(CORRUPT, f"{title} has a sha256 that is not 64 hexadecimal digits.")
    return Example(category.name, url, title, image.file_name or shown(url), sha256, image.etag)


def _by_id[Record: (ImageRecord, AnnotationRecord, CategoryRecord)](
    source: str, word: str, records: list[Record]
) -> dict[int, Record]:
    found: dict[int, Record] = {}
    for record in records:
        if record.id in found:
            raise JobError(CORRUPT, f"{source} has two records of {word} {record.id}. Give each its own id.")
        found[record.id] = record
    return found
