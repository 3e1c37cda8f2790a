"""The student beside the layers that translate its maps into each teacher's; what a checkpoint holds."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.serialization import safe_globals

from pretrain.student import Student
from pretrain.targets import Target
from pretrain.teachers import STRIDES, Manifest

POOLED = (16, 32)  # strides whose means over the picture are also learned
WEIGHT = {8: 0.5, 16: 1.0, 32: 1.0}
_REBUILD = np._core.multiarray._reconstruct  # type: ignore[attr-defined]  # noqa: SLF001 - as pickles name it
ARRAYS = [_REBUILD, np.ndarray, np.dtype, np.dtypes.Float32DType]
Answers = dict[str, dict[int, NDArray[np.float32]]]  # name of a teacher -> stride -> (B, C, h, w)


class Distillation:
    """Learns from several teachers: the first in every batch, the others in turn.

    Loss (Romero et al. 2015, FitNets): mean squared error between standardised teacher maps and a 1x1 convolution of
    the student's at each stride, and likewise of their means over the picture.

    Args:
        teachers: The first is the one that counts most.
    """

    def __init__(self, teachers: list[Manifest]) -> None:
        self.student = Student().to(memory_format=torch.channels_last)
        self._names = [teacher.name for teacher in teachers]
        self._targets = {name: Target(STRIDES) for name in self._names}
        channels = Student.CHANNELS
        self._heads = nn.ModuleDict(
            {f"{t.name}_{s}": nn.Conv2d(channels[s], t.channels[s], 1) for t in teachers for s in STRIDES}
        )
        self._pools = nn.ModuleDict(
            {f"{t.name}_{s}": nn.Linear(channels[s], t.channels[s]) for t in teachers for s in POOLED}
        )

    def parameters(self) -> list[nn.Parameter]:
        """Lists what is learned."""
        return [*self.student.parameters(), *self._heads.parameters(), *self._pools.parameters()]

    def fix_targets(self) -> None:
        """Ends the count of the targets' means and deviations."""
        for target in self._targets.values():
            target.fix()

    def loss(self, pictures: NDArray[np.uint8], answers: Answers) -> tuple[torch.Tensor, dict[str, float]]:
        """Compares the student with those teachers that answered.

        Args:
            pictures: (B, H, W, 3).
            answers: Of the teachers.

        Returns:
            The loss (), and its parts by name: `TEACHER_STRIDE`, and `p_TEACHER_STRIDE` for the means.
        """
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
        maps = self.student(x)
        total, parts = torch.zeros(()), {}
        for name, raw in answers.items():
            truth = self._targets[name](raw)
            for s in STRIDES:
                key = f"{name}_{s}"
                part = (self._heads[key](maps[s]) - truth[s][0]).square().mean() * WEIGHT[s]
                if s in POOLED:
                    pooled = (self._pools[key](maps[s].mean((2, 3))) - truth[s][1]).square().mean()
                    parts[f"p_{key}"] = pooled.item()
                    part = part + pooled
                parts[key] = part.item()
                total = total + part
        return total, parts

    def save(self, path: Path) -> None:
        """Writes a checkpoint; one that is there already is replaced only when the new one is whole."""
        sums = {
            name: {s: [n, *(torch.as_tensor(one) for one in rest)] for s, (n, *rest) in target.sums.items()}
            for name, target in self._targets.items()
        }
        modules = {"student": self.student, "heads": self._heads, "pools": self._pools}
        part = path.with_suffix(".part")
        torch.save({**{key: module.state_dict() for key, module in modules.items()}, "sums": sums}, part)
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Goes on from a checkpoint of the same teachers."""
        state = read_checkpoint(path)
        for key, module in {"student": self.student, "heads": self._heads, "pools": self._pools}.items():
            module.load_state_dict(state[key])
        for name, target in self._targets.items():
            target.restore(state["sums"][name])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint, tensors and arrays alone, so that it cannot run code; early ones hold sums as arrays."""
    with safe_globals(ARRAYS):
        state: dict[str, Any] = torch.load(path, weights_only=True)
    return state
