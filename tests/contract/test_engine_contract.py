"""The wire contract, asked of the app in this process and of a served engine: one suite, both must pass."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.engine_support import (
    COLOURS,
    KEY,
    VERSION,
    Engine,
    PictureStore,
    check_error,
    draw_part,
    encode,
    engine_in_process,
    engine_process,
)

DATES = ("createdDateTime", "updatedDateTime")


@pytest.fixture(scope="module", params=["in process", "served"])
def engine(
    request: pytest.FixtureRequest, store: PictureStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    start = engine_in_process if request.param == "in process" else engine_process
    with start(tmp_path_factory.mktemp("engine") / "data", store.host) as running:
        yield running


@pytest.fixture(scope="module")
def model(engine: Engine, store: PictureStore) -> dict[str, Any]:
    """A succeeded model 'parts', with data sets 'parts' and 'parts-test'."""
    engine.register("parts", store.put_parts("parts"))
    engine.register("parts-test", store.put_parts("parts-test", each=2, first_seed=50))
    return engine.trained("parts", "parts", test="parts-test")


def without_dates(body: dict[str, Any]) -> dict[str, Any]:
    """Checks the dates' form (RFC 3339, UTC, milliseconds) and leaves them out."""
    for key in DATES:
        assert len(body[key]) == len("2026-01-05T10:00:00.000Z")
        assert body[key].endswith("Z")
    return {key: value for key, value in body.items() if key not in DATES}


def analyze(engine: Engine, content: bytes, *, media_type: str = "image/jpeg", **params: str) -> httpx.Response:
    return engine.call(
        "POST", "imageanalysis:analyze", params=params, content=content, headers={"Content-Type": media_type}
    )


# Health, keys, versions, paths


def test_health_needs_no_key_and_names_the_backbone(engine: Engine) -> None:
    answer = httpx.get(f"{engine.endpoint}/healthz")
    body = answer.json()
    assert answer.status_code == 200
    assert body["status"] == "ok"
    assert set(body) == {"status", "version", "backbone"}
    assert len(body["backbone"]["digest"]) == 64


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "wrong"}, {"Ocp-Apim-Subscription-Key": ""}])
@pytest.mark.parametrize("path", ["/computervision/datasets", "/computervision/nothing", "/"])
def test_every_call_needs_a_key(engine: Engine, headers: dict[str, str], path: str) -> None:
    answer = httpx.get(f"{engine.endpoint}{path}", headers=headers, params={"api-version": VERSION})
    assert "invalid subscription key" in check_error(answer, 401, "401")


@pytest.mark.parametrize("key", [KEY, "second-key"])
def test_each_configured_key_is_accepted(engine: Engine, key: str) -> None:
    headers = {"Ocp-Apim-Subscription-Key": key}
    url = f"{engine.endpoint}/computervision/datasets"
    assert httpx.get(url, headers=headers, params={"api-version": VERSION}).status_code == 200


def test_a_missing_api_version_is_refused(engine: Engine) -> None:
    answer = httpx.get(f"{engine.endpoint}/computervision/datasets", headers={"Ocp-Apim-Subscription-Key": KEY})
    assert "api-version" in check_error(answer, 400, "InvalidRequest")


@pytest.mark.parametrize("version", ["2023-02-01-preview", "2023-04-01-preview", "2023-10-01", "2024-02-01"])
def test_both_previews_and_both_ga_versions_are_accepted(engine: Engine, version: str) -> None:
    assert engine.call("GET", "datasets", params={"api-version": version}).status_code == 200


@pytest.mark.parametrize("version", ["", "2022-07-31-preview", "latest"])
def test_another_api_version_is_refused_with_the_known_ones(engine: Engine, version: str) -> None:
    message = check_error(engine.call("GET", "datasets", params={"api-version": version}), 400, "InvalidRequest")
    assert "2023-04-01-preview" in message


def test_double_slashes_are_single_ones(engine: Engine, model: dict[str, Any]) -> None:
    assert engine.call("GET", "/models//parts").json() == model


