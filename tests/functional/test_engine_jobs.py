"""Training and evaluation as real job processes, with the app in this process."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from engine.learn.classifier import Classifier
from tests.engine_support import COLOURS, Engine, Picture, PictureStore, draw_part, engine_in_process
from tests.waiting import wait_until

SAS = "sv=2026-01-01&sig=TOP%2BSECRET"


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(scope="module")
def engine(data: Path, store: PictureStore, spans: InMemorySpanExporter) -> Iterator[Engine]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with engine_in_process(data, store.host, provider=provider) as running:
        yield running


def parts(each: int = 2, *, first_seed: int = 0) -> list[Picture]:
    return [Picture(label, draw_part(label, first_seed + number)) for number in range(each) for label in COLOURS]


def failure(engine: Engine, name: str, uri: str, **arguments: Any) -> dict[str, str]:
    """Trains a model that must fail, and returns its error."""
    engine.register(name, uri, **arguments)
    engine.train(name, name)
    model = engine.wait(f"models/{name}")
    assert model["status"] == "failed", model
    error: dict[str, str] = model["error"]
    return error


def test_a_picture_is_fetched_and_embedded_once(engine: Engine, store: PictureStore, data: Path) -> None:
    engine.register("once", store.put_dataset("once", parts()))
    engine.trained("once-1", "once")
    store.requests.clear()
    engine.trained("once-2", "once")
    body = {"evaluationParameters": {"testDatasetName": "once"}}
    assert engine.call("PUT", "models/once-2/evaluations/e", json=body).status_code == 201
    assert engine.wait("models/once-2/evaluations/e")["modelPerformance"]["accuracyTop1"] == 1.0
    assert set(store.paths_asked()) == {"once/coco.json"}


def test_damaged_features_are_made_again(engine: Engine, store: PictureStore, data: Path) -> None:
    engine.register("damaged", store.put_dataset("damaged", parts(first_seed=10)))
    engine.trained("damaged-1", "damaged")
    kept = sorted((data / "features").rglob("*.npz"))
    np.savez(kept[0], features=np.zeros(3, dtype=np.float32))
    for path in kept[1:]:
        path.write_bytes(path.read_bytes()[:-7])
    engine.trained("damaged-2", "damaged")
    first, second = ((data / "models" / name / "model.npz").read_bytes() for name in ("damaged-1", "damaged-2"))
    assert first == second


def test_without_recorded_sha256_the_bytes_decide(engine: Engine, store: PictureStore) -> None:
    pictures = [dataclasses.replace(picture, facts={"sha256": None, "etag": None}) for picture in parts(first_seed=20)]
    engine.register("plain", store.put_dataset("plain", pictures))
    engine.trained("plain-1", "plain")
    store.requests.clear()
    engine.trained("plain-2", "plain")
    assert "plain/1.jpg" in store.paths_asked()


def test_the_same_pictures_give_the_same_bytes_in_any_order_of_the_file(
    engine: Engine, store: PictureStore, data: Path
) -> None:
    pictures = parts(4, first_seed=30)
    engine.register("forward", store.put_dataset("forward", pictures))
    engine.register("backward", store.put_dataset("backward", pictures[::-1]))
    engine.trained("forward", "forward")
    engine.trained("backward", "backward")
    first, second = ((data / "models" / name / "model.npz").read_bytes() for name in ("forward", "backward"))
    assert first == second
    manifest = json.loads((data / "models" / "forward" / "model.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["labels"] == sorted(COLOURS)
    assert manifest["pictures"] == 12


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda picture: dataclasses.replace(picture, content=b"a text named .jpg"), "known format"),
        (lambda picture: dataclasses.replace(picture, content=picture.content[:500]), "truncated"),
        (lambda picture: dataclasses.replace(picture, content=draw_part("nut", 1, size=(9, 60))), "9 x 60"),
        (lambda picture: dataclasses.replace(picture, content=b""), "0 bytes"),
        (lambda picture: dataclasses.replace(picture, facts={"sha256": "0" * 64}), "sha256"),
        (
            lambda picture: dataclasses.replace(picture, facts={"etag": '"old"', "sha256": None}),
            "no longer what was recorded",
        ),
        (lambda picture: dataclasses.replace(picture, facts={"absolute_url": "http://elsewhere/a"}), "ALLOWED_HOSTS"),
    ],
    ids=["text", "truncated", "too small", "empty", "other bytes", "other etag", "other host"],
)
def test_a_picture_that_cannot_be_used_is_named(
    engine: Engine, store: PictureStore, request: pytest.FixtureRequest, spoil: Any, word: str
) -> None:
    name = "spoilt-" + request.node.callspec.id.replace(" ", "-")
    pictures = parts(first_seed=40)
    pictures[4] = spoil(dataclasses.replace(pictures[4], content=draw_part("nut", sum(name.encode()))))
    error = failure(engine, name, store.put_dataset(name, pictures))
    assert error["code"] == "datasetCorrupt"
    assert f"image 5 ('{name}/5.jpg')" in error["message"]
    assert word in error["message"]


def test_the_same_bytes_under_a_new_etag_are_the_recorded_picture(engine: Engine, store: PictureStore) -> None:
    pictures = [dataclasses.replace(picture, facts={"etag": '"old"'}) for picture in parts(first_seed=45)]
    engine.register("again-uploaded", store.put_dataset("again-uploaded", pictures))
    engine.trained("again-uploaded", "again-uploaded")


def test_a_picture_that_is_gone_is_named(engine: Engine, store: PictureStore) -> None:
    uri = store.put_dataset("gone", parts(first_seed=50))
    del store.files["gone/3.jpg"]
    error = failure(engine, "gone", uri)
    assert error["code"] == "datasetCorrupt"
    assert "gone/3.jpg" in error["message"]
    assert "snapshot" in error["message"]


def test_too_few_pictures_of_a_label_are_told(engine: Engine, store: PictureStore) -> None:
    error = failure(engine, "few", store.put_dataset("few", parts()[:4]))
    assert error["code"] == "datasetCorrupt"
    assert "1 of 2" in error["message"]


def test_a_dataset_without_annotations_is_told(engine: Engine, store: PictureStore) -> None:
    error = failure(engine, "none", store.put_dataset("none", []))
    assert error["code"] == "datasetCorrupt"
    assert "no annotated picture" in error["message"]


def test_a_sas_opens_the_store_and_is_written_nowhere(engine: Engine, store: PictureStore, data: Path) -> None:
    with PictureStore() as closed:
        closed.sas = SAS
        engine_hosts = f"{closed.host}"
        with engine_in_process(data.with_name("sas"), engine_hosts) as other:
            uri = closed.put_dataset("closed", parts(first_seed=60))
            other.register("closed", uri, sas=f"?{SAS}")
            other.trained("closed", "closed")
            error = failure(other, "wrong-sas", uri, sas="sv=2026-01-01&sig=WRONG")
    assert error["code"] == "unknown"
    assert "403" in error["message"]
    for path in data.with_name("sas").rglob("*"):
        if path.is_file():
            assert b"SECRET" not in path.read_bytes()
            assert b"WRONG" not in path.read_bytes()


def test_a_sas_sealed_with_another_secret_is_told(store: PictureStore, tmp_path: Path) -> None:
    uri = store.put_dataset("sealed", parts(first_seed=60))
    with engine_in_process(tmp_path / "data", store.host) as first:
        first.register("sealed", uri, sas=SAS)
    with engine_in_process(tmp_path / "data", store.host, secret="another secret of 16 or more") as second:
        second.train("sealed", "sealed")
        assert "ENGINE_SECRET" in second.wait("models/sealed")["error"]["message"]
        change = {"authentication": {"kind": "none"}}
        assert second.call("PATCH", "datasets/sealed", json=change).status_code == 200
        second.trained("again", "sealed")


def test_a_dataset_that_is_deleted_before_its_job_starts_is_told(engine: Engine, store: PictureStore) -> None:
    engine.register("blocking", store.put_dataset("blocking", parts(first_seed=70)))
    engine.register("deleted", store.put_dataset("deleted", parts()))
    store.held.add("blocking/1.jpg")
    store.gate.clear()
    engine.train("blocking", "blocking")
    engine.train("deleted", "deleted")
    engine.call("DELETE", "datasets/deleted")
    store.gate.set()
    assert engine.wait("models/deleted")["error"]["code"] == "datasetNotFound"
    assert engine.wait("models/blocking")["status"] == "succeeded"


def test_a_training_never_takes_longer_than_its_budget(store: PictureStore, tmp_path: Path) -> None:
    uri = store.put_dataset("slow", parts(first_seed=80))
    store.held.add("slow/6.jpg")
    store.gate.clear()
    with engine_in_process(tmp_path / "data", store.host, hour_seconds=1.5) as engine:
        error = failure(engine, "slow", uri)
        store.gate.set()
        assert error["code"] == "notEnoughBudget"
        assert "Minimum budget" in error["message"]
        assert "trainingCostInMinutes" not in engine.call("GET", "models/slow").json()


def test_a_deleted_model_ends_its_evaluation_and_frees_its_name(
    engine: Engine, store: PictureStore, data: Path
) -> None:
    engine.register("freed", store.put_dataset("freed", parts(first_seed=90)))
    engine.register("freed-test", store.put_dataset("freed-test", parts(first_seed=95)))
    engine.trained("freed", "freed")
    store.held.add("freed-test/2.jpg")
    store.gate.clear()
    body = {"evaluationParameters": {"testDatasetName": "freed-test"}}
    engine.call("PUT", "models/freed/evaluations/e", json=body)
    engine.wait("models/freed/evaluations/e", "running")
    assert engine.call("DELETE", "models/freed/evaluations/e").status_code == 400
    assert engine.call("DELETE", "models/freed").status_code == 204
    assert not (data / "models" / "freed").exists()
    engine.trained("freed", "freed")  # though the gate is closed: the evaluation no longer holds the only worker
    store.gate.set()
    assert engine.call("GET", "models/freed/evaluations").json() == {"value": []}


def test_a_model_of_another_backbone_is_refused_with_both_digests(
    engine: Engine, store: PictureStore, data: Path
) -> None:
    engine.register("foreign", store.put_dataset("foreign", parts()))
    engine.trained("foreign", "foreign")
    path = data / "models" / "foreign" / "model.npz"
    dataclasses.replace(Classifier.load(path), backbone_digest="f" * 64).save(path)
    params = {"model-name": "foreign"}
    answer = engine.call("POST", "imageanalysis:analyze", params=params, content=draw_part("nut", 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ModelBackboneMismatch")
    digest = engine.client.get("/healthz").json()["backbone"]["digest"]
    assert "f" * 12 in answer.text
    assert digest[:12] in answer.text
    body = {"evaluationParameters": {"testDatasetName": "foreign"}}
    engine.call("PUT", "models/foreign/evaluations/e", json=body)
    assert engine.wait("models/foreign/evaluations/e")["error"]["code"] == "incorrectModelKind"


def test_a_model_whose_files_are_damaged_is_told(engine: Engine, store: PictureStore, data: Path) -> None:
    engine.register("torn", store.put_dataset("torn", parts()))
    engine.trained("torn", "torn")
    path = data / "models" / "torn" / "model.npz"
    path.write_bytes(path.read_bytes()[:100])
    params = {"model-name": "torn"}
    answer = engine.call("POST", "imageanalysis:analyze", params=params, content=draw_part("nut", 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ModelUnreadable")
    assert str(data) not in answer.text


def test_a_model_that_cannot_be_stored_fails_and_the_next_job_runs(store: PictureStore, tmp_path: Path) -> None:
    data = tmp_path / "data"
    uri = store.put_dataset("unstored", parts())
    with engine_in_process(data, store.host) as engine:
        (data / "models").write_text("a file where the folder should be")
        error = failure(engine, "unstored", uri)
        assert (error["code"], "could not be stored" in error["message"]) == ("unknown", True)
        (data / "models").unlink()
        engine.trained("stored", "unstored")
    assert list((data / "locks").iterdir()) == []


def test_a_job_belongs_to_the_trace_of_the_call_that_started_it(
    engine: Engine, store: PictureStore, spans: InMemorySpanExporter
) -> None:
    engine.register("traced", store.put_dataset("traced", parts(first_seed=120)))
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    traceparent = f"00-{trace_id}-{parent_id}-01"
    engine.train("traced", "traced", test="traced", headers={"traceparent": traceparent})
    engine.wait("models/traced")

    def finished() -> dict[str, Any]:
        found = {span.name: span for span in spans.get_finished_spans() if f"{span.context.trace_id:032x}" == trace_id}
        return found if "train_model" in found else {}

    found = wait_until(finished, "the job's span")
    assert f"{found['put_model'].parent.span_id:016x}" == parent_id
    assert found["train_model"].parent.span_id == found["put_model"].context.span_id
    stages = {name for name, span in found.items() if span.parent.span_id == found["train_model"].context.span_id}
    assert stages == {
        "start_process",
        "read_training_annotations",
        "embed_training_pictures",
        "embed_training_views",
        "fit_classifier",
        "read_test_annotations",
        "embed_test_pictures",
        "measure_performance",
        "save_model",
    }
    assert dict(found["train_model"].attributes) == {"darkroom.model": "traced", "darkroom.dataset": "traced"}
    assert found["put_model"].attributes["http.response.status_code"] == 201
