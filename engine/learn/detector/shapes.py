"""The shapes that boxes have in a data set, by k-means over logarithms of their sides."""

import numpy as np
from numpy.typing import NDArray

SHAPES = 9
ROUNDS = 50
MOST = 20_000  # boxes that are looked at

Sides = NDArray[np.float64]


def common_shapes(sides: Sides, rng: np.random.Generator) -> Sides:
    """Finds at most SHAPES (width, height) that stand for those of boxes.

    Args:
        sides: (n, 2) width and height, above 0, at least one row.
        rng: Chooses boxes when there are very many, and the first centres (k-means++; Arthur and Vassilvitskii, 2007).

    Returns:
        (s, 2) in the unit of sides, by area.
    """
    if len(sides) > MOST:
        sides = sides[rng.choice(len(sides), MOST, replace=False)]
    points: Sides = np.log(sides)
    distinct = np.unique(points.round(6), axis=0)
    centres = distinct if len(distinct) <= SHAPES else _centres(points, rng)
    centres = centres[np.lexsort((centres[:, 0], centres.sum(axis=1)))]
    result: Sides = np.exp(centres)
    return result


def _centres(points: Sides, rng: np.random.Generator) -> Sides:
    centres: Sides = points[rng.integers(len(points))][None]
    while len(centres) < SHAPES:
        far = _squares(points, centres).min(axis=1)
        centres = np.concatenate([centres, points[rng.choice(len(points), p=far / far.sum())][None]])
    for _ in range(ROUNDS):
        nearest = _squares(points, centres).argmin(axis=1)
        moved = np.stack(
            [points[nearest == n].mean(axis=0) if np.any(nearest == n) else centres[n] for n in range(SHAPES)]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def _squares(points: Sides, centres: Sides) -> Sides:
    result: Sides = np.sum((points[:, None] - centres[None]) ** 2, axis=2)
    return result
