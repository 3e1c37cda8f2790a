"""Rows of features that are read a piece at a time: what a head learns from, whether it fits in memory or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PIECE = 2048  # rows that are read, and widened to float64, at a time


class Rows(Protocol):
    """Features (n, D) of n pictures, in an order that depends on content alone; may be read any number of times."""

    @property
    def shape(self) -> tuple[int, int]:
        """n and D."""
        ...

    def pieces(self) -> Iterator[NDArray[np.float32]]:
        """Yields all rows once, from the first to the last: (PIECE, D) at a time, the last piece what is left.

        A sum over pieces is therefore the same number wherever the rows lie. Pieces are for reading only.
        """
        ...


@dataclass(frozen=True, slots=True)
class ArrayRows:
    """Rows that are held in memory.

    Attributes:
        array: (n, D).
    """

    array: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """n and D."""
        count, width = self.array.shape
        return count, width

    def pieces(self) -> Iterator[NDArray[np.float32]]:
        """Yields all rows once; see `Rows`."""
        for start in range(0, len(self.array), PIECE):
            yield self.array[start : start + PIECE]


def as_rows(features: NDArray[np.float32] | Rows) -> Rows:
    """Lets functions take an array (n, D) where they read rows."""
    return ArrayRows(features) if isinstance(features, np.ndarray) else features


def held(features: NDArray[np.float32] | Rows) -> NDArray[np.float32]:
    """Returns all rows as one array (n, D), for whoever knows that they are few."""
    if isinstance(features, np.ndarray):
        return features
    if isinstance(features, ArrayRows):
        return features.array
    array = np.empty(features.shape, dtype=np.float32)
    start = 0
    for piece in features.pieces():
        array[start : start + len(piece)] = piece
        start += len(piece)
    return array
