"""Microsoft's own clients, unmodified, against a served engine (contract §11.16)."""

import json
from collections.abc import Iterator

import pytest
import requests
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from cognitive_service_vision_model_customization_python_samples import (
    AnnotationKind,
    Authentication,
    AuthenticationKind,
    Dataset,
    DatasetClient,
    Evaluation,
    EvaluationClient,
    EvaluationParameters,
    EvaluationStatus,
    Model,
    ModelKind,
    ModelStatus,
    PredictionClient,
    ResourceType,
    TrainingClient,
    TrainingParameters,
)

from tests.engine_support import KEY, VERSION, Engine, PictureStore, draw_part, engine_process

POLL_SECONDS = 0.05
CLASSIFICATION = AnnotationKind.MULTICLASS_CLASSIFICATION


@pytest.fixture(scope="module")
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        pictures.put_parts("train")
        pictures.put_parts("test", each=2, first_seed=40)
        yield pictures


@pytest.fixture(scope="module")
def engine(store: PictureStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_process(tmp_path_factory.mktemp("engine") / "data", store.host) as running:
        yield running


def place(engine: Engine) -> tuple[ResourceType, None, str, str]:
    return ResourceType.MULTI_SERVICE_RESOURCE, None, engine.endpoint, KEY


def training_of(name: str, dataset: str) -> Model:
    return Model(name, TrainingParameters(dataset, 1, ModelKind.GENERIC_IC), EvaluationParameters("c-test"))


def test_the_customization_sample_walks_from_registration_to_deletion(engine: Engine, store: PictureStore) -> None:
    datasets, trainings = DatasetClient(*place(engine)), TrainingClient(*place(engine))
    train = Dataset("c-train", CLASSIFICATION, [store.url("train/coco.json")], custom_properties={"line": "7"})
    sas = Authentication(AuthenticationKind.SAS, "sv=2026&sig=abc")
    registered = datasets.register_dataset(train)
    datasets.register_dataset(Dataset("c-test", CLASSIFICATION, [store.url("test/coco.json")], sas))
    assert registered.authentication.kind is AuthenticationKind.MI
    assert datasets.update_dataset(train).name == datasets.query_dataset("c-train").name == "c-train"

    started = trainings.train_model(training_of("c-model", "c-train"))
    assert started.status is ModelStatus.NOT_STARTED
    model = trainings.wait_for_training_completion("c-model", POLL_SECONDS)
    assert (model.status, model.error, model.training_cost_in_minutes) == (ModelStatus.SUCCEEDED, None, 1)
    datasets.delete_dataset("c-train")

    evaluation = Evaluation("c-evaluation", "c-model", "c-test")
    trainings.evaluate_model(evaluation)
    done = trainings.wait_for_evaluation_completion("c-model", "c-evaluation", POLL_SECONDS)
    assert done.status is EvaluationStatus.SUCCEEDED
    assert done.model_performance == model.model_performance
    trainings.delete_model_evaluation("c-model", "c-evaluation")

    evaluations = EvaluationClient(*place(engine))  # asks with a double slash
    assert evaluations.evaluate(evaluation).status is EvaluationStatus.NOT_STARTED
    assert evaluations.wait_for_completion("c-evaluation", "c-model", POLL_SECONDS).model_performance

    answer = PredictionClient(*place(engine)).predict("c-model", draw_part("washer", 77), "image/png")
    assert answer["customModelResult"]["tagsResult"]["values"][0]["name"] == "washer"

    trainings.delete_model("c-model")
    with pytest.raises(requests.HTTPError, match="404"):
        trainings.query_model("c-model")


def test_the_customization_sample_cancels_a_training(engine: Engine, store: PictureStore) -> None:
    DatasetClient(*place(engine)).register_dataset(Dataset("c-held", CLASSIFICATION, [store.url("held/coco.json")]))
    DatasetClient(*place(engine)).register_dataset(Dataset("c-any", CLASSIFICATION, [store.url("test/coco.json")]))
    store.put_parts("held")
    store.held.add("held/coco.json")
    store.gate.clear()
    trainings = TrainingClient(*place(engine))
    trainings.train_model(Model("c-cancelled", TrainingParameters("c-held", 1, ModelKind.GENERIC_IC)))
    engine.wait("models/c-cancelled", "training")
    trainings.cancel_model_training("c-cancelled")
    model = trainings.wait_for_training_completion("c-cancelled", POLL_SECONDS)
    store.gate.set()
    assert model.status is ModelStatus.CANCELLED
    trainings.delete_model("c-cancelled")


def test_the_customization_sample_reads_the_error_of_a_failed_training(engine: Engine, store: PictureStore) -> None:
    DatasetClient(*place(engine)).register_dataset(Dataset("c-none", CLASSIFICATION, [store.url("none.json")]))
    trainings = TrainingClient(*place(engine))
    trainings.train_model(Model("c-failed", TrainingParameters("c-none", 1, ModelKind.GENERIC_IC)))
    model = trainings.wait_for_training_completion("c-failed", POLL_SECONDS)
    assert model.status is ModelStatus.FAILED
    assert model.error.code == "datasetCorrupt"
    assert "none.json" in model.error.message


def test_the_analysis_sdk_uses_a_custom_model_over_http(engine: Engine, store: PictureStore) -> None:
    engine.register("g-train", store.url("train/coco.json"))
    engine.trained("g-model", "g-train")
    client = ImageAnalysisClient(engine.endpoint, AzureKeyCredential(KEY))
    params = {"model-name": "g-model"}
    from_bytes = client.analyze(draw_part("nut", 66), [VisualFeatures.TAGS], params=params)
    assert from_bytes.metadata == {"width": 80, "height": 64}
    assert from_bytes["customModelResult"]["tagsResult"]["values"][0]["name"] == "nut"
    url = store.put("one.jpg", draw_part("nut", 66))
    from_url = client.analyze_from_url(url, [VisualFeatures.TAGS, VisualFeatures.READ], params=params)
    assert from_url["customModelResult"] == from_bytes["customModelResult"]


def test_the_analysis_sdk_understands_our_errors(engine: Engine) -> None:
    client = ImageAnalysisClient(engine.endpoint, AzureKeyCredential(KEY))
    with pytest.raises(HttpResponseError) as unknown:
        client.analyze(draw_part("nut", 1), [VisualFeatures.TAGS], params={"model-name": "unknown"})
    assert (unknown.value.status_code, unknown.value.error.code) == (404, "404")
    with pytest.raises(HttpResponseError) as general:
        client.analyze(draw_part("nut", 1), [VisualFeatures.TAGS])
    assert general.value.error.innererror["code"] == "NotSupportedVisualFeature"
    with pytest.raises(ClientAuthenticationError):
        ImageAnalysisClient(engine.endpoint, AzureKeyCredential("wrong")).analyze(b"x", [VisualFeatures.TAGS])


def test_a_client_that_sends_too_much_reads_why(engine: Engine) -> None:
    url = f"{engine.endpoint}/computervision/imageanalysis:analyze"
    params = {"api-version": VERSION, "model-name": "m"}
    for key, status in ((KEY, 400), ("wrong", 401)):
        headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "image/jpeg"}
        answer = requests.post(url, params=params, data=b"\0" * 30_000_000, headers=headers, timeout=60)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


def test_bodies_as_a_third_client_sends_them_are_understood(engine: Engine, store: PictureStore) -> None:
    """irisml's bodies: camelCase, authentication kind none, and 409 bodies read as JSON before the status."""
    body = {
        "annotationKind": "imageClassification",
        "annotationFileUris": [store.url("train/coco.json")],
        "authentication": {"kind": "none"},
    }
    first, second = (engine.call("PUT", "datasets/i-train", content=json.dumps(body)) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["error"]["code"] == "DatasetAlreadyExists"
