"""What a detector reads of a picture: a backbone's maps of the picture in a square."""

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.errors import PictureMapsError
from engine.learn.pictures import resized

SIDE = 416  # px of the square
CELL = 8  # px of the square that are one cell of the grid on which boxes are described
GRID = SIDE // CELL
GROUND = 114  # grey of what the picture does not cover
SCHEMA = 1
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class PictureMaps:
    """What the detector reads of one picture.

    Attributes:
        maps: Stride -> (C, SIDE / stride, SIDE / stride) of the square that has the picture at its left top.
        width: Of the picture, px, upright.
        height: Likewise.
    """

    maps: dict[int, NDArray[np.float16]]
    width: int
    height: int

    def extent(self) -> tuple[float, float]:
        """Returns the (width, height) that the picture covers of the grid, in cells."""
        return extent(self.width, self.height)

    def save(self, path: Path) -> None:
        """Writes the maps as one .npz without pickle; a reader sees a whole file or none."""
        buffer = io.BytesIO()
        arrays = {f"stride{stride}": array for stride, array in sorted(self.maps.items())}
        size = np.array([SCHEMA, SIDE, self.width, self.height], dtype=np.int64)
        np.savez(buffer, allow_pickle=False, size=size, **arrays)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_bytes(buffer.getbuffer())
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            PictureMapsError: The file is missing, torn, of another schema, or not maps.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                schema, side, width, height = (int(value) for value in stored["size"])
                maps = {int(name.removeprefix("stride")): stored[name] for name in stored.files if name != "size"}
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise PictureMapsError(f"maps {path} cannot be read ({error}); make them again") from error
        whole = all(array.dtype == np.float16 and array.ndim == 3 for array in maps.values())
        if (schema, side) != (SCHEMA, SIDE) or not maps or not whole or min(width, height) < 1:
            raise PictureMapsError(f"maps {path} are not of schema {SCHEMA} and side {SIDE}; make them again")
        return cls(maps, width, height)


class MapSource(Protocol):
    """The maps of n pictures, ordered by the pictures' content, read one at a time so that memory is bounded."""

    def __len__(self) -> int: ...

    def maps(self, number: int, *, mirrored: bool) -> PictureMaps:
        """Returns the maps of a picture 0…n-1, or of its mirror image, left and right exchanged."""
        ...


def picture_maps(backbone: Backbone, pixels: NDArray[np.uint8], *, mirrored: bool = False) -> PictureMaps:
    """Makes the maps of a picture.

    Args:
        backbone: What makes the maps.
        pixels: (H, W, 3) RGB, of any size.
        mirrored: Exchange left and right first.
    """
    height, width = pixels.shape[:2]
    maps = backbone.feature_maps(letterboxed(pixels[:, ::-1] if mirrored else pixels))
    return PictureMaps(
        {stride: np.clip(array, -_LARGEST, _LARGEST).astype(np.float16) for stride, array in maps.items()},
        width,
        height,
    )


def letterboxed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resizes a picture (H, W, 3) until its longer side is SIDE and puts it at the left top of a grey square."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(width, height)
    small = resized(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    square = np.full((SIDE, SIDE, 3), GROUND, dtype=np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square


def extent(width: int, height: int) -> tuple[float, float]:
    """Returns the (width, height) that a picture of so many pixels covers of the grid, in cells."""
    scale = SIDE / max(width, height)
    return max(1, round(width * scale)) / CELL, max(1, round(height * scale)) / CELL
