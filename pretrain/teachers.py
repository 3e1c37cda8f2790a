"""The teachers: networks in ONNX, each in a folder with META.json, run by onnxruntime."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What META.json says that the student needs.

    Attributes:
        name: Of the teacher.
        channels: Stride -> number of channels.
    """

    name: str
    channels: dict[int, int]


def read_manifest(folder: Path) -> Manifest:
    """Reads META.json of a teacher's folder."""
    meta = json.loads((folder / "META.json").read_text())
    return Manifest(meta["name"], {s: meta["outputs"][f"stride{s}"]["channels"] for s in STRIDES})


class Teacher:
    """A teacher, ready to be asked; uses one thread, so that its answers do not depend on the machine's load.

    Args:
        folder: With META.json and model.onnx.
    """

    def __init__(self, folder: Path) -> None:
        self.name = read_manifest(folder).name
        self._input = json.loads((folder / "META.json").read_text())["input"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, ["CPUExecutionProvider"])

    def maps(self, pictures: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        """Maps pictures (B, H, W, 3) in RGB to stride -> (B, C, h, w)."""
        x = pictures[..., ::-1] if "BGR" in self._input["range"] else pictures
        if self._input["layout"] == "NCHW":
            x = x.transpose(0, 3, 1, 2)
        x = np.ascontiguousarray(x, dtype=self._input["dtype"])
        out = self._session.run([f"stride{s}" for s in STRIDES], {self._input["name"]: x})
        return dict(zip(STRIDES, out, strict=True))
