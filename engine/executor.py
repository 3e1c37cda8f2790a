"""The seam to whatever makes records of pictures: threads of this process, or processes; later, other machines.

Work is a pure function of a shard of pictures: fetch, decode, extract, write into the cache; what comes back are sha256
and reasons, never records. What is trained does therefore not depend on who did which part of it, or when.
"""

from collections.abc import Generator, Sequence
from typing import Protocol

from engine.extractors import Extractor
from engine.featurecache import MISSING, FeatureCache
from engine.images import Picture, check_sides
from engine.learn.looks import look_of
from engine.learn.traits import traits_of
from engine.segments import Kept
from engine.walk import FETCH_THREADS, Address, PictureReader, Refused, attempts

SEGMENT, SEGMENT_BYTES = 64, 32 * 1024 * 1024  # at most so much is written at once, and lost when the process dies


class Executor(Protocol):
    """Makes sure that something is kept of pictures."""

    def run(self, addresses: Sequence[Address]) -> Generator[str | Refused]:
        """Yields the sha256 of each picture, or why it cannot be used, in order; after the last, all is in the cache.

        Nobody needs to take all: the work then ends early, and what is done is kept.
        """
        ...


class Threads:
    """Makes records in threads of this process.

    Args:
        extractor: What is made.
        cache: Where it is kept.
        pictures: Reads them.
        threads: How many fetch.
    """

    def __init__(
        self, extractor: Extractor, cache: FeatureCache, pictures: PictureReader, *, threads: int = FETCH_THREADS
    ) -> None:
        self._extractor = extractor
        self._cache = cache
        self._pictures = pictures
        self._threads = threads

    def run(self, addresses: Sequence[Address]) -> Generator[str | Refused]:
        """Yields the sha256 of each picture, or why it cannot be used; see `Executor`."""
        waiting: dict[str, Kept] = {}
        try:
            for outcome in attempts(addresses, self._make, threads=self._threads):
                if isinstance(outcome, Refused):
                    yield outcome
                    continue
                sha256, kept = outcome
                if kept is not None:
                    waiting[sha256] = kept
                if len(waiting) >= min(SEGMENT, SEGMENT_BYTES // self._cache.record.itemsize):
                    self._cache.keep(waiting)
                    waiting.clear()
                yield sha256
        finally:
            self._cache.keep(waiting)

    def _make(self, address: Address) -> tuple[str, Kept | None]:
        """Returns sha256 and record; None for one that is kept already, which only its bytes could tell."""
        sha256, content = self._pictures.fetch(address)
        if address.sha256 is None:
            number = self._cache.find([sha256])
            if number[0] != MISSING:
                width, height = self._cache.facts(number)["size"][0].tolist()
                check_sides(width, height, self._pictures.sides)
                return sha256, None
        return sha256, self._pictures.decode(content, self._extract)

    def _extract(self, picture: Picture) -> Kept:
        record = self._extractor.extract(picture)
        return Kept(look_of(picture.pixels), traits_of(picture.pixels), picture.width, picture.height, record)