def test_an_unknown_path_is_a_json_404(engine: Engine) -> None:
    check_error(engine.call("GET", "deployments"), 404, "404")


def test_an_unknown_method_is_a_json_405(engine: Engine) -> None:
    answer = engine.call("PATCH", "models/parts")
    check_error(answer, 405, "MethodNotAllowed")
    assert answer.headers["allow"]


# Data sets


def test_a_dataset_is_answered_as_the_contract_prints_it(engine: Engine) -> None:
    body = {
        "annotationKind": "imageObjectDetection",
        "annotationFileUris": ["http://store.local/parts/train.json"],
        "authentication": {"kind": "managedIdentity"},
        "customProperties": {"line": "7"},
    }
    answer = engine.call("PUT", "datasets/parts-v3", json=body)
    assert answer.status_code == 201
    assert without_dates(answer.json()) == {"name": "parts-v3", "eTag": '"1"'} | body
    assert engine.call("GET", "datasets/parts-v3").json() == answer.json()


@pytest.mark.parametrize("media_type", ["application/json", "application/json-patch+json"])
def test_keys_are_bound_in_any_casing_and_both_media_types(engine: Engine, media_type: str) -> None:
    name = f"casing-{media_type.count('-')}"
    body = {
        "AnnotationKind": "imageClassification",
        "annotationfileuris": ["http://store.local/a.json"],
        "AUTHENTICATION": {"Kind": "ManagedIdentity"},
        "CustomProperties": {"Line": "7", "line": "8"},
        "unknown": [1],
    }
    answer = engine.call("PUT", f"datasets/{name}", content=json.dumps(body), headers={"Content-Type": media_type})
    assert without_dates(answer.json()) == {
        "name": name,
        "annotationKind": "imageClassification",
        "annotationFileUris": ["http://store.local/a.json"],
        "authentication": {"kind": "managedIdentity"},
        "customProperties": {"Line": "7", "line": "8"},
        "eTag": '"1"',
    }


def test_a_sas_is_never_echoed_and_the_kind_none_never_emitted(engine: Engine) -> None:
    answers = [
        engine.register("with-sas", "http://store.local/a.json", sas="?sv=1&sig=TOPSECRET"),
        engine.call("GET", "datasets/with-sas").json(),
    ]
    assert [answer["authentication"] for answer in answers] == [{"kind": "sas"}] * 2
    assert "TOPSECRET" not in json.dumps(answers)
    assert "authentication" not in engine.register("without", "http://store.local/a.json")


def test_a_put_never_overwrites(engine: Engine, model: dict[str, Any]) -> None:
    body = {"annotationKind": "imageClassification", "annotationFileUris": ["http://store.local/b.json"]}
    check_error(engine.call("PUT", "datasets/parts", json=body), 409, "DatasetAlreadyExists")
    parameters = {"trainingDatasetName": "parts", "timeBudgetInHours": 1}
    check_error(engine.call("PUT", "models/parts", json={"trainingParameters": parameters}), 409, "ModelAlreadyExists")
    assert engine.call("GET", "models/parts").json() == model


@pytest.mark.parametrize("name", ["-a", ".a", "a b", "a:b", "a" * 256, "é"])
@pytest.mark.parametrize("kind", ["datasets", "models"])
def test_a_name_outside_the_rule_is_refused(engine: Engine, kind: str, name: str) -> None:
    check_error(engine.call("GET", f"{kind}/{name}"), 400, "InvalidRequest")


