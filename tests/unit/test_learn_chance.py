"""Exact tails, against SciPy's."""

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from engine.learn.chance import binomial_tail, hypergeometric_tail


@pytest.mark.parametrize("total", [1, 7, 40, 900, 20_000])
def test_the_hypergeometric_tail_is_scipys(total: int) -> None:
    rng = np.random.default_rng(total)
    for _ in range(20):
        special, drawn = (int(number) for number in rng.integers(0, total + 1, 2))
        marked = int(rng.integers(0, min(special, drawn) + 1))
        expected = hypergeom.sf(marked - 1, total, special, drawn)
        assert hypergeometric_tail(marked, drawn, special, total) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_fishers_tea_tasting_lady_is_right_by_chance_once_in_seventy() -> None:
    assert hypergeometric_tail(4, 4, 4, 8) == pytest.approx(1 / 70)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
def test_the_binomial_tail_is_scipys(share: float) -> None:
    for hits, tries in [(0, 0), (0, 5), (1, 5), (5, 5), (30, 60), (900, 1000)]:
        expected = binom.sf(hits - 1, tries, share)
        assert binomial_tail(hits, tries, share) == pytest.approx(expected, rel=1e-6, abs=1e-12)
