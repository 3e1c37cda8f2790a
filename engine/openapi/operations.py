"""The paths of the document: one entry per operation of the contract (§2, §4) and of our extensions."""

from typing import Any

from engine.images import MAX_BYTES
from engine.openapi.parts import Json, answer, json_body, parameter, refusals
from engine.openapi.schemas import NAME, page_of
from engine.openapi.shapes import ref

_BASE = "/computervision"
_EXTENSION = {"x-darkroom-extension": True}
_WARNING = {"Warning": {"$ref": "#/components/headers/warning"}}


def operations() -> Json:
    """Returns the document's `paths`."""
    return _engine() | _datasets() | _models() | _evaluations() | _analyze()


def _operation(name: str, summary: str, statuses: Json, *, body: Json | None = None, at: tuple[str, ...] = ()) -> Json:
    """Describes an operation below /computervision; 400, 401 and 500 are answers of all of them."""
    described: Json = {
        "operationId": name,
        "summary": summary,
        "parameters": [parameter("apiVersion"), *map(parameter, at)],
        "responses": statuses | refusals(400, 401, 500),
    }
    return described if body is None else described | {"requestBody": body}


def _tagged(tag: str, paths: dict[str, dict[str, Any]]) -> Json:
    return {
        path: {method: {"tags": [tag]} | described for method, described in methods.items()}
        for path, methods in paths.items()
    }


def _engine() -> Json:
    open_to_all: Json = {"security": [], "tags": ["engine"], **_EXTENSION}
    health = {"operationId": "get_health", "summary": "Says that the engine answers."}
    described = {"operationId": "get_openapi", "summary": "Returns this document."}
    return {
        "/healthz": {"get": health | open_to_all | {"responses": {"200": answer("Alive.", ref("Health"))}}},
        "/openapi.json": {
            "get": described | open_to_all | {"responses": {"200": answer("OpenAPI 3.1.", {"type": "object"})}}
        },
    }


def _datasets() -> Json:
    one, page = ref("Dataset"), page_of("Dataset")
    return _tagged(
        "datasets",
        {
            f"{_BASE}/datasets": {
                "get": _operation(
                    "list_datasets", "Lists data sets.", {"200": answer("A page.", page)}, at=("skip", "top")
                )
            },
            f"{_BASE}/datasets/{{name}}": {
                "put": _operation(
                    "put_dataset",
                    "Registers a data set; its data is read when a job needs it.",
                    {"201": answer("Registered.", one, **_WARNING)} | refusals(409),
                    body=json_body(ref("DatasetRegistration")),
                    at=("name",),
                ),
                "get": _operation(
                    "get_dataset", "Returns a data set.", {"200": answer("It.", one)} | refusals(404), at=("name",)
                ),
                "patch": _operation(
                    "patch_dataset",
                    "Replaces the properties that the body has.",
                    {"200": answer("As it is now.", one, **_WARNING)} | refusals(404, 412),
                    body=json_body(ref("DatasetChange")),
                    at=("name", "ifMatch"),
                ),
                "delete": _operation(
                    "delete_dataset",
                    "Forgets a data set; models that were trained on it stay.",
                    {"204": answer("Forgotten.")} | refusals(404, 412),
                    at=("name", "ifMatch"),
                ),
            },
        },
    )