@pytest.mark.parametrize("name", ["0", "a" * 255, "A.b_c-d."])
def test_a_name_inside_the_rule_is_only_unknown(engine: Engine, name: str) -> None:
    assert name in check_error(engine.call("GET", f"datasets/{name}"), 404, "DatasetNotFound")
    assert name in check_error(engine.call("GET", f"models/{name}"), 404, "ModelNotFound")
    assert name in check_error(engine.call("GET", f"models/parts/evaluations/{name}"), 404, "EvaluationNotFound")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"annotationKind": "imageSegmentation"}, "InvalidRequest"),
        ({"annotationKind": None}, "InvalidRequest"),
        ({"annotationFileUris": None}, "InvalidRequest"),
        ({"annotationFileUris": "http://store.local/a.json"}, "InvalidRequest"),
        ({"annotationFileUris": []}, "DatasetInvalidAnnotationUri"),
        ({"annotationFileUris": ["http://store.local/a.json"] * 11}, "DatasetInvalidAnnotationUri"),
        ({"annotationFileUris": ["train.json"]}, "DatasetInvalidAnnotationUri"),
        ({"annotationFileUris": ["http://store.local:65536/a.json"]}, "DatasetInvalidAnnotationUri"),
        ({"annotationFileUris": ["file:///etc/passwd"]}, "DatasetInvalidAnnotationUri"),
        ({"annotationFileUris": ["http://store.local/a.json?sv=1&sig=x"]}, "DatasetInvalidAnnotationUri"),
        ({"authentication": {"kind": "password"}}, "InvalidRequest"),
        ({"authentication": {"kind": "sas"}}, "InvalidRequest"),
        ({"authentication": {"kind": "sas", "sasToken": "http://store.local/?sig=x"}}, "InvalidRequest"),
        ({"customProperties": {str(number): "x" for number in range(11)}}, "InvalidRequest"),
        ({"customProperties": {"line": 7}}, "InvalidRequest"),
    ],
)
def test_a_wrong_dataset_body_is_refused(engine: Engine, change: dict[str, Any], code: str) -> None:
    body = {"annotationKind": "imageClassification", "annotationFileUris": ["http://store.local/a.json"]} | change
    check_error(engine.call("PUT", "datasets/wrong", json=body), 400, code)
    check_error(engine.call("GET", "datasets/wrong"), 404, "DatasetNotFound")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 5000])
def test_a_body_that_is_no_json_object_is_refused(engine: Engine, content: bytes) -> None:
    check_error(engine.call("PUT", "datasets/wrong", content=content), 400, "InvalidRequest")


def test_a_huge_body_is_refused(engine: Engine) -> None:
    check_error(engine.call("PUT", "datasets/wrong", content=b" " * 2_000_000), 400, "InvalidRequest")


def test_a_patch_changes_what_it_names_and_needs_the_right_etag(engine: Engine) -> None:
    before = engine.register("patched", "http://store.local/a.json", sas="sv=1&sig=a")
    wrong = engine.call("PATCH", "datasets/patched", json={}, headers={"If-Match": '"7"'})
    check_error(wrong, 412, "PreconditionFailed")
    change = {"customProperties": {"a": "b"}}
    answer = engine.call("PATCH", "datasets/patched", json=change, headers={"If-Match": before["eTag"]})
    assert answer.status_code == 200
    assert answer.json() == before | change | {"eTag": '"2"', "updatedDateTime": answer.json()["updatedDateTime"]}
    assert engine.call("PATCH", "datasets/patched", json={}, headers={"If-Match": "*"}).json()["eTag"] == '"3"'
    assert engine.call("PATCH", "datasets/patched", json={}).json()["eTag"] == '"4"'
    check_error(engine.call("PATCH", "datasets/unknown", json={}), 404, "DatasetNotFound")


def test_a_wrong_patch_is_refused_before_its_etag_is_looked_at(engine: Engine) -> None:
    engine.register("unpatched", "http://store.local/a.json")
    for path in ("datasets/unpatched", "datasets/unknown"):
        answer = engine.call("PATCH", path, json={"annotationKind": "other"}, headers={"If-Match": '"7"'})
        check_error(answer, 400, "InvalidRequest")


