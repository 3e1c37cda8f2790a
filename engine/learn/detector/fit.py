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
from engine.learn.detector.rule import scan
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

    Memory: one picture's maps, SAMPLED locations of each map, DESCRIBED_FIRST whole descriptors, ROWS short ones, and
    what was found in each picture while held out.

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
    course = _course(pictures, tell)
    lessons = Lessons(course.compression(), len(labels))
    course.describe(lessons)
    course.find_mistakes(lessons)
    held_out = course.held_out(lessons)
    curves = fit_curves(held_out, truth, len(labels))
    detector = Detector(tuple(labels), backbone.digest, course.finder(lessons, None), curves)
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


@dataclass(frozen=True, slots=True)
class _Course:
    """A fit under way.

    Attributes:
        pictures: What is learnt from.
        looked_at: Numbers of the pictures by which maps and descriptors are made small.
        reduction: How maps are made small.
        shapes: (s, 2) in cells.
        folds: Of each picture.
        views: The pictures that are described, and their mirror images.
        tell: Is told the progress.
    """

    pictures: Pictures
    looked_at: Sequence[int]
    reduction: Reduction
    shapes: Corners
    folds: Sequence[int]
    views: Sequence[View]
    tell: Tell

    @property
    def most(self) -> int:
        """How many descriptors of each kind are taken of a view."""
        return min(MOST_OF_A_VIEW, max(ROWS // (3 * len(self.views)), LEAST_OF_A_VIEW))

    def compression(self) -> Compression:
        """Finds how descriptors are made short."""
        most = min(max(DESCRIBED_FIRST // (2 * len(self.looked_at)), 1), MOST_OF_A_VIEW)
        views = [View(number, mirrored=False) for number in self.looked_at]
        return fit_compression(np.concatenate([self._sampled(view, most, 2).rows for view in views]), FORM)

    def describe(self, lessons: Lessons) -> None:
        """Takes jittered true boxes and places of every view."""
        for done, view in enumerate(self.views):
            lessons.add(self._sampled(view, self.most, 3), self.folds[view.number])
            self.tell("describe", (done + 1) / len(self.views))

    def find_mistakes(self, lessons: Lessons) -> None:
        """Takes of every view the places that a rule fitted without its fold likes best; some are right."""
        finders = self._finders(lessons)
        for done, view in enumerate(self.views):
            fold = self.folds[view.number]
            ground = self.pictures.ground(view, self.reduction)
            corners, answers = scan(ground, self.shapes, finders[fold].rule)
            liked = corners[promising(answers, self.most)[: self.most]]
            lessons.add(sample_of(ground, liked, self.pictures.boxes(view)), fold)
            self.tell("mistakes", (done + 1) / len(self.views))

    def held_out(self, lessons: Lessons) -> list[Detections]:
        """Finds boxes in every picture by a rule fitted without its fold."""
        finders, found = self._finders(lessons), []
        for number, fold in enumerate(self.folds):
            found.append(finders[fold].find(self.pictures.ground(View(number, mirrored=False), self.reduction)))
            self.tell("calibrate", (number + 1) / len(self.folds))
        return found

    def finder(self, lessons: Lessons, fold: int | None) -> Finder:
        """Fits a rule to the lessons of all folds but one."""
        return Finder(self.reduction, self.shapes, lessons.rule_without(fold))

    def _finders(self, lessons: Lessons) -> list[Finder]:
        return [self.finder(lessons, fold) for fold in range(max(self.folds) + 1)]

    def _sampled(self, view: View, most: int, purpose: int) -> Sample:
        ground = self.pictures.ground(view, self.reduction)
        return sampled(ground, self.pictures.boxes(view), self.shapes, most, self.pictures.chance(purpose, view))


def _course(pictures: Pictures, tell: Tell) -> _Course:
    """Finds what all rules share, from some pictures: how maps are made small, and the shapes that are tried."""
    boxed = [number for number, boxes in enumerate(pictures.truth) if len(boxes.targets)]
    looked_at = [boxed[place] for place in spread(len(boxed), SAMPLED // LOCATIONS)]
    sides: list[Corners] = []

    def read() -> Iterator[PictureMaps]:
        for done, number in enumerate(looked_at):
            picture = pictures.maps(View(number, mirrored=False))
            corners = pictures.truth[number].corners
            sides.append((corners[:, 2:] - corners[:, :2]) * picture.extent())
            yield picture
            tell("look", (done + 1) / len(looked_at))

    reduction = fit_reduction(read(), pictures.chance(0))
    shapes = common_shapes(np.maximum(np.concatenate(sides), LEAST), pictures.chance(1))
    folds = dealt(pictures.truth, min(FOLDS, len(pictures)))
    return _Course(pictures, looked_at, reduction, shapes, folds, _views(len(pictures)), tell)


def _views(pictures: int) -> list[View]:
    """Lists what is learnt from: few pictures with their mirror images, and of very many an even choice."""
    sides = (False, True) if pictures <= FEW else (False,)
    numbers = spread(pictures, ROWS // (3 * LEAST_OF_A_VIEW))
    return [View(number, mirrored=side) for number in numbers for side in sides]