def _models() -> Json:
    one = ref("Model")
    return _tagged(
        "models",
        {
            f"{_BASE}/models": {
                "get": _operation(
                    "list_models", "Lists models.", {"200": answer("A page.", page_of("Model"))}, at=("skip", "top")
                )
            },
            f"{_BASE}/models/{{name}}": {
                "put": _operation(
                    "put_model",
                    "Queues the training of a new model.",
                    {"201": answer("Queued.", one)} | refusals(409),
                    body=json_body(ref("ModelOrder")),
                    at=("name",),
                ),
                "get": _operation(
                    "get_model", "Returns a model.", {"200": answer("It.", one)} | refusals(404), at=("name",)
                ),
                "delete": _operation(
                    "delete_model",
                    "Deletes a model that has succeeded, failed or been cancelled.",
                    {"204": answer("Deleted, with its evaluations.")} | refusals(404),
                    at=("name",),
                ),
            },
            f"{_BASE}/models/{{name}}:cancel": {
                "post": _operation(
                    "cancel_model",
                    "Ends the training of a model; needs no body.",
                    {"202": answer("Cancelled, or soon.", one)} | refusals(404),
                    at=("name",),
                )
            },
            f"{_BASE}/models/{{name}}:report": {"get": _report("get_model_report", "name")},
            f"{_BASE}/models/{{name}}:export": {
                "get": _operation(
                    "export_model",
                    "Returns a succeeded model as files that run without the engine.",
                    {"200": answer("A zip.") | {"content": {"application/zip": {"schema": {}}}}} | refusals(404, 409),
                    at=("name",),
                )
                | _EXTENSION
            },
        },
    )


def _evaluations() -> Json:
    one, here = ref("ModelEvaluation"), ("model", "name")
    path = f"{_BASE}/models/{{model}}/evaluations"
    return _tagged(
        "evaluations",
        {
            path: {
                "get": _operation(
                    "list_evaluations",
                    "Lists a model's evaluations.",
                    {"200": answer("A page.", page_of("ModelEvaluation"))} | refusals(404),
                    at=("model", "skip", "top"),
                )
            },
            f"{path}/{{name}}": {
                "put": _operation(
                    "put_evaluation",
                    "Queues the evaluation of a succeeded model.",
                    {"201": answer("Queued.", one)} | refusals(404, 409),
                    body=json_body(ref("EvaluationOrder")),
                    at=here,
                ),
                "get": _operation(
                    "get_evaluation", "Returns an evaluation.", {"200": answer("It.", one)} | refusals(404), at=here
                ),
                "delete": _operation(
                    "delete_evaluation",
                    "Deletes an evaluation that has succeeded or failed.",
                    {"204": answer("Deleted.")} | refusals(404),
                    at=here,
                ),
            },
            f"{path}/{{name}}:predictions": {
                "get": _operation(
                    "list_predictions",
                    "Lists what the model said of each picture of the test data set.",
                    {"200": answer("A page.", page_of("PicturePrediction"))} | refusals(404, 409),
                    at=(*here, "skip", "longTop"),
                )
                | _EXTENSION
            },
            f"{path}/{{name}}:report": {"get": _report("get_evaluation_report", *here)},
        },
    )


def _report(name: str, *at: str) -> Json:
    return (
        _operation(
            name,
            "Says where the model is right and wrong.",
            {"200": answer("The report.", ref("Report"))} | refusals(404, 409),
            at=at,
        )
        | _EXTENSION
    )


def _analyze() -> Json:
    picture = {"schema": {}, "x-max-bytes": MAX_BYTES}
    part = {"type": "object", "properties": {"file": {}}, "required": ["file"]}
    body = json_body(ref("PictureUrl"))
    body["content"] |= {
        "application/octet-stream": picture,
        "image/*": picture,
        "multipart/form-data": {"schema": part},
    }
    described = _operation(
        "analyze_image",
        "Predicts with a custom model.",
        {"200": answer("The prediction.", ref("ImageAnalysisResult"))} | refusals(404, 409, 429),
        body=body,
    )
    described["parameters"] += [
        {
            "name": "model-name",
            "in": "query",
            "description": "A succeeded model. General features are not offered: a call that names none is refused.",
            "schema": {"type": "string", "pattern": NAME},
        },
        {
            "name": "features",
            "in": "query",
            "description": "Ignored beside model-name: the GA SDK always sends some.",
            "schema": {"type": "string"},
        },
        {
            "name": "model-version",
            "in": "query",
            "description": "`latest`, or the name of a model, which is then meant whatever model-name says.",
            "schema": {"type": "string", "pattern": NAME},
        },
        {
            "name": "unknown-score",
            "in": "query",
            "description": "`true` asks for unknownScore. An addition of this engine.",
            "schema": {"type": "string"},
        },
    ]
    return _tagged("analyze", {f"{_BASE}/imageanalysis:analyze": {"post": described}})
