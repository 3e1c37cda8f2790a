"""Makes the file of the built-in backbone: `python -m engine.learn.learn_handmade`."""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.learn.dictionary import Dictionary, normalised_patches
from engine.learn.drawings import drawings
from engine.learn.groups import joined
from engine.learn.handmade import STORED, HandmadeBackbone
from engine.learn.support import rooted

SEED = 1
DRAWINGS, DRAWING_SIDE, PATCHES_EACH = 400, 64, 100
ATOMS, ROUNDS = 128, 20
WHITENING_FLOOR = 0.1
BALANCE_DRAWINGS, BALANCE_SIDE = 200, 128


def learn_backbone() -> dict[str, NDArray[np.float32]]:
    """Learns the arrays of the built-in backbone from drawings; the same on every run."""
    rng = np.random.default_rng(SEED)
    dictionary = learn_dictionary(drawings(DRAWINGS, DRAWING_SIDE, rng), rng)
    balance = learn_balance(dictionary, drawings(BALANCE_DRAWINGS, BALANCE_SIDE, rng))
    return {
        "mean": dictionary.mean,
        "whitening": dictionary.whitening,
        "atoms": dictionary.atoms,
        "balance": balance,
    }


def learn_dictionary(pictures: Iterable[NDArray[np.uint8]], rng: np.random.Generator) -> Dictionary:
    """Finds atoms by spherical k-means over whitened patches of pictures (H, W, 3)."""
    sample = []
    for picture in pictures:
        patches = normalised_patches(picture)
        rows = patches.reshape(-1, patches.shape[-1])
        sample.append(rows[rng.integers(len(rows), size=PATCHES_EACH)])
    found = np.concatenate(sample).astype(np.float64)  # float64, so that rounding does not move a patch between atoms
    mean = found.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(found, rowvar=False))
    whitening = (vectors / np.sqrt(values + WHITENING_FLOOR)) @ vectors.T
    white = (found - mean) @ whitening
    white /= np.linalg.norm(white, axis=1, keepdims=True) + 1e-9
    atoms = white[rng.permutation(len(white))[:ATOMS]]
    for _ in range(ROUNDS):
        nearest = np.argmax(white @ atoms.T, axis=1)
        sums = (nearest == np.arange(ATOMS)[:, None]) @ white
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        atoms = np.where(length > 0, sums / np.maximum(length, 1e-9), atoms)
    return Dictionary(mean.astype(np.float32), whitening.astype(np.float32), atoms.astype(np.float32))


def learn_balance(dictionary: Dictionary, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Finds weights (groups,) that give each group the same spread over pictures (H, W, 3)."""
    plain = HandmadeBackbone(dictionary, np.empty(0, np.float32), "")
    by_picture = [plain.groups(picture) for picture in pictures]
    spreads = []
    for group in zip(*by_picture, strict=True):
        rows = rooted(np.stack([joined([features], [1.0]) for features in group]))
        spreads.append(float(np.sqrt(np.mean(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1)))))
    return (1.0 / np.array(spreads)).astype(np.float32)


def main() -> None:
    """Writes the file beside the module that reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **learn_backbone())
    STORED.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
