"""Pictures for detection: one to five parts of any label on a table, of many sizes, some lying on others."""

import math
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from samples.parts import PARTS
from samples.rendering import REACH, Cutout, Pose, render
from samples.scene import (
    HEIGHT,
    LABELS,
    TURN,
    WIDTH,
    Box,
    Drawn,
    box_about,
    lay_down,
    lay_table,
    photograph,
    set_up,
    windows,
)
from samples.shading import FINISHES, Light, shadow
from samples.surfaces import Field

MOST_PARTS = 5
SMALLEST, LARGEST = 0.08, 0.3
"""Radius of a part, as a share of the picture's height; small ones are as frequent as large ones."""

MOST_HIDDEN = 0.3
"""How much of a part those on top of it may hide."""

_NEAREST = 0.7  # distance of two parts' centres, in sums of their radii: they touch, and seldom lie on each other
_TRIES = 30


def draw_mixed(seed: int, labels: Sequence[str] = LABELS) -> Drawn:
    """Draws one to five parts; the same seed and labels give the same picture.

    The first part has label `seed` modulo how many there are, so that each label is in any run of so many pictures;
    the others have any label. A box is drawn about what can be seen of a part.

    Raises:
        ValueError: A label is none of `LABELS`, or there is none.
    """
    if not labels or not set(labels) <= set(LABELS):
        raise ValueError(f"{', '.join(labels) or 'nothing'} cannot be drawn; the labels are {', '.join(LABELS)}")
    rng = np.random.default_rng([seed, zlib.crc32(b"mixed")])
    light, view = set_up(rng)
    table = Table(lay_table(light, rng), light)
    wanted = int(rng.integers(1, MOST_PARTS + 1))
    for number, pose in enumerate(_scatter(wanted, rng)):
        label = labels[seed % len(labels) if number == 0 else int(rng.integers(len(labels)))]
        finish = FINISHES[rng.integers(len(FINISHES))]
        table.put(label, render(PARTS[label](rng), finish, pose, view, light, rng), 0.22 * pose.radius)
    return Drawn(photograph(table.colour, light, rng), table.boxes(), quality=int(rng.integers(78, 95)))


class Table:
    """A table (HEIGHT, WIDTH, 3) on which parts are put one by one, a later one on top of those it overlaps."""

    def __init__(self, colour: Field, light: Light) -> None:
        self.colour = colour
        self._light = light
        self._seen = np.full((HEIGHT, WIDTH), -1)  # number of the part that a pixel shows
        self._parts: list[tuple[str, int]] = []  # label, and pixels that it would show alone

    def put(self, label: str, cutout: Cutout, height: float) -> None:
        """Lays a part down, `height` pixels high, unless it would hide too much of another."""
        window, inside = windows(cutout)
        cover = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
        cover[window] = cutout.cover[inside]
        solid = cover > 0.5
        left = np.where(solid, -1, self._seen)
        if any(
            np.count_nonzero(left == number) < (1 - MOST_HIDDEN) * alone
            for number, (_, alone) in enumerate(self._parts)
        ):
            return
        self._seen = np.where(solid, len(self._parts), self._seen)
        self._parts.append((label, int(np.count_nonzero(solid))))
        self.colour *= 1 - shadow(cover, self._light, height)[..., None]
        lay_down(cutout, self.colour)

    def boxes(self) -> tuple[Box, ...]:
        """Returns a box about what is seen of each part."""
        return tuple(box_about(label, self._seen == number) for number, (label, _) in enumerate(self._parts))


def _scatter(wanted: int, rng: np.random.Generator) -> Iterator[Pose]:
    """Places up to `wanted` parts wholly in the frame, none with its centre too near to another's."""
    placed: list[Pose] = []
    for _ in range(_TRIES):
        radius = HEIGHT * math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))
        margin = radius * REACH + 2
        x, y = rng.uniform(margin, WIDTH - margin), rng.uniform(margin, HEIGHT - margin)
        turn = rng.uniform(-TURN, TURN)
        if all(math.hypot(x - one.x, y - one.y) > _NEAREST * (radius + one.radius) for one in placed):
            placed.append(Pose(x, y, radius, turn))
            yield placed[-1]
        if len(placed) == wanted:
            return
