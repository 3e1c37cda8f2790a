"""Writes a sample as people keep theirs: label folders, or boxes beside the pictures; and one COCO file of all."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from samples.mixed import draw_mixed
from samples.scene import HEIGHT, LABELS, WIDTH, Box, draw

COCO_NAME = "coco.json"

_SEEDS = 1_000_000  # pictures that a seed has room for


def write_sample(
    folder: Path,
    per_label: int,
    seed: int = 0,
    labels: Sequence[str] = LABELS,
    *,
    on_picture: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draws `per_label` pictures of each label to `folder/label/label-000.jpg` and writes `folder/coco.json`.

    Args:
        folder: Made if it is missing; pictures of the same name are replaced.
        per_label: How many pictures each label gets, at least 1.
        seed: Another seed, other pictures; picture i of a label is `draw(label, seed * 1_000_000 + i)`.
        labels: Some of `LABELS`.
        on_picture: Called after each picture with how many are done and how many there will be.

    Returns:
        The pictures' paths, in the COCO file's order.

    Raises:
        ValueError: `per_label` or `seed` is out of range, or a label is unknown.
    """
    _check(per_label, seed, "pictures a label")
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
    wanted = [(label, number) for label in labels for number in range(per_label)]

    def write(one: tuple[str, int]) -> tuple[Path, tuple[Box, ...]]:
        label, number = one
        drawn = draw(label, seed * _SEEDS + number)
        path = folder / label / f"{label}-{number:03d}.jpg"
        path.write_bytes(drawn.jpeg())
        return path, drawn.boxes

    return _write_all(folder, labels, wanted, write, on_picture)


def write_mixed(
    folder: Path,
    count: int,
    seed: int = 0,
    labels: Sequence[str] = LABELS,
    *,
    on_picture: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draws `count` pictures for detection to `folder/mixed-000.jpg`, a Pascal VOC side-car beside each, and COCO.

    Args:
        folder: Made if it is missing; files of the same name are replaced.
        count: How many pictures, at least 1.
        seed: Another seed, other pictures; picture i is `draw_mixed(seed * 1_000_000 + i, labels)`.
        labels: Some of `LABELS`.
        on_picture: Called after each picture with how many are done and how many there will be.

    Returns:
        The pictures' paths, in the COCO file's order.

    Raises:
        ValueError: `count` or `seed` is out of range, or a label is unknown.
    """
    _check(count, seed, "pictures")
    folder.mkdir(parents=True, exist_ok=True)

    def write(number: int) -> tuple[Path, tuple[Box, ...]]:
        drawn = draw_mixed(seed * _SEEDS + number, labels)
        path = folder / f"mixed-{number:03d}.jpg"
        path.write_bytes(drawn.jpeg())
        path.with_suffix(".xml").write_text(_voc(path.name, drawn.boxes), encoding="utf-8")
        return path, drawn.boxes

    return _write_all(folder, labels, range(count), write, on_picture)


def _check(count: int, seed: int, what: str) -> None:
    if not 1 <= count <= _SEEDS:
        raise ValueError(f"{count} {what} cannot be drawn; ask for 1 to {_SEEDS:,}")
    if seed < 0:
        raise ValueError(f"the seed is {seed}; it has to be 0 or more")


def _write_all[Wanted](
    folder: Path,
    labels: Sequence[str],
    wanted: Sequence[Wanted],
    write: Callable[[Wanted], tuple[Path, tuple[Box, ...]]],
    on_picture: Callable[[int, int], None] | None,
) -> list[Path]:
    """Writes the pictures, as many at once as there are CPUs, and then `folder/coco.json`."""
    paths: list[Path] = []
    coco = _Coco(labels)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # NumPy and Pillow let threads run side by side
        for path, boxes in pool.map(write, wanted):
            coco.add(path.relative_to(folder).as_posix(), boxes)
            paths.append(path)
            if on_picture is not None:
                on_picture(len(paths), len(wanted))
    (folder / COCO_NAME).write_text(json.dumps(coco.document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return paths


def _voc(name: str, boxes: Sequence[Box]) -> str:
    """Writes the boxes of a picture as Pascal VOC, with corners that are edges, as labelling tools write them."""
    objects = (
        f"  <object><name>{box.label}</name><bndbox><xmin>{box.left}</xmin><ymin>{box.top}</ymin>"
        f"<xmax>{box.left + box.width}</xmax><ymax>{box.top + box.height}</ymax></bndbox></object>\n"
        for box in boxes
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation>\n  <filename>{name}</filename>\n  {size}\n{''.join(objects)}</annotation>\n"


class _Coco:
    """A COCO document that grows; boxes are shares of the picture's size, as model customization has them."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._categories = {label: number for number, label in enumerate(labels, start=1)}
        self.document: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": number, "name": label} for label, number in self._categories.items()],
        }

    def add(self, name: str, boxes: Sequence[Box]) -> None:
        """Adds a picture, called `name`, and its boxes."""
        images, annotations = self.document["images"], self.document["annotations"]
        images.append({"id": len(images) + 1, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for box in boxes:
            share = [box.left / WIDTH, box.top / HEIGHT, box.width / WIDTH, box.height / HEIGHT]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": self._categories[box.label],
                    "bbox": [round(part, 6) for part in share],
                }
            )
