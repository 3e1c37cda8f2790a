"""The seam to whatever turns a picture into features."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.learn.builtin import builtin_backbone
from engine.learn.network import NetworkBackbone


class Backbone(Protocol):
    """Turns pictures into features; the same picture gives the same features.

    Attributes:
        name: For people, such as "mobilenet_v2".
        digest: Hex sha256 of all that shapes the features (weights, preparation, code version); the key of caches.
        width: D, the length of an embedding.
        default_head: Name of the head that was measured best on these features.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def default_head(self) -> str: ...

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps a picture (H, W, 3) in RGB, of any size, to its embedding (D,)."""
        ...

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        """Maps a picture (H, W, 3) in RGB, of any size, to stride -> (C, h, w); each map covers the whole picture."""
        ...


def load_backbone(path: Path | None, *, threads: int = 1) -> Backbone:
    """Opens a backbone.

    Args:
        path: Folder with META.json and model.onnx; None is the built-in one.
        threads: CPU threads a network may use for one picture.

    Raises:
        BackboneError: The folder is missing, damaged or not what its manifest says.
    """
    if path is None:
        return builtin_backbone(threads)
    return NetworkBackbone.open(path, threads=threads)
