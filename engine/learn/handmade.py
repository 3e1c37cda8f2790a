"""The built-in backbone: hand-made features that need no weights."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from engine.learn.pictures import resized

VERSION = 0


class HandmadeBackbone:
    """Colour and edges."""

    name = "handmade-1"
    default_head = "ridge"
    width = 4 * 4 * 9 * 16 // 16 * 1 + 512

    def __init__(self) -> None:
        self.digest = hashlib.sha256(f"{self.name} {VERSION}".encode()).hexdigest()

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps a picture (H, W, 3) in RGB to its embedding (D,)."""
        small = resized(picture, 64, 64)
        levels = small // 32
        codes = (levels[..., 0] * np.intp(64) + levels[..., 1] * np.intp(8) + levels[..., 2]).ravel()
        colours = np.bincount(codes, minlength=512) / codes.size
        cells = self.feature_maps(small)[16]
        return np.concatenate([colours, cells.ravel() / max(float(cells.sum()), 1e-9)]).astype(np.float32)

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        """Maps a picture (H, W, 3) in RGB to stride -> (C, h, w)."""
        height, width = (max(16, side // 16 * 16) for side in picture.shape[:2])
        grey = resized(picture, width, height).mean(axis=2)
        down, right = np.gradient(grey)
        angle = ((np.arctan2(down, right) % np.pi) / np.pi * 9).astype(np.intp) % 9
        strength = np.hypot(down, right)
        planes = np.where(angle[None] == np.arange(9)[:, None, None], strength[None], 0.0)
        cells = planes.reshape(9, height // 16, 16, width // 16, 16).mean(axis=(2, 4))
        return {16: cells.astype(np.float32)}
