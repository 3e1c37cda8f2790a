"""Trains a detector from a data set of boxes, measures it, and leaves it in a folder."""

from collections.abc import Sequence
from pathlib import Path

from engine.artifacts import detector_path
from engine.boxedset import BoxedSet, boxed, lessons_of
from engine.boxjudgement import JudgedBoxes
from engine.coco import Example
from engine.errors import JobError
from engine.extractors import Extractor
from engine.findings import CORRUPT
from engine.learn.backbone import Backbone
from engine.learn.detection_metrics import FoundBoxes
from engine.learn.detector import Detector, FittedDetector, fit_detector
from engine.learn.detector.fit import FEW
from engine.learn.errors import NotEnoughPicturesError
from engine.limits import Role
from engine.mapsextractor import MapsExtractor, MirroredMapsExtractor
from engine.messages import DatasetSource, Done, Progress, Report, TrainRequest
from engine.objects import told
from engine.reading import DatasetReader
from engine.records import ModelKind
from engine.reporting import judge, keep_report
from engine.trained import conclude
from engine.trainingpictures import taught, write_training_pictures


def train_detector(task: TrainRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    """Trains a detector, and writes it to `task.output`.

    Raises:
        JobError: A data set cannot be used.
    """
    training = read_boxes(task.training, "training", backbone, reader)
    try:
        fitted = _fit(training, backbone, report)
    except NotEnoughPicturesError as exc:
        raise JobError(CORRUPT, f"Data set '{task.training.name}': {exc}.") from exc
    detector, output = fitted.detector, Path(task.output)
    output.mkdir(parents=True)
    write_training_pictures(output, training)
    if task.test is None:
        performance = keep_report(output, _held_out(fitted, training), None, [], taught(training))
    else:
        test = read_boxes(task.test, "test", backbone, reader)
        performance = judge(found_in(detector, test, report), model=output, output=output)
    report(Progress("save_model", 0.0))
    detector.save(detector_path(output))
    return conclude(task, ModelKind.DETECTOR, detector.labels, backbone, training, performance)


def read_boxes(source: DatasetSource, role: Role, backbone: Backbone, reader: DatasetReader) -> BoxedSet:
    """Returns a data set's pictures with their boxes and maps; of few training pictures, mirror images too.

    Raises:
        JobError: The data set cannot be used.
    """

    def extractor(examples: Sequence[Example]) -> Extractor:
        few = role == "training" and len(examples) <= FEW
        return MirroredMapsExtractor(backbone) if few else MapsExtractor(backbone)

    return boxed(reader.extract(source, role, extractor))


def found_in(detector: Detector, pictures: BoxedSet, report: Report) -> JudgedBoxes:
    """Lets a detector look at every picture of a set."""
    found: list[FoundBoxes] = []
    for number in range(len(pictures.maps)):
        report(Progress("measure_performance", number / len(pictures.maps)))
        found.append(told(detector.detect(pictures.maps.maps(number, mirrored=False)), detector.labels))
    return JudgedBoxes(detector.labels, tuple(found), pictures)


def _fit(training: BoxedSet, backbone: Backbone, report: Report) -> FittedDetector:
    labels = sorted({label for picture in training.labels for label in picture})

    def tell(step: str, share: float) -> None:
        report(Progress(f"fit_detector_{step}", share))

    truth = lessons_of(training.truth, labels)
    return fit_detector(training.maps, truth, labels, backbone=backbone, on_progress=tell)


def _held_out(fitted: FittedDetector, training: BoxedSet) -> JudgedBoxes:
    labels = fitted.detector.labels
    return JudgedBoxes(labels, tuple(told(found, labels) for found in fitted.held_out), training)
