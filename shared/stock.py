"""What of a dataset can be trained on: one pass over its records, in memory that a picture adds 50 bytes to.

Copies of the same bytes with the same labels count once; with different labels all of them stay out (design §2).
"""

import struct
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.coco import Annotation, Category, Image, Records
from shared.kinds import Kind, misfit
from shared.limits import PREDICTION_SIDE
from shared.sides import side_of

USED, COPY, CONFLICT, MISFIT = range(4)
_ROW: Final = struct.Struct(">32sIqI")  # digest, number of the picture, hash of its regions, 2 * label set + 1 if test


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its labels, in the terms of the file.

    Attributes:
        image: Its record.
        annotations: Its labels' records.
        names: The label of each of them.
        labels: The same, sorted, each once.
    """

    image: Image
    annotations: Sequence[Annotation]
    names: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def can_be_tested(self) -> bool:
        """Whether it is large enough for the test side."""
        return min(self.image.width, self.image.height) >= PREDICTION_SIDE[0]


@dataclass(frozen=True, slots=True)
class LabelStock:
    """Distinct pictures of a label on each side, and how many more are copies of them."""

    train: int = 0
    test: int = 0
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """The outcome.

    Attributes:
        kind: The dataset's kind.
        states: What becomes of each picture, one byte each in the order of their paths: USED, COPY, CONFLICT, MISFIT.
        labels: By label, sorted.
        conflicts: Number of a conflicting picture → that of another with the same bytes and other labels.
    """

    kind: Kind
    states: bytes
    labels: dict[str, LabelStock]
    conflicts: Mapping[int, int]


def pictures_of(runs: Iterable[Records], categories: Iterable[Category]) -> Iterator[Picture]:
    """Join images with their annotations, in the order of their paths."""
    names = {category.id: category.name for category in categories}
    for records in runs:
        by_image: dict[int, list[Annotation]] = {}
        for annotation in records.annotations:
            by_image.setdefault(annotation.image_id, []).append(annotation)
        for image in records.images:
            annotations = by_image.get(image.id, [])
            own = tuple(names[annotation.category_id] for annotation in annotations)
            yield Picture(image, annotations, own, own if len(own) < 2 else tuple(sorted(set(own))))


def take_stock(
    pictures: Iterable[Picture], kind: Kind, *, pinned_test: Container[str], most_conflicts: int = 200
) -> Stock:
    """Sort out what can be trained on.

    Args:
        pictures: All pictures, in the order of their paths.
        kind: The dataset's kind.
        pinned_test: sha256 of pictures that are on the test side whatever their digest says.
        most_conflicts: How many conflicting pictures are told one by one.
    """
    states = bytearray()
    rows: list[bytearray] = [bytearray() for _ in range(256)]  # by the digest's first byte
    sets: dict[tuple[str, ...], int] = {}
    counts: Counter[int] = Counter()
    for number, picture in enumerate(pictures):
        image = picture.image
        if misfit(kind, image, picture.annotations):
            states.append(MISFIT)
            continue
        states.append(USED)
        labels = sets.setdefault(picture.labels, len(sets))
        side = side_of(image.sha256, pinned_test, size=(image.width, image.height))
        where = 2 * labels + (side == "test")
        regions = hash(tuple((a.category_id, a.bbox) for a in picture.annotations))
        digest = bytes.fromhex(image.sha256)
        rows[digest[0]] += _ROW.pack(digest, number, regions, where)
        counts[where] += 1
    copies: Counter[int] = Counter()
    conflicts: dict[int, int] = {}
    for same in _groups(rows):
        agree = len({row[2:] for row in same}) == 1
        for row in same[1:] if agree else same:
            states[row[1]] = COPY if agree else CONFLICT
            counts[row[3]] -= 1
            copies[row[3] // 2] += agree
            if not agree and len(conflicts) < most_conflicts:
                conflicts[row[1]] = next(other[1] for other in same if other[2:] != row[2:])
    return Stock(kind, bytes(states), _by_label(sets, counts, copies), conflicts)


def _groups(buckets: list[bytearray]) -> Iterator[list[tuple[bytes, int, int, int]]]:
    """Give the rows of each content that more than one picture has, in the order of the pictures."""
    for place, bucket in enumerate(buckets):
        buckets[place] = bytearray()
        rows = sorted(bucket[at : at + _ROW.size] for at in range(0, len(bucket), _ROW.size))
        start = 0
        for at in range(1, len(rows) + 1):
            if at == len(rows) or rows[at][:32] != rows[start][:32]:
                if at - start > 1:
                    yield [_ROW.unpack(row) for row in rows[start:at]]
                start = at


def _by_label(
    sets: Mapping[tuple[str, ...], int], counts: Mapping[int, int], copies: Mapping[int, int]
) -> dict[str, LabelStock]:
    totals: dict[str, list[int]] = {}
    for labels, number in sets.items():
        for label in labels:
            row = totals.setdefault(label, [0, 0, 0])
            row[0] += counts.get(2 * number, 0)
            row[1] += counts.get(2 * number + 1, 0)
            row[2] += copies.get(number, 0)
    return {label: LabelStock(*totals[label]) for label in sorted(totals) if any(totals[label])}


def used(pictures: Iterable[Picture], stock: Stock, labels: Container[str]) -> Iterator[Picture]:
    """Give the pictures that a snapshot of some labels holds."""
    for picture, state in zip(pictures, stock.states, strict=True):
        if state == USED and all(label in labels for label in picture.labels):
            yield picture
