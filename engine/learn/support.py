"""The pictures that a head learns from, and sums over them: all that a closed-form head needs to know.

Sums of a part of the pictures can be taken from those of all. A rule that has not seen some pictures therefore costs
one more system of equations, not another reading of all features.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.learn.ahead import worked_ahead
from engine.learn.rows import PIECE, Rows, as_rows, held
from engine.learn.views import Views

TINY = 1e-12
PROBES = 64  # pictures of a fold whose distance from their label is measured

Wide = NDArray[np.float64]
Targets = NDArray[np.intp]
Members = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over some pictures and their views, in r coordinates.

    Attributes:
        rows: How many there are, views counted.
        pictures: (k,) pictures of each label, views not counted.
        members: (k,) rows of each label.
        total: (r,) sum of all rows.
        sums: (k, r) sum of the rows of each label.
        scatter: (r, r) sum of rowᵀ row.
    """

    rows: int
    pictures: NDArray[np.intp]
    members: NDArray[np.intp]
    total: Wide
    sums: Wide
    scatter: Wide

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some rows of a support.

    Attributes:
        rows: (m, r) coordinates, float32 or float64.
        pictures: (m,) numbers of the pictures they are of.
        views: Whether they are views, not the pictures themselves.
    """

    rows: NDArray[np.floating]
    pictures: NDArray[np.intp]
    views: bool


class Support:
    """Labelled pictures, and views of some, in as few coordinates as they have.

    Coordinates are the features' roots less an origin. Fewer rows than features lie in a space of as many dimensions
    as there are rows; they get coordinates in that, which changes no distance and makes sums small. More rows are read
    a piece at a time, and sums over them are in float64.

    Attributes:
        count: n, views not counted.
        width: D, of the features.
        labels: k.
    """

    def __init__(
        self, features: NDArray[np.float32] | Rows, truth: Targets | Members, labels: int, views: Views | None = None
    ) -> None:
        """Takes features (n, D) and their labels, as targets (n,) or as members (n, k).

        Raises:
            ValueError: A feature is not a finite number.
        """
        self._rows = as_rows(features)
        self._truth = truth
        self.count, self.width = self._rows.shape
        self.labels = labels
        self._views = views or Views.none(self.width)
        self._basis: Wide | None = None
        self._held: Wide | None = None
        if self.count + len(self._views.pictures) <= self.width:
            together = _finite(np.concatenate([held(self._rows), self._views.features]))
            rows = rooted(together).astype(np.float64)
            self._origin = rows.mean(axis=0)
            self._basis, coordinates = np.linalg.qr((rows - self._origin).T)
            self._held = np.ascontiguousarray(coordinates.T)
        else:
            self._origin = rooted(_finite(next(self._rows.pieces()))).mean(axis=0, dtype=np.float64)

    def members(self, pictures: NDArray[np.intp]) -> Members:
        """Returns (m, k) whether each of m pictures has a label."""
        truth = self._truth[pictures]
        return truth[:, None] == np.arange(self.labels) if truth.ndim == 1 else truth.astype(np.bool_)

    def pieces(self, *, views: bool = False) -> Iterator[Piece]:
        """Yields the rows of all pictures, then of their views if asked for."""
        sources: list[tuple[Rows, NDArray[np.intp]]] = [(self._rows, np.arange(self.count))]
        if views and len(self._views.pictures):
            sources.append((as_rows(self._views.features), self._views.pictures))
        if self._held is not None:
            yield Piece(self._held[: self.count], sources[0][1], views=False)
            if len(sources) > 1:
                yield Piece(self._held[self.count :], sources[1][1], views=True)
            return
        origin = self._origin.astype(np.float32)
        for number, (rows, pictures) in enumerate(sources):
            start = 0
            for coordinates in worked_ahead(lambda features: rooted(_finite(features)) - origin, rows.pieces()):
                yield Piece(coordinates, pictures[start : start + len(coordinates)], views=number == 1)
                start += len(coordinates)

    def moments(self, folds: NDArray[np.intp]) -> tuple[list[Moments], list[Piece]]:
        """Sums over the pictures of each fold; returns some pictures of each as well, averaged with their views.

        Args:
            folds: (n,) number of the fold of each picture, 0…f-1.
        """
        parts = [_Sum(self.labels, self._dimensions) for _ in range(int(folds.max()) + 1)]

        def add(piece: Piece, fold: int) -> None:
            mine = folds[piece.pictures] == fold
            some = Piece(piece.rows[mine], piece.pictures[mine], piece.views)
            parts[fold].add(some, self.members(some.pictures))

        with ThreadPoolExecutor(len(parts), thread_name_prefix="fold") as pool:  # more than CPUs share them evenly
            for piece in self.pieces(views=True):
                list(pool.map(partial(add, piece), distinct(folds[piece.pictures])))
            return list(pool.map(_Sum.moments, parts)), [part.probes() for part in parts]

    def unfolded(self, weights: Wide, bias: Wide) -> tuple[Wide, Wide]:
        """Returns weights (D, k) and bias (k,) over the features' roots of those over coordinates, (r, k) and (k,)."""
        whole = weights if self._basis is None else self._basis @ weights
        return whole, bias - self._origin @ whole

    def means(self, moments: Moments) -> NDArray[np.float32]:
        """Returns the mean (k, D) of the features' roots of each label."""
        means = moments.sums / np.maximum(moments.members, 1)[:, None]
        return (self._origin + (means if self._basis is None else means @ self._basis.T)).astype(np.float32)

    @property
    def exact(self) -> bool:
        """Whether coordinates are float64: those of pictures that are fewer than their features."""
        return self._held is not None

    @property
    def _dimensions(self) -> int:
        return self.width if self._held is None else self._held.shape[1]


