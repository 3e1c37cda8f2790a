"""The reference row of `detect`: linear support vector machines over sliding windows of oriented gradients.

One window and one machine a label; an image pyramid; one round of hard negatives; suppression of overlapping windows.
Source: Dalal and Triggs, Histograms of oriented gradients for human detection, 2005 (C = 0.01, hard negatives).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC  # type: ignore[import-untyped]  # it ships no types

from bench.learning.hog import CELL, CHANNELS, hog
from engine.learn.detector.boxes import Boxes, Detections, overlaps
from engine.learn.pictures import resized

WINDOW: Final = 8  # cells, the square root of a window's area
STEP: Final = 1.2  # between the scales of the pyramid
LARGEST_SCALE: Final = 2.5
LONGEST_ASPECT: Final = 3.0
MOST_PIXELS: Final = 2_000_000  # of a level of the pyramid
LOOKED_THROUGH: Final = 60  # training pictures that negatives are taken from
NEGATIVES: Final = 2_000  # windows at random, and as many hard ones
UNLIKE: Final = 0.3  # overlap with a true box below which a window is a negative
SUPPRESSED: Final = 0.3  # overlap with a better window of the label
KEPT: Final = 100  # windows of a label in a picture
FAINTEST: Final = -1.0  # score: the margin of the negatives
PENALTY: Final = 0.01

Pixels = NDArray[np.uint8]
Array = NDArray[np.float32]
Corners = NDArray[np.float64]
Level = tuple[Array, tuple[float, float]]  # cells of a picture at one scale, and how many its (width, height) is


@dataclass(frozen=True, slots=True)
class Template:
    """What one label looks like.

    Attributes:
        target: Number of the label.
        weights: (h, w, CHANNELS) over the cells of a window.
        bias: Added.
    """

    target: int
    weights: Array
    bias: float

    def scores(self, cells: Array) -> Array:
        """Maps cells (H, W, CHANNELS) to the scores of the windows that begin at each, (H - h + 1, W - w + 1)."""
        high, wide = self.weights.shape[:2]
        rows, columns = cells.shape[0] - high + 1, cells.shape[1] - wide + 1
        if rows < 1 or columns < 1:
            return np.empty((0, 0), dtype=np.float32)
        parts = cells @ self.weights.reshape(-1, CHANNELS).T
        total = np.full((rows, columns), self.bias, dtype=np.float32)
        for number in range(high * wide):
            top, left = divmod(number, wide)
            total += parts[top : top + rows, left : left + columns, number]
        return total


@dataclass(frozen=True, slots=True)
class WindowDetector:
    """Finds boxes by sliding windows.

    Attributes:
        templates: One a label that had a box to learn from.
        scales: Of the pyramid.
    """

    templates: tuple[Template, ...]
    scales: tuple[float, ...]

    def detect(self, pixels: Pixels) -> Detections:
        """Finds boxes in a picture (H, W, 3)."""
        corners: list[list[Corners]] = [[] for _ in self.templates]
        scores: list[list[Array]] = [[] for _ in self.templates]
        for cells, size in _pyramid(pixels, self.scales):
            for place, template in enumerate(self.templates):
                found = template.scores(cells)
                tops, lefts = np.nonzero(found > FAINTEST)
                corners[place].append(_corners(tops, lefts, template.weights.shape, size))
                scores[place].append(found[tops, lefts])
        parts = [
            _suppressed(np.concatenate(corners[place]), np.concatenate(scores[place]), template.target)
            for place, template in enumerate(self.templates)
            if corners[place]
        ]
        return _merged(parts)


def fit_windows(pictures: Sequence[Pixels], truth: Sequence[Boxes], labels: int) -> WindowDetector:
    """Trains on pictures (H, W, 3) and their boxes; a label without boxes is never found."""
    rng = np.random.default_rng(0)
    scales = _scales(pictures, truth)
    shapes = {target: shape for target in range(labels) if (shape := _window(pictures, truth, target)) is not None}
    right = {t: np.stack(list(_positives(pictures, truth, t, shape))) for t, shape in shapes.items()}
    wrong: dict[int, list[Array]] = {target: [] for target in shapes}
    templates = [Template(t, np.zeros((*shape, CHANNELS), dtype=np.float32), 0.0) for t, shape in shapes.items()]
    looked = rng.permutation(len(pictures))[:LOOKED_THROUGH].tolist()
    share = math.ceil(NEGATIVES / len(looked))
    for hard in (False, True):
        for number in looked:
            levels = list(_pyramid(pictures[number], scales))
            for template in templates:
                boxes = truth[number].corners[truth[number].targets == template.target]
                wrong[template.target] += _negatives(levels, boxes, template, share, None if hard else rng)
        templates = [_machine(t, right[t], np.stack(wrong[t]), shape) for t, shape in shapes.items()]
    return WindowDetector(tuple(templates), scales)


def _machine(target: int, right: Array, wrong: Array, shape: tuple[int, int]) -> Template:
    rows = np.concatenate([right, wrong]).reshape(len(right) + len(wrong), -1)
    machine = LinearSVC(C=PENALTY, random_state=0, max_iter=5000, dual=True)
    machine.fit(rows, np.arange(len(rows)) < len(right))
    weights = np.asarray(machine.coef_[0], dtype=np.float32).reshape(*shape, CHANNELS)
    return Template(target, weights, float(machine.intercept_[0]))


def _window(pictures: Sequence[Pixels], truth: Sequence[Boxes], target: int) -> tuple[int, int] | None:
    """Chooses the (height, width) in cells of a label's window: the middle aspect of its boxes."""
    sides = np.concatenate([_sides(p, b.corners[b.targets == target]) for p, b in zip(pictures, truth, strict=True)])
    if not len(sides):
        return None
    aspect = float(np.clip(np.median(sides[:, 0] / sides[:, 1]), 1 / LONGEST_ASPECT, LONGEST_ASPECT))
    return round(WINDOW / math.sqrt(aspect)), round(WINDOW * math.sqrt(aspect))


