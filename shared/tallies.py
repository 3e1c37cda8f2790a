"""Running counts over a dataset's pictures, kept in the head of its COCO file: the policy need not read the rest.

Sums are whole numbers, so that they do not depend on the order in which pictures came.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from shared.coco import Annotation, Image
from shared.sides import side_of

SIZE_STEPS: Final = 16  # a doubling of the side is this many steps
ASPECT_STEPS: Final = 64  # likewise of width / height


class Totals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many pictures there are of each sort; every picture is of one of the last five.

    Attributes:
        pictures: Usable ones.
        problems: Blobs that cannot be used, or not wholly.
        notes: Pictures about whose labels something is odd.
        orphans: Claims of side-cars and imported files that reach no picture.
        single: With one label for the whole picture.
        several: With several labels for the whole picture.
        boxed: With at least one box.
        bare: That a side-car or an import names, and gives no label.
        unlabelled: Of which nobody says anything.
    """

    pictures: int = 0
    problems: int = 0
    notes: int = 0
    orphans: int = 0
    single: int = 0
    several: int = 0
    boxed: int = 0
    bare: int = 0
    unlabelled: int = 0


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Counts over the pictures of one label.

    Attributes:
        category_id: The label's.
        train: Pictures on the training side by their digests; copies of the same bytes count each.
        test: Likewise on the test side.
        regions: Annotations.
        light: Sum of mean brightness, and of its square.
        size: Sum of `SIZE_STEPS` times log2 of the geometric mean of the sides in pixels, and of its square.
        aspect: Sum of `ASPECT_STEPS` times log2 of width / height, and of its square.
    """

    category_id: int
    train: int = 0
    test: int = 0
    regions: int = 0
    light: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    aspect: tuple[int, int] = (0, 0)

    @property
    def pictures(self) -> int:
        """Pictures on both sides."""
        return self.train + self.test


class Counter:
    """Totals and tallies under change."""

    def __init__(self, totals: Totals, tallies: Iterable[Tally]) -> None:
        self._totals = msgspec.structs.asdict(totals)
        self._tallies: dict[int, list[int]] = defaultdict(lambda: [0] * 9)
        for tally in tallies:
            row = [tally.train, tally.test, tally.regions, *tally.light, *tally.size, *tally.aspect]
            self._tallies[tally.category_id] = row

    def count_picture(self, image: Image, annotations: Sequence[Annotation], times: int) -> None:
        """Count a picture in (`times` 1) or out (-1)."""
        self._totals["pictures"] += times
        self._totals["notes"] += times * bool(image.note)
        self._totals[sort_of(image, annotations)] += times
        if not annotations:
            return
        column = int(side_of(image.sha256, size=(image.width, image.height)) == "test")
        size = round(SIZE_STEPS * math.log2(image.width * image.height) / 2)
        aspect = round(ASPECT_STEPS * math.log2(image.width / image.height))
        for category_id in {annotation.category_id for annotation in annotations}:
            row = self._tallies[category_id]
            row[column] += times
            for place, value in ((3, image.light), (5, size), (7, aspect)):
                row[place] += times * value
                row[place + 1] += times * value * value
        for annotation in annotations:
            self._tallies[annotation.category_id][2] += times

    def count(self, what: str, times: int) -> None:
        """Count a problem or a note in or out."""
        self._totals[what] += times

    @property
    def totals(self) -> Totals:
        """The totals now."""
        return Totals(**self._totals)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """The tallies of labels that have a picture, in the order of their ids."""
        return tuple(
            Tally(id_, row[0], row[1], row[2], (row[3], row[4]), (row[5], row[6]), (row[7], row[8]))
            for id_, row in sorted(self._tallies.items())
            if row[2]
        )


def sort_of(image: Image, annotations: Sequence[Annotation]) -> str:
    """Return the name of the total that a picture belongs to: single, several, boxed, bare or unlabelled."""
    if not annotations:
        return "bare" if image.labelled_by else "unlabelled"
    if any(annotation.bbox is not None for annotation in annotations):
        return "boxed"
    return "single" if len(annotations) == 1 else "several"
