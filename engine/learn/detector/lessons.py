"""Descriptors of all pictures together, and the rules that are fitted to them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.compression import Compression
from engine.learn.detector.offsets import fit_offsets
from engine.learn.detector.rule import Rule
from engine.learn.detector.sampling import Sample
from engine.learn.detector.softmax import Examples, Layer, fit_softmax

PENALTY = 3e-4  # of the softmax layer
MOVE_PENALTY = 1e-3  # of the offsets
OBJECTS = 0.5  # share that boxes with an object have in the loss


@dataclass(frozen=True, slots=True)
class Lessons:
    """Samples of pictures, compressed.

    Attributes:
        compression: What becomes of descriptors.
        labels: k.
        taken: Each sample, its rows compressed, with the fold of its picture.
    """

    compression: Compression
    labels: int
    taken: list[tuple[int, Sample]] = field(default_factory=list)

    def add(self, sample: Sample, fold: int) -> None:
        """Adds the sample of a picture of a fold."""
        rows = self.compression(sample.rows)
        self.taken.append((fold, Sample(rows, sample.labels, sample.shares, sample.moves, sample.movable)))

    def rule_without(self, fold: int | None) -> Rule:
        """Fits a rule to all samples but those of a fold."""
        samples = [sample for number, sample in self.taken if number != fold]
        rows = np.concatenate([sample.rows for sample in samples])
        labels, shares, movable = (
            np.concatenate([getattr(sample, name) for sample in samples]) for name in ("labels", "shares", "movable")
        )
        layer = fit_softmax(_examples(rows, labels, shares, self.labels), PENALTY)
        moves = np.concatenate([sample.moves for sample in samples])
        offsets = fit_offsets(rows[movable], moves[movable], MOVE_PENALTY)
        both = Layer(np.hstack([layer.weights, offsets.weights]), np.hstack([layer.bias, offsets.bias]))
        return Rule(*self.compression.unfolded(both))


def _examples(
    rows: NDArray[np.float32], labels: NDArray[np.intp], shares: NDArray[np.float64], classes: int
) -> Examples:
    """Says what is wanted of each row, and gives objects OBJECTS of the weight."""
    wanted = np.zeros((len(rows), classes + 1), dtype=np.float32)
    wanted[np.arange(len(rows)), labels] = shares
    wanted[:, -1] = 1.0 - shares
    objects = shares > 0
    weights = np.where(objects, OBJECTS / max(int(objects.sum()), 1), (1.0 - OBJECTS) / max(int((~objects).sum()), 1))
    return Examples(rows, wanted, (weights / weights.sum()).astype(np.float32))
