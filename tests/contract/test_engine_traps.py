"""The traps of contract §6, one test each under its number: what breaks the official client, asked over plain HTTP.

Trap 9 is about the client's own tests, which are not used here. That the client itself gets past the others is shown in
`test_engine_clients.py`.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine_support import COLOURS, Engine, PictureStore, draw_part, engine_in_process

MODEL_STATUSES = {"notStarted", "training", "succeeded", "failed", "cancelling", "cancelled"}
EVALUATION_STATUSES = {"notStarted", "running", "succeeded", "failed"}
EVALUATE = {"EvaluationParameters": {"TestDatasetName": "parts"}}


@pytest.fixture(scope="module")
def engine(store: PictureStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_in_process(tmp_path_factory.mktemp("engine") / "data", store.host) as running:
        running.register("parts", store.put_parts("parts"))
        running.trained("parts", "parts")
        yield running


def registration(uri: str, kind: str = "managedIdentity") -> dict[str, Any]:
    """A data set's body as the client sends it."""
    return {"AnnotationKind": "imageClassification", "AnnotationFileUris": [uri], "authentication": {"kind": kind}}


def order(dataset: str) -> dict[str, Any]:
    """A model's body as the client sends it."""
    parameters = {"TrainingDatasetName": dataset, "TimeBudgetInHours": 1, "ModelKind": "Generic-Classifier"}
    return {"TrainingParameters": parameters}


def test_trap_1_a_managed_identity_may_mean_public_data(engine: Engine, store: PictureStore) -> None:
    assert engine.call("PUT", "datasets/public", json=registration(store.url("parts/coco.json"))).status_code == 201
    engine.trained("public", "public")


@pytest.mark.parametrize("kind", ["none", "None"])
def test_trap_2_the_authentication_none_is_left_out(engine: Engine, kind: str) -> None:
    path, body = f"datasets/open-{kind}", registration("http://store.local/a.json", kind)
    for answer in (
        engine.call("PUT", path, json=body),
        engine.call("PATCH", path, json=body),
        engine.call("GET", path),
    ):
        assert "authentication" not in answer.json()
    assert '"none"' not in engine.call("GET", "datasets", params={"top": "30"}).text


def test_trap_3_what_the_client_reads_is_always_there(engine: Engine) -> None:
    dates = {"createdDateTime", "updatedDateTime", "name"}
    assert dates | {"annotationKind", "annotationFileUris"} <= set(engine.call("GET", "datasets/parts").json())
    model = engine.call("GET", "models/parts").json()
    assert dates | {"status", "trainingParameters"} <= set(model)
    assert model["trainingParameters"]["modelKind"] == "Generic-Classifier"


def test_trap_4_a_models_error_has_no_other_keys_than_four(engine: Engine, store: PictureStore) -> None:
    engine.register("corrupt", store.put("corrupt.json", b'{"images": [{}], "annotations": [{}], "categories": [{}]}'))
    for name, dataset in (("corrupt", "corrupt"), ("gone", "gone")):
        if name == "gone":
            engine.register("gone", store.url("gone.json"))
        engine.train(name, dataset)
        error = engine.wait(f"models/{name}", "failed")["error"]
        assert set(error) <= {"code", "message", "target", "details"}
        assert error["code"] == "datasetCorrupt"
        for detail in error.get("details", ()):
            assert set(detail) == {"code", "message", "target"}


def test_trap_5_a_cancellation_is_answered_in_json(engine: Engine, store: PictureStore) -> None:
    store.held.add("parts/coco.json")
    store.gate.clear()
    engine.train("stopped", "parts")
    answer = engine.call("POST", "models/stopped:cancel")
    store.gate.set()
    store.held.clear()
    assert (answer.status_code, answer.json()["name"]) == (202, "stopped")
    assert engine.wait("models/stopped")["status"] == "cancelled"


def test_trap_6_a_status_is_always_one_that_the_client_knows(engine: Engine, store: PictureStore) -> None:
    seen: list[str] = []
    store.held.add("parts/coco.json")
    store.gate.clear()
    for status in ("training", "cancelling"):
        if status == "cancelling":
            seen.append(engine.call("POST", "models/states:cancel").json()["status"])
        else:
            engine.train("states", "parts")
            seen.append(engine.wait("models/states", status)["status"])
    store.gate.set()
    store.held.clear()
    seen.append(engine.wait("models/states")["status"])
    assert seen == ["training", "cancelling", "cancelled"]
    models = engine.call("GET", "models", params={"top": "30"}).json()["value"]
    assert {model["status"] for model in models} <= MODEL_STATUSES
    engine.call("PUT", "models/parts/evaluations/states", json=EVALUATE)
    first = engine.call("GET", "models/parts/evaluations/states").json()["status"]
    last = engine.wait("models/parts/evaluations/states")["status"]
    assert {first, last} <= EVALUATION_STATUSES


def test_trap_7_an_evaluations_error_says_what_a_models_says(engine: Engine, store: PictureStore) -> None:
    engine.register("empty", store.put("empty.json", b"{}"))
    engine.call("PUT", "models/parts/evaluations/empty", json={"evaluationParameters": {"testDatasetName": "empty"}})
    error = engine.wait("models/parts/evaluations/empty", "failed")["error"]
    assert (error["code"], bool(error["message"])) == ("datasetCorrupt", True)


def test_trap_8_every_success_but_a_deletion_has_a_json_body(engine: Engine, store: PictureStore) -> None:
    url = store.url("parts/coco.json")
    picture = {
        "content": draw_part("nut", 5),
        "headers": {"Content-Type": "image/jpeg"},
        "params": {"model-name": "parts"},
    }
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "datasets/all", {"json": registration(url)}),
        ("PATCH", "datasets/all", {"json": registration(url)}),
        ("GET", "datasets/all", {}),
        ("GET", "datasets", {}),
        ("PUT", "models/all", {"json": order("all")}),
        ("POST", "models/all:cancel", {}),
        ("GET", "models/all", {}),
        ("GET", "models", {}),
        ("PUT", "/models/parts/evaluations/all", {"json": EVALUATE}),
        ("GET", "/models/parts/evaluations/all", {}),
        ("GET", "models/parts/evaluations", {}),
        ("POST", "imageanalysis:analyze", picture),
    ]
    store.held.add("parts/coco.json")  # so that the training is still there to be cancelled
    store.gate.clear()
    for method, path, arguments in calls:
        answer = engine.call(method, path, **arguments)
        assert answer.status_code in (200, 201, 202), answer.text
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)
    store.gate.set()
    store.held.clear()
    engine.wait("models/all")
    engine.wait("models/parts/evaluations/all")
    for path in ("models/parts/evaluations/all", "models/all", "datasets/all"):
        assert engine.call("DELETE", path).status_code == 204


def test_a_custom_answer_has_what_all_clients_need(engine: Engine) -> None:
    """Contract §11.12: both result keys, the size by which boxes are divided, exact names, sorted."""
    headers = {"Content-Type": "application/octet-stream"}
    content = draw_part("bolt", 9, size=(91, 57))
    body = engine.call(
        "POST", "imageanalysis:analyze", content=content, headers=headers, params={"model-name": "parts"}
    ).json()
    assert body["metadata"] == {"width": 91, "height": 57}
    result = body["customModelResult"]
    confidences = [tag["confidence"] for tag in result["tagsResult"]["values"]]
    assert {tag["name"] for tag in result["tagsResult"]["values"]} == set(COLOURS)
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(1)
    assert result["objectsResult"] == {"values": []}
