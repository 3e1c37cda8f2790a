"""Groups of features of different kinds in one vector, none drowning another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def joined(
    groups: Sequence[NDArray[np.float32]], weights: Sequence[float] | NDArray[np.float32]
) -> NDArray[np.float32]:
    """Joins groups of features (dᵢ,) so that each has length weightᵢ after the head's signed square root: (Σ dᵢ,)."""
    scaled = [
        group * np.float32(weight**2 / max(float(np.sum(np.abs(group), dtype=np.float64)), 1e-9))
        for group, weight in zip(groups, weights, strict=True)
    ]
    return np.concatenate(scaled).astype(np.float32)
