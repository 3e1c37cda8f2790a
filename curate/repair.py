"""Writes a COCO file anew as the Vision service takes it (contract §7): dense ids, normalised boxes, URLs. Pure."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from curate.examination import Picture
from shared.formats import Box


class _Image(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    width: int | msgspec.UnsetType
    height: int | msgspec.UnsetType
    file_name: str
    absolute_url: str


class _Annotation(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    image_id: int
    category_id: int
    bbox: Box | msgspec.UnsetType


class _Category(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str


def repaired(pictures: Iterable[Picture], labels: Sequence[str], *, base_url: str = "") -> bytes:
    """Return the file.

    Args:
        pictures: What it is to hold; one whose size nobody knows is written without.
        labels: All labels; a category's id is its place here, from 1.
        base_url: Stands before the name of a picture that has no URL of its own. When that is empty too the name stands
            alone, which this repository's importer understands and the Vision service did not.
    """
    numbers = {label: number for number, label in enumerate(labels, 1)}
    images: list[_Image] = []
    annotations: list[_Annotation] = []
    for number, picture in enumerate(pictures, 1):
        width, height = picture.size or (msgspec.UNSET, msgspec.UNSET)
        name = picture.name or picture.url
        url = picture.url or (f"{base_url.rstrip('/')}/{quote(name)}" if base_url else name)
        images.append(_Image(id=number, width=width, height=height, file_name=name, absolute_url=url))
        annotations += [
            _Annotation(
                id=len(annotations) + place,
                image_id=number,
                category_id=numbers[region.label],
                bbox=region.box or msgspec.UNSET,
            )
            for place, region in enumerate(picture.regions, 1)
        ]
    categories = [_Category(id=number, name=label) for label, number in numbers.items()]
    document = {"images": images, "annotations": annotations, "categories": categories}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
