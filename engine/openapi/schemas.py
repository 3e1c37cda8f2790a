"""The document's JSON schemas: what is sent (lenient, as we read it) and what is answered (closed objects)."""

from collections.abc import Sequence

from engine.objects import LEAST_CONFIDENCE, MOST_OBJECTS
from engine.openapi.reportschemas import report_schemas
from engine.openapi.shapes import COUNT, SHARE, TEXT, Json, closed, list_of, map_of, ref
from engine.records import MAX_BUDGET_HOURS, AnnotationKind, AuthenticationKind, Status
from engine.rules import MAX_ANNOTATION_FILES, MAX_CUSTOM_PROPERTIES

NAME = "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$"  # contract §1

_EVALUATION_STATUSES = [Status.NOT_STARTED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED]
_MODEL_STATUSES = [status for status in Status if status is not Status.RUNNING]
_NAME = {"type": "string", "pattern": NAME}
_DATE = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_MODEL_KINDS = [str(kind) for kind in MAX_BUDGET_HOURS]
_DATES = {"createdDateTime": _DATE, "updatedDateTime": _DATE}


def page_of(name: str) -> Json:
    """A page of a collection; `nextLink` is absent on the last one (contract §1)."""
    return closed({"value": list_of(ref(name))}, nextLink={"type": "string", "format": "uri"})


def schemas() -> Json:
    """Returns all named schemas."""
    return _sent() | _errors() | _records() | _results() | report_schemas()


def _open(required: Json, **optional: Json) -> Json:
    """An object whose other properties are ignored, and whose optional ones may be null."""
    nullable = {name: schema | {"type": [schema["type"], "null"]} for name, schema in optional.items()}
    return {"type": "object", "required": list(required), "properties": required | nullable}


def _sent() -> Json:
    uri = {
        "type": "string",
        "pattern": r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[!$->@-~]*)?$",
        "description": "Absolute, and without a signature.",
    }
    open_kinds = [str(AuthenticationKind.NONE), str(AuthenticationKind.MANAGED_IDENTITY)]
    token = {"type": "string", "pattern": r"^\??[!-9;-~]*=[!-9;-~]*$", "description": "A query string, not a URL."}
    signed = {"kind": {"const": str(AuthenticationKind.SAS)}, "sasToken": token}
    authentication = {
        "type": "object",
        "anyOf": [
            {"properties": {"kind": {"enum": open_kinds}, "sasToken": {"type": ["string", "null"]}}},
            {"properties": signed, "required": list(signed)},
        ],
        "description": "Both `managedIdentity` and `none`, which is the default, mean anonymously here. "
        "A token is kept encrypted and never answered.",
    }
    properties = {
        "annotationKind": {"type": "string", "enum": [str(kind) for kind in AnnotationKind]},
        "annotationFileUris": list_of(uri, minItems=1, maxItems=MAX_ANNOTATION_FILES),
    }
    optional = {
        "authentication": authentication,
        "customProperties": map_of(TEXT) | {"maxProperties": MAX_CUSTOM_PROPERTIES},
    }
    hours = {"type": "integer", "minimum": 1, "maximum": max(MAX_BUDGET_HOURS.values())}
    kind = {"type": "string", "description": "Inferred from the data set when absent."}
    training = _open({"trainingDatasetName": _NAME, "timeBudgetInHours": hours}, modelKind=kind)
    training["properties"]["modelKind"] = {"enum": [*_MODEL_KINDS, None]}
    evaluation = {"type": "object", "required": ["testDatasetName"], "properties": {"testDatasetName": _NAME}}
    return {
        "DatasetRegistration": _open(properties, **optional),
        "DatasetChange": _change(properties | optional),
        "ModelOrder": _open({"trainingParameters": training}, evaluationParameters=evaluation),
        "EvaluationOrder": _open({"evaluationParameters": evaluation}),
        "PictureUrl": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}},
    }


def _change(properties: Json) -> Json:
    change = _open({}, **properties)
    kinds = properties["annotationKind"]["enum"]
    change["properties"]["annotationKind"] = {"enum": [*kinds, None]}
    return change


def _errors() -> Json:
    inner = closed({"code": TEXT, "message": TEXT})
    finding = closed({"code": TEXT, "message": TEXT, "target": TEXT})
    job_error = closed({"code": TEXT, "message": TEXT}, target=TEXT, details=list_of(ref("Finding"), minItems=1))
    return {
        "ErrorResponse": closed({"error": closed({"code": TEXT, "message": TEXT}, innererror=inner)}),
        "Finding": finding,
        "JobError": job_error | {"description": "Why a job failed; no other keys, for the official client's sake."},
    }


