"""A dictionary of small patches, and pictures written in it.

Source: Coates, Lee and Ng, An analysis of single-layer networks in unsupervised feature learning, 2011.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

PATCH = 6
THRESHOLD = np.float32(0.25)  # cosine below which a patch does not speak for an atom
CONTRAST_FLOOR = np.float32(10.0)  # squared grey levels; keeps flat patches from becoming noise
TINY = np.float32(1e-9)

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Dictionary:
    """What patches are made of; a patch is PATCH² · 3 numbers.

    Attributes:
        mean: (P,) mean of contrast-normalised patches.
        whitening: (P, P).
        atoms: (K, P) rows of length 1, in the whitened space.
    """

    mean: Array
    whitening: Array
    atoms: Array

    def encode(self, picture: NDArray[np.uint8]) -> Array:
        """Maps a picture (H, W, 3) to codes (H - 5, W - 5, K): how much each patch is like each atom, from 0."""
        patches = normalised_patches(picture)
        height, width, length = patches.shape
        white = (patches.reshape(-1, length) - self.mean) @ self.whitening
        lengths = np.sqrt(np.sum(white**2, axis=1, keepdims=True))
        codes = np.asarray((white / (lengths + TINY)) @ self.atoms.T, np.float32)
        codes -= THRESHOLD
        np.maximum(codes, 0, out=codes)
        return codes.reshape(height, width, -1)


def normalised_patches(picture: NDArray[np.uint8]) -> Array:
    """Cuts a picture (H, W, 3) into overlapping patches (H - 5, W - 5, P) of mean 0 and contrast about 1."""
    windows = sliding_window_view(picture.astype(np.float32), (PATCH, PATCH), axis=(0, 1))
    patches = windows.transpose(0, 1, 3, 4, 2).reshape(*windows.shape[:2], -1)
    patches -= patches.mean(axis=-1, keepdims=True)
    patches /= np.sqrt(np.mean(patches**2, axis=-1, keepdims=True) + CONTRAST_FLOOR)
    return patches
