"""What is exported: the pictures of the live COCO file or of a snapshot, as a stream in the order of their paths."""

from collections.abc import Iterator
from typing import Final, Protocol

import msgspec

from curate.errors import CurateError
from shared import layout
from shared.coco import Annotation, Category, Image, Records
from shared.cocofile import CocoFile
from shared.errors import BlobNotFoundError
from shared.formats.jsonarrays import Array, find_array, pieces
from shared.livefile import LiveFile
from shared.sides import Side
from shared.snapshotfiles import SIDES
from shared.stock import Picture, pictures_of
from shared.storage import BlobContainer

_DIGEST: Final = 12


class Source(Protocol):
    """Pictures with their labels.

    Attributes:
        labels: All labels, sorted.
        sides: The sides that pictures are on; empty when there are none.
    """

    labels: tuple[str, ...]
    sides: tuple[Side, ...]

    def pictures(self) -> Iterator[tuple[Picture, Side | None]]:
        """Read all pictures, with the side each is on.

        Raises:
            BlobChangedError: They were changed in the meantime; begin again.
        """


def open_source(training: BlobContainer, dataset: str, snapshot: str | None) -> Source:
    """Open the live COCO file, or a snapshot.

    Raises:
        CurateError: There is none.
        BrokenFileError: The live file is not what Darkroom wrote.
    """
    if snapshot is not None:
        return _Snapshot(training, dataset, snapshot)
    live = CocoFile(training, dataset).read()
    if live is None:
        raise CurateError(
            f"dataset '{dataset}' has no COCO file in container '{training.name}': nothing was folded yet"
        )
    return _Live(live)


class _Live:
    def __init__(self, live: LiveFile) -> None:
        self._live = live
        self.labels = tuple(sorted(category.name for category in live.head.categories))
        self.sides: tuple[Side, ...] = ()

    def pictures(self) -> Iterator[tuple[Picture, Side | None]]:
        for picture in pictures_of(self._live.records(), self._live.head.categories):
            yield picture, None


class _Document(msgspec.Struct, frozen=True):
    categories: list[Category]
    images: msgspec.Raw
    annotations: msgspec.Raw


class _Snapshot:
    """Both files of a snapshot; each is held as bytes, its records never all at once."""

    def __init__(self, training: BlobContainer, dataset: str, digest: str) -> None:
        if len(digest) != _DIGEST or set(digest) - set("0123456789abcdef"):
            raise CurateError(f"'{digest}' is no snapshot: /api/status names those of versions, twelve hex digits each")
        self._paths = {side: layout.snapshot_file(dataset, digest, side) for side in SIDES}
        self._training = training
        self.sides = SIDES
        labels: set[str] = set()
        for side in SIDES:
            labels |= {category.name for category in self._read(side)[1].categories}
        self.labels = tuple(sorted(labels))

    def _read(self, side: Side) -> tuple[bytes, _Document]:
        path = self._paths[side]
        try:
            data = self._training.read(path).data
            return data, msgspec.json.decode(data, type=_Document)
        except BlobNotFoundError as error:
            raise CurateError(f"there is no snapshot '{path}'; /api/status names those of versions") from error
        except msgspec.DecodeError as error:
            raise CurateError(f"'{path}' is not what Darkroom wrote: {error}") from error

    def pictures(self) -> Iterator[tuple[Picture, Side | None]]:
        for side in SIDES:
            data, document = self._read(side)
            images = find_array(data, "images", document.images)
            annotations = find_array(data, "annotations", document.annotations)
            if images and annotations:
                for picture in pictures_of(_runs(images, annotations, self._paths[side]), document.categories):
                    yield picture, side


def _runs(images: Array, annotations: Array, path: str) -> Iterator[Records]:
    """Join images with their annotations, which lie in the same order."""
    waiting = _each(annotations, Annotation, path)
    held = next(waiting, None)
    for image in _each(images, Image, path):
        own: list[Annotation] = []
        while held is not None and held.image_id == image.id:
            own.append(held)
            held = next(waiting, None)
        yield Records([image], own, [], [])


def _each[T](array: Array, type_: type[T], path: str) -> Iterator[T]:
    for piece in pieces(array, type_):
        for value in piece.values:
            if isinstance(value, str):
                raise CurateError(f"'{path}' is not what Darkroom wrote: {value}")
            yield value
