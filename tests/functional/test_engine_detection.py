"""Detection through the engine, from the data set to the answer, with a network so small that it takes seconds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest

from engine.access import AllowedHosts
from engine.errors import JobError
from engine.evaluation import evaluate
from engine.fetch import Fetcher
from engine.learn.backbone import Backbone, load_backbone
from engine.learn.detection_metrics import FoundBoxes, TrueBoxes, measure_detections
from engine.learn.detector import Detector
from engine.messages import DatasetSource, Done, EvaluateRequest, Progress, TrainRequest
from engine.objects import LEAST_CONFIDENCE
from engine.openapi import document
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from engine.training import train
from tests.boxes_support import HEIGHT, WIDTH, DrawnBoxes, draw_boxes, drawn, put_boxes, share
from tests.engine_support import Engine, PictureStore, engine_in_process
from tests.learn_support import write_network
from tests.waiting import wait_until

TRAINING, TEST = 6, 4


@pytest.fixture(scope="module")
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        yield pictures


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def engine(store: PictureStore, network: Path, data: Path) -> Iterator[Engine]:
    """An engine with a detector `parts`, and an evaluation `e1` on 5 pictures, one of which was in training."""
    with engine_in_process(data, store.host, backbone=str(network)) as running:
        training = drawn(TRAINING)
        register(running, "train", put_boxes(store, "train", training))
        register(running, "test", put_boxes(store, "test", [*drawn(TEST, first_seed=500), training[0]]))
        parameters = {"trainingDatasetName": "train", "timeBudgetInHours": 1, "modelKind": "Generic-Detector"}
        answer = running.call("PUT", "models/parts", json={"trainingParameters": parameters})
        assert answer.status_code == 201, answer.text
        ended(running, "models/parts")
        body = {"evaluationParameters": {"testDatasetName": "test"}}
        assert running.call("PUT", "models/parts/evaluations/e1", json=body).status_code == 201
        ended(running, "models/parts/evaluations/e1")
        yield running


def ended(engine: Engine, path: str) -> None:
    """Waits, longer than `Engine.wait` does, until a job has succeeded: fitting is work for a busy machine."""
    at_work = ("notStarted", "training", "running")
    wait_until(lambda: engine.call("GET", path).json()["status"] not in at_work, f"{path} to end", timeout=180)
    body = engine.call("GET", path).json()
    assert body["status"] == "succeeded", body


def register(engine: Engine, name: str, uri: str) -> None:
    body = {"annotationKind": "imageObjectDetection", "annotationFileUris": [uri]}
    assert engine.call("PUT", f"datasets/{name}", json=body).status_code == 201


def predictions(engine: Engine) -> list[dict[str, Any]]:
    answer = engine.call("GET", "models/parts/evaluations/e1:predictions", params={"top": 3})
    values: list[dict[str, Any]] = answer.json()["value"]
    assert len(values) == 3
    rest = engine.client.get(answer.json()["nextLink"]).json()
    assert "nextLink" not in rest
    return values + list(rest["value"])


def boxes_of(objects: list[dict[str, Any]]) -> tuple[Any, tuple[str, ...]]:
    rows = [[one["boundingBox"][side] for side in "xywh"] for one in objects]
    return np.array(rows, dtype=np.float64).reshape(-1, 4), tuple(one["name"] for one in objects)


def analyzed(engine: Engine, content: bytes) -> dict[str, Any]:
    answer = engine.call("POST", "imageanalysis:analyze", params={"model-name": "parts"}, content=content)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_detector_finds_boxes_in_pixels_of_the_picture_most_confident_first(engine: Engine) -> None:
    picture = draw_boxes(("nut", "bolt"), 900)
    body = analyzed(engine, picture.content)
    assert body["metadata"] == {"width": WIDTH, "height": HEIGHT}
    assert body["customModelResult"]["tagsResult"] == {"values": []}
    objects = body["customModelResult"]["objectsResult"]["values"]
    assert [one["id"] for one in objects] == [str(number + 1) for number in range(len(objects))]
    confidences = [one["tags"][0]["confidence"] for one in objects]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[-1] >= LEAST_CONFIDENCE
    for label, *box in picture.boxes:
        best = next(one for one in objects if one["tags"][0]["name"] == label)
        assert all(type(value) is int for value in best["boundingBox"].values())
        assert share([best["boundingBox"][side] for side in "xywh"], box) > 0.5


def test_figures_of_an_evaluation_are_those_of_its_predictions(engine: Engine) -> None:
    values = predictions(engine)
    assert len(values) == TEST + 1
    truth, found = [], []
    for value in values:
        boxes, labels = boxes_of(value["truth"])
        truth.append(TrueBoxes(boxes, labels, np.zeros(len(labels), dtype=np.bool_)))
        boxes, labels = boxes_of(value["predicted"])
        found.append(FoundBoxes(boxes, labels, np.array([one["confidence"] for one in value["predicted"]])))
    performance = engine.call("GET", "models/parts/evaluations/e1").json()["modelPerformance"]
    expected: Any = measure_detections(truth, found).as_wire()
    assert performance["meanAveragePrecision30"] == pytest.approx(expected["meanAveragePrecision30"])
    assert performance["meanAveragePrecision50"] == pytest.approx(expected["meanAveragePrecision50"])
    assert performance["meanAveragePrecision50"] > 0.6
    assert set(performance["tagPerformance"]) == {"bolt", "nut", "washer"}


def test_predictions_of_an_evaluation_are_what_analyze_answers(engine: Engine, store: PictureStore) -> None:
    value = predictions(engine)[1]
    content = store.files[value["url"].removeprefix(f"http://{store.host}/")]
    objects = analyzed(engine, content)["customModelResult"]["objectsResult"]["values"]
    assert len(objects) == len(value["predicted"])
    for one, kept in list(zip(objects, value["predicted"], strict=True))[: len(value["truth"])]:
        assert (one["boundingBox"], one["tags"][0]["name"]) == (kept["boundingBox"], kept["name"])
        assert one["tags"][0]["confidence"] == pytest.approx(kept["confidence"], abs=1e-3)


def test_without_a_test_set_figures_come_from_pictures_that_the_detector_had_not_seen(engine: Engine) -> None:
    model = engine.call("GET", "models/parts").json()
    report = engine.call("GET", "models/parts:report").json()
    assert report["pictures"] == TRAINING
    assert "nearDuplicates" not in report
    assert set(model["modelPerformance"]) == {
        "averagePrecision",
        "meanAveragePrecision30",
        "meanAveragePrecision50",
        "meanAveragePrecision75",
        "tagPerformance",
    }


def test_a_report_counts_boxes_and_names_the_picture_that_was_in_training(engine: Engine) -> None:
    report = engine.call("GET", "models/parts/evaluations/e1:report").json()
    confusion = report["boxConfusion"]
    for row, label in enumerate(confusion["labels"]):
        true = sum(confusion["counts"][row]) + confusion["missed"][row]
        assert true == report["perLabel"][label]["boxes"]
    (pair,) = report["nearDuplicates"]["pairs"]
    assert (pair["test"], pair["training"], pair["distance"]) == (f"{TEST + 1}.jpg", "1.jpg", 0)
    assert report["nearDuplicates"]["without"]["meanAveragePrecision50"] > 0.5


def test_a_detector_is_not_exported_and_the_answer_says_why(engine: Engine) -> None:
    answer = engine.call("GET", "models/parts:export")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ModelNotExportable")
    assert "is a detector" in answer.json()["error"]["message"]


def test_what_is_answered_of_a_detector_is_what_the_openapi_file_describes(engine: Engine) -> None:
    components = document()["components"]

    def check(name: str, body: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema_rs.Draft202012Validator(schema).validate(body)

    check("Model", engine.call("GET", "models/parts").json())
    check("ModelEvaluation", engine.call("GET", "models/parts/evaluations/e1").json())
    check("Report", engine.call("GET", "models/parts:report").json())
    check("Report", engine.call("GET", "models/parts/evaluations/e1:report").json())
    check("ImageAnalysisResult", analyzed(engine, draw_boxes(("nut",), 901).content))
    for value in predictions(engine):
        check("PicturePrediction", value)


def test_a_training_is_cancelled_while_it_fits_and_leaves_nothing(engine: Engine, data: Path) -> None:
    parameters = {"trainingDatasetName": "train", "timeBudgetInHours": 1}
    assert engine.call("PUT", "models/cancelled", json={"trainingParameters": parameters}).status_code == 201

    def fits() -> bool:
        progress = engine.call("GET", "models/cancelled").json().get("trainingProgress", {"stage": ""})
        return str(progress["stage"]).startswith("fit_detector")

    wait_until(fits, "the detector to be fitted", timeout=180)
    assert engine.call("POST", "models/cancelled:cancel").status_code == 202
    wait_until(lambda: engine.call("GET", "models/cancelled").json()["status"] == "cancelled", "the end", timeout=180)
    assert not (data / "models" / "cancelled").exists()
    wait_until(lambda: not list((data / "work").iterdir()), "what was unfinished to be removed")


class Job:
    """Trains as a job process does, without the process."""

    def __init__(self, store: PictureStore, backbone: Backbone, data: Path) -> None:
        self.progress: list[Progress] = []
        self._data = data
        self._backbone = backbone
        self._fetcher = Fetcher(AllowedHosts.parse(store.host), sleep=lambda _: None)
        self._reader = DatasetReader(self._fetcher, backbone, data / "features", data, self.progress.append)

    def train(self, name: str, *uris: str) -> Done:
        task = TrainRequest(DatasetSource("parts", AnnotationKind.DETECTION, uris, None), None, str(self._data / name))
        return train(task, self._backbone, self._reader, self.progress.append)

    def evaluate(self, model: Path) -> Done:
        source = DatasetSource("test", AnnotationKind.DETECTION, (), None)
        task = EvaluateRequest(source, "parts", str(model), str(self._data / "evaluation"))
        return evaluate(task, self._backbone, self._reader, self.progress.append)

    def close(self) -> None:
        self._fetcher.close()


@pytest.fixture
def job(store: PictureStore, network: Path, tmp_path: Path) -> Iterator[Job]:
    job = Job(store, load_backbone(str(network)), tmp_path)
    yield job
    job.close()


def of_one_label(count: int) -> list[DrawnBoxes]:
    return [draw_boxes(("nut",), 700 + number) for number in range(count)]


def test_the_order_of_files_and_pictures_changes_no_byte_of_a_detector_and_maps_are_made_once(
    store: PictureStore, job: Job, tmp_path: Path
) -> None:
    pictures = [*of_one_label(2), draw_boxes((), 800)]  # a picture without boxes shows what is none
    forward = put_boxes(store, "forward", pictures)
    first, second = put_boxes(store, "first", pictures[1:]), put_boxes(store, "second", pictures[:1])
    done = job.train("one", forward)
    made = [line.to_make for line in job.progress if line.stage == "embed_training_pictures"]
    assert max(made) == len(pictures)
    job.progress.clear()
    again = job.train("other", first, second)
    made = [line.to_make for line in job.progress if line.stage == "embed_training_pictures"]
    assert max(made) == 0
    assert done == again
    for name in ("detector.npz", "report.json", "model.json", "training.npz"):
        one, other = ((tmp_path / run / name).read_bytes() for run in ("one", "other"))
        assert name == "report.json" or one == other
    detector = Detector.load(tmp_path / "one" / "detector.npz")
    assert detector.labels == ("nut",)
    stages = [line.stage for line in job.progress]
    runs = [stage for number, stage in enumerate(stages) if number == 0 or stages[number - 1] != stage]
    assert len(runs) == len(set(runs)), "no stage comes back"


def test_a_detector_whose_file_is_torn_is_told_by_its_evaluation(job: Job, tmp_path: Path) -> None:
    (tmp_path / "detector.npz").write_bytes(b"PK torn")
    with pytest.raises(JobError, match="files of model 'parts' cannot be read") as caught:
        job.evaluate(tmp_path)
    assert caught.value.code == "unknown"


def test_a_picture_that_is_broken_or_a_box_that_is_outside_is_named_before_anything_is_trained(
    store: PictureStore, job: Job, tmp_path: Path
) -> None:
    uri = put_boxes(store, "broken", of_one_label(3))
    store.put("broken/2.jpg", b"no picture")
    coco = json.loads(store.files["broken/coco.json"])
    del coco["images"][1]["sha256"]
    store.put("broken/coco.json", json.dumps(coco).encode())
    with pytest.raises(JobError, match="image 2") as caught:
        job.train("model", uri)
    assert (caught.value.code, [one.code for one in caught.value.details]) == ("datasetCorrupt", ["imageInvalid"])
    coco["annotations"][0]["bbox"] = [0.5, 0.5, 0.7, 0.2]
    store.put("broken/coco.json", json.dumps(coco).encode())
    with pytest.raises(JobError, match="reaches beyond the picture") as caught:
        job.train("model", uri)
    assert caught.value.details[0].code == "boxInvalid"
    assert not (tmp_path / "model").exists()
