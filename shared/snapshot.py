"""The immutable snapshot that a version is trained and judged on: its digest, and its two files as a stream. Pure.

Both files are made in one pass over the pictures and in bounded memory: what is ready is handed out as parts of about
a megabyte, which lie one after the other in the file as `SnapshotPart.place` says.
"""

import hashlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from shared.coco import Annotation, Category, Image
from shared.sides import Side, side_of
from shared.stock import Picture

PART_BYTES: Final = 2**20
_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode

type Place = Literal["images", "annotations"]


class SnapshotDigest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot would be.

    Attributes:
        digest: Twelve hex digits over paths, contents, sizes, labels, boxes and sides; never URLs (design §2).
        train_pictures: Number of pictures on the training side.
        test_pictures: Likewise.
    """

    digest: str
    train_pictures: int
    test_pictures: int


class SnapshotPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of one of the two files; parts of one place follow each other as they come."""

    side: Side
    place: Place
    data: bytes


class SnapshotImage(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of a snapshot (contract §7), with its version and digest as extra fields."""

    id: int
    file_name: str
    width: int
    height: int
    absolute_url: str
    etag: str
    sha256: str


def digest_of(pictures: Iterable[Picture], pinned_test: Container[str]) -> SnapshotDigest:
    """Return the digest of a snapshot of these pictures: equal digests mean that nothing new can be trained on."""
    content = hashlib.sha256(b"[")
    counts: dict[Side, int] = {"train": 0, "test": 0}
    comma = b""
    for picture in pictures:
        image = picture.image
        side = side_of(image.sha256, pinned_test, size=(image.width, image.height))
        counts[side] += 1
        boxes = sorted((n, a.bbox) for n, a in zip(picture.names, picture.annotations, strict=True) if a.bbox)
        record = (image.file_name, image.sha256, image.width, image.height, picture.labels, boxes, side)
        content.update(comma + msgspec.json.encode(record))
        comma = b","
    content.update(b"]")
    return SnapshotDigest(digest=content.hexdigest()[:12], train_pictures=counts["train"], test_pictures=counts["test"])


def snapshot_parts(
    pictures: Iterable[Picture],
    labels: Sequence[str],
    pinned_test: Container[str],
    *,
    url_of: Callable[[str], str],
) -> Iterator[SnapshotPart]:
    """Make the records of both sides, with dense ids from 1 (contract §7).

    Args:
        pictures: The pictures to hold.
        labels: Their labels, sorted; a category's id is its place here, from 1.
        pinned_test: sha256 of pictures pinned to the test side.
        url_of: Gives a path's absolute URL, without a signature.
    """
    numbers = {label: number for number, label in enumerate(labels, 1)}
    sides: dict[Side, _Side] = {"train": _Side("train"), "test": _Side("test")}
    for picture in pictures:
        image = picture.image
        side = sides[side_of(image.sha256, pinned_test, size=(image.width, image.height))]
        image_id = side.put_image(image, url_of)
        for label, annotation in zip(picture.names, picture.annotations, strict=True):
            side.put_annotation(image_id, numbers[label], annotation)
        yield from side.ready(PART_BYTES)
    for side in sides.values():
        yield from side.ready(1)


def opening(digest: str, side: Side, labels: Sequence[str]) -> bytes:
    """Return what stands before the images of a file."""
    categories = [Category(id=number, name=name) for number, name in enumerate(labels, 1)]
    info = {"description": "Darkroom snapshot", "digest": digest, "schema": 1, "side": side}
    return b'{"info":' + _ENCODE(info) + b',"categories":' + _ENCODE(categories) + b',"images":['


JOINT: Final = b'],"annotations":['
END: Final = b"]}\n"


def pins_needed(
    pictures: Iterable[Picture],
    bare: Collection[str],
    pinned_test: Container[str],
    trained: Callable[[Collection[str]], Container[str]],
) -> tuple[str, ...]:
    """Choose a test picture for each label that has enough pictures and none on the test side.

    Args:
        pictures: What can be trained on.
        bare: Such labels.
        pinned_test: What was pinned before.
        trained: Gives those of some sha256 that an earlier train snapshot holds.

    Returns:
        sha256 of the pictures to pin: the smallest digest of each such label that was never trained on.
    """
    fresh: dict[str, list[str]] = {label: [] for label in bare}
    for picture in pictures:
        if picture.image.sha256 not in pinned_test and picture.can_be_tested:
            for label in picture.labels:
                if label in fresh:
                    fresh[label].append(picture.image.sha256)
    used = trained({sha256 for digests in fresh.values() for sha256 in digests})
    chosen = (min((sha256 for sha256 in digests if sha256 not in used), default=None) for digests in fresh.values())
    return tuple(sorted({sha256 for sha256 in chosen if sha256 is not None}))


class _Side:
    """One of the two files under way."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._images = 0
        self._annotations = 0
        self._waiting: dict[Place, bytearray] = {"images": bytearray(), "annotations": bytearray()}

    def put_image(self, image: Image, url_of: Callable[[str], str]) -> int:
        self._images += 1
        record = SnapshotImage(
            id=self._images,
            file_name=image.file_name,
            width=image.width,
            height=image.height,
            absolute_url=url_of(image.file_name),
            etag=image.etag,
            sha256=image.sha256,
        )
        self._put("images", record, first=self._images == 1)
        return self._images

    def put_annotation(self, image_id: int, category_id: int, annotation: Annotation) -> None:
        self._annotations += 1
        record = Annotation(id=self._annotations, image_id=image_id, category_id=category_id, bbox=annotation.bbox)
        self._put("annotations", record, first=self._annotations == 1)

    def _put(self, place: Place, record: Any, *, first: bool) -> None:
        waiting = self._waiting[place]
        waiting += (b"" if first else b",") + _ENCODE(record)

    def ready(self, least: int) -> Iterator[SnapshotPart]:
        for place, waiting in self._waiting.items():
            if len(waiting) >= least:
                self._waiting[place] = bytearray()
                yield SnapshotPart(side=self._side, place=place, data=bytes(waiting))
