"""One cell of `detect`: a detector learnt from some pictures, several times over."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.learning.cells import Cell
from bench.learning.datasets import DataSet, Photo
from bench.learning.intervals import Estimate, Z, over_draws
from bench.learning.maps import KeptMaps
from bench.learning.windows import fit_windows
from engine.learn.backbone import Backbone
from engine.learn.detection_metrics import FoundBoxes, TrueBoxes, measure_detections
from engine.learn.detector import Boxes, Detections, fit_detector, picture_maps
from engine.learn.detector.fit import MIN_PICTURES

ALL: Final = "all"
HOG_SVM: Final = "hog_svm"
TIMED: Final = 8  # pictures that are answered with a clock running
RESAMPLES: Final = 40  # of the scored pictures
COSTS: Final = ("train_seconds", "fit_seconds", "predict_ms")
NOTHING: Final = Detections(np.empty((0, 4)), np.empty(0, dtype=np.intp), np.empty(0))
LEFT: Final = 5  # of a data set without a split, one picture in so many is scored when all are asked for


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of pictures.

    Attributes:
        train: What is trained on, ordered by content.
        asked: What is scored.
    """

    train: tuple[Photo, ...]
    asked: tuple[Photo, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a detector that was trained on a drawing found.

    Attributes:
        found: Of each scored picture; targets are numbers of the data set's labels.
        costs: Seconds and milliseconds by name.
    """

    found: Sequence[Detections]
    costs: dict[str, float]


Learner = Callable[[DataSet, Drawing], Answer]


def drawn(data: DataSet, images: str, seed: int) -> Drawing | None:
    """Draws pictures to train on: in turn one that shows the label that fewest of those drawn before show.

    With a split the test part is scored, without one what was not drawn. What is drawn for few pictures is a part of
    what is drawn for more.

    Args:
        data: Where to draw from.
        images: How many, or ``all``: the whole train part; without a split four fifths.
        seed: Of the order.

    Returns:
        None if there are too few pictures.
    """
    order = _in_turn(data, np.random.default_rng((seed, len(data.photos))))
    whole = len(order) if data.split else len(order) - max(len(order) // LEFT, 1)
    count = whole if images == ALL else int(images)
    if count > whole:
        return None
    train = sorted(order[:count])
    asked = [n for n, photo in enumerate(data.photos) if photo.test] if data.split else sorted(order[count:])
    return Drawing(tuple(data.photos[n] for n in train), tuple(data.photos[n] for n in asked))


def _in_turn(data: DataSet, rng: np.random.Generator) -> list[int]:
    """Orders the pictures that may be trained on so that every label has its share in each beginning."""
    shows = np.array([np.isin(np.arange(len(data.labels)), photo.targets) for photo in data.photos], dtype=np.bool_)
    free = [int(n) for n in rng.permutation(len(data.photos)) if not data.photos[n].test]
    counts, order = np.zeros(len(data.labels), dtype=np.intp), list[int]()
    while free:
        left = shows[free].any(axis=0)
        fewest = int(np.argmin(np.where(left, counts, len(data.photos) + 1)))
        chosen = next((n for n in free if shows[n, fewest]), free[0])
        free.remove(chosen)
        order.append(chosen)
        counts += shows[chosen]
    return order


def measure_images(data: DataSet, images: str, seeds: range, name: str, learner: Learner) -> Cell | None:
    """Measures one cell; None when the data set has too few pictures for it, or nothing else to draw.

    Args:
        data: The data set.
        images: As `drawn` takes it.
        seeds: Of the drawings; where all are the same only the first is made.
        name: Of the learner.
        learner: Trains on a drawing and looks for boxes.
    """
    same = images == ALL and data.split
    draws = [drawn(data, images, seed) for seed in seeds if not (same and seed)]
    parts = [draw for draw in draws if draw is not None]
    if not parts:
        return None
    scores: dict[str, list[float]] = {"map50": [], "map75": [], "map30": []}
    halves, costs = [], []
    for draw in parts:
        answer = learner(data, draw)
        costs.append(answer.costs)
        truth, found = _wire(data, draw.asked, answer.found)
        means = measure_detections(truth, found).mean_average_precision
        for threshold, mean in means.items():
            scores[f"map{round(100 * threshold)}"].append(100 * mean)
        halves.append(_over_pictures(truth, found))
    estimates = {
        score: Estimate(float(np.mean(values)), over_draws(values), float(np.mean(halves)))
        for score, values in scores.items()
    }
    shown = {cost: float(np.mean([each[cost] for each in costs])) for cost in costs[0]}
    shown["scored_pictures"] = float(np.mean([len(draw.asked) for draw in parts]))
    return Cell(data.name, f"{images}img", name, estimates, shown, scores)


def frozen_maps(backbone: Backbone, folder: Path) -> Learner:
    """Returns the engine's detector as a learner; labels that too few pictures show are left out.

    Args:
        backbone: Where the maps come from.
        folder: Where maps are kept.
    """

    def learn(data: DataSet, drawing: Drawing) -> Answer:
        labels = _learnable(data, drawing.train)
        source = KeptMaps(drawing.train, backbone, folder)
        truth = [_renumbered(photo, labels) for photo in drawing.train]
        if not labels:
            return Answer([NOTHING] * len(drawing.asked), dict.fromkeys(COSTS, 0.0))
        began = time.process_time()
        detector = fit_detector(source, truth, [data.labels[n] for n in labels], backbone=backbone).detector
        fit_seconds = time.process_time() - began - source.making
        asked = KeptMaps(drawing.asked, backbone, folder)
        numbers = np.array(labels, dtype=np.intp)
        found = [detector.detect(asked.maps(n, mirrored=False)) for n in range(len(asked))]
        began = time.process_time()
        made = [picture_maps(backbone, photo.pixels()) for photo in drawing.asked[:TIMED]]
        maps_ms = 1000 * (time.process_time() - began) / len(made)
        began = time.process_time()
        for maps in made:
            detector.detect(maps)
        detect_ms = 1000 * (time.process_time() - began) / len(made)
        costs = (fit_seconds + len(source.asked) * maps_ms / 1000, fit_seconds, maps_ms + detect_ms)
        named = [Detections(each.corners, numbers[each.targets], each.confidences) for each in found]
        return Answer(named, dict(zip(COSTS, costs, strict=True)))

    return learn


def sliding_windows(data: DataSet, drawing: Drawing) -> Answer:
    """Learns by HOG and linear SVMs, from every label of which there is a box."""
    began = time.process_time()
    truth = [_renumbered(photo, range(len(data.labels))) for photo in drawing.train]
    detector = fit_windows([photo.pixels() for photo in drawing.train], truth, len(data.labels))
    seconds = time.process_time() - began
    began = time.process_time()
    found = [detector.detect(photo.pixels()) for photo in drawing.asked]
    milliseconds = 1000 * (time.process_time() - began) / len(found)
    return Answer(found, dict(zip(COSTS, (seconds, seconds, milliseconds), strict=True)))


def _learnable(data: DataSet, photos: Sequence[Photo]) -> list[int]:
    shown = [set(photo.targets[~photo.crowds].tolist()) for photo in photos]
    return [n for n in range(len(data.labels)) if sum(n in targets for targets in shown) >= MIN_PICTURES]


def _renumbered(photo: Photo, labels: Sequence[int]) -> Boxes:
    """Returns the boxes of some labels, none around many, numbered by their places in the list."""
    places = {label: place for place, label in enumerate(labels)}
    kept = ~photo.crowds & np.isin(photo.targets, list(labels))
    return Boxes(photo.corners[kept], np.array([places[t] for t in photo.targets[kept].tolist()], dtype=np.intp))


def _wire(
    data: DataSet, photos: Sequence[Photo], found: Sequence[Detections]
) -> tuple[list[TrueBoxes], list[FoundBoxes]]:
    truth = [TrueBoxes(_sides(p.corners), tuple(data.labels[t] for t in p.targets), p.crowds) for p in photos]
    given = [FoundBoxes(_sides(f.corners), tuple(data.labels[t] for t in f.targets), f.confidences) for f in found]
    return truth, given


def _sides(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns left, top, width, height (m, 4) of corners (m, 4)."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _over_pictures(truth: Sequence[TrueBoxes], found: Sequence[FoundBoxes]) -> float:
    """Returns half the 95 % interval of mAP@50, in percent, by resampling the scored pictures (Efron, 1979)."""
    rng = np.random.default_rng(0)
    means = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(truth), size=len(truth)).tolist()
        performance = measure_detections([truth[n] for n in chosen], [found[n] for n in chosen])
        means.append(100 * performance.mean_average_precision[0.5])
    return Z * float(np.std(means, ddof=1))
