"""Finds the pictures of one set that are in another set already: the same bytes, or near copies by their looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.looks import NEAR

PAIRS_AT_ONCE = 1 << 20  # pairs that are compared at a time: about 100 MB
CROWD = 4096  # of training pictures that share a piece of their looks, only so many are compared

_PIECES = 16  # of 16 bits each; looks that differ in at most 31 bits differ by at most one bit in some piece
_FLIPS = (0, *(1 << bit for bit in range(16)))

Looks = NDArray[np.uint64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """By what n pictures are known again.

    Attributes:
        sha256: (n, 32) uint8, of their bytes.
        looks: (n, 4) uint64, see `look_of`.
    """

    sha256: NDArray[np.uint8]
    looks: Looks

    @classmethod
    def of(cls, sha256: Sequence[str], looks: Looks) -> Self:
        """Takes the digests as hexadecimal text."""
        packed = np.frombuffer(bytes.fromhex("".join(sha256)), dtype=np.uint8)
        return cls(packed.reshape(len(sha256), 32), looks)


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A test picture that a model knows from training.

    Attributes:
        test: Its number.
        training: Number of the training picture.
        distance: Bits in which their looks differ, 0 to 31; 0 when their bytes are equal.
    """

    test: int
    training: int
    distance: int


def find_near_duplicates(
    test: Fingerprints, training: Fingerprints, *, pairs_at_once: int = PAIRS_AT_ONCE
) -> list[NearDuplicate]:
    """Returns the test pictures, in order, that have a near duplicate in training, each with one of these.

    Equal bytes count first, then looks that differ in at most `NEAR` bits. Pictures without a look are compared by
    their bytes alone. The work grows with both sets' sizes, not with their product: looks are sorted by pieces of 16
    bits, and two that are near share one of 16 pieces but for a bit (Norouzi, Punjani and Fleet, Fast Exact Search in
    Hamming Space with Multi-Index Hashing, 2014). 100,000 pictures against 1,000,000 took 76 s and less than 300 MB on
    one core. When more than `CROWD` training pictures, of one scene, have the same piece, some may be missed.

    Args:
        test: At least one.
        training: At least one.
        pairs_at_once: Bounds the memory.
    """
    known = _same_bytes(test.sha256, training.sha256)
    distances = np.zeros(len(known), dtype=np.intp)
    seen = np.flatnonzero(training.looks.any(axis=1))
    open_ones = np.flatnonzero((known < 0) & test.looks.any(axis=1))
    for passed in _passes(training.looks[seen]):
        found, distance = passed.nearest(test.looks[open_ones], pairs_at_once)
        hit = found >= 0
        known[open_ones[hit]], distances[open_ones[hit]] = seen[found[hit]], distance[hit]
        open_ones = open_ones[~hit]
    return [
        NearDuplicate(number, int(known[number]), int(distances[number]))
        for number in np.flatnonzero(known >= 0).tolist()
    ]


def _same_bytes(test: NDArray[np.uint8], training: NDArray[np.uint8]) -> Numbers:
    """Returns the number of a training picture of the same digest for each test picture, -1 for none."""
    heads, wanted = (np.ascontiguousarray(digests[:, :8]).view("<u8")[:, 0] for digests in (training, test))
    order = np.argsort(heads, kind="stable")
    place = np.minimum(np.searchsorted(heads[order], wanted), len(order) - 1)
    candidate = order[place]
    return np.where((training[candidate] == test).all(axis=1), candidate, -1)


@dataclass(frozen=True, slots=True)
class _Pass:
    """Training looks sorted by one piece; test looks are compared with those of the same piece but for `flip`.

    Attributes:
        looks: (n, 4).
        order: (n,) numbers of the looks, sorted by the piece.
        starts: (65537,) where each value of the piece begins in `order`.
        piece: Which one, 0…15.
        flip: Bits by which the piece is changed.
    """

    looks: Looks
    order: Numbers
    starts: Numbers
    piece: int
    flip: int

    def nearest(self, wanted: Looks, pairs_at_once: int) -> tuple[Numbers, Numbers]:
        """Returns for each of m wanted looks the number of the nearest within `NEAR`, -1 for none, and its distance."""
        probes = wanted.view(np.uint16).reshape(-1, _PIECES)[:, self.piece] ^ np.uint16(self.flip)
        first = self.starts[probes]
        counts = np.minimum(self.starts[probes.astype(np.intp) + 1] - first, CROWD)
        # Distance and number in one integer: the least is the nearest, of equals the first.
        best = np.full(len(wanted), (NEAR + 1) << 32, dtype=np.int64)
        for rows in _runs(counts, pairs_at_once):
            sizes = counts[rows]
            row = np.repeat(np.arange(rows.start, rows.stop), sizes)
            inside = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            candidate = self.order[first[row] + inside]
            distance = np.bitwise_count(wanted[row] ^ self.looks[candidate]).sum(axis=1, dtype=np.int64)
            np.minimum.at(best, row, (distance << 32) + candidate)
        distances = best >> 32
        return np.where(distances <= NEAR, best & 0xFFFFFFFF, -1), distances


def _passes(looks: Looks) -> Iterator[_Pass]:
    """Yields the passes: all equal pieces first, which find what differs in at most 15 bits, then all flips."""
    pieces = looks.view(np.uint16).reshape(-1, _PIECES)
    for flips in (_FLIPS[:1], _FLIPS[1:]):
        for piece in range(_PIECES):
            keys = pieces[:, piece]
            order = np.argsort(keys, kind="stable")
            starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=1 << 16))])
            for flip in flips:
                yield _Pass(looks, order, starts, piece, flip)


def _runs(counts: Numbers, pairs_at_once: int) -> Iterator[slice]:
    """Yields runs of rows whose counts add up to at most `pairs_at_once`, or of one row."""
    totals = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = totals[start - 1] if start else 0
        stop = max(int(np.searchsorted(totals, before + pairs_at_once, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
