"""A fitted detector: finds the boxes of a picture's labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Corners, Detections, inside
from engine.learn.detector.calibration import Curves
from engine.learn.detector.descriptors import LEAST, Ground, described, ground_of
from engine.learn.detector.file import read_detector, write_detector
from engine.learn.detector.maps import PictureMaps
from engine.learn.detector.offsets import moved
from engine.learn.detector.reduction import Reduction
from engine.learn.detector.rule import Rule, moves_of, scan, shares_of
from engine.learn.detector.suppression import suppressed

LOOKS = (400, 200)  # places that are moved and described anew, and again; at the end they are moved once more
PROMISING = 0.3  # share of labels above which a place is looked at in any case
MOST_CANDIDATES = 6000
FAINTEST = 0.003  # share below which a label is not said of a box
MOST = 2000  # boxes that are returned


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds boxes; its shares are not yet confidences.

    Attributes:
        reduction: What becomes of a picture's maps.
        shapes: (s, 2) width and height, in cells, that are tried everywhere.
        rule: What tells labels and background.
    """

    reduction: Reduction
    shapes: NDArray[np.float64]
    rule: Rule

    def find(self, ground: Ground) -> Detections:
        """Finds boxes; confidences are the softmax layer's shares."""
        corners, answers = scan(ground, self.shapes, self.rule)
        for most in LOOKS:
            chosen = promising(answers, most)
            corners = self._moved(ground, corners[chosen], answers[chosen])
            answers = self.rule(described(ground, corners))
        corners = self._moved(ground, corners, answers)
        return _sorted(_by_label(corners / ground.unit, shares_of(answers)[:, :-1].astype(np.float64)))

    def _moved(self, ground: Ground, corners: Corners, answers: NDArray[np.float32]) -> Corners:
        return inside(moved(corners, moves_of(answers)), ground.width, ground.height, least=LEAST)


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds labelled boxes in a backbone's maps.

    Attributes:
        labels: The k labels, by number.
        backbone_digest: Digest of the backbone whose maps it understands.
        finder: Finds boxes.
        curves: Make honest confidences of its shares.
    """

    labels: tuple[str, ...]
    backbone_digest: str
    finder: Finder
    curves: Curves

    def detect(self, picture: PictureMaps) -> Detections:
        """Finds the boxes of a picture, at most MOST, the most confident first.

        Raises:
            ValueError: The maps are not of the backbone that the detector was trained on.
        """
        found = self.finder.find(ground_of(picture, self.finder.reduction))
        return self.curves.applied(found)

    def save(self, path: Path) -> None:
        """Writes the detector as one .npz without pickle; equal detectors make equal bytes."""
        write_detector(self, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            DetectorFileError: The file is missing, torn, of another schema, or inconsistent.
        """
        stored = read_detector(path)
        finder = Finder(stored.reduction, stored.shapes, stored.rule)
        return cls(stored.labels, stored.backbone_digest, finder, stored.curves)


def promising(answers: NDArray[np.float32], most: int) -> NDArray[np.intp]:
    """Chooses the places that are worth a closer look.

    Args:
        answers: (n, k + 5) of a rule.
        most: How many, unless more are PROMISING.

    Returns:
        (m,) numbers of places, the best first.
    """
    shares = 1.0 - shares_of(answers)[:, -1]
    order = np.argsort(-shares, kind="stable")
    many = int(np.sum(shares >= PROMISING))
    return order[: min(max(most, many), MOST_CANDIDATES)]


def _by_label(corners: Corners, shares: NDArray[np.float64]) -> Sequence[Detections]:
    found = []
    for label in range(shares.shape[1]):
        candidates = np.flatnonzero(shares[:, label] >= FAINTEST)
        if len(candidates):
            kept, which = suppressed(corners[candidates], shares[candidates, label])
            found.append(Detections(kept, np.full(len(which), label), shares[candidates[which], label]))
    return found


def _sorted(parts: Sequence[Detections]) -> Detections:
    if not parts:
        return Detections(np.empty((0, 4)), np.empty(0, dtype=np.intp), np.empty(0))
    confidences = np.concatenate([part.confidences for part in parts])
    order = np.argsort(-confidences, kind="stable")[:MOST]
    return Detections(
        np.concatenate([part.corners for part in parts])[order],
        np.concatenate([part.targets for part in parts])[order],
        confidences[order],
    )