class _Sum:
    """Moments in the making. Rows are gathered first: products of many at once cost a third less than of few."""

    def __init__(self, labels: int, width: int) -> None:
        self._rows = 0
        self._pictures, self._members = np.zeros(labels, np.intp), np.zeros(labels, np.intp)
        self._total, self._sums = np.zeros(width), np.zeros((labels, width))
        self._scatter = np.zeros((width, width))
        self._gathered: list[tuple[NDArray[np.floating], Members]] = []
        self._probes: list[_Probe] = []

    def add(self, piece: Piece, members: Members) -> None:
        """Adds rows (m, r) of members (m, k)."""
        self._gathered.append((piece.rows, members))
        if sum(len(rows) for rows, _ in self._gathered) >= PIECE:
            self._sum_up()
        if piece.views:
            for probe in self._probes:
                probe.add(piece)
            return
        self._pictures += members.sum(axis=0)
        wanted = PROBES - sum(len(probe.pictures) for probe in self._probes)
        if wanted > 0:
            self._probes.append(_Probe(piece.rows[:wanted], piece.pictures[:wanted]))

    def _sum_up(self) -> None:
        rows, members = (np.concatenate(some) for some in zip(*self._gathered, strict=True))
        self._gathered.clear()
        self._rows += len(rows)
        self._members += members.sum(axis=0)
        self._total += rows.sum(axis=0, dtype=np.float64)
        self._sums += members.T.astype(rows.dtype) @ rows
        self._scatter += rows.T @ rows

    def moments(self) -> Moments:
        if self._gathered:
            self._sum_up()
        return Moments(self._rows, self._pictures, self._members, self._total, self._sums, self._scatter)

    def probes(self) -> Piece:
        rows = np.concatenate([probe.averages() for probe in self._probes])
        return Piece(rows, np.concatenate([probe.pictures for probe in self._probes]), views=False)


class _Probe:
    """Some pictures, each to be averaged with its views, as they are in their labels' means."""

    def __init__(self, rows: NDArray[np.floating], pictures: NDArray[np.intp]) -> None:
        self.pictures = pictures
        self._sums, self._counts = rows.astype(np.float64), np.ones(len(rows))

    def add(self, piece: Piece) -> None:
        """Adds the views of these pictures, whose numbers rise, and skips those of others."""
        places = np.searchsorted(self.pictures, piece.pictures).clip(max=len(self.pictures) - 1)
        known = self.pictures[places] == piece.pictures
        np.add.at(self._sums, places[known], piece.rows[known])
        np.add.at(self._counts, places[known], 1)

    def averages(self) -> Wide:
        return self._sums / self._counts[:, None]


def distinct(numbers: NDArray[np.intp]) -> list[int]:
    """Returns the numbers from 0 that occur, in order."""
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist()
    return found


def rooted(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Takes the signed square root of each feature and scales rows (n, D) to length 1."""
    rows = np.abs(features)
    np.sqrt(rows, out=rows)
    np.copysign(rows, features, out=rows)
    return to_unit_length(rows)


def to_unit_length(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales rows (n, D) to length 1, in place."""
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(TINY))
    return rows


def _finite[Numbers: NDArray[np.floating]](numbers: Numbers) -> Numbers:
    """Returns what it is given.

    Raises:
        ValueError: It is not all finite numbers.
    """
    if not np.isfinite(numbers).all():
        raise ValueError("features are not all finite numbers; make them again")
    return numbers