def test_a_delete_needs_the_right_etag_and_happens_once(engine: Engine) -> None:
    etag = engine.register("deleted", "http://store.local/a.json")["eTag"]
    wrong = engine.call("DELETE", "datasets/deleted", headers={"If-Match": '"7"'})
    check_error(wrong, 412, "PreconditionFailed")
    right = engine.call("DELETE", "datasets/deleted", headers={"If-Match": etag})
    assert (right.status_code, right.content) == (204, b"")
    check_error(engine.call("DELETE", "datasets/deleted"), 404, "DatasetNotFound")


# Collections


def test_a_collection_is_paged_by_next_link(engine: Engine) -> None:
    for number in range(12):
        engine.register(f"page-{number}", "http://store.local/a.json")
    first = engine.call("GET", "datasets").json()
    assert len(first["value"]) == 10
    names, link, pages = [], first["nextLink"], 1
    names += [dataset["name"] for dataset in first["value"]]
    while link:
        page = engine.client.get(link).json()
        names += [dataset["name"] for dataset in page["value"]]
        link, pages = page.get("nextLink"), pages + 1
    assert len(names) == len(set(names)) > 12
    assert pages == -(-len(names) // 10)
    assert engine.call("GET", "datasets", params={"skip": "1", "top": "3"}).json()["value"] == first["value"][1:4]


def test_an_exhausted_collection_is_an_empty_page_without_next_link(engine: Engine) -> None:
    assert engine.call("GET", "models", params={"skip": "2147483647", "top": "30"}).json() == {"value": []}


@pytest.mark.parametrize(
    "params", [{"top": "0"}, {"top": "31"}, {"skip": "-1"}, {"skip": "2147483648"}, {"top": "x"}, {"skip": ""}]
)
@pytest.mark.parametrize("path", ["datasets", "models", "models/parts/evaluations"])
def test_paging_outside_its_bounds_is_refused(engine: Engine, path: str, params: dict[str, str]) -> None:
    check_error(engine.call("GET", path, params=params), 400, "InvalidRequest")


# Models


def test_a_new_model_is_answered_as_the_contract_prints_it(engine: Engine, store: PictureStore) -> None:
    engine.register("fresh", store.put_parts("fresh", each=2))
    body = {
        "trainingParameters": {
            "trainingDatasetName": "fresh",
            "timeBudgetInHours": 2,
            "modelKind": "Generic-Classifier",
        },
        "evaluationParameters": {"testDatasetName": "fresh"},
    }
    answer = engine.call("PUT", "models/fresh", json=body)
    assert answer.status_code == 201
    assert without_dates(answer.json()) == {"name": "fresh", "status": "notStarted"} | body
    assert engine.wait("models/fresh")["status"] == "succeeded"


def test_a_succeeded_model_has_numbers_only(model: dict[str, Any]) -> None:
    performance = model["modelPerformance"]
    tags = performance.pop("tagPerformance")
    assert set(performance) == {"accuracyTop1", "accuracyTop5", "averagePrecision", "calibrationECE"}
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in performance.values())
    assert tags == {label: {"accuracy": tags[label]["accuracy"]} for label in COLOURS}
    performance["tagPerformance"] = tags
    assert model["trainingCostInMinutes"] == 1
    assert model["trainingParameters"]["modelKind"] == "Generic-Classifier"


def test_the_model_kind_is_inferred_and_listed(engine: Engine, model: dict[str, Any]) -> None:
    parameters = {"trainingDatasetName": "parts", "timeBudgetInHours": 336}
    body = engine.call("PUT", "models/inferred", json={"trainingParameters": parameters}).json()
    assert body["trainingParameters"]["modelKind"] == "Generic-Classifier"
    engine.wait("models/inferred")
    assert model in engine.call("GET", "models", params={"top": "30"}).json()["value"]
    assert engine.call("DELETE", "models/inferred").status_code == 204


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"trainingDatasetName": "parts"}, "timeBudgetInHours"),
        ({"timeBudgetInHours": 1}, "trainingDatasetName"),
        ({"trainingDatasetName": "parts", "timeBudgetInHours": 0}, "336"),
        ({"trainingDatasetName": "parts", "timeBudgetInHours": 337}, "336"),
        ({"trainingDatasetName": "parts", "timeBudgetInHours": 1.5}, "whole number"),
        ({"trainingDatasetName": "parts", "timeBudgetInHours": "1"}, "int"),
        (
            {"trainingDatasetName": "parts", "timeBudgetInHours": 1, "modelKind": "Generic-Detector"},
            "makes a Generic-C",
        ),
        ({"trainingDatasetName": "parts", "timeBudgetInHours": 1, "modelKind": "Product-Recognizer"}, "not supported"),
        ({"trainingDatasetName": "parts", "timeBudgetInHours": 1, "modelKind": "Oracle"}, "Oracle"),
    ],
)
def test_a_wrong_model_body_is_refused(
    engine: Engine, model: dict[str, Any], parameters: dict[str, Any], word: str
) -> None:
    answer = engine.call("PUT", "models/wrong", json={"trainingParameters": parameters})
    assert word in check_error(answer, 400, "InvalidRequest")


