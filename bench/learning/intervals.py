"""How sure a mean is: over drawings of training pictures, and over the pictures that it was scored on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Z: Final = 1.959964
# 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom (Student, 1908)
_T: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        mean: Over the drawings.
        draws95: Half the interval that comes of the drawing of training pictures; 0 of a single drawing.
        pictures95: Half the interval that comes of how few pictures were scored.
    """

    mean: float
    draws95: float
    pictures95: float

    @property
    def half(self) -> float:
        """Half the interval of both together."""
        return math.hypot(self.draws95, self.pictures95)


def student(degrees: int) -> float:
    """Returns the 97.5 % quantile of Student's t, to 0.1 % (Abramowitz and Stegun, 26.7.5)."""
    return _T[degrees - 1] if degrees <= len(_T) else Z + 2.372 / degrees + 2.823 / degrees**2


def over_draws(values: Sequence[float]) -> float:
    """Returns half the 95 % interval of the mean of some values by Student's t; 0 of a single value."""
    count = len(values)
    return student(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else 0.0


def over_pictures(recalls: NDArray[np.float64], counts: NDArray[np.intp]) -> float:
    """Returns half the 95 % interval of a class-balanced accuracy, by how many pictures it was scored on.

    Shares are smoothed by one right and one wrong answer (Agresti and Coull, 1998), so that a handful of pictures, all
    answered rightly, is not taken for certainty.

    Args:
        recalls: (k,) of each label that was scored.
        counts: (k,) pictures of it, at least 1.
    """
    shares = (recalls * counts + 1.0) / (counts + 2.0)
    return Z * math.sqrt(float(np.sum(shares * (1.0 - shares) / (counts + 2.0)))) / len(counts)


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """Averages independent estimates, such as those of several data sets."""
    count = len(estimates)
    return Estimate(
        sum(each.mean for each in estimates) / count,
        math.hypot(*(each.draws95 for each in estimates)) / count,
        math.hypot(*(each.pictures95 for each in estimates)) / count,
    )
