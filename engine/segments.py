"""Files of the feature cache: what was made of some pictures, written whole and never changed.

A segment is an uncompressed .npz with three members:

schema   2
facts    (m,) of FACTS: by what the pictures are known, sorted by sha256
records  (m,) of the extractor's record type

Facts are read into an index; records stay on disk, and are read where they lie.
"""

import hashlib
import os
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.looks import WORDS
from engine.learn.traits import TRAITS

SCHEMA = 2
SUFFIX = ".npz"
FACTS = np.dtype(
    [("sha256", "S64"), ("look", "<u8", (WORDS,)), ("traits", "<f4", (len(TRAITS),)), ("size", "<u4", (2,))]
)  # size: width, height in px
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: the lengths of its name and its extra field


class SegmentError(Exception):
    """A file is no whole segment of the wanted records; what was in it has to be made again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a picture.

    Attributes:
        look: (4,) uint64, as `look_of` made it.
        traits: (3,) float32, as `traits_of` made them.
        width: Of the picture, in pixels, upright.
        height: Likewise.
        record: Of the extractor's record type.
    """

    look: NDArray[np.uint64]
    traits: NDArray[np.float32]
    width: int
    height: int
    record: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment's facts, and where its records lie.

    Attributes:
        path: Of the file.
        facts: (m,) of FACTS.
        start: Byte at which the records begin.
    """

    path: Path
    facts: NDArray[np.void]
    start: int

    @classmethod
    def open(cls, path: Path, record: np.dtype[Any]) -> Self:
        """Reads a segment's facts.

        Raises:
            SegmentError: The file is damaged, or its records are of another type.
        """
        try:
            with zipfile.ZipFile(path) as file:
                if int(_member(file, "schema")) != SCHEMA:
                    raise SegmentError(f"{path} is not of schema {SCHEMA}")
                facts, place = _member(file, "facts"), file.getinfo("records.npy").header_offset
            start, shape, kind = _array_at(path, place)
        except (OSError, ValueError, KeyError, EOFError, TypeError, struct.error, zipfile.BadZipFile) as exc:
            raise SegmentError(f"{path} cannot be read ({exc})") from exc
        if facts.dtype != FACTS or np.dtype((kind, shape[1:])) != record or shape[:1] != facts.shape:
            raise SegmentError(f"{path} holds other records than {record}")
        return cls(path, facts, start)


def write_segment(folder: Path, scratch: Path, kept: Mapping[str, Kept], record: np.dtype[Any]) -> None:
    """Writes a segment, named by the pictures in it; a reader sees all of it or nothing.

    Args:
        folder: Where it goes.
        scratch: Folder on the same disk for the file while it is not whole.
        kept: By sha256; at least one.
        record: Type of the records.
    """
    names = sorted(kept)
    rows = [(name.encode(), one.look, one.traits, (one.width, one.height)) for name, one in sorted(kept.items())]
    facts = np.array(rows, dtype=FACTS)
    records = np.empty(len(names), dtype=record)
    for row, name in enumerate(names):
        records[row] = kept[name].record
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=scratch)
    with os.fdopen(handle, "wb") as file:
        np.savez(file, allow_pickle=False, schema=np.int64(SCHEMA), facts=facts, records=records)
    digest = hashlib.sha256("".join(names).encode()).hexdigest()
    Path(partial).replace(folder / f"{digest[:32]}{SUFFIX}")


def _member(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with file.open(f"{name}.npy") as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array


def _array_at(path: Path, place: int) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
    """Reads the header of the array in the zip member at a place; returns where its numbers begin, shape and type."""
    with path.open("rb") as file:
        file.seek(place)
        name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(name + extra, os.SEEK_CUR)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("its records are not of NPY version 1.0")
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        return file.tell(), shape, kind