def register_kind(engine: Engine, name: str, kind: str) -> None:
    """Registers a data set whose file nobody reads; it may be there already."""
    body = {"annotationKind": kind, "annotationFileUris": ["http://store.local/a.json"]}
    assert engine.call("PUT", f"datasets/{name}", json=body).status_code in (201, 409)


@pytest.mark.parametrize(
    ("training", "test", "kind", "code"),
    [
        ("unknown", "parts", None, "DatasetNotFound"),
        ("parts", "unknown", None, "DatasetNotFound"),
        ("boxes", "boxes", "Generic-Classifier", "InvalidRequest"),
        ("several", "several", "Generic-Detector", "InvalidRequest"),
        ("parts", "boxes", None, "InvalidRequest"),
        ("boxes", "parts", None, "InvalidRequest"),
        ("parts", "several", None, "InvalidRequest"),
        ("several", "parts", "Generic-Classifier", "InvalidRequest"),
    ],
)
def test_a_model_needs_registered_data_sets_of_one_kind(
    engine: Engine, model: dict[str, Any], training: str, test: str, kind: str | None, code: str
) -> None:
    register_kind(engine, "boxes", "imageObjectDetection")
    register_kind(engine, "several", "imageMultilabelClassification")
    parameters: dict[str, Any] = {"trainingDatasetName": training, "timeBudgetInHours": 1}
    if kind is not None:
        parameters["modelKind"] = kind
    body = {"trainingParameters": parameters, "evaluationParameters": {"testDatasetName": test}}
    check_error(engine.call("PUT", "models/wrong", json=body), 400, code)


@pytest.mark.parametrize(
    ("annotation_kind", "model_kind", "hours"),
    [("imageMultilabelClassification", "Generic-Classifier", 336), ("imageObjectDetection", "Generic-Detector", 1344)],
)
def test_every_kind_is_registered_and_its_model_kind_and_budget_follow(
    engine: Engine, annotation_kind: str, model_kind: str, hours: int
) -> None:
    name = annotation_kind.lower()
    register_kind(engine, name, annotation_kind)
    assert engine.call("GET", f"datasets/{name}").json()["annotationKind"] == annotation_kind
    parameters = {"trainingDatasetName": name, "timeBudgetInHours": hours + 1}
    answer = engine.call("PUT", f"models/{name}", json={"trainingParameters": parameters})
    assert f"1 to {hours}" in check_error(answer, 400, "InvalidRequest")
    parameters["timeBudgetInHours"] = hours
    answer = engine.call("PUT", f"models/{name}", json={"trainingParameters": parameters})
    assert answer.status_code == 201
    assert answer.json()["trainingParameters"] == parameters | {"modelKind": model_kind}
    assert engine.wait(f"models/{name}")["status"] == "failed"  # nothing lies at its URL


