"""Reads data sets: a folder with coco.json (boxes in pixels, an optional split of the pictures) and images/."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.images import SideLimits, decode_picture

MARGIN: Final = 0.05  # of a box's side, added on each side when the box itself is the picture
SMALLEST_SIDE: Final = 10  # px; smaller boxes are no pictures, as the product leaves out smaller pictures
_ANY_SIDE: Final = SideLimits(1, 20_000)


class DataSetError(Exception):
    """A data set is missing, or not in the layout that the suites read."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One file of a data set.

    Attributes:
        file: Where it is.
        digest: Hex sha256 of its bytes.
        corners: (m, 4) left, top, right, bottom of its boxes, each 0…1 of its side; without boxes the whole, m = 1.
        targets: (m,) numbers of labels.
        crowds: (m,) whether a box is around many, which can be neither found nor missed.
        test: Whether the data set keeps it for scoring.
    """

    file: Path
    digest: str
    corners: NDArray[np.float64]
    targets: NDArray[np.intp]
    crowds: NDArray[np.bool_]
    test: bool

    def pixels(self) -> NDArray[np.uint8]:
        """Decodes the picture to (H, W, 3) RGB, as the engine does."""
        return decode_picture(self.file.read_bytes(), _ANY_SIDE).pixels


@dataclass(frozen=True, slots=True)
class DataSet:
    """Labelled pictures.

    Attributes:
        name: Of its folder.
        labels: The k labels, sorted.
        photos: In the order of their content, so that nothing depends on the order of the file.
        boxed: Whether labels belong to boxes and not to whole pictures.
        digest: Hex sha256 of all that is measured.
    """

    name: str
    labels: tuple[str, ...]
    photos: tuple[Photo, ...]
    boxed: bool
    digest: str

    @property
    def split(self) -> bool:
        """Whether pictures are kept for scoring."""
        return any(photo.test for photo in self.photos)


def read_set(folder: Path) -> DataSet:
    """Reads one data set.

    Raises:
        DataSetError: There is no coco.json, it is none, or a picture is missing.
    """
    try:
        content = json.loads((folder / "coco.json").read_bytes())
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        labels = tuple(sorted(set(names.values())))
        numbers = {key: labels.index(name) for key, name in names.items()}
        of: dict[int, list[dict[str, Any]]] = {}
        for annotation in content["annotations"]:
            of.setdefault(annotation["image_id"], []).append(annotation)
        photos = [_photo(folder, image, of.get(image["id"], []), numbers) for image in content["images"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataSetError(f"{folder} is no data set ({error!r}); give a folder with coco.json and images/") from error
    boxed = any("bbox" in annotation for annotation in content["annotations"])
    ordered = tuple(sorted(photos, key=lambda photo: (photo.digest, photo.file.name)))
    return DataSet(folder.name, labels, ordered, boxed, _digest(labels, ordered))


def read_sets(folder: Path, only: Sequence[str], *, boxed: bool) -> list[DataSet]:
    """Reads the data sets of one kind below a folder, or those that are named, of any kind.

    Raises:
        DataSetError: One that is named is missing or broken, or there is none of the kind.
    """
    if only:
        return [read_set(folder / name) for name in only]
    found = [read_set(path.parent) for path in sorted(folder.glob("*/coco.json"))]
    chosen = [data for data in found if data.boxed == boxed]
    if not chosen:
        kind = "with boxes" if boxed else "without boxes"
        raise DataSetError(f"{folder} has no data set {kind}; give a folder of folders with coco.json and images/")
    return chosen


def cut_out(pixels: NDArray[np.uint8], corners: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Cuts a box (4,), each end 0…1, widened by the margin, out of a picture (H, W, 3)."""
    height, width = pixels.shape[:2]
    margins = MARGIN * (corners[2:] - corners[:2])
    left, top = np.maximum((corners[:2] - margins) * (width, height), 0).astype(int)
    right, bottom = np.ceil((corners[2:] + margins) * (width, height)).astype(int)
    return pixels[top:bottom, left:right]


def _photo(folder: Path, image: dict[str, Any], annotations: list[dict[str, Any]], numbers: dict[int, int]) -> Photo:
    file = folder / "images" / image["file_name"]
    across, down = image["width"], image["height"]
    boxes = [annotation.get("bbox") or (0, 0, across, down) for annotation in annotations]
    ends = [(x / across, y / down, (x + w) / across, (y + h) / down) for x, y, w, h in boxes]
    return Photo(
        file=file,
        digest=hashlib.sha256(file.read_bytes()).hexdigest(),
        corners=np.clip(np.array(ends, dtype=np.float64).reshape(-1, 4), 0.0, 1.0),
        targets=np.array([numbers[annotation["category_id"]] for annotation in annotations], dtype=np.intp),
        crowds=np.array([bool(annotation.get("iscrowd")) for annotation in annotations], dtype=np.bool_),
        test=image.get("split") == "test",
    )


def _digest(labels: tuple[str, ...], photos: tuple[Photo, ...]) -> str:
    facts = [(photo.digest, photo.corners.tolist(), photo.targets.tolist(), photo.test) for photo in photos]
    return hashlib.sha256(json.dumps([labels, facts]).encode()).hexdigest()
