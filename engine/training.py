"""Trains a model from a data set, measures it, and leaves it in a folder."""

from pathlib import Path

import numpy as np

from engine.artifacts import Manifest, classifier_path, flush, write_manifest
from engine.coco import CORRUPT
from engine.detection import train_detector
from engine.errors import JobError
from engine.evaluation import measured
from engine.learn.backbone import Backbone
from engine.learn.classifier import fit_classifier
from engine.learn.errors import NotEnoughPicturesError
from engine.messages import Done, Progress, Report, TrainRequest
from engine.reading import DatasetReader
from engine.records import AnnotationKind, ModelKind


def train(task: TrainRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    """Trains what the data set's kind asks for, and writes it to `task.output`.

    Raises:
        JobError: A data set cannot be used.
    """
    match task.training.kind:
        case AnnotationKind.CLASSIFICATION:
            return _train_classifier(task, backbone, reader, report)
        case AnnotationKind.MULTILABEL:
            raise JobError("unknown", "This version cannot train multi-label models yet.")
        case AnnotationKind.DETECTION:
            return train_detector(task)


def _train_classifier(task: TrainRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    training = reader.read(task.training, "training")
    report(Progress("fit_classifier", 0.0))
    labels = tuple(sorted({label for (label,) in training.labels}))
    index = {label: position for position, label in enumerate(labels)}
    targets = np.array([index[label] for (label,) in training.labels], dtype=np.intp)
    try:
        fitted = fit_classifier(
            training.features,
            targets,
            labels,
            backbone=backbone,
            on_progress=lambda _, share: report(Progress("fit_classifier", share)),
        )
    except NotEnoughPicturesError as exc:
        raise JobError(CORRUPT, f"Data set '{task.training.name}': {exc}.") from exc
    performance = fitted.cross_validated
    if task.test is not None:
        performance = measured(fitted.classifier, reader.read(task.test, "test"), report)
    report(Progress("save_model", 0.0))
    output = Path(task.output)
    output.mkdir(parents=True)
    fitted.classifier.save(classifier_path(output))
    manifest = Manifest(
        kind=ModelKind.CLASSIFIER,
        labels=labels,
        backbone_name=backbone.name,
        backbone_digest=backbone.digest,
        training_dataset=task.training.name,
        pictures=len(training.labels),
        performance=performance.as_wire(),
    )
    write_manifest(output, manifest)
    flush(output)
    return Done(performance.as_wire())
