"""Triggers that keep the COCO files: blob written, blob deleted, and the timers that catch what events missed."""

from datetime import UTC, datetime

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

from functions._services import hop

blueprint = func.Blueprint()


@blueprint.function_name("rebuild_dataset")
@blueprint.blob_trigger(
    arg_name="blob",
    path="%TRAINING_CONTAINER%/{dataset}/images/{name}",
    connection="TRAINING_STORAGE",
    source=func.BlobSource.EVENT_GRID,
)
def rebuild_dataset(blob: BlobClient, context: func.Context) -> None:
    """Look at a blob that was written and fold it into its dataset's COCO file."""
    with hop("rebuild_dataset", context) as services:
        services.intake.notice(blob.blob_name)


@blueprint.function_name("import_annotations")
@blueprint.blob_trigger(
    arg_name="blob",
    path="%TRAINING_CONTAINER%/{dataset}/annotations/{name}",
    connection="TRAINING_STORAGE",
    source=func.BlobSource.EVENT_GRID,
)
def import_annotations(blob: BlobClient, context: func.Context) -> None:
    """Apply a file of labels to the pictures that it names."""
    with hop("import_annotations", context) as services:
        services.intake.notice(blob.blob_name)


@blueprint.function_name("forget_image")
@blueprint.event_grid_trigger(arg_name="event")
def forget_image(event: func.EventGridEvent, context: func.Context) -> None:
    """Take a blob that was deleted out of its dataset's COCO file, or the labels that it gave."""
    with hop("forget_image", context) as services:
        services.intake.forget_subject(event.subject)


@blueprint.function_name("fold_changes")
@blueprint.timer_trigger(arg_name="timer", schedule="%FOLD_SCHEDULE%")
def fold_changes(timer: func.TimerRequest, context: func.Context) -> None:
    """Go on with what earlier calls left: changes in the queue, files half imported, comparisons half done."""
    with hop("fold_changes", context) as services:
        services.intake.resume(now=datetime.now(UTC))


@blueprint.function_name("reconcile")
@blueprint.timer_trigger(arg_name="timer", schedule="%RECONCILE_SCHEDULE%", run_on_startup=True)
def reconcile(timer: func.TimerRequest, context: func.Context) -> None:
    """Compare the container with the COCO files and fold what no event told."""
    with hop("reconcile", context) as services:
        services.intake.reconcile(now=datetime.now(UTC))
