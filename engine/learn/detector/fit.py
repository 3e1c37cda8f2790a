"""Trains a detector on the boxes of some pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.learn.backbone import Backbone
from engine.learn.detector.boxes import Boxes, Corners, Detections
from engine.learn.detector.calibration import fit_curves
from engine.learn.detector.compression import Compression, fit_compression
from engine.learn.detector.descriptors import FORM, LEAST
from engine.learn.detector.detector import Detector, Finder, promising
from engine.learn.detector.lessons import Lessons
from engine.learn.detector.maps import MapSource, PictureMaps
from engine.learn.detector.reduction import LOCATIONS, SAMPLED, Reduction, fit_reduction
from engine.learn.detector.rule import Rule, scan
from engine.learn.detector.sampling import Sample, sample_of, sampled
from engine.learn.detector.shapes import common_shapes
from engine.learn.detector.views import Pictures, View, dealt, seed_of, spread
from engine.learn.errors import NotEnoughPicturesError

MIN_PICTURES = 2
FOLDS = 3
FEW = 50  # pictures up to which mirror images are learnt from as well
ROWS = 30_000  # descriptors that are kept of all pictures together
MOST_OF_A_VIEW = 120  # descriptors of each kind: jittered true boxes, places, hard places
LEAST_OF_A_VIEW = 6
DESCRIBED_FIRST = 4_000  # descriptors that the compression is found from

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class FittedDetector:
    """A detector fitted on all n pictures, and what it would have found had it not seen them.

    Attributes:
        detector: What detects.
        held_out: Of each picture what was found by a detector that was fitted on others.
    """

    detector: Detector
    held_out: Sequence[Detections]


def fit_detector(
    source: MapSource,
    truth: Sequence[Boxes],
    labels: Sequence[str],
    *,
    backbone: Backbone,
    on_progress: Callable[[str, float], None] | None = None,
) -> FittedDetector:
    """Trains a detector on all pictures; confidences come from cross-validation on the same pictures.

    Pictures are dealt to three folds. A rule is fitted without each fold and looks for its mistakes in that fold; with
    them, rules are fitted anew, and find the boxes by which confidences are calibrated. What all folds share is learnt
    without labels: how maps and descriptors are made small, and which shapes are tried.

    Memory: ROWS descriptors of 400 numbers, DESCRIBED_FIRST whole ones, and one picture's maps.

    Args:
        source: The maps of n pictures.
        truth: Their boxes; a picture without boxes shows what is not to be found.
        labels: The k labels.
        backbone: Where the maps come from.
        on_progress: Told the name of the step and its share done, 0…1.

    Raises:
        NotEnoughPicturesError: There are no labels, or a label has boxes in fewer than two pictures.
        ValueError: There are not as many pictures as sets of boxes.
    """
    check_boxes(len(source), truth, labels)
    tell = on_progress or (lambda _step, _share: None)
    pictures = Pictures(source, truth, seed_of(truth, labels))
    looked_at = spread(len(pictures), SAMPLED // LOCATIONS)
    reduction, shapes = _shared(pictures, looked_at, tell)
    views = _views(len(pictures))
    most = min(MOST_OF_A_VIEW, max(ROWS // (3 * len(views)), LEAST_OF_A_VIEW))
    lessons = Lessons(_compression(pictures, looked_at, reduction, shapes), len(labels))
    folds = dealt(truth, min(FOLDS, len(truth)))
    for done, view in enumerate(views):
        sample = sampled(pictures.ground(view, reduction), pictures.boxes(view), shapes, most, pictures.chance(2, view))
        lessons.add(sample, folds[view.number])
        tell("describe", (done + 1) / len(views))
    rules = [lessons.rule_without(fold) for fold in range(max(folds) + 1)]
    for done, view in enumerate(views):
        rule = rules[folds[view.number]]
        lessons.add(_mistakes(pictures, view, reduction, shapes, rule, most), folds[view.number])
        tell("mistakes", (done + 1) / len(views))
    finders = [Finder(reduction, shapes, lessons.rule_without(fold)) for fold in range(max(folds) + 1)]
    held_out = []
    for number, fold in enumerate(folds):
        held_out.append(finders[fold].find(pictures.ground(View(number, mirrored=False), reduction)))
        tell("calibrate", (number + 1) / len(folds))
    finder = Finder(reduction, shapes, lessons.rule_without(None))
    curves = fit_curves(held_out, truth, len(labels))
    detector = Detector(tuple(labels), backbone.digest, finder, curves)
    return FittedDetector(detector, [curves.applied(found) for found in held_out])


def check_boxes(pictures: int, truth: Sequence[Boxes], labels: Sequence[str]) -> None:
    """Refuses what cannot be learnt from.

    Raises:
        NotEnoughPicturesError: There are no labels, or a label has boxes in fewer than two pictures.
        ValueError: There are not as many pictures as sets of boxes.
    """
    if pictures != len(truth):
        raise ValueError(f"there are {pictures} pictures and boxes of {len(truth)}; give as many")
    if not labels:
        raise NotEnoughPicturesError("there are no labels; a detector needs at least 1")
    shown = [set(boxes.targets.tolist()) for boxes in truth]
    for target, label in enumerate(labels):
        count = sum(target in targets for targets in shown)
        if count < MIN_PICTURES:
            raise NotEnoughPicturesError(
                f"label {label!r} has boxes in {count} of {MIN_PICTURES} pictures; draw some in others"
            )


def _views(pictures: int) -> list[View]:
    """Lists what is learnt from: few pictures with their mirror images, and of very many an even choice."""
    sides = (False, True) if pictures <= FEW else (False,)
    numbers = spread(pictures, ROWS // (3 * LEAST_OF_A_VIEW))
    return [View(number, mirrored=side) for number in numbers for side in sides]


def _shared(pictures: Pictures, numbers: Sequence[int], tell: Tell) -> tuple[Reduction, Corners]:
    """Finds what all rules share, from some pictures."""
    sides: list[Corners] = []

    def read() -> Iterator[PictureMaps]:
        for done, number in enumerate(numbers):
            picture = pictures.maps(View(number, mirrored=False))
            corners = pictures.truth[number].corners.reshape(-1, 4)
            sides.append((corners[:, 2:] - corners[:, :2]) * picture.extent())
            yield picture
            tell("look", (done + 1) / len(numbers))

    reduction = fit_reduction(read(), pictures.chance(0))
    found = np.concatenate(sides)
    return reduction, common_shapes(np.maximum(found, LEAST), pictures.chance(1))


def _compression(pictures: Pictures, numbers: Sequence[int], reduction: Reduction, shapes: Corners) -> Compression:
    most = max(DESCRIBED_FIRST // (2 * len(numbers)), 1)
    rows = []
    for number in numbers:
        view = View(number, mirrored=False)
        ground = pictures.ground(view, reduction)
        rows.append(
            sampled(ground, pictures.boxes(view), shapes, min(most, MOST_OF_A_VIEW), pictures.chance(3, view)).rows
        )
    return fit_compression(np.concatenate(rows), FORM)


def _mistakes(pictures: Pictures, view: View, reduction: Reduction, shapes: Corners, rule: Rule, most: int) -> Sample:
    """Describes the places that a rule likes best in a view it was not fitted to; some are right."""
    ground = pictures.ground(view, reduction)
    corners, answers = scan(ground, shapes, rule)
    chosen = promising(answers)[:most]
    return sample_of(ground, corners[chosen], pictures.boxes(view))
