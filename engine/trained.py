"""Puts the last files of a trained model in place, whatever kind it is."""

from pathlib import Path
from typing import Any

from engine.artifacts import Manifest, flush, write_manifest
from engine.boxedset import BoxedSet
from engine.features import EmbeddedSet
from engine.learn.backbone import Backbone
from engine.messages import Done, TrainRequest
from engine.records import ModelKind
from engine.trainingpictures import digest_of


def conclude(
    task: TrainRequest,
    kind: ModelKind,
    labels: tuple[str, ...],
    backbone: Backbone,
    training: EmbeddedSet | BoxedSet,
    performance: dict[str, Any],
) -> Done:
    """Writes down what the model in `task.output` is, and makes sure that all of its files are on the disk."""
    output = Path(task.output)
    manifest = Manifest(
        kind=kind,
        labels=labels,
        backbone_name=backbone.name,
        backbone_digest=backbone.digest,
        training_dataset=task.training.name,
        pictures=len(training.labels),
        training_digest=digest_of(training),
        performance=performance,
    )
    write_manifest(output, manifest)
    flush(output)
    return Done(performance)
