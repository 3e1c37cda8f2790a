"""Measures a trained model on a test data set, and keeps what it said of each picture."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.artifacts import classifier_path, detector_path, flush
from engine.boxjudgement import JudgedBoxes
from engine.detection import found_in, read_boxes
from engine.errors import JobError
from engine.features import EmbeddedSet
from engine.judgement import Judged
from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier
from engine.learn.detector import Detector
from engine.learn.errors import ClassifierFileError, DetectorFileError
from engine.messages import Done, EvaluateRequest, Progress, Report
from engine.predictions import write_box_predictions, write_predictions
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from engine.reporting import judge
from engine.served import lacking


def evaluate(task: EvaluateRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    """Loads the model of `task`, measures it, and leaves what it said in `task.output`.

    Raises:
        JobError: The model or the data set cannot be used.
    """
    match task.test.kind:
        case AnnotationKind.CLASSIFICATION | AnnotationKind.MULTILABEL:
            return _evaluate_classifier(task, backbone, reader, report)
        case AnnotationKind.DETECTION:
            return _evaluate_detector(task, backbone, reader, report)


def judged(classifier: Classifier, pictures: EmbeddedSet, confidences: NDArray[np.float64]) -> Judged:
    """Puts a classifier's confidences (n, k) beside the n pictures they are about."""
    return Judged(classifier.labels, classifier.multilabel, confidences, pictures)


def _evaluate_classifier(task: EvaluateRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    try:
        classifier = Classifier.load(classifier_path(Path(task.model)))
    except ClassifierFileError as exc:
        raise _unreadable(task) from exc
    _check_backbone(task, classifier, backbone)
    test = reader.read(task.test, "test")
    report(Progress("measure_performance", 0.0))
    output = Path(task.output)
    output.mkdir(parents=True)
    said = judged(classifier, test, classifier.predict(test.features))
    write_predictions(output, said.labels, said.confidences, test, multilabel=said.multilabel)
    return _judged_and_kept(task, said)


def _evaluate_detector(task: EvaluateRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    try:
        detector = Detector.load(detector_path(Path(task.model)))
    except DetectorFileError as exc:
        raise _unreadable(task) from exc
    _check_backbone(task, detector, backbone)
    test = read_boxes(task.test, "test", backbone, reader)
    said = found_in(detector, test, report)
    output = Path(task.output)
    output.mkdir(parents=True)
    write_box_predictions(output, said.labels, said.found, test)
    return _judged_and_kept(task, said)


def _judged_and_kept(task: EvaluateRequest, said: Judged | JudgedBoxes) -> Done:
    output = Path(task.output)
    performance = judge(said, model=Path(task.model), output=output)
    flush(output)
    return Done(performance)


def _unreadable(task: EvaluateRequest) -> JobError:
    return JobError(
        "unknown", f"The files of model '{task.model_name}' cannot be read. Train it again under a new name."
    )


def _check_backbone(task: EvaluateRequest, model: Classifier | Detector, backbone: Backbone) -> None:
    if model.backbone_digest != backbone.digest:
        message = lacking(task.model_name, model.backbone_digest, Path(task.model), backbone)
        raise JobError("incorrectModelKind", message)
