"""One state of the live COCO file: its head, and its records, which are read when they are asked for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from shared.ahead import map_ahead
from shared.blocks import SECTIONS, Head, Map, decode_head, decode_section, head_length
from shared.coco import REMEDY, Claim, Problem, Records
from shared.errors import BlobNotFoundError, BrokenFileError
from shared.storage import BlobContainer, BlobProperties

READ_AHEAD: Final = 512 * 1024  # bytes of the first read; the heads of all but huge files fit into it
STREAM_BYTES: Final = 4 * 2**20  # of one step of `records`


class LiveFile:
    """One state of the file.

    Attributes:
        head: What is known without reading the records.
        etag: The version.
        size: In bytes.
        last_modified: When it was written.

    Every method that reads raises BlobChangedError when the file was changed since, and BrokenFileError when it is not
    what Darkroom wrote.
    """

    def __init__(self, training: BlobContainer, properties: BlobProperties, beginning: bytes, head: Head) -> None:
        """Take what was read: the blob's first bytes, and the head in them."""
        self.head = head
        self.etag = properties.etag
        self.size = properties.size
        self.last_modified: datetime = properties.last_modified
        self._training = training
        self._path = properties.path
        self._beginning = beginning
        self._map = Map(head, head_length(beginning))
        if self._map.size != self.size:
            raise BrokenFileError(
                f"it has {self.size} bytes, and its head says {self._map.size}: it was edited. {REMEDY}"
            )

    def records(self, *, after: str = "") -> Iterator[Records]:
        """Read all records, some leaves at a time, in the order of their paths, from about path `after` on."""
        leaves = self._map.leaves
        first = next((i for i in range(len(leaves)) if i + 1 == len(leaves) or leaves[i + 1].low > after), 0)
        with ThreadPoolExecutor(2) as pool:
            yield from map_ahead(pool, lambda run: self.read(*run), self._runs(first), ahead=2)

    def problems(self, limit: int) -> list[Problem]:
        """Read the first blobs that cannot be used, by path."""
        found: list[Problem] = []
        section = SECTIONS.index("problems")
        for number, leaf in enumerate(self._map.leaves):
            if leaf.blocks[section] is not None:
                found += self.read_section(section, number, number)
                if len(found) >= limit:
                    break
        return found[:limit]

    def claims(self) -> Iterator[Claim]:
        """Read all claims, leaf by leaf, and nothing else."""
        section = SECTIONS.index("claims")
        for number, leaf in enumerate(self._map.leaves):
            if leaf.blocks[section] is not None:
                yield from self.read_section(section, number, number)

    def read(self, first: int, last: int) -> Records:
        """Read the leaves `first` to `last`."""
        images, annotations, problems, claims = (
            self.read_section(section, first, last) for section in range(len(SECTIONS))
        )
        return Records(images, annotations, problems, claims)

    def read_section(self, section: int, first: int, last: int) -> list[Any]:
        """Read one section of the leaves `first` to `last`."""
        data = self.read_blocks(section, first, last)
        return decode_section(section, data) if data else []

    def read_blocks(self, section: int, first: int, last: int) -> bytes:
        """Read the bytes of one section of the leaves `first` to `last`."""
        start, size = self._map.span(section, first, last)
        if start + size <= len(self._beginning) or size == 0:
            return self._beginning[start : start + size]
        data = self._training.read_range(self._path, start, size, if_match=self.etag).data
        if len(data) != size:
            raise BrokenFileError(f"'{self._path}' is shorter than its head says. {REMEDY}")
        return data

    def _runs(self, first: int) -> Iterator[tuple[int, int]]:
        """Group leaves from `first` on into runs of about `STREAM_BYTES`."""
        size = 0
        for number in range(first, len(self._map.leaves)):
            size += self._map.leaves[number].size
            if size >= STREAM_BYTES or number + 1 == len(self._map.leaves):
                yield first, number
                first, size = number + 1, 0


def read_live_file(training: BlobContainer, path: str) -> LiveFile | None:
    """Read the newest state, or None when there is no file yet.

    Raises:
        BrokenFileError: The file is not what Darkroom wrote.
    """
    try:
        blob = training.read_range(path, 0, READ_AHEAD)
    except BlobNotFoundError:
        return None
    beginning, properties = blob.data, blob.properties
    try:
        return _opened(training, properties, beginning)
    except BrokenFileError as error:
        raise BrokenFileError(f"'{path}': {error}") from error


def _opened(training: BlobContainer, properties: BlobProperties, beginning: bytes) -> LiveFile:
    path = properties.path
    length = head_length(beginning)
    if length > len(beginning):
        if length > properties.size:
            raise BrokenFileError(f"it ends within its head. {REMEDY}")
        rest = length - len(beginning)
        beginning += training.read_range(path, len(beginning), rest, if_match=properties.etag).data
    head = decode_head(beginning[:length])
    if head.info.dataset != path.partition("/")[0]:
        raise BrokenFileError(f"it is dataset '{head.info.dataset}' copied. {REMEDY}")
    return LiveFile(training, properties, beginning, head)
