"""What the student must answer: a teacher's maps, standardised so that no channel outweighs the others."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Sums = list[Any]  # batches; sums over them of: mean and mean square of a map, mean and mean square of its mean
LIMIT = 6.0  # standard deviations
LEAST = 0.05  # of the channels' mean deviation: a channel that hardly moves is not blown up


class Target:
    """Standardises a teacher's maps, and their means over the picture, by channel.

    Mean and deviation are those of the batches seen so far, until `fix` is called.

    Attributes:
        sums: Stride -> sums; what a checkpoint keeps.
    """

    def __init__(self, strides: tuple[int, ...]) -> None:
        self.sums: dict[int, Sums] = {s: [0, 0, 0, 0, 0] for s in strides}
        self._fixed = False

    def fix(self) -> None:
        """Ends the count, so that from now on equal maps give equal targets."""
        self._fixed = True

    def restore(self, sums: dict[int, Sums]) -> None:
        """Takes the sums of a checkpoint, and fixes them."""
        self.sums = {s: [count, *(np.asarray(one) for one in rest)] for s, (count, *rest) in sums.items()}
        self.fix()

    def __call__(self, maps: dict[int, NDArray[np.float32]]) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
        """Maps stride -> (B, C, h, w) to stride -> (standardised maps (B, C, h, w), standardised means (B, C))."""
        return {s: self._standardised(self.sums[s], m) for s, m in maps.items()}

    def _standardised(self, sums: Sums, maps: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        means = maps.mean((2, 3))
        if not self._fixed:
            sums[0] += 1
            moments = (maps.mean((0, 2, 3)), np.square(maps).mean((0, 2, 3)), means.mean(0), np.square(means).mean(0))
            sums[1:] = [total + moment for total, moment in zip(sums[1:], moments, strict=True)]
        n, a, b, c, d = sums
        z = (maps - (a / n)[:, None, None]) / _deviation(n, a, b)[:, None, None]
        p = (means - c / n) / _deviation(n, c, d)
        z, p = np.clip(z, -LIMIT, LIMIT), np.clip(p, -LIMIT, LIMIT)
        return torch.from_numpy(z.astype(np.float32)), torch.from_numpy(p.astype(np.float32))


def _deviation(n: int, total: NDArray[np.float32], squares: NDArray[np.float32]) -> NDArray[np.float32]:
    deviation = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 1e-6))
    return np.maximum(deviation, LEAST * deviation.mean())
