"""The advice about training pictures, measured: are a label's pictures varied, and are there enough of them? Pure.

The service that Darkroom succeeds asked for varied pictures: other angles, light, backgrounds and sizes. How much a
label's pictures differ is told by the spread (standard deviation) of their brightness, size and aspect.
"""

import math
from collections.abc import Iterable

import msgspec

from shared.stock import LabelStock
from shared.tallies import ASPECT_STEPS, SIZE_STEPS, Tally

FEW = 10  # below so many pictures a spread says little
SAME_LIGHT = 8.0  # of 255
SAME_SIZE = 0.02  # doublings of the side
SAME_ASPECT = 0.02  # doublings of width / height
MANY_COPIES = 0.2  # of the pictures


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How a label's pictures differ: standard deviations.

    Attributes:
        light: Of the mean brightness, 0 to 255.
        size: Of log2 of the geometric mean of the sides: 1 is a factor of two.
        aspect: Of log2 of width / height.
    """

    light: float
    size: float
    aspect: float


def spread_of(tally: Tally) -> Spread:
    """Return how the pictures of a label differ."""
    count = tally.pictures
    return Spread(
        light=_deviation(count, tally.light),
        size=_deviation(count, tally.size) / SIZE_STEPS,
        aspect=_deviation(count, tally.aspect) / ASPECT_STEPS,
    )


def advice(label: str, tally: Tally, stock: LabelStock) -> tuple[str, ...]:
    """Say what would make a label's pictures better to learn from; nothing when they are fine."""
    return (*_sameness(label, tally), *_copies(label, stock))


def _sameness(label: str, tally: Tally) -> Iterable[str]:
    spread, count = spread_of(tally), tally.pictures
    if count < FEW:
        return
    same = [
        word
        for word, value, least in (
            ("size", max(spread.size, spread.aspect), SAME_SIZE),
            ("light", spread.light, SAME_LIGHT),
        )
        if value < least
    ]
    if "light" in same:
        yield (
            f"all {count} pictures of '{label}' have the same {' and '.join(same)}. "
            "Add some taken elsewhere, at another time, from another angle."
        )


def _copies(label: str, stock: LabelStock) -> Iterable[str]:
    whole = stock.train + stock.test + stock.copies
    if stock.copies > MANY_COPIES * whole:
        yield f"{stock.copies} of {whole} pictures of '{label}' are copies of others. Add different ones."


def _deviation(count: int, sums: tuple[int, int]) -> float:
    """Return the standard deviation from the sum and the sum of squares."""
    if count == 0:
        return 0.0
    total, squares = sums
    return math.sqrt(max(0, count * squares - total * total)) / count
