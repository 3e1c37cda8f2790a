from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.learn.rows import PIECE, ArrayRows, as_rows, held


class HalvedRows:
    """Rows that are made when they are read."""

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._array), self._array.shape[1]

    def pieces(self) -> Iterator[NDArray[np.float32]]:
        yield from (self._array[start : start + PIECE] for start in range(0, len(self._array), PIECE))


def array(count: int) -> NDArray[np.float32]:
    return np.arange(2 * count, dtype=np.float32).reshape(count, 2)


def test_pieces_are_all_rows_in_order_and_can_be_read_again() -> None:
    rows = ArrayRows(array(PIECE + 5))
    assert [len(piece) for piece in rows.pieces()] == [PIECE, 5]
    assert np.array_equal(np.concatenate(list(rows.pieces())), array(PIECE + 5))


def test_an_array_is_taken_as_rows_and_given_back_uncopied() -> None:
    features = array(3)
    assert as_rows(features).shape == (3, 2)
    assert held(as_rows(features)) is features
    assert held(features) is features


def test_rows_from_elsewhere_are_read_into_one_array() -> None:
    rows = HalvedRows(array(2 * PIECE + 1))
    assert as_rows(rows) is rows
    assert np.array_equal(held(rows), array(2 * PIECE + 1))
