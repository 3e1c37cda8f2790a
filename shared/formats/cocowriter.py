"""Writes a data set as standard COCO: pixel boxes and dense ids from 1, which every other tool reads."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from shared.formats import Region

_DIGITS: Final = 4  # of a pixel


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A picture to write.

    Attributes:
        file_name: Its path or name.
        size: Width and height in pixels.
        regions: Its labels; boxes are shares.
        url: Where it lies; empty to say nothing of that.
    """

    file_name: str
    size: tuple[int, int]
    regions: tuple[Region, ...] = ()
    url: str = ""


class _Image(msgspec.Struct, frozen=True, omit_defaults=True):
    id: int
    width: int
    height: int
    file_name: str
    absolute_url: str = ""
    coco_url: str = ""


class _Annotation(msgspec.Struct, frozen=True):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, ...] | msgspec.UnsetType = msgspec.UNSET
    area: float | msgspec.UnsetType = msgspec.UNSET
    iscrowd: int = 0


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Document(msgspec.Struct, frozen=True):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class CocoNumbering:
    """Gives pictures and labels their ids as they come, so that a file of any length can be written in one pass.

    Attributes:
        categories: The labels' records.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self._ids = {label: number for number, label in enumerate(dict.fromkeys(labels), start=1)}
        self._images = 0
        self._annotations = 0
        self.categories = [_Category(number, label) for label, number in self._ids.items()]

    def records(self, picture: Exported) -> tuple[_Image, list[_Annotation]]:
        """Return a picture's record and those of its labels.

        Raises:
            KeyError: It has another label.
        """
        self._images += 1
        first = self._annotations + 1
        self._annotations += len(picture.regions)
        image = _Image(self._images, *picture.size, picture.file_name, picture.url, picture.url)
        return image, [
            _annotation(number, self._images, self._ids[region.label], region, picture.size)
            for number, region in enumerate(picture.regions, first)
        ]


def write_coco(pictures: Iterable[Exported], labels: Sequence[str]) -> bytes:
    """Write pictures and their labels.

    Args:
        pictures: The pictures.
        labels: All labels, used or not; a label's category id is its place, from 1.

    Returns:
        COCO JSON. A label of the whole picture has no ``bbox``, as in Azure ML's exports.

    Raises:
        KeyError: A picture has a label that is not among `labels`.
    """
    numbering = CocoNumbering(labels)
    document = _Document([], [], numbering.categories)
    for picture in pictures:
        image, annotations = numbering.records(picture)
        document.images.append(image)
        document.annotations.extend(annotations)
    return msgspec.json.encode(document)


def _annotation(identity: int, image: int, category: int, region: Region, size: tuple[int, int]) -> _Annotation:
    if region.box is None:
        return _Annotation(identity, image, category)
    left, top, width, height = region.box
    box = (left * size[0], top * size[1], width * size[0], height * size[1])
    bbox = tuple(round(value, _DIGITS) for value in box)
    return _Annotation(identity, image, category, bbox, round(bbox[2] * bbox[3], _DIGITS))
