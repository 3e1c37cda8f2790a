"""The detector learns to find drawn shapes from a few drawn pictures."""

import numpy as np
import pytest

from engine.learn.detection_metrics import FoundBoxes, TrueBoxes, measure_detections
from engine.learn.detector import Boxes, Detections, Detector, FittedDetector, fit_detector
from tests.detection_drawings import LABELS, DrawnPictures, ToyBackbone

BACKBONE = ToyBackbone()


@pytest.fixture(scope="module")
def taught() -> FittedDetector:
    pictures = DrawnPictures(8, seed=1)
    return fit_detector(pictures, pictures.truth, LABELS, backbone=BACKBONE)


def test_a_detector_finds_drawn_shapes_in_pictures_it_has_not_seen(taught: FittedDetector) -> None:
    assert _precision(taught.detector, DrawnPictures(12, seed=2)) > 0.8


def _precision(detector: Detector, pictures: DrawnPictures) -> float:
    found = [detector.detect(pictures.maps(number, mirrored=False)) for number in range(len(pictures))]
    return measured(found, pictures.truth)


def measured(found: list[Detections], truth: list[Boxes]) -> float:
    performance = measure_detections(
        [
            TrueBoxes(_sized(one.corners), _names(one.targets), np.zeros(len(one.targets), dtype=np.bool_))
            for one in truth
        ],
        [FoundBoxes(_sized(one.corners), _names(one.targets), one.confidences) for one in found],
    )
    return performance.mean_average_precision[0.5]


def _sized(corners: np.ndarray) -> np.ndarray:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _names(targets: np.ndarray) -> tuple[str, ...]:
    return tuple(LABELS[target] for target in targets.tolist())
