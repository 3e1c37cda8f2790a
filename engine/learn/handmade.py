"""The built-in backbone: hand-made features that need no weights of others.

Patches written in a dictionary that was learnt on drawings, at two scales; colours; directions of edges. The features
of a picture and of its mirror image are averaged, which was measured to help where there are few pictures.
"""

import functools
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.learn.colour import HISTOGRAMS_WIDTH, MOMENTS_WIDTH, colour_histograms, colour_moments
from engine.learn.dictionary import PATCH, Dictionary
from engine.learn.gradients import DIRECTIONS, oriented_gradients
from engine.learn.groups import joined
from engine.learn.pictures import at_most, multiple_of, resized, sides_of_area

NAME = "handmade-1"
VERSION = 1  # of the code below; part of the digest
STORED = Path(__file__).with_name("handmade.npz")  # made by engine.learn.learn_handmade

WORKING_SIDE = 256  # px, at most; a large picture is shrunk once, and everything else is made from that
PATCH_SIDES = (64, 32)
COLOUR_SIDE = 48
EDGE_SIDE, EDGE_CELL = 48, 8
LONGEST_ASPECT = 2.0
GRID = 3
STRIDES = (8, 16, 32)
LONGEST_SIDE = 2048

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HandmadeBackbone:
    """Turns pictures into hand-made features; see `engine.learn.backbone.Backbone`.

    Attributes:
        dictionary: In which patches are written.
        balance: (5,) weights that give the groups of features equal spread over drawings.
        digest: Hex sha256 of what is stored and of the code's version.
    """

    dictionary: Dictionary
    balance: Array
    digest: str

    @property
    def name(self) -> str:
        """The name for people."""
        return NAME

    @property
    def default_head(self) -> str:
        """The head that was measured best."""
        return "lda"

    @property
    def width(self) -> int:
        """The length of an embedding."""
        patches = len(PATCH_SIDES) * GRID**2 * len(self.dictionary.atoms)
        edges = (EDGE_SIDE // EDGE_CELL) ** 2 * DIRECTIONS
        return patches + HISTOGRAMS_WIDTH + MOMENTS_WIDTH + edges

    def embed(self, picture: NDArray[np.uint8]) -> Array:
        """Maps a picture (H, W, 3) in RGB to its embedding (D,)."""
        return joined(self.groups(picture), self.balance)

    def groups(self, picture: NDArray[np.uint8]) -> list[Array]:
        """Returns the five groups of features of a picture (H, W, 3) and its mirror image, averaged, unbalanced."""
        width, height = at_most(WORKING_SIDE, picture)
        picture = resized(picture, max(1, round(width)), max(1, round(height)))
        mirrored = picture[:, ::-1]
        half = np.float32(0.5)
        return [(one + other) * half for one, other in zip(self._groups(picture), self._groups(mirrored), strict=True)]

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, Array]:
        """Maps a picture (H, W, 3) in RGB to stride -> (K, h, w), each cell the average of two by two codes.

        The picture is stretched to the nearest multiples of 32, at most 2048 a side.
        """
        width, height = (multiple_of(max(STRIDES), side) for side in at_most(LONGEST_SIDE, picture))
        maps = {}
        for stride in STRIDES:
            small = resized(picture, 2 * width // stride, 2 * height // stride)
            before, after = (PATCH - 1) // 2, PATCH // 2
            padded = np.pad(small, ((before, after), (before, after), (0, 0)), mode="edge")
            codes = self.dictionary.encode(padded)
            cells = codes.reshape(height // stride, 2, width // stride, 2, -1).mean(axis=(1, 3))
            maps[stride] = np.ascontiguousarray(cells.transpose(2, 0, 1))
        return maps

    def _groups(self, picture: NDArray[np.uint8]) -> list[Array]:
        patches = [grid_means(self.dictionary.encode(shrunk(picture, side))) for side in PATCH_SIDES]
        coloured = shrunk(picture, COLOUR_SIDE)
        square = resized(picture, EDGE_SIDE, EDGE_SIDE)
        return [*patches, colour_histograms(coloured), colour_moments(coloured), oriented_gradients(square, EDGE_CELL)]


@functools.cache
def stored_backbone() -> HandmadeBackbone:
    """Reads the built-in backbone from beside this module."""
    content = STORED.read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        dictionary = Dictionary(stored["mean"], stored["whitening"], stored["atoms"])
        balance = stored["balance"]
    digest = hashlib.sha256(f"{NAME} {VERSION} ".encode() + content).hexdigest()
    return HandmadeBackbone(dictionary, balance, digest)


def shrunk(picture: NDArray[np.uint8], side: int, *, reducing_gap: float | None = None) -> NDArray[np.uint8]:
    """Resizes a picture (H, W, 3) to about side² pixels of its own aspect, within LONGEST_ASPECT."""
    sides = sides_of_area(picture, side, step=4, longest_aspect=LONGEST_ASPECT)
    return resized(picture, *sides, reducing_gap=reducing_gap)


def grid_means(codes: Array) -> Array:
    """Averages codes (h, w, K) in each cell of a 3 x 3 grid: (9 · K,)."""
    cells = [cell for rows in np.array_split(codes, GRID, axis=0) for cell in np.array_split(rows, GRID, axis=1)]
    return np.concatenate([cell.mean(axis=(0, 1)) for cell in cells])
