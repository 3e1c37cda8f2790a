"""The wire's answers: records as the contract's JSON objects, camelCase."""

from datetime import UTC, datetime
from typing import Any

from engine.messages import Progress
from engine.records import AuthenticationKind, Dataset, Evaluation, Failure, Model, Status


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    """The Dataset object of the contract; never a SAS, never the kind `none` (contract §6, trap 2)."""
    body: dict[str, Any] = {
        "name": dataset.name,
        "annotationKind": dataset.annotation_kind,
        "annotationFileUris": dataset.annotation_file_uris,
        "createdDateTime": _date(dataset.created),
        "updatedDateTime": _date(dataset.updated),
        "eTag": dataset.etag,
    }
    if dataset.authentication is not AuthenticationKind.NONE:
        body["authentication"] = {"kind": dataset.authentication}
    if dataset.custom_properties is not None:
        body["customProperties"] = dataset.custom_properties
    return body


def model_json(model: Model, progress: Progress | None = None) -> dict[str, Any]:
    """The Model object of the contract, and how far its training is (our extension)."""
    body: dict[str, Any] = {
        "name": model.name,
        "status": model.status,
        "createdDateTime": _date(model.created),
        "updatedDateTime": _date(model.updated),
        "trainingParameters": {
            "trainingDatasetName": model.training_dataset,
            "timeBudgetInHours": model.budget_hours,
            "modelKind": model.kind,
        },
    }
    if model.test_dataset is not None:
        body["evaluationParameters"] = {"testDatasetName": model.test_dataset}
    if model.cost_minutes is not None:
        body["trainingCostInMinutes"] = model.cost_minutes
    if progress is not None and model.status is Status.TRAINING:
        body["trainingProgress"] = {"stage": progress.stage, "share": progress.share}
    return body | _result(model.performance, model.error)


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """The ModelEvaluation object of the contract."""
    body = {
        "name": evaluation.name,
        "modelName": evaluation.model_name,
        "status": evaluation.status,
        "createdDateTime": _date(evaluation.created),
        "updatedDateTime": _date(evaluation.updated),
        "evaluationParameters": {"testDatasetName": evaluation.test_dataset},
    }
    return body | _result(evaluation.performance, evaluation.error)


def _result(performance: dict[str, Any] | None, error: Failure | None) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if performance is not None:
        body["modelPerformance"] = performance
    if error is not None:
        body["error"] = {"code": error.code, "message": error.message}
        if error.details:
            body["error"]["details"] = error.details
    return body


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
