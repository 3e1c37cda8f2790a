import json

import msgspec

from engine.records import AnnotationKind, Failure, Model
from engine.schemas import model_json

OLD = {
    "name": "m",
    "kind": "Generic-Classifier",
    "training_dataset": "d",
    "test_dataset": None,
    "budget_hours": 1,
    "created": "2026-01-05T10:00:00Z",
    "updated": "2026-01-05T10:01:00Z",
    "status": "failed",
    "error": {"code": "datasetCorrupt", "message": "why"},
}


def test_a_record_of_an_earlier_engine_is_read_with_defaults() -> None:
    model = msgspec.json.decode(json.dumps(OLD), type=Model)
    assert (model.annotation_kind, model.spent_seconds) == (AnnotationKind.CLASSIFICATION, 0.0)
    assert model.error == Failure("datasetCorrupt", "why")
    assert model_json(model)["error"] == {"code": "datasetCorrupt", "message": "why"}


def test_findings_are_the_details_of_the_answered_error() -> None:
    finding = {"code": "missingImage", "message": "Nothing lies there.", "target": "image 3"}
    record = OLD | {"error": {"code": "datasetCorrupt", "message": "why", "details": [finding]}}
    answered = json.loads(msgspec.json.encode(model_json(msgspec.json.decode(json.dumps(record), type=Model))))
    assert answered["error"] == {"code": "datasetCorrupt", "message": "why", "details": [finding]}