def _scales(pictures: Sequence[Pixels], truth: Sequence[Boxes]) -> tuple[float, ...]:
    """Chooses the scales at which windows are as large as the training boxes."""
    sides = np.concatenate([_sides(p, b.corners) for p, b in zip(pictures, truth, strict=True)])
    wanted = WINDOW * CELL / np.sqrt(sides[:, 0] * sides[:, 1])
    least, most = float(wanted.min()) / STEP, min(float(wanted.max()) * STEP, LARGEST_SCALE)
    count = max(math.ceil(math.log(most / least) / math.log(STEP)), 1)
    return tuple(least * STEP**number for number in range(count + 1))


def _sides(pixels: Pixels, corners: Corners) -> Corners:
    """Returns the (width, height) in px of boxes (m, 4) of a picture, each at least 1."""
    height, width = pixels.shape[:2]
    return np.maximum((corners[:, 2:] - corners[:, :2]) * (width, height), 1.0)


def _positives(
    pictures: Sequence[Pixels], truth: Sequence[Boxes], target: int, shape: tuple[int, int]
) -> Iterator[Array]:
    """Yields the cells of each box of a label, resized to the window, and of its mirror image."""
    for pixels, boxes in zip(pictures, truth, strict=True):
        height, width = pixels.shape[:2]
        for corners in boxes.corners[boxes.targets == target]:
            left, top = np.floor(corners[:2] * (width, height)).astype(int)
            right, bottom = np.ceil(corners[2:] * (width, height)).astype(int)
            crop = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
            window = resized(crop, shape[1] * CELL, shape[0] * CELL)
            yield hog(window)
            yield hog(window[:, ::-1])


def _negatives(
    levels: Sequence[Level], boxes: Corners, template: Template, count: int, rng: np.random.Generator | None
) -> list[Array]:
    """Takes windows of a picture that are unlike the true boxes: at random, or those that the template likes best."""
    shape = template.weights.shape
    places, corners, scores = [], [], []
    for level, (cells, size) in enumerate(levels):
        found = template.scores(cells)
        tops, lefts = np.nonzero(np.isfinite(found))
        places.append(np.stack([np.full(len(tops), level), tops, lefts], axis=1))
        corners.append(_corners(tops, lefts, shape, size))
        scores.append(found.ravel())
    every, score = np.concatenate(places), np.concatenate(scores)
    free = np.ones(len(every), dtype=np.bool_)
    if len(boxes) and len(every):
        free = overlaps(np.concatenate(corners), boxes).max(axis=1) < UNLIKE
    if rng is None:
        free &= score > FAINTEST
        chosen = np.flatnonzero(free)[np.argsort(-score[free], kind="stable")[:count]]
    else:
        chosen = rng.permutation(np.flatnonzero(free))[:count]
    high, wide = shape[:2]
    return [levels[level][0][top : top + high, left : left + wide] for level, top, left in every[chosen].tolist()]


def _pyramid(pixels: Pixels, scales: Sequence[float]) -> Iterator[Level]:
    """Yields the levels of a picture that hold a cell or more."""
    height, width = pixels.shape[:2]
    for scale in scales:
        across, down = round(width * scale), round(height * scale)
        if min(across, down) >= CELL and across * down <= MOST_PIXELS:
            yield hog(resized(pixels, across, down)), (across / CELL, down / CELL)


def _corners(
    tops: NDArray[np.intp], lefts: NDArray[np.intp], shape: tuple[int, ...], size: tuple[float, float]
) -> Corners:
    ends = np.stack([lefts, tops, lefts + shape[1], tops + shape[0]], axis=1) / (*size, *size)
    return np.clip(ends, 0.0, 1.0)


def _suppressed(corners: Corners, scores: Array, target: int) -> Detections:
    """Keeps the best windows of a label, none of which overlaps a better one."""
    order = np.argsort(-scores, kind="stable")[: 10 * KEPT]
    corners, scores = corners[order], scores[order]
    shares = overlaps(corners, corners)
    free, kept = np.ones(len(corners), dtype=np.bool_), list[int]()
    for number in range(len(corners)):
        if free[number] and len(kept) < KEPT:
            kept.append(number)
            free &= shares[number] < SUPPRESSED
    confidences = 1.0 / (1.0 + np.exp(-scores[kept].astype(np.float64)))
    return Detections(corners[kept], np.full(len(kept), target, dtype=np.intp), confidences)


def _merged(parts: Sequence[Detections]) -> Detections:
    confidences = np.concatenate([np.empty(0), *(part.confidences for part in parts)])
    order = np.argsort(-confidences, kind="stable")
    corners = np.concatenate([np.empty((0, 4)), *(part.corners for part in parts)])
    targets = np.concatenate([np.empty(0, dtype=np.intp), *(part.targets for part in parts)])
    return Detections(corners[order], targets[order], confidences[order])
