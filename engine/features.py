"""A data set's pictures with what an extractor makes of each; what is kept from earlier is not made again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.access import shown
from engine.coco import Example
from engine.errors import JobError, PictureSizeError
from engine.executor import Executor
from engine.featurecache import MISSING, FeatureCache, StoredRows
from engine.findings import Findings
from engine.images import SideLimits, check_sides
from engine.learn.rows import Rows
from engine.learn.traits import shaped
from engine.learn.views import Views
from engine.walk import Address, Refused, sifted, verdict

MOST_HELD: Final = 512 * 1024 * 1024  # bytes of features that are read into memory; more stay in the cache

type OnProgress = Callable[[int, int, int, int], None]
"""Takes how many pictures are done, of how many; how many were made, of how many that have to be."""


@dataclass(frozen=True, slots=True)
class ExtractedSet:
    """A data set's n pictures, in an order that depends on content alone: by sha256, labels, URL.

    Attributes:
        examples: What the data set says of them.
        sha256: Of their bytes, lower-case hex.
        looks: (n, 4) uint64, see `engine.learn.looks`.
        sizes: (n, 2) uint32, width and height in pixels, upright.
        traits: (n, 5) float32, see `engine.learn.traits.SHAPED`.
        records: What the extractor made of each, read when asked for.
    """

    examples: tuple[Example, ...]
    sha256: tuple[str, ...]
    looks: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    traits: NDArray[np.float32]
    records: StoredRows


@dataclass(frozen=True, slots=True)
class EmbeddedSet:
    """A data set's n pictures with their features, in the order of `ExtractedSet`.

    Attributes:
        features: (n, D) float32; read from the cache a piece at a time when they are more than MOST_HELD.
        labels: Of each picture; exactly one for classification, any number, sorted and distinct, for multi-label.
        names: The pictures' file_name, else their URL; never with a query.
        urls: Where they lie, without query.
        sha256: Of their bytes, lower-case hex.
        looks: (n, 4) uint64, see `engine.learn.looks`.
        traits: (n, 5) float32, see `engine.learn.traits.SHAPED`; None when they are not known.
        views: Of the pictures, when those of each label are few.
    """

    features: NDArray[np.float32] | Rows
    labels: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    urls: tuple[str, ...]
    sha256: tuple[str, ...]
    looks: NDArray[np.uint64]
    traits: NDArray[np.float32] | None = None
    views: Views | None = None


def extract_set(
    examples: Sequence[Example],
    cache: FeatureCache,
    executor: Executor,
    sides: SideLimits,
    findings: Findings,
    on_progress: OnProgress,
) -> ExtractedSet:
    """Makes what the cache lacks of a data set's pictures, but for those that cannot be used. Holds no record.

    Args:
        examples: At least one.
        cache: Where the records are, and will be.
        executor: Makes them.
        sides: Pixels a side that a picture may have; kept ones are measured too.
        findings: Takes the pictures that cannot be used.
        on_progress: Called before the first picture and after each.

    Raises:
        JobError: What was made is not in the cache.
    """
    cache.refresh()
    numbers = cache.find([example.sha256 for example in examples])
    lacking = np.cumsum(numbers == MISSING)
    to_make = int(lacking[-1])
    on_progress(0, len(examples), 0, to_make)
    addresses = [Address.of(examples[row]) for row in np.flatnonzero(numbers == MISSING).tolist()]

    def tell(done: int, total: int) -> None:
        on_progress(done, total, int(lacking[done - 1]), to_make)

    with closing(executor.run(addresses)) as made:
        outcomes = _merged(examples, numbers, cache, sides, made)
        rows = [(sha256, example) for example, sha256 in sifted(examples, outcomes, findings, tell)]
    rows.sort(key=lambda row: (row[0], row[1].labels, row[1].url))
    cache.refresh()
    sha256 = tuple(row[0] for row in rows)
    numbers = cache.find(sha256)
    if (numbers == MISSING).any():
        raise JobError("unknown", "Features that were just made are gone from the engine's disk. Train again.")
    facts = cache.facts(numbers)
    return ExtractedSet(
        examples=tuple(row[1] for row in rows),
        sha256=sha256,
        looks=np.ascontiguousarray(facts["look"]),
        sizes=np.ascontiguousarray(facts["size"]),
        traits=shaped(facts["traits"], facts["size"]),
        records=StoredRows(cache, numbers),
    )


def embedded(pictures: ExtractedSet, views: ExtractedSet | None = None) -> EmbeddedSet:
    """Returns the set that heads learn from.

    Args:
        pictures: Their records are embeddings.
        views: Of the same pictures, when they are few.
    """
    count, width = pictures.records.shape
    few = count * width * np.dtype(np.float32).itemsize <= MOST_HELD
    return EmbeddedSet(
        features=pictures.records.read() if few else pictures.records,
        labels=tuple(example.labels for example in pictures.examples),
        names=tuple(example.name for example in pictures.examples),
        urls=tuple(shown(example.url) for example in pictures.examples),
        sha256=pictures.sha256,
        looks=pictures.looks,
        traits=pictures.traits,
        views=None if views is None else Views(views.records.read(), np.arange(count)),
    )


def _merged(
    examples: Sequence[Example],
    numbers: NDArray[np.intp],
    cache: FeatureCache,
    sides: SideLimits,
    made: Iterator[str | Refused],
) -> Iterator[str | Refused]:
    """Yields an outcome for each example: of the kept ones at once, of the others as they are made."""
    sizes = cache.facts(numbers)["size"] if (numbers != MISSING).any() else np.empty((0, 2))
    for row, example in enumerate(examples):
        if numbers[row] == MISSING or example.sha256 is None:
            yield next(made)
            continue
        try:
            check_sides(int(sizes[row, 0]), int(sizes[row, 1]), sides)
        except PictureSizeError as exc:
            yield Refused(*verdict(exc))
        else:
            yield example.sha256
