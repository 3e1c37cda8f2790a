"""The worker process: makes records of shards of pictures. `python -m engine.worker`, started by `engine.workers` only.

It reads JSON lines from its standard input, a setup and then shards, and answers each shard with a line. It ends by
itself as soon as its standard input closes, that is, when the job ends, however it ends.
"""

import os
import queue
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Final

import msgspec

from engine.access import Access, AllowedHosts, HostMap
from engine.executor import Threads
from engine.extractors import EmbeddingExtractor, Extractor, MirroredEmbeddingExtractor
from engine.featurecache import FeatureCache
from engine.fetch import Fetcher
from engine.findings import OF_THE_STORE, Reason
from engine.images import SideLimits
from engine.learn.backbone import BUILTIN, HANDMADE, Backbone, digest_of_spec, load_backbone
from engine.mapsextractor import MapsExtractor, MirroredMapsExtractor
from engine.walk import MOST_TROUBLE, Address, PictureReader, Refused

FETCH_THREADS: Final = 4  # of each worker; as few as keep it busy
EXTRACTORS: Final[dict[str, Callable[[Backbone], Extractor]]] = {
    made.name: made for made in (EmbeddingExtractor, MirroredEmbeddingExtractor, MapsExtractor, MirroredMapsExtractor)
}
"""What a worker can make, by name."""

_PARENT_IS_GONE: Final = 3  # exit status
_CHUNK: Final = 65_536


class Setup(msgspec.Struct, frozen=True):
    """All that a worker needs but the shards; it reads no settings of its own. `backbones` are specs."""

    backbones: tuple[str, ...]
    features: str
    scratch: str
    allowed_hosts: str
    host_map: str


class Shard(msgspec.Struct, frozen=True):
    """Some pictures of a data set, what to make of them (with the backbone of a digest), and how they are read."""

    backbone: str
    extractor: str
    annotation_file_uris: tuple[str, ...]
    sas: str | None
    sides: tuple[int, int]
    pictures: tuple[tuple[str, str | None, str | None], ...]  # url, sha256, etag


class Outcomes(msgspec.Struct, frozen=True):
    """Of each picture of a shard its sha256, or why it cannot be used; fewer when the store hands out nothing."""

    outcomes: tuple[str | tuple[Reason, str], ...]


class Worker:
    """Makes records in this process, a picture at a time.

    Args:
        setup: Where everything is.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._fetcher = Fetcher(AllowedHosts.parse(setup.allowed_hosts), hosts=HostMap.parse(setup.host_map))
        self._tools: dict[tuple[str, str], tuple[Extractor, FeatureCache]] = {}

    def work(self, shard: Shard) -> Outcomes:
        """Makes the records of a shard, and keeps them; what is kept already is not made again."""
        extractor, cache = self._tools_for(shard)
        access = Access.of(shard.annotation_file_uris, shard.sas)
        pictures = PictureReader(self._fetcher, access, SideLimits(*shard.sides), at_once=1)
        addresses = [Address(*picture) for picture in shard.pictures]
        outcomes: list[str | tuple[Reason, str]] = []
        trouble = 0
        with closing(Threads(extractor, cache, pictures, threads=FETCH_THREADS).run(addresses)) as made:
            for outcome in made:
                outcomes.append(outcome if isinstance(outcome, str) else (outcome.reason, outcome.message))
                of_the_store = isinstance(outcome, Refused) and outcome.reason in OF_THE_STORE
                trouble = trouble + 1 if of_the_store else 0
                if trouble == MOST_TROUBLE:
                    break  # the job gives up too
        return Outcomes(tuple(outcomes))

    def close(self) -> None:
        """Closes all connections."""
        self._fetcher.close()

    def _tools_for(self, shard: Shard) -> tuple[Extractor, FeatureCache]:
        key = shard.backbone, shard.extractor
        if key not in self._tools:
            extractor = EXTRACTORS[shard.extractor](self._backbone(shard.backbone))
            cache = FeatureCache(Path(self._setup.features), extractor, Path(self._setup.scratch))
            if any(sha256 is None for _, sha256, _ in shard.pictures):
                cache.refresh()
            self._tools[key] = extractor, cache
        return self._tools[key]

    def _backbone(self, digest: str) -> Backbone:
        specs = (*self._setup.backbones, BUILTIN, HANDMADE)
        return load_backbone(next(spec for spec in specs if digest_of_spec(spec) == digest))


def main(requests: int, answers: IO[bytes]) -> None:
    """Takes a setup and shards until there are no more; the process then ends at once.

    Args:
        requests: Descriptor of the pipe they come through.
        answers: Takes the outcomes.
    """
    lines = queue.SimpleQueue[bytes]()
    threading.Thread(target=_listen, args=(requests, lines), daemon=True).start()
    worker = Worker(msgspec.json.decode(lines.get(), type=Setup))
    while True:
        shard = msgspec.json.decode(lines.get(), type=Shard)
        answers.write(msgspec.json.encode(worker.work(shard)) + b"\n")
        answers.flush()


def _listen(requests: int, lines: "queue.SimpleQueue[bytes]") -> None:
    rest = b""
    while chunk := os.read(requests, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            lines.put(line)
    os._exit(_PARENT_IS_GONE)


if __name__ == "__main__":
    # Whatever a library prints must not mix with the answers: they get the pipe, stdout becomes stderr.
    pipe = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(pipe, "wb") as answers_pipe:
        main(0, answers_pipe)