def test_a_running_training_is_cancelled_before_it_is_deleted(engine: Engine, store: PictureStore) -> None:
    uri = store.put_parts("held", each=3, first_seed=70)
    store.held.add("held/5.jpg")
    store.gate.clear()
    engine.register("held", uri)
    engine.train("held", "held")
    engine.train("waiting", "held")
    engine.wait("models/held", "training")
    assert "Cancel it" in check_error(engine.call("DELETE", "models/held"), 400, "InvalidRequest")
    check_error(engine.call("DELETE", "models/waiting"), 400, "InvalidRequest")
    waiting = engine.call("POST", "models/waiting:cancel")
    assert (waiting.status_code, waiting.json()["status"]) == (202, "cancelled")
    cancelled = engine.call("POST", "models/held:cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelling")
    assert engine.call("POST", "models/held:cancel").status_code == 202
    model = engine.wait("models/held", "cancelled")
    assert "error" not in model
    store.gate.set()
    assert engine.call("DELETE", "models/held").status_code == 204
    check_error(engine.call("GET", "models/held"), 404, "ModelNotFound")


def test_a_finished_training_cannot_be_cancelled(engine: Engine, model: dict[str, Any]) -> None:
    check_error(engine.call("POST", "models/parts:cancel"), 400, "InvalidRequest")
    check_error(engine.call("POST", "models/unknown:cancel"), 404, "ModelNotFound")


def test_a_failed_model_has_an_error_of_code_message_and_details(engine: Engine, store: PictureStore) -> None:
    engine.register("broken", store.put("broken/coco.json", b'{"images": [], "annotations": []}'))
    engine.train("broken", "broken")
    model = engine.wait("models/broken")
    assert model["status"] == "failed"
    assert set(model["error"]) == {"code", "message", "details"}
    assert [set(finding) for finding in model["error"]["details"]] == [{"code", "message", "target"}]
    assert model["error"]["code"] == "datasetCorrupt"
    assert "broken/coco.json" in model["error"]["message"]
    assert not {"modelPerformance", "trainingCostInMinutes"} & set(model)
    assert "failed" in check_error(
        analyze(engine, draw_part("nut", 1), **{"model-name": "broken"}), 409, "ModelNotReady"
    )


def test_a_model_outlives_its_dataset(engine: Engine, store: PictureStore) -> None:
    engine.register("brief", store.put_parts("brief", each=2, first_seed=30))
    engine.trained("brief", "brief")
    assert engine.call("DELETE", "datasets/brief").status_code == 204
    assert analyze(engine, draw_part("nut", 1), **{"model-name": "brief"}).status_code == 200


# Evaluations


def test_an_evaluation_is_asynchronous_and_measures_the_test_set(engine: Engine, model: dict[str, Any]) -> None:
    body = {"evaluationParameters": {"testDatasetName": "parts-test"}}
    answer = engine.call("PUT", "models/parts/evaluations/ev1", json=body)
    assert answer.status_code == 201
    assert without_dates(answer.json()) == {"name": "ev1", "modelName": "parts", "status": "notStarted"} | body
    evaluation = engine.wait("models/parts/evaluations/ev1")
    assert evaluation["status"] == "succeeded"
    assert evaluation["modelPerformance"] == model["modelPerformance"]
    check_error(engine.call("PUT", "models/parts/evaluations/ev1", json=body), 409, "EvaluationAlreadyExists")
    assert engine.call("GET", "models/parts/evaluations").json() == {"value": [evaluation]}
    assert engine.call("DELETE", "models/parts/evaluations/ev1").status_code == 204
    check_error(engine.call("DELETE", "models/parts/evaluations/ev1"), 404, "EvaluationNotFound")


def test_an_evaluation_needs_a_model_and_a_dataset(engine: Engine, model: dict[str, Any]) -> None:
    for path, dataset, status, code in [
        ("models/unknown/evaluations/e", "parts", 404, "ModelNotFound"),
        ("models/parts/evaluations/e", "unknown", 400, "DatasetNotFound"),
        ("models/parts/evaluations/-e", "parts", 400, "InvalidRequest"),
    ]:
        body = {"evaluationParameters": {"testDatasetName": dataset}}
        check_error(engine.call("PUT", path, json=body), status, code)
    check_error(engine.call("GET", "models/unknown/evaluations"), 404, "ModelNotFound")


