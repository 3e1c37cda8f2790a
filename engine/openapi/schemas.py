"""The document's JSON schemas: what is sent (lenient, as we read it) and what is answered (closed objects)."""

from collections.abc import Sequence
from typing import Any

from engine.advice import MOST_ADVICE, REASONS
from engine.boxjudgement import SAME_PLACE, SURE
from engine.objects import LEAST_CONFIDENCE, MOST_OBJECTS
from engine.records import MAX_BUDGET_HOURS, AnnotationKind, AuthenticationKind, Status
from engine.rules import MAX_ANNOTATION_FILES, MAX_CUSTOM_PROPERTIES

type Json = dict[str, Any]

NAME = "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$"  # contract §1

_EVALUATION_STATUSES = [Status.NOT_STARTED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED]
_MODEL_STATUSES = [status for status in Status if status is not Status.RUNNING]
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NAME = {"type": "string", "pattern": NAME}
_DATE = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_MODEL_KINDS = [str(kind) for kind in MAX_BUDGET_HOURS]
_DATES = {"createdDateTime": _DATE, "updatedDateTime": _DATE}


def ref(name: str) -> Json:
    """Refers to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Json:
    """A page of a collection; `nextLink` is absent on the last one (contract §1)."""
    return _closed({"value": _list(ref(name))}, nextLink={"type": "string", "format": "uri"})


def schemas() -> Json:
    """Returns all named schemas."""
    return _sent() | _errors() | _records() | _results() | _reports()


def _closed(required: Json, **optional: Json) -> Json:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


def _list(items: Json, **bounds: int) -> Json:
    return {"type": "array", "items": items} | bounds


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


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
        "annotationFileUris": _list(uri, minItems=1, maxItems=MAX_ANNOTATION_FILES),
    }
    optional = {
        "authentication": authentication,
        "customProperties": _map(_TEXT) | {"maxProperties": MAX_CUSTOM_PROPERTIES},
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
    inner = _closed({"code": _TEXT, "message": _TEXT})
    finding = _closed({"code": _TEXT, "message": _TEXT, "target": _TEXT})
    job_error = _closed({"code": _TEXT, "message": _TEXT}, target=_TEXT, details=_list(ref("Finding"), minItems=1))
    return {
        "ErrorResponse": _closed({"error": _closed({"code": _TEXT, "message": _TEXT}, innererror=inner)}),
        "Finding": finding,
        "JobError": job_error | {"description": "Why a job failed; no other keys, for the official client's sake."},
    }


def _records() -> Json:
    uris = _list(_TEXT, minItems=1, maxItems=MAX_ANNOTATION_FILES)
    authentication = _closed(
        {"kind": {"enum": [str(AuthenticationKind.MANAGED_IDENTITY), str(AuthenticationKind.SAS)]}}
    )
    dataset = _closed(
        {
            "name": _NAME,
            "annotationKind": {"enum": [str(kind) for kind in AnnotationKind]},
            "annotationFileUris": uris,
            **_DATES,
            "eTag": {"type": "string", "pattern": '^"[0-9]+"$'},
        },
        authentication=authentication,
        customProperties=_map(_TEXT) | {"maxProperties": MAX_CUSTOM_PROPERTIES},
    )
    evaluation_parameters = _closed({"testDatasetName": _NAME})
    hours = {"type": "integer", "minimum": 1, "maximum": max(MAX_BUDGET_HOURS.values())}
    parameters = _closed(
        {"trainingDatasetName": _NAME, "timeBudgetInHours": hours, "modelKind": {"enum": _MODEL_KINDS}}
    )
    model = _closed(
        {"name": _NAME, "status": {"enum": _strings(_MODEL_STATUSES)}, **_DATES, "trainingParameters": parameters},
        evaluationParameters=evaluation_parameters,
        trainingCostInMinutes=_COUNT,
        trainingProgress=_closed({"stage": _TEXT, "share": _SHARE}),
        modelPerformance=ref("ModelPerformance"),
        error=ref("JobError"),
    )
    evaluation = _closed(
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
    tag = _closed({"name": _TEXT, "confidence": _SHARE})
    pixels, size = {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}
    box = _closed({"x": pixels, "y": pixels, "w": size, "h": size})
    found = _closed({"boundingBox": ref("Box"), "tags": _list(ref("Tag"), minItems=1)}, id=_TEXT)
    objects = _list(found, maxItems=MOST_OBJECTS) | {
        "description": f"Of a detector: what it is sure of by {LEAST_CONFIDENCE} at least, most confident first."
    }
    unknown = _SHARE | {
        "description": "How sure a classifier of one label is that the picture is like none of its labels: the share "
        "of pictures of the labels that would be nearer to them. An addition of this engine."
    }
    custom = _closed(
        {"tagsResult": _closed({"values": _list(ref("Tag"))}), "objectsResult": _closed({"values": objects})},
        unknownScore=unknown,
    )
    result = _closed(
        {
            "modelVersion": _TEXT,
            "metadata": _closed({"width": size, "height": size}),
            "customModelResult": custom,
        }
    )
    scalars = ["accuracyTop1", "accuracyTop5", "averagePrecision", "calibrationECE"]
    scalars += [f"meanAveragePrecision{percent}" for percent in (30, 50, 75)]
    per_tag = _closed({}, accuracy=_SHARE, averagePrecision=_SHARE, averagePrecision50=_SHARE)
    performance = _closed({"tagPerformance": _map(per_tag)}, **dict.fromkeys(scalars, _SHARE))
    backbone = _closed({"name": _TEXT, "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"}})
    return {
        "Tag": tag,
        "Box": box,
        "ImageAnalysisResult": result | {"description": "Tags most confident first; boxes in the picture's pixels."},
        "ModelPerformance": performance,
        "Health": _closed({"status": {"const": "ok"}, "version": _TEXT, "backbone": backbone}),
    }


def _reports() -> Json:
    """What our extensions answer; `labels` is a text for classification and a list of texts for multi-label data."""
    labels = {"type": ["string", "array"], "items": _TEXT}
    place = {"image": _TEXT, "url": _TEXT}
    box = {"boundingBox": ref("Box")}
    true_boxes = _list(_closed({"name": _TEXT, **box}))
    found_boxes = _list(_closed({"name": _TEXT, "confidence": _SHARE, **box}), maxItems=MOST_OBJECTS)
    prediction = {
        "anyOf": [
            _closed({**place, "truth": labels, "predicted": _list(ref("Tag"))}),
            _closed({**place, "truth": true_boxes, "predicted": found_boxes}),
        ]
    }
    mistake = {
        "anyOf": [
            _closed({**place, "truth": labels, "predicted": labels, "confidence": _SHARE}, label=_TEXT),
            _closed({**place, "truth": _TEXT_OR_NULL, "predicted": _TEXT_OR_NULL, "confidence": _SHARE, **box}),
        ]
    }
    rates = _closed({"precision": _SHARE, "recall": _SHARE, "pictures": _COUNT, "predicted": _COUNT}, boxes=_COUNT)
    counts = _list(_list(_COUNT))
    pair = _closed({"test": _TEXT, "training": _TEXT, "distance": _COUNT})
    without = {"anyOf": [ref("ModelPerformance"), {"type": "null"}], "description": "Null when all test pictures are."}
    near = _closed({"pairs": _list(pair, maxItems=100), "count": _COUNT, "without": without})
    words = {"reason": {"enum": list(REASONS)}, "labels": _list(_TEXT, maxItems=2), "words": _TEXT}
    advice = _closed({**words, "counts": _map(_COUNT)}, trait=_TEXT)
    report = _closed(
        {
            "pictures": _COUNT,
            "labels": _COUNT,
            "perLabel": _map(rates),
            "worstMistakes": _list(mistake, maxItems=20),
        },
        confusionMatrix=_closed({"labels": _list(_TEXT), "counts": counts}),
        labelCounts=_map(counts),
        boxConfusion=_closed(
            {"labels": _list(_TEXT), "counts": counts, "missed": _list(_COUNT), "unfounded": _list(_COUNT)}
        ),
        nearDuplicates=near,
        advice=_list(advice, maxItems=MOST_ADVICE),
    )
    report["description"] = (
        "Rows of counts are the truth. Multi-label data has one two-by-two table a label (not said and said, of not "
        "true and true) in place of the confusion matrix. Detection counts boxes that were found with a confidence of "
        f"{SURE} at least: those at the place of a true box (they share {SAME_PLACE:.0%}), and of each label the true "
        "boxes that were missed and the found ones that are at no true box. Near duplicates are test pictures that "
        "were in training. "
        "Advice says what would help most, what may save most mistakes first; `counts` are the numbers in its words."
    )
    report["oneOf"] = [{"required": [name]} for name in ("confusionMatrix", "labelCounts", "boxConfusion")]
    return {"PicturePrediction": prediction, "Report": report}
