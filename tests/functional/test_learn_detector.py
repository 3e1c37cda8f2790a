"""The detector learns to find drawn shapes from a few drawn pictures."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.learn.detection_metrics import FoundBoxes, TrueBoxes, measure_detections
from engine.learn.detector import (
    Boxes,
    Detections,
    Detector,
    DetectorFileError,
    FittedDetector,
    PictureMaps,
    PictureMapsError,
    fit_detector,
)
from engine.learn.detector.detector import MOST
from engine.learn.errors import NotEnoughPicturesError
from tests.detection_drawings import LABELS, DrawnPictures, ToyBackbone

BACKBONE = ToyBackbone()


@pytest.fixture(scope="module")
def pictures() -> DrawnPictures:
    return DrawnPictures(4, seed=1, empty=1)


@pytest.fixture(scope="module")
def told() -> list[tuple[str, float]]:
    return []


@pytest.fixture(scope="module")
def from_two(told: list[tuple[str, float]]) -> FittedDetector:
    return _fitted(DrawnPictures(2, seed=5), lambda step, share: told.append((step, share)))


@pytest.fixture(scope="module")
def taught(pictures: DrawnPictures) -> FittedDetector:
    return _fitted(pictures)


def test_shapes_are_found_in_pictures_that_were_not_learnt_from(taught: FittedDetector) -> None:
    assert _precision(taught.detector, DrawnPictures(6, seed=2)) > 0.8


def test_little_is_said_with_confidence_of_a_picture_without_shapes(taught: FittedDetector) -> None:
    found = _detected(taught.detector, DrawnPictures(1, seed=3, empty=1))[0]

    assert found.confidences.max(initial=0.0) < 0.3


def test_found_boxes_lie_in_the_picture_and_the_most_confident_comes_first(taught: FittedDetector) -> None:
    found = _detected(taught.detector, DrawnPictures(1, seed=4))[0]

    assert ((found.corners >= 0) & (found.corners <= 1 + 1e-9)).all()
    assert (found.corners[:, 2:] > found.corners[:, :2]).all()
    assert (np.diff(found.confidences) <= 0).all()
    assert set(found.targets.tolist()) <= {0, 1}


def test_what_is_held_out_is_told_of_each_picture(taught: FittedDetector, pictures: DrawnPictures) -> None:
    assert taught.held_out is not None
    assert len(taught.held_out) == len(pictures)
    assert _measured(list(taught.held_out), pictures.truth) > 0.5


def test_two_pictures_of_a_label_are_enough(from_two: FittedDetector) -> None:
    assert _precision(from_two.detector, DrawnPictures(3, seed=6)) > 0.5


def test_shapes_of_twenty_pixels_are_found_in_a_crowd() -> None:
    fitted = _fitted(DrawnPictures(2, seed=7, sides=(18, 22), shapes=(30, 30)))

    assert _precision(fitted.detector, DrawnPictures(1, seed=8, sides=(18, 22), shapes=(30, 30))) > 0.7


def test_a_thousand_boxes_in_a_picture_are_learnt_from_and_found() -> None:
    grid = np.stack(np.meshgrid(np.arange(40) / 40, np.arange(25) / 25), axis=2).reshape(-1, 2)
    boxes = Boxes(np.concatenate([grid, grid + np.array([1 / 40, 1 / 25])], axis=1), np.zeros(1000, dtype=np.intp))
    crowd = DrawnPictures(2, seed=9, empty=2)
    crowd.truth = [boxes, boxes]

    fitted = fit_detector(crowd, crowd.truth, ["cell"], backbone=BACKBONE)

    assert 300 < len(fitted.detector.detect(crowd.maps(0, mirrored=False)).targets) <= MOST


def test_the_same_pictures_make_the_same_bytes(from_two: FittedDetector, tmp_path: Path) -> None:
    from_two.detector.save(tmp_path / "one.npz")
    _fitted(DrawnPictures(2, seed=5)).detector.save(tmp_path / "other.npz")

    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


def test_a_stored_detector_finds_the_same(taught: FittedDetector, tmp_path: Path) -> None:
    taught.detector.save(tmp_path / "detector.npz")
    maps = DrawnPictures(1, seed=10).maps(0, mirrored=False)

    found, wanted = Detector.load(tmp_path / "detector.npz").detect(maps), taught.detector.detect(maps)

    assert found.corners.tolist() == wanted.corners.tolist()
    assert found.confidences.tolist() == wanted.confidences.tolist()


@pytest.mark.parametrize("facts", [{"schema": 2}, {"labels": ["disc"]}, {"labels": ["disc", "disc"]}, {"slope": -1.0}])
def test_a_detector_that_contradicts_itself_is_refused(
    taught: FittedDetector, tmp_path: Path, facts: dict[str, object]
) -> None:
    path = tmp_path / "detector.npz"
    taught.detector.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    changed = json.loads(arrays["facts"].tobytes()) | facts
    arrays["facts"] = np.frombuffer(json.dumps(changed).encode(), dtype=np.uint8)
    np.savez(path, **arrays)

    with pytest.raises(DetectorFileError, match="train it again"):
        Detector.load(path)


@pytest.mark.parametrize("name", ["weights", "offsets", "mean8", "axes16"])
def test_a_detector_whose_numbers_are_damaged_is_refused(taught: FittedDetector, tmp_path: Path, name: str) -> None:
    path = tmp_path / "detector.npz"
    taught.detector.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays | {name: arrays[name][:-1]})
    with pytest.raises(DetectorFileError, match="do not fit"):
        Detector.load(path)
    np.savez(path, **arrays | {name: arrays[name] * np.nan})
    with pytest.raises(DetectorFileError, match="finite"):
        Detector.load(path)


def test_a_torn_or_missing_detector_is_refused(taught: FittedDetector, tmp_path: Path) -> None:
    path = tmp_path / "detector.npz"
    with pytest.raises(DetectorFileError, match="cannot be read"):
        Detector.load(path)
    taught.detector.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DetectorFileError, match="cannot be read"):
        Detector.load(path)


def test_stored_maps_are_the_same_and_torn_ones_are_refused(tmp_path: Path) -> None:
    maps, path = DrawnPictures(1, seed=11).maps(0, mirrored=True), tmp_path / "maps.npz"
    maps.save(path)

    read = PictureMaps.load(path)

    assert (read.width, read.height, sorted(read.maps)) == (320, 240, [8, 16])
    assert all((read.maps[stride] == maps.maps[stride]).all() for stride in read.maps)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PictureMapsError, match="make them again"):
        PictureMaps.load(path)


def test_maps_of_another_version_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, size=np.array([1, 320, 8, 8]), stride8=np.zeros((1, 2, 2), dtype=np.float16))
    (tmp_path / "maps.npz").write_bytes(buffer.getvalue())

    with pytest.raises(PictureMapsError, match="schema"):
        PictureMaps.load(tmp_path / "maps.npz")


def test_maps_of_another_backbone_are_refused(taught: FittedDetector) -> None:
    other = PictureMaps({8: np.zeros((3, 52, 52), dtype=np.float16)}, 320, 240)

    with pytest.raises(ValueError, match="stride 8"):
        taught.detector.detect(other)


def test_a_label_in_one_picture_only_is_refused() -> None:
    pictures = DrawnPictures(2, seed=12)
    truth = [pictures.truth[0], Boxes(np.empty((0, 4)), np.empty(0, dtype=np.intp))]

    with pytest.raises(NotEnoughPicturesError, match="'disc' has boxes in 1 of 2"):
        fit_detector(pictures, truth, LABELS, backbone=BACKBONE)
    with pytest.raises(NotEnoughPicturesError, match="no labels"):
        fit_detector(pictures, truth, [], backbone=BACKBONE)
    with pytest.raises(ValueError, match="give as many"):
        fit_detector(pictures, truth[:1], LABELS, backbone=BACKBONE)


def test_progress_is_told_of_every_step(from_two: FittedDetector, told: list[tuple[str, float]]) -> None:
    assert list(dict.fromkeys(step for step, _ in told)) == ["look", "describe", "mistakes", "calibrate"]
    assert all(0 <= share <= 1 for _, share in told)


def _fitted(pictures: DrawnPictures, on_progress: Callable[[str, float], None] | None = None) -> FittedDetector:
    return fit_detector(pictures, pictures.truth, LABELS, backbone=BACKBONE, on_progress=on_progress)


def _detected(detector: Detector, pictures: DrawnPictures) -> list[Detections]:
    return [detector.detect(pictures.maps(number, mirrored=False)) for number in range(len(pictures))]


def _precision(detector: Detector, pictures: DrawnPictures) -> float:
    return _measured(_detected(detector, pictures), pictures.truth)


def _measured(found: list[Detections], truth: list[Boxes]) -> float:
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