@pytest.mark.parametrize("kind", ["imageObjectDetection", "imageMultilabelClassification"])
def test_an_evaluation_needs_data_of_the_models_kind(engine: Engine, model: dict[str, Any], kind: str) -> None:
    register_kind(engine, kind, kind)
    body = {"evaluationParameters": {"testDatasetName": kind}}
    answer = engine.call("PUT", "models/parts/evaluations/other", json=body)
    assert kind in check_error(answer, 400, "InvalidRequest")


# Analyze


def test_a_prediction_is_answered_as_the_contract_prints_it(engine: Engine, model: dict[str, Any]) -> None:
    answer = analyze(engine, draw_part("nut", 99, size=(126, 90)), **{"model-name": "parts"})
    assert answer.status_code == 200
    body = answer.json()
    tags = body["customModelResult"]["tagsResult"]["values"]
    assert body == {
        "modelVersion": VERSION,
        "metadata": {"width": 126, "height": 90},
        "customModelResult": {"tagsResult": {"values": tags}, "objectsResult": {"values": []}},
    }
    assert tags[0]["name"] == "nut"
    assert sorted(tag["name"] for tag in tags) == sorted(COLOURS)
    confidences = [tag["confidence"] for tag in tags]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(1)


def test_a_classifier_says_on_request_how_unlike_all_labels_a_picture_is(engine: Engine, model: dict[str, Any]) -> None:
    asked = {"model-name": "parts", "unknown-score": "true"}
    known = analyze(engine, draw_part("nut", 97), **asked).json()["customModelResult"]
    stripes = np.zeros((64, 80, 3), np.uint8)
    stripes[::4] = 255
    strange = analyze(engine, encode(Image.fromarray(stripes), "PNG"), **asked).json()["customModelResult"]
    assert known["unknownScore"] < strange["unknownScore"]
    assert strange["unknownScore"] > 0.99


