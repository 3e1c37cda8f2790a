"""A data set's pictures with their boxes, and the maps that a detector reads of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.access import shown
from engine.coco import Example, Region
from engine.featurecache import StoredRows
from engine.features import ExtractedSet
from engine.learn.detection_metrics import TrueBoxes
from engine.learn.detector import Boxes, MapSource, PictureMaps
from engine.mapsextractor import maps_in


class StoredMaps:
    """The maps of n pictures, read from the cache one picture at a time; see `engine.learn.detector.MapSource`.

    Args:
        records: What `MapsExtractor` or `MirroredMapsExtractor` made.
        sizes: (n, 2) width and height of each picture in pixels, upright.
    """

    def __init__(self, records: StoredRows, sizes: NDArray[np.uint32]) -> None:
        self._records = records
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._records)

    def maps(self, number: int, *, mirrored: bool) -> PictureMaps:
        """Reads the maps of a picture, or of its mirror image, which must have been kept.

        Raises:
            OSError: They are gone from the cache.
        """
        width, height = self._sizes[number].tolist()
        return maps_in(self._records.one(number), width, height, mirrored=mirrored)


@dataclass(frozen=True, slots=True)
class BoxedSet:
    """A data set's n pictures, in the order of `ExtractedSet`.

    Attributes:
        maps: Of each picture.
        truth: Its boxes; left, top, width, height in 0…1 of the picture's sides, in an order of their own.
        sizes: (n, 2) uint32, width and height in pixels, upright.
        labels: Of each picture, sorted and distinct; none when it has no box.
        names: The pictures' file_name, else their URL; never with a query.
        urls: Where they lie, without query.
        sha256: Of their bytes, lower-case hex.
        looks: (n, 4) uint64, see `engine.learn.looks`.
        traits: (n, 5) float32, see `engine.learn.traits.SHAPED`; None when they are not known.
    """

    maps: MapSource
    truth: tuple[TrueBoxes, ...]
    sizes: NDArray[np.uint32]
    labels: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    urls: tuple[str, ...]
    sha256: tuple[str, ...]
    looks: NDArray[np.uint64]
    traits: NDArray[np.float32] | None = None

    @property
    def content(self) -> tuple[list[tuple[str, list[float]]], ...]:
        """The labels and boxes of each picture."""
        return tuple(list(zip(one.labels, one.boxes.tolist(), strict=True)) for one in self.truth)


def boxed(pictures: ExtractedSet) -> BoxedSet:
    """Returns the set that detectors learn from, of one whose records are maps."""
    return BoxedSet(
        maps=StoredMaps(pictures.records, pictures.sizes),
        truth=tuple(_true_boxes(example) for example in pictures.examples),
        sizes=pictures.sizes,
        labels=tuple(example.labels for example in pictures.examples),
        names=tuple(example.name for example in pictures.examples),
        urls=tuple(shown(example.url) for example in pictures.examples),
        sha256=pictures.sha256,
        looks=pictures.looks,
        traits=pictures.traits,
    )


def lessons_of(truth: Sequence[TrueBoxes], labels: Sequence[str]) -> list[Boxes]:
    """Returns true boxes as a detector learns from them: corners, and numbers of labels."""
    number = {label: position for position, label in enumerate(labels)}
    return [
        Boxes(
            np.concatenate([one.boxes[:, :2], (one.boxes[:, :2] + one.boxes[:, 2:]).clip(0.0, 1.0)], axis=1),
            np.array([number[label] for label in one.labels], dtype=np.intp),
        )
        for one in truth
    ]


def _true_boxes(example: Example) -> TrueBoxes:
    regions = sorted(example.regions, key=_place)
    boxes = np.array([region.box for region in regions], dtype=np.float64).reshape(-1, 4)
    return TrueBoxes(boxes, tuple(region.label for region in regions), np.zeros(len(regions), dtype=np.bool_))


def _place(region: Region) -> tuple[str, tuple[float, ...]]:
    return region.label, region.box or ()
