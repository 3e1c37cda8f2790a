"""Microsoft's own clients, unmodified, against a served engine (contract §11.16)."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.aio import ImageAnalysisClient as AsyncImageAnalysisClient
from azure.ai.vision.imageanalysis.models import ImageAnalysisResult, VisualFeatures
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

from tests.boxes_support import draw_boxes, drawn, put_boxes, share
from tests.engine_support import KEY, VERSION, Engine, PictureStore, draw_part, engine_in_process, engine_process
from tests.learn_support import write_network

POLL_SECONDS = 0.05
CLASSIFICATION, DETECTION = AnnotationKind.MULTICLASS_CLASSIFICATION, AnnotationKind.OBJECT_DETECTION


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


def test_the_customization_sample_is_told_of_a_name_that_is_taken(engine: Engine, store: PictureStore) -> None:
    datasets, trainings = DatasetClient(*place(engine)), TrainingClient(*place(engine))
    dataset = Dataset("t-train", CLASSIFICATION, [store.url("train/coco.json")])
    model = Model("t-model", TrainingParameters("t-train", 1, ModelKind.GENERIC_IC))
    evaluation = Evaluation("t-evaluation", "t-model", "t-train")
    datasets.register_dataset(dataset)
    trainings.train_model(model)
    trainings.wait_for_training_completion("t-model", POLL_SECONDS)
    trainings.evaluate_model(evaluation)
    for again in (
        lambda: datasets.register_dataset(dataset),
        lambda: trainings.train_model(model),
        lambda: trainings.evaluate_model(evaluation),
    ):
        with pytest.raises(requests.HTTPError, match="409"):
            again()


def test_the_customization_sample_reads_that_a_budget_was_too_small(store: PictureStore, tmp_path: Path) -> None:
    store.put_parts("slow", first_seed=60)
    store.held.add("slow/3.jpg")
    store.gate.clear()
    with engine_in_process(tmp_path / "data", store.host, hour_seconds=2) as engine:
        DatasetClient(*place(engine)).register_dataset(Dataset("slow", CLASSIFICATION, [store.url("slow/coco.json")]))
        trainings = TrainingClient(*place(engine))
        trainings.train_model(Model("slow", TrainingParameters("slow", 1, ModelKind.GENERIC_IC)))
        model = trainings.wait_for_training_completion("slow", POLL_SECONDS)
    store.gate.set()
    assert (model.status, model.error.code) == (ModelStatus.FAILED, "notEnoughBudget")
    assert "Minimum budget" in model.error.message


@pytest.fixture
def quick(store: PictureStore, tmp_path: Path) -> Iterator[Engine]:
    """A served engine with a tiny network, on which a detector is trained in a second or two."""
    network = write_network(tmp_path / "network")
    with engine_process(tmp_path / "data", store.host, ENGINE_BACKBONE=str(network)) as running:
        yield running


def test_the_customization_sample_walks_from_registration_to_deletion_of_a_detector(
    quick: Engine, store: PictureStore
) -> None:
    engine = quick
    datasets, trainings = DatasetClient(*place(engine)), TrainingClient(*place(engine))
    for name, pictures in (("d-train", drawn(6)), ("d-test", drawn(4, first_seed=60))):
        datasets.register_dataset(Dataset(name, DETECTION, [put_boxes(store, name, pictures)]))
    parameters = TrainingParameters("d-train", 1, ModelKind.GENERIC_OD)
    started = trainings.train_model(Model("d-model", parameters, EvaluationParameters("d-test")))
    assert started.training_params.model_kind is ModelKind.GENERIC_OD
    model = trainings.wait_for_training_completion("d-model", POLL_SECONDS)
    assert (model.status, model.error) == (ModelStatus.SUCCEEDED, None)
    assert 0.5 < model.model_performance["meanAveragePrecision50"] <= 1.0
    datasets.delete_dataset("d-train")

    trainings.evaluate_model(Evaluation("d-evaluation", "d-model", "d-test"))
    done = trainings.wait_for_evaluation_completion("d-model", "d-evaluation", POLL_SECONDS)
    assert (done.status, done.model_performance) == (EvaluationStatus.SUCCEEDED, model.model_performance)

    picture = draw_boxes(("nut",), 77)
    answer = PredictionClient(*place(engine)).predict("d-model", picture.content, "image/jpeg")
    first = answer["customModelResult"]["objectsResult"]["values"][0]
    assert first["tags"][0]["name"] == "nut"
    assert share([first["boundingBox"][side] for side in "xywh"], picture.boxes[0][1:]) > 0.5
    client = ImageAnalysisClient(engine.endpoint, AzureKeyCredential(KEY))
    through_sdk = client.analyze(picture.content, [VisualFeatures.OBJECTS], params={"model-name": "d-model"})
    assert through_sdk["customModelResult"] == answer["customModelResult"]
    client.close()
    trainings.delete_model("d-model")
    with pytest.raises(requests.HTTPError, match="400"):
        trainings.train_model(Model("d-other", TrainingParameters("d-test", 1, ModelKind.PRODUCT_RECOGNIZER)))


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
    features = [VisualFeatures.TAGS, VisualFeatures.READ]
    from_url = client.analyze_from_url(url, features, params=params, model_version="latest")
    assert from_url["customModelResult"] == from_bytes["customModelResult"]
    pinned = client.analyze(draw_part("nut", 66), [VisualFeatures.TAGS], model_version="g-model")
    assert pinned == from_bytes
    client.close()


def test_the_asynchronous_analysis_sdk_uses_a_custom_model(engine: Engine, store: PictureStore) -> None:
    engine.register("a-train", store.url("train/coco.json"))
    engine.trained("a-model", "a-train")
    picture, params = draw_part("bolt", 67), {"model-name": "a-model"}
    url = store.put("two.jpg", picture)

    async def answers() -> list[ImageAnalysisResult]:
        async with AsyncImageAnalysisClient(engine.endpoint, AzureKeyCredential(KEY)) as client:
            features = [VisualFeatures.TAGS]
            return [
                await client.analyze(picture, features, params=params),
                await client.analyze_from_url(url, features, params=params, model_version="latest"),
                await client.analyze(picture, features, model_version="a-model"),
            ]

    results = asyncio.run(answers())
    assert [result["customModelResult"]["tagsResult"]["values"][0]["name"] for result in results] == ["bolt"] * 3


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
