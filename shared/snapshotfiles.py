"""The two files of a snapshot in storage: written once, as a stream of blocks, and scanned for digests."""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shared import layout
from shared.ahead import map_ahead
from shared.blocks import block_of
from shared.errors import BlobChangedError, BlobNotFoundError
from shared.sides import Side
from shared.snapshot import END, JOINT, Place, SnapshotPart, opening
from shared.storage import BlobContainer

SCAN_BYTES: Final = 4 * 2**20
SIDES: Final[tuple[Side, ...]] = ("train", "test")
_SHA256: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_LONGEST: Final = 75  # bytes of such a match

_log = logging.getLogger("darkroom.snapshot")


class SnapshotFiles:
    """The snapshots of one dataset."""

    def __init__(self, training: BlobContainer, dataset: str) -> None:
        self._training = training
        self._dataset = dataset

    def exists(self, digest: str) -> bool:
        """Tell whether both files were written."""
        return all(self._training.properties(self._path(digest, side)) is not None for side in SIDES)

    def write(self, digest: str, labels: Sequence[str], parts: Iterable[SnapshotPart]) -> None:
        """Write both files once; one that is there already stays."""
        ids: dict[tuple[Side, Place], list[str]] = {
            (side, place): [] for side in SIDES for place in ("images", "annotations")
        }

        def stage(part: SnapshotPart) -> tuple[SnapshotPart, str]:
            return part, self._stage(digest, part.side, part.data)

        with ThreadPoolExecutor(4) as pool:
            for part, block_id in map_ahead(pool, stage, parts, ahead=4):
                ids[part.side, part.place].append(block_id)
        for side in SIDES:
            around = [self._stage(digest, side, data) for data in (opening(digest, side, labels), JOINT, END)]
            block_ids = [around[0], *ids[side, "images"], around[1], *ids[side, "annotations"], around[2]]
            try:
                self._training.commit_blocks(self._path(digest, side), block_ids, create_only=True)
            except BlobChangedError:
                _log.info("%s of snapshot %s of '%s' was written before", side, digest, self._dataset)

    def holds(self, digests: Iterable[str], side: Side, wanted: Collection[str]) -> set[str]:
        """Return those of some sha256 that lie on one side of any of some snapshots."""
        wanted = frozenset(wanted)
        return {sha256 for digest in set(digests) for sha256 in self._scan(digest, side) if sha256 in wanted}

    def _scan(self, digest: str, side: Side) -> Iterator[str]:
        """Give the sha256 of every picture in a file, without holding the file."""
        path = self._path(digest, side)
        start, rest = 0, b""
        while True:
            try:
                blob = self._training.read_range(path, start, SCAN_BYTES)
            except BlobNotFoundError:  # deleted by people: what it held cannot be known
                _log.warning("'%s' is gone", path)
                return
            data = rest + blob.data
            end = 0
            for match in _SHA256.finditer(data):
                end = match.end()
                yield match[1].decode()
            start += len(blob.data)
            if start >= blob.properties.size:
                return
            rest = data[max(end, len(data) - _LONGEST) :]

    def _stage(self, digest: str, side: Side, data: bytes) -> str:
        block = block_of(data)
        self._training.stage_block(self._path(digest, side), block.block.id, data)
        return block.block.id

    def _path(self, digest: str, side: Side) -> str:
        return layout.snapshot_file(self._dataset, digest, side)
