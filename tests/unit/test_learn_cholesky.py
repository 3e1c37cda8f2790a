import numpy as np
import pytest

from engine.learn.cholesky import BLOCK, Cholesky


@pytest.mark.parametrize("unknowns", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 30])
def test_systems_are_solved_as_numpy_solves_them(unknowns: int) -> None:
    rng = np.random.default_rng(unknowns)
    rows, right = rng.normal(size=(unknowns + 20, unknowns)), rng.normal(size=(unknowns, 3))
    matrix = rows.T @ rows + np.eye(unknowns)
    expected = np.linalg.solve(matrix, right)
    apart = Cholesky.of(matrix.copy())
    half = apart.half_solved(right)
    np.testing.assert_allclose(apart.solved(half), expected, atol=1e-9)
    np.testing.assert_allclose(np.sum(half**2, axis=0), np.sum(right * expected, axis=0), rtol=1e-9)


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    matrix = np.eye(2 * BLOCK)
    matrix[-1, -1] = -1.0
    with pytest.raises(np.linalg.LinAlgError):
        Cholesky.of(matrix)
