"""Keeps what extractors make of pictures, by picture sha256; safe to lose, safe to share between processes.

{folder}/{backbone digest}/{extractor}/{digest}.npz     segments, see `engine.segments`
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.extractors import Extractor
from engine.learn.rows import PIECE
from engine.segments import FACTS, SUFFIX, Kept, Segment, SegmentError, write_segment

MISSING = -1


class FeatureCache:
    """What one extractor made of pictures. May be shared by threads as long as none refreshes it.

    In memory is an index of about 180 bytes a picture; records stay on disk.

    Args:
        folder: Of all caches.
        extractor: Whose results these are.
        scratch: Folder on the same disk for files that are not whole yet; whoever kills the process removes it.
    """

    def __init__(self, folder: Path, extractor: Extractor, scratch: Path) -> None:
        self.record = extractor.record
        self._folder = folder / extractor.digest / extractor.name
        self._scratch = scratch
        self._segments: list[Segment] = []
        self._known: set[str] = set()
        self._facts = np.empty(0, dtype=FACTS)
        self._keys = np.empty(0, dtype="S64")  # facts["sha256"] without gaps, which makes searching fast
        self._places = np.empty((0, 2), dtype=np.int32)  # segment, row in it

    def refresh(self) -> None:
        """Takes in the segments that were written since, by whatever process; removes those that are damaged."""
        fresh = []
        names = os.listdir(self._folder) if self._folder.is_dir() else []  # noqa: PTH208 - a million paths are slow
        for name in sorted(set(names) - self._known):
            if not name.endswith(SUFFIX):
                continue
            path = self._folder / name
            try:
                fresh.append(Segment.open(path, self.record))
            except SegmentError:
                path.unlink(missing_ok=True)
            else:
                self._known.add(name)
        if not fresh:
            return
        first = len(self._segments)
        self._segments += fresh
        facts = np.concatenate([self._facts, *(segment.facts for segment in fresh)])
        places = [
            np.column_stack([np.full(len(one.facts), number), np.arange(len(one.facts))])
            for number, one in enumerate(fresh, first)
        ]
        order = np.argsort(facts["sha256"], kind="stable")
        self._facts = facts[order]
        self._keys = np.ascontiguousarray(self._facts["sha256"])
        self._places = np.concatenate([self._places, *places]).astype(np.int32)[order]

    def find(self, sha256: Sequence[str | None]) -> NDArray[np.intp]:
        """Returns the number of each picture in the index, MISSING for those of which nothing is kept: (n,)."""
        wanted = np.array([name.encode() if name else b"" for name in sha256], dtype="S64")
        if not len(self._keys):
            return np.full(len(wanted), MISSING)
        numbers = np.searchsorted(self._keys, wanted)
        numbers[numbers == len(self._keys)] = 0
        return np.where(self._keys[numbers] == wanted, numbers, MISSING)

    def facts(self, numbers: NDArray[np.intp]) -> NDArray[np.void]:
        """Returns by what pictures are known: (m,) of FACTS."""
        found: NDArray[np.void] = self._facts[numbers]
        return found

    def read(self, numbers: NDArray[np.intp]) -> NDArray[Any]:
        """Reads the records (m,) of pictures by their numbers in the index.

        Raises:
            OSError: A segment has gone or been cut short since.
        """
        records = np.empty(len(numbers), dtype=self.record)
        segments, rows = self._places[numbers].T
        order = np.lexsort((rows, segments))
        gaps = (np.diff(rows[order]) != 1) | (np.diff(segments[order]) != 0)
        runs = np.split(order, np.flatnonzero(gaps) + 1)  # of records that lie one after the other
        for segment, some in groupby(runs if len(order) else [], key=lambda run: int(segments[run[0]])):
            one = self._segments[segment]
            with one.path.open("rb", buffering=0) as file:
                for run in some:
                    block = np.empty(len(run), dtype=self.record)
                    file.seek(one.start + int(rows[run[0]]) * self.record.itemsize)
                    if file.readinto(block.view(np.uint8)) != block.nbytes:
                        raise OSError(f"{one.path} was cut short while it was read; train again")
                    records[run] = block
        return records

    def keep(self, kept: Mapping[str, Kept]) -> None:
        """Stores what was made of pictures, by sha256, as one segment; others see it when they refresh."""
        if kept:
            write_segment(self._folder, self._scratch, kept, self.record)


class StoredRows:
    """Records of pictures, read when they are asked for; for features, see `engine.learn.rows.Rows`.

    Args:
        cache: Where they are kept.
        numbers: (n,) of the pictures in its index.
    """

    def __init__(self, cache: FeatureCache, numbers: NDArray[np.intp]) -> None:
        self._cache = cache
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """n and D."""
        return len(self._numbers), int(np.prod(self._cache.record.shape))

    def read(self) -> NDArray[Any]:
        """Reads all records."""
        return self._cache.read(self._numbers)

    def pieces(self) -> Iterator[NDArray[Any]]:
        """Yields all records once, PIECE at a time."""
        for start in range(0, len(self._numbers), PIECE):
            yield self._cache.read(self._numbers[start : start + PIECE])

    def one(self, number: int) -> NDArray[Any]:
        """Reads the record of one picture."""
        record: NDArray[Any] = self._cache.read(self._numbers[number : number + 1])[0]
        return record
