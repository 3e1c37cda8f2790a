"""The wire's JSON: request bodies in (any key casing), response bodies out (camelCase)."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.errors import InvalidRequestError
from engine.records import AuthenticationKind, Dataset, Evaluation, Failure, Model


def _folded(name: str) -> str:
    return name.replace("_", "")


class AuthenticationBody(msgspec.Struct, rename=_folded):
    """`authentication` of a data set."""

    kind: str = AuthenticationKind.NONE
    sas_token: str | None = None


class DatasetBody(msgspec.Struct, rename=_folded):
    """The body of PUT and PATCH datasets; what is absent is None."""

    annotation_kind: str | None = None
    annotation_file_uris: list[str] | None = None
    authentication: AuthenticationBody | None = None
    custom_properties: dict[str, str] | None = None


class TrainingParametersBody(msgspec.Struct, rename=_folded):
    """`trainingParameters` of a model."""

    training_dataset_name: str
    time_budget_in_hours: int
    model_kind: str | None = None


class EvaluationParametersBody(msgspec.Struct, rename=_folded):
    """`evaluationParameters` of a model or an evaluation."""

    test_dataset_name: str


class ModelBody(msgspec.Struct, rename=_folded):
    """The body of PUT models."""

    training_parameters: TrainingParametersBody
    evaluation_parameters: EvaluationParametersBody | None = None


class EvaluationBody(msgspec.Struct, rename=_folded):
    """The body of PUT evaluations."""

    evaluation_parameters: EvaluationParametersBody


class UrlBody(msgspec.Struct):
    """The JSON body of analyze."""

    url: str


def parse_body[Body: msgspec.Struct](content: bytes, body_type: type[Body]) -> Body:
    """Reads a JSON object, whatever the casing of its keys; keys we do not know are ignored.

    Raises:
        InvalidRequestError: Not JSON, or not of this shape; names the key.
    """
    try:
        return msgspec.convert(_fold_keys(msgspec.json.decode(content)), body_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequestError(f"The request body is not what the operation takes: {exc}.") from exc


def _fold_keys(value: object) -> object:
    """Lower-cases keys, except those that are the caller's own (customProperties)."""
    if not isinstance(value, dict):
        return value
    return {
        key.lower(): inner if key.lower() == "customproperties" else _fold_keys(inner) for key, inner in value.items()
    }


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


def model_json(model: Model) -> dict[str, Any]:
    """The Model object of the contract."""
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
