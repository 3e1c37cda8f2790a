"""Drawn pictures with boxes, and a backbone that is quick enough for tests."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engine.learn.detector import Boxes, PictureMaps, picture_maps

LABELS = ("disc", "ring")
COLOURS = ((200, 40, 40), (40, 90, 210))


class ToyBackbone:
    """The colours of the four quarters of each cell; see `engine.learn.backbone.Backbone`."""

    name = "toy"
    digest = "d" * 64
    width = 12
    default_head = "lda"

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.feature_maps(picture)[16].mean(axis=(1, 2))

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        image, maps = Image.fromarray(picture), {}
        for stride in (8, 16):
            quarters = np.asarray(image.reduce(stride // 2), dtype=np.float32) / 255
            height, width = (side // stride for side in picture.shape[:2])
            cells = quarters.reshape(height, 2, width, 2, 3).transpose(1, 3, 4, 0, 2)
            maps[stride] = cells.reshape(12, height, width)
        return maps


@dataclass
class DrawnPictures:
    """Pictures of discs and rings on textured ground, which are a `MapSource`.

    Attributes:
        count: How many.
        seed: Of all chance.
        sides: Least and largest side of a shape, px of a picture of 320 x 240.
        shapes: Least and largest number in a picture.
        empty: The last pictures, so many, have no shapes.
    """

    count: int
    seed: int
    sides: tuple[int, int] = (40, 90)
    shapes: tuple[int, int] = (2, 4)
    empty: int = 0
    pictures: list[NDArray[np.uint8]] = field(init=False)
    truth: list[Boxes] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        drawn = [
            draw(
                rng,
                0 if number >= self.count - self.empty else int(rng.integers(self.shapes[0], self.shapes[1] + 1)),
                self.sides,
            )
            for number in range(self.count)
        ]
        self.pictures, self.truth = [picture for picture, _ in drawn], [boxes for _, boxes in drawn]

    def __len__(self) -> int:
        return self.count

    def maps(self, number: int, *, mirrored: bool) -> PictureMaps:
        return picture_maps(ToyBackbone(), self.pictures[number], mirrored=mirrored)


def draw(rng: np.random.Generator, shapes: int, sides: tuple[int, int]) -> tuple[NDArray[np.uint8], Boxes]:
    """Draws shapes that do not overlap; the labels take turns."""
    width, height = 320, 240
    ground = rng.integers(90, 170, (height // 8, width // 8, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize((width, height), Image.Resampling.BILINEAR)
    pen, taken, targets = ImageDraw.Draw(image), [], []
    while len(taken) < shapes:
        side = int(rng.integers(sides[0], sides[1] + 1))
        left, top = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        box = (left, top, left + side, top + side)
        if any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken):
            continue
        target = int(rng.integers(2)) if len(taken) > 1 else len(taken)
        pen.ellipse(
            (left, top, left + side - 1, top + side - 1),
            fill=COLOURS[target] if target == 0 else None,
            outline=COLOURS[target],
            width=max(3, side // 6),
        )
        taken.append(box)
        targets.append(target)
    unit = np.array([width, height, width, height], dtype=np.float64)
    return np.asarray(image), Boxes(
        np.array(taken, dtype=np.float64).reshape(-1, 4) / unit, np.array(targets, dtype=np.intp)
    )