def test_a_picture_may_come_in_every_form_and_under_a_wrong_label(
    engine: Engine, store: PictureStore, model: dict[str, Any]
) -> None:
    content = draw_part("bolt", 98)
    expected = analyze(engine, content, **{"model-name": "parts"}).json()
    for media_type in ("image/png", "image/anything", "application/octet-stream", "IMAGE/JPEG; charset=binary"):
        assert analyze(engine, content, media_type=media_type, **{"model-name": "parts"}).json() == expected
    params = {"model-name": "parts"}
    form = engine.call("POST", "imageanalysis:analyze", params=params, files={"file": ("a.jpg", BytesIO(content))})
    assert form.json() == expected
    url = store.put("single", content)
    for body in ({"url": url}, {"Url": url}):
        assert engine.call("POST", "imageanalysis:analyze", params=params, json=body).json() == expected


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_common_formats_are_read(engine: Engine, model: dict[str, Any], file_format: str) -> None:
    content = encode(Image.new("RGB", (60, 50), COLOURS["nut"]), file_format)
    answer = analyze(engine, content, **{"model-name": "parts"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"] == {"width": 60, "height": 50}


def test_features_beside_a_model_name_are_accepted_on_ga_versions(engine: Engine, model: dict[str, Any]) -> None:
    params = {"model-name": "parts", "features": "tags,read", "api-version": "2023-10-01"}
    body = analyze(engine, draw_part("nut", 1), **params).json()
    assert body["modelVersion"] == "2023-10-01"
    assert body["customModelResult"]["tagsResult"]["values"]


def test_a_model_version_is_latest_or_the_name_of_a_model(engine: Engine, model: dict[str, Any]) -> None:
    picture = draw_part("nut", 3)
    expected = analyze(engine, picture, **{"model-name": "parts"}).json()
    for version, name in (("latest", "parts"), ("", "parts"), ("parts", "parts"), ("parts", "other"), ("parts", "")):
        assert analyze(engine, picture, **{"model-version": version, "model-name": name}).json() == expected
    check_error(analyze(engine, picture, **{"model-version": "2", "model-name": "parts"}), 404, "404")
    check_error(analyze(engine, picture, **{"model-version": "latest"}), 400, "InvalidRequest")


def test_neither_features_nor_a_model_name_is_the_documented_error(engine: Engine) -> None:
    message = check_error(analyze(engine, draw_part("nut", 1)), 400, "InvalidRequest")
    assert message == "Either 'features' or 'model-name' needs to be specified in the query parameter"


def test_general_features_are_refused(engine: Engine) -> None:
    answer = analyze(engine, draw_part("nut", 1), features="Tags,Caption")
    assert "not supported" in check_error(answer, 400, "InvalidRequest")
    assert answer.json()["error"]["innererror"]["code"] == "NotSupportedVisualFeature"


@pytest.mark.parametrize("name", ["unknown", "-", "../parts", "é"])
def test_an_unknown_model_is_the_documented_404(engine: Engine, name: str) -> None:
    assert "Resource not found" in check_error(analyze(engine, draw_part("nut", 1), **{"model-name": name}), 404, "404")


@pytest.mark.parametrize(
    ("content", "inner"),
    [
        (b"", "InvalidImageSize"),
        (b"not a picture", "InvalidImageFormat"),
        (draw_part("nut", 1)[:-400], "InvalidImageFormat"),
        (draw_part("nut", 1, size=(49, 60)), "InvalidImageSize"),
        (encode(Image.new("1", (16_001, 50)), "PNG"), "InvalidImageSize"),
        (encode(Image.new("1", (15_000, 15_000)), "PNG"), "InvalidImageSize"),
    ],
    ids=["empty", "text", "truncated", "too small", "too wide", "bomb"],
)
def test_a_picture_that_cannot_be_used_is_refused(
    engine: Engine, model: dict[str, Any], content: bytes, inner: str
) -> None:
    answer = analyze(engine, content, **{"model-name": "parts"})
    check_error(answer, 400, "InvalidRequest")
    assert answer.json()["error"]["innererror"]["code"] == inner


def test_too_many_bytes_are_refused_announced_or_not(engine: Engine, model: dict[str, Any]) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b"\0" * 1_000_000] * 30

    params = {"model-name": "parts"}
    headers = {"Content-Type": "image/jpeg"}
    for content in (b"\0" * 20_971_521, b"\0" * 30_000_000, chunks()):
        answer = engine.call("POST", "imageanalysis:analyze", params=params, content=content, headers=headers)
        assert "20971520" in check_error(answer, 400, "InvalidRequest")
    assert analyze(engine, draw_part("nut", 1), **params).status_code == 200


def test_the_largest_allowed_upload_is_read(engine: Engine, model: dict[str, Any]) -> None:
    content = draw_part("nut", 1)
    padded = content + b"\0" * (20_971_520 - len(content))
    assert analyze(engine, padded, **{"model-name": "parts"}).status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused(engine: Engine, media_type: str) -> None:
    check_error(analyze(engine, b"x", media_type=media_type, **{"model-name": "parts"}), 400, "InvalidRequest")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/a.jpg",
        "http://[::1]/a.jpg",
        "http://2130706433/a.jpg",
        "http://0x7f.1/a.jpg",
        "http://example.org/a.jpg",
        "http://127.0.0.1:1/a.jpg",
        "http://user:pass@{host}/single",
        "http://{host}@127.0.0.1:1/single",
        "http://{host}/missing.jpg",
        "http://" + "a" * 300 + "/x",
        "http://\x00/",
    ],
)
def test_a_url_that_may_not_or_cannot_be_read_is_refused(engine: Engine, store: PictureStore, url: str) -> None:
    body = {"url": url.replace("{host}", store.host)}
    answer = engine.call("POST", "imageanalysis:analyze", params={"model-name": "parts"}, json=body)
    assert "not accessible" in check_error(answer, 400, "InvalidRequest")
    assert "user:pass" not in answer.text
