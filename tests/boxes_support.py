"""Pictures with boxes, drawn for the tests of detection: plain shapes on noisy ground, and data sets of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tests.engine_support import COLOURS, PictureStore, encode

WIDTH, HEIGHT = 160, 120


@dataclass(frozen=True)
class DrawnBoxes:
    """A JPEG and what is in it.

    Attributes:
        content: The file.
        boxes: Label, left, top, width and height in pixels of each object.
    """

    content: bytes
    boxes: tuple[tuple[str, int, int, int, int], ...]


def draw_boxes(labels: Sequence[str], seed: int) -> DrawnBoxes:
    """Draws an object of each label in its colour: a disc, at most three, side by side; any size and place."""
    rng = np.random.default_rng((seed, len(labels)))
    ground = rng.normal(128, 12, (HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.uint8)
    image, boxes = Image.fromarray(ground), []
    brush = ImageDraw.Draw(image)
    room = WIDTH // max(len(labels), 1)
    for place, label in enumerate(labels):
        side = int(rng.integers(28, min(room, HEIGHT) - 8))
        x, y = room * place + int(rng.integers(0, room - side)), int(rng.integers(0, HEIGHT - side))
        brush.ellipse((x, y, x + side - 1, y + side - 1), fill=COLOURS[label])
        boxes.append((label, x, y, side, side))
    return DrawnBoxes(encode(image, "JPEG"), tuple(boxes))


def drawn(count: int, *, first_seed: int = 0) -> list[DrawnBoxes]:
    """Draws pictures with one or two objects, every label in turn."""
    names = list(COLOURS)
    kinds = [(names[n % 3],) if n % 2 else (names[n % 3], names[(n + 1) % 3]) for n in range(count)]
    return [draw_boxes(labels, first_seed + number) for number, labels in enumerate(kinds)]


def coco_of(pictures: Sequence[DrawnBoxes], urls: Sequence[str]) -> dict[str, Any]:
    """Describes pictures as the contract's COCO: boxes in 0…1 of the picture's sides."""
    names = list(COLOURS)
    images = [
        {
            "id": number,
            "width": WIDTH,
            "height": HEIGHT,
            "file_name": f"{number}.jpg",
            "absolute_url": url,
            "sha256": sha256(picture.content).hexdigest(),
        }
        for number, (picture, url) in enumerate(zip(pictures, urls, strict=True), 1)
    ]
    placed = [(number, box) for number, picture in enumerate(pictures, 1) for box in picture.boxes]
    annotations = [
        {
            "id": id_,
            "image_id": number,
            "category_id": names.index(label) + 1,
            "bbox": [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT],
        }
        for id_, (number, (label, x, y, w, h)) in enumerate(placed, 1)
    ]
    used = {label for picture in pictures for label, *_ in picture.boxes}
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1) if name in used]
    return {"images": images, "annotations": annotations, "categories": categories}


def put_boxes(store: PictureStore, name: str, pictures: Sequence[DrawnBoxes]) -> str:
    """Stores pictures and their COCO file; returns the file's URL."""
    urls = [store.put(f"{name}/{number}.jpg", picture.content) for number, picture in enumerate(pictures, 1)]
    return store.put(f"{name}/coco.json", json.dumps(coco_of(pictures, urls)).encode())


def share(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes: left, top, width, height."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / (one[2] * one[3] + other[2] * other[3] - both)
