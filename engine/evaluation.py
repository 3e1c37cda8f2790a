"""Measures a trained model on a test data set."""

from pathlib import Path

from engine.artifacts import classifier_path
from engine.errors import JobError
from engine.features import EmbeddedSet
from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier
from engine.learn.errors import ClassifierFileError
from engine.learn.metrics import Performance, measure
from engine.messages import Done, EvaluateRequest, Progress, Report
from engine.reading import DatasetReader


def evaluate(task: EvaluateRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    """Loads the model of `task` and measures it.

    Raises:
        JobError: The model or the data set cannot be used.
    """
    try:
        classifier = Classifier.load(classifier_path(Path(task.model)))
    except ClassifierFileError as exc:
        message = f"The files of model '{task.model_name}' cannot be read. Train it again under a new name."
        raise JobError("unknown", message) from exc
    if classifier.backbone_digest != backbone.digest:
        raise JobError(
            "incorrectModelKind",
            f"Model '{task.model_name}' was trained with another backbone ({classifier.backbone_digest[:12]}) than "
            f"the engine has now ({backbone.name}, {backbone.digest[:12]}). "
            "Train it again, or start the engine with its backbone.",
        )
    return Done(measured(classifier, reader.read(task.test, "test"), report).as_wire())


def measured(classifier: Classifier, test: EmbeddedSet, report: Report) -> Performance:
    """Compares the classifier's predictions with the labels of a test set."""
    report(Progress("measure_performance", 0.0))
    return measure(classifier.predict(test.features), classifier.labels, [label for (label,) in test.labels])