def _records() -> Json:
    uris = list_of(TEXT, minItems=1, maxItems=MAX_ANNOTATION_FILES)
    authentication = closed({"kind": {"enum": [str(AuthenticationKind.MANAGED_IDENTITY), str(AuthenticationKind.SAS)]}})
    dataset = closed(
        {
            "name": _NAME,
            "annotationKind": {"enum": [str(kind) for kind in AnnotationKind]},
            "annotationFileUris": uris,
            **_DATES,
            "eTag": {"type": "string", "pattern": '^"[0-9]+"$'},
        },
        authentication=authentication,
        customProperties=map_of(TEXT) | {"maxProperties": MAX_CUSTOM_PROPERTIES},
    )
    evaluation_parameters = closed({"testDatasetName": _NAME})
    hours = {"type": "integer", "minimum": 1, "maximum": max(MAX_BUDGET_HOURS.values())}
    parameters = closed({"trainingDatasetName": _NAME, "timeBudgetInHours": hours, "modelKind": {"enum": _MODEL_KINDS}})
    model = closed(
        {"name": _NAME, "status": {"enum": _strings(_MODEL_STATUSES)}, **_DATES, "trainingParameters": parameters},
        evaluationParameters=evaluation_parameters,
        trainingCostInMinutes=COUNT,
        trainingProgress=closed({"stage": TEXT, "share": SHARE}),
        modelPerformance=ref("ModelPerformance"),
        error=ref("JobError"),
    )
    evaluation = closed(
        {
            "name": _NAME,
            "modelName": _NAME,
            "status": {"enum": _strings(_EVALUATION_STATUSES)},
            **_DATES,
            "evaluationParameters": evaluation_parameters,
        },
        modelPerformance=ref("ModelPerformance"),
        error=ref("JobError"),
    )
    return {
        "Dataset": dataset,
        "Model": model | {"allOf": _outcomes("modelPerformance", "trainingCostInMinutes")},
        "ModelEvaluation": evaluation | {"allOf": _outcomes("modelPerformance")},
    }


def _outcomes(*results: str) -> list[Json]:
    """A record has results exactly when it has succeeded, and an error exactly when it has failed."""
    return [
        {
            "if": {"properties": {"status": {"const": str(status)}}},
            "then": {"required": list(names)},
            "else": {"properties": dict.fromkeys(names, False)},
        }
        for status, names in ((Status.SUCCEEDED, results), (Status.FAILED, ("error",)))
    ]


def _strings(statuses: Sequence[Status]) -> list[str]:
    return [str(status) for status in statuses]


def _results() -> Json:
    tag = closed({"name": TEXT, "confidence": SHARE})
    pixels, size = {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}
    box = closed({"x": pixels, "y": pixels, "w": size, "h": size})
    found = closed({"boundingBox": ref("Box"), "tags": list_of(ref("Tag"), minItems=1)}, id=TEXT)
    objects = list_of(found, maxItems=MOST_OBJECTS) | {
        "description": f"Of a detector: what it is sure of by {LEAST_CONFIDENCE} at least, most confident first."
    }
    unknown = SHARE | {
        "description": "How sure a classifier of one label is that the picture is like none of its labels: the share "
        "of pictures of the labels that would be nearer to them. An addition of this engine."
    }
    custom = closed(
        {"tagsResult": closed({"values": list_of(ref("Tag"))}), "objectsResult": closed({"values": objects})},
        unknownScore=unknown,
    )
    result = closed(
        {
            "modelVersion": TEXT,
            "metadata": closed({"width": size, "height": size}),
            "customModelResult": custom,
        }
    )
    scalars = ["accuracyTop1", "accuracyTop5", "averagePrecision", "calibrationECE"]
    scalars += [f"meanAveragePrecision{percent}" for percent in (30, 50, 75)]
    per_tag = closed({}, accuracy=SHARE, averagePrecision=SHARE, averagePrecision50=SHARE)
    performance = closed({"tagPerformance": map_of(per_tag)}, **dict.fromkeys(scalars, SHARE))
    backbone = closed({"name": TEXT, "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"}})
    return {
        "Tag": tag,
        "Box": box,
        "ImageAnalysisResult": result | {"description": "Tags most confident first; boxes in the picture's pixels."},
        "ModelPerformance": performance,
        "Health": closed({"status": {"const": "ok"}, "version": TEXT, "backbone": backbone}),
    }
