"""Places the annotations of a COCO file on its pictures, and weighs whether their boxes are pixels or shares."""

from collections.abc import Collection, Mapping
from math import isfinite
from typing import Annotated, Final, Self

import msgspec

from shared.formats import EPSILON, MOST_REGIONS, Region, Unit

_PIXEL: Final = 2.0  # what reaches so far is no share
_WORDS: Final[Mapping[Unit, str]] = {"share": "shares of the picture (0 to 1)", "pixel": "pixels"}


type Id = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
"""An id that a message can show."""


class Annotation(msgspec.Struct, frozen=True, gc=False):
    """An annotation's record, as far as it matters; area, segmentation, iscrowd do not."""

    image_id: Id
    category_id: Id
    id: Id | None = None
    bbox: list[float] | None = None


class Reading:
    """What was read of a file's annotations so far.

    Attributes:
        regions: Of each image id that has annotations; empty when none of them can be used.
    """

    def __init__(self, pictures: Collection[int], labels: Mapping[int, str], decided: Unit | None = None) -> None:
        self.regions: dict[int, list[Region]] = {}
        self._pictures = pictures
        self._labels = labels
        self._whole: dict[str, Region] = {}
        self._ids: set[int] = set()
        self._decided = decided
        self._spoke: dict[Unit | None, int] = {"share": 0, "pixel": 0, None: 0}

    def again(self, unit: Unit) -> Self:
        """Return a reading that has read nothing yet, and lets only boxes of one unit through."""
        self.regions.clear()
        return type(self)(self._pictures, self._labels, unit)

    @property
    def unit(self) -> Unit:
        """What the file's boxes are measured in, to judge by those that were read."""
        if self._decided:
            return self._decided
        pixels = self._spoke["pixel"]
        return "pixel" if pixels and pixels >= self._spoke["share"] else "share"

    @property
    def is_mixed(self) -> bool:
        """Whether there are boxes that do not speak for the file's unit."""
        return any(count for unit, count in self._spoke.items() if unit != self.unit)

    def verdict(self) -> str:
        """Return what is to be said of a file that is mixed."""
        agreeing, total = self._spoke[self.unit], sum(self._spoke.values())
        return (
            f"{agreeing:,} of {total:,} boxes are {_WORDS[self.unit]}, the others are not. All are taken for "
            f"{_WORDS[self.unit]} and the others are left out. Write all boxes of a file in one unit."
        )

    def accept(self, annotation: Annotation, _line: int = 0) -> str | None:
        """Place an annotation on its picture; return what is wrong with it, if anything is.

        It runs a million times for a big file, hence the few calls.
        """
        identity, image = annotation.id, annotation.image_id
        repeated = identity in self._ids
        if identity is not None:
            self._ids.add(identity)
        label = self._labels.get(annotation.category_id)
        if image not in self._pictures:
            return f"image {image} is not among the usable 'images'. Add its record, or remove the annotation."
        if label is None:
            self.note(image)
            return (
                f"category {annotation.category_id} is not among the usable 'categories'. "
                "Add its record, or remove the annotation."
            )
        region = self._region(label, annotation.bbox)
        if isinstance(region, str):
            self.note(image)
            return region
        regions = self.regions.get(image)
        if regions is None:
            self.regions[image] = [region]
        elif len(regions) < MOST_REGIONS:
            regions.append(region)
        else:
            return f"image {image} has more than {MOST_REGIONS:,} annotations; this one was left out. Remove some."
        return "the id is used twice; both annotations are kept. Give each its own." if repeated else None

    def note(self, image: int) -> None:
        """Note that an image has an annotation, be it one that cannot be used."""
        self.regions.setdefault(image, [])

    def _region(self, label: str, bbox: list[float] | None) -> Region | str:
        if not bbox:
            return self._whole.setdefault(label, Region(label))
        if len(bbox) != 4:
            return f"bbox has {len(bbox)} numbers; it needs [left, top, width, height]. Draw the box again."
        left, top, width, height = bbox
        if not isfinite(left + top + width + height):
            return "bbox has a number that is not finite. Draw the box again."
        if width <= 0 or height <= 0:
            return f"bbox is {width:g} wide and {height:g} high; both must be above 0. Draw the box again."
        reach = max(left + width, top + height, -left, -top)
        unit: Unit | None = "share" if reach <= 1 + EPSILON else "pixel" if reach >= _PIXEL else None
        self._spoke[unit] += 1
        if self._decided and unit != self._decided:
            return f"bbox is not in {_WORDS[self._decided]}, as most of this file are. Write it in the same unit."
        return Region(label, (left, top, width, height))
