"""Trains a model from a data set, measures it, and leaves it in a folder."""

from pathlib import Path

import numpy as np

from engine.artifacts import classifier_path
from engine.detection import train_detector
from engine.errors import JobError
from engine.evaluation import judged
from engine.features import EmbeddedSet
from engine.findings import CORRUPT
from engine.learn.backbone import Backbone
from engine.learn.classifier import FittedClassifier, fit_classifier
from engine.learn.errors import NotEnoughPicturesError
from engine.learn.multilabel import fit_multilabel
from engine.messages import Done, Progress, Report, TrainRequest
from engine.reading import DatasetReader
from engine.records import AnnotationKind, ModelKind
from engine.reporting import judge, keep_report
from engine.trained import conclude
from engine.trainingpictures import taught, write_training_pictures


def train(task: TrainRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    """Trains what the data set's kind asks for, and writes it to `task.output`.

    Raises:
        JobError: A data set cannot be used.
    """
    match task.training.kind:
        case AnnotationKind.CLASSIFICATION | AnnotationKind.MULTILABEL:
            return _train_classifier(task, backbone, reader, report)
        case AnnotationKind.DETECTION:
            return train_detector(task, backbone, reader, report)


def _train_classifier(task: TrainRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    training = reader.read(task.training, "training")
    report(Progress("fit_classifier", 0.0))
    try:
        fitted = _fit(task.training.kind, training, backbone, report)
    except NotEnoughPicturesError as exc:
        raise JobError(CORRUPT, f"Data set '{task.training.name}': {exc}.") from exc
    classifier, output = fitted.classifier, Path(task.output)
    output.mkdir(parents=True)
    write_training_pictures(output, training)
    if task.test is None:
        performance = keep_report(output, judged(classifier, training, fitted.held_out), None, [], taught(training))
    else:
        test = reader.read(task.test, "test")
        report(Progress("measure_performance", 0.0))
        said = judged(classifier, test, classifier.predict(test.features))
        performance = judge(said, model=output, output=output)
    report(Progress("save_model", 0.0))
    classifier.save(classifier_path(output))
    return conclude(task, ModelKind.CLASSIFIER, classifier.labels, backbone, training, performance)


def _fit(kind: AnnotationKind, training: EmbeddedSet, backbone: Backbone, report: Report) -> FittedClassifier:
    labels = tuple(sorted({label for picture in training.labels for label in picture}))

    def tell(_: str, share: float) -> None:
        report(Progress("fit_classifier", share))

    if kind is AnnotationKind.MULTILABEL:
        return fit_multilabel(
            training.features, training.labels, labels, backbone=backbone, views=training.views, on_progress=tell
        )
    index = {label: position for position, label in enumerate(labels)}
    targets = np.array([index[label] for (label,) in training.labels], dtype=np.intp)
    return fit_classifier(training.features, targets, labels, backbone=backbone, views=training.views, on_progress=tell)
