"""Predictions and reports: kept by trainings and evaluations, answered over HTTP, removed with what they belong to."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engine.evaluation import evaluate
from engine.features import EmbeddedSet
from engine.learn.backbone import Backbone, load_backbone
from engine.learn.classifier import Classifier
from engine.learn.multilabel_metrics import measure_multilabel
from engine.learn.platt import Platt
from engine.messages import DatasetSource, EvaluateRequest, TrainRequest
from engine.predictions import read_predictions
from engine.records import AnnotationKind
from engine.training import train
from tests.engine_support import COLOURS, Engine, Picture, PictureStore, draw_part, engine_in_process
from tests.judged import embedded
from tests.waiting import wait_until

SHAPES = ("bar", "disc", "ring")
PICTURES = 12


@pytest.fixture(scope="module")
def engine(data: Path, store: PictureStore) -> Iterator[Engine]:
    """An engine with a model `parts`, tested on 12 pictures of which 2 were in training and 1 has the wrong label."""
    with engine_in_process(data, store.host) as running:
        running.register("parts", store.put_parts("parts"))
        pictures = [Picture(label, draw_part(label, 50 + number)) for number in range(3) for label in COLOURS]
        pictures += [Picture(label, draw_part(label, 0)) for label in ("bolt", "nut")]
        pictures.append(Picture("washer", draw_part("bolt", 77)))
        running.register("test", store.put_dataset("test", pictures))
        running.trained("parts", "parts", test="test")
        evaluated(running, "parts", "e1", "test")
        yield running


def evaluated(engine: Engine, model: str, name: str, test: str) -> dict[str, Any]:
    body = {"evaluationParameters": {"testDatasetName": test}}
    assert engine.call("PUT", f"models/{model}/evaluations/{name}", json=body).status_code == 201
    evaluation = engine.wait(f"models/{model}/evaluations/{name}")
    assert evaluation["status"] == "succeeded", evaluation
    return evaluation


def test_predictions_come_in_pages_that_lead_to_each_other_and_agree_with_the_figures(engine: Engine) -> None:
    answer = engine.call("GET", "models/parts/evaluations/e1:predictions", params={"top": 5})
    values = answer.json()["value"]
    while "nextLink" in answer.json():
        assert len(answer.json()["value"]) == 5
        answer = engine.client.get(answer.json()["nextLink"])
        values += answer.json()["value"]
    assert len(values) == PICTURES
    assert len({value["image"] for value in values}) == PICTURES
    assert all(value["url"].startswith("http") and "?" not in value["url"] for value in values)
    assert all(sum(tag["confidence"] for tag in value["predicted"]) == pytest.approx(1) for value in values)
    right = sum(value["predicted"][0]["name"] == value["truth"] for value in values)
    performance = engine.call("GET", "models/parts/evaluations/e1").json()["modelPerformance"]
    assert performance["accuracyTop1"] == pytest.approx(right / PICTURES)


def test_ten_predictions_are_a_page_and_a_thousand_the_most(engine: Engine) -> None:
    def ask(**query: int) -> Any:
        return engine.call("GET", "models/parts/evaluations/e1:predictions", params=query)

    assert len(ask().json()["value"]) == 10
    assert len(ask(top=1000).json()["value"]) == PICTURES
    assert ask(skip=PICTURES).json() == {"value": []}
    assert ask(top=1001).status_code == 400
    assert ask(top=0).status_code == 400


def test_a_report_names_the_mistake_and_the_pictures_that_were_in_training(engine: Engine) -> None:
    report = engine.call("GET", "models/parts/evaluations/e1:report").json()
    assert report["pictures"] == PICTURES
    assert report["confusionMatrix"] == {
        "labels": ["bolt", "nut", "washer"],
        "counts": [[4, 0, 0], [0, 4, 0], [1, 0, 3]],
    }
    assert report["perLabel"]["bolt"] == {"precision": 0.8, "recall": 1.0, "pictures": 4, "predicted": 5}
    (mistake,) = report["worstMistakes"]
    assert (mistake["image"], mistake["truth"], mistake["predicted"]) == ("test/12.jpg", "washer", "bolt")
    (advice,) = report["advice"]
    assert advice == {
        "reason": "meagre",
        "labels": [],
        "words": "the labels have 4 pictures each; twice as many of all would help.",
        "counts": {"least": 4, "most": 4},
    }
    near = report["nearDuplicates"]
    assert near["count"] == 2
    assert {(pair["test"], pair["training"], pair["distance"]) for pair in near["pairs"]} == {
        ("test/10.jpg", "parts/1.jpg", 0),
        ("test/11.jpg", "parts/2.jpg", 0),
    }
    assert near["without"]["accuracyTop1"] == pytest.approx(9 / 10)


def test_the_report_of_a_model_is_that_of_its_test_set_or_of_cross_validation(engine: Engine) -> None:
    tested = engine.call("GET", "models/parts:report").json()
    assert tested == engine.call("GET", "models/parts/evaluations/e1:report").json()
    engine.trained("untested", "parts")
    report = engine.call("GET", "models/untested:report").json()
    assert report["pictures"] == 12
    assert sum(map(sum, report["confusionMatrix"]["counts"])) == 12
    assert "nearDuplicates" not in report


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("models/none:report", 404, "ModelNotFound"),
        ("models/none/evaluations/e1:report", 404, "EvaluationNotFound"),
        ("models/parts/evaluations/none:predictions", 404, "EvaluationNotFound"),
        ("models/.parts:report", 400, "InvalidRequest"),
    ],
)
def test_what_is_unknown_has_no_report(engine: Engine, path: str, status: int, code: str) -> None:
    answer = engine.call("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_what_is_not_finished_has_no_report_yet(engine: Engine, store: PictureStore) -> None:
    engine.register("slow", store.put_parts("slow", first_seed=20))
    store.held.add("slow/coco.json")
    store.gate.clear()
    body = {"evaluationParameters": {"testDatasetName": "slow"}}
    engine.call("PUT", "models/parts/evaluations/slow", json=body)
    engine.train("slow", "slow")
    try:
        for path, code in [
            ("models/slow:report", "ModelNotReady"),
            ("models/parts/evaluations/slow:report", "EvaluationNotReady"),
            ("models/parts/evaluations/slow:predictions", "EvaluationNotReady"),
        ]:
            answer = engine.call("GET", path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    finally:
        store.gate.set()
    engine.wait("models/parts/evaluations/slow")
    engine.wait("models/slow")


def test_deleting_an_evaluation_or_its_model_removes_its_files(engine: Engine, data: Path) -> None:
    engine.trained("short", "parts")
    for name in ("one", "other"):
        evaluated(engine, "short", name, "test")
    folder = data / "evaluations" / "short"
    assert sorted(path.name for path in folder.iterdir()) == ["one", "other"]
    assert engine.call("DELETE", "models/short/evaluations/one").status_code == 204
    assert sorted(path.name for path in folder.iterdir()) == ["other"]
    assert engine.call("GET", "models/short/evaluations/one:report").status_code == 404
    assert engine.call("DELETE", "models/short").status_code == 204
    wait_until(lambda: not folder.exists(), "the model's evaluations to be removed")


def test_an_evaluation_of_an_engine_that_kept_nothing_says_what_to_do(engine: Engine, data: Path) -> None:
    evaluated(engine, "parts", "old", "test")
    for file in (data / "evaluations" / "parts" / "old").iterdir():
        file.unlink()
    for what in ("report", "predictions"):
        answer = engine.call("GET", f"models/parts/evaluations/old:{what}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ReportNotFound")
        assert "Evaluate the model once more" in answer.json()["error"]["message"]


def test_analyze_answers_independent_confidences_of_a_multi_label_model(engine: Engine, data: Path) -> None:
    engine.trained("several", "parts")
    path = data / "models" / "several" / "model.npz"
    single = Classifier.load(path)
    curves = Platt(slopes=np.full(3, 1e-9), offsets=np.array([-1.0, 2.0, 1.0]))
    dataclasses.replace(single, calibration=curves).save(path)
    content = draw_part("bolt", 5)
    answer = engine.call("POST", "imageanalysis:analyze", params={"model-name": "several"}, content=content)
    tags = answer.json()["customModelResult"]["tagsResult"]["values"]
    assert [tag["name"] for tag in tags] == ["nut", "washer", "bolt"]
    assert [tag["confidence"] for tag in tags] == pytest.approx([0.881, 0.731, 0.269], abs=0.01)


class Drawn:
    """Reads data sets that were drawn; stands for `DatasetReader`."""

    def __init__(self, sets: dict[str, EmbeddedSet]) -> None:
        self._sets = sets

    def read(self, source: DatasetSource, role: str) -> EmbeddedSet:
        return self._sets[source.name]


def draw_shapes(shapes: tuple[str, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draws each of some shapes in a third of a plain picture, in any colour."""
    image = Image.new("RGB", (192, 64), tuple(rng.integers(0, 90, 3).tolist()))
    brush = ImageDraw.Draw(image)
    for shape, place in zip(shapes, rng.permutation(3).tolist(), strict=False):
        x, y, colour = 64 * place + int(rng.integers(26, 38)), 32, tuple(rng.integers(150, 255, 3).tolist())
        if shape == "bar":
            brush.rectangle((x - 24, y - 4, x + 24, y + 4), fill=colour)
        elif shape == "disc":
            brush.ellipse((x - 16, y - 16, x + 16, y + 16), fill=colour)
        else:
            brush.ellipse((x - 20, y - 20, x + 20, y + 20), outline=colour, width=3)
    return np.asarray(image)


def drawn_set(backbone: Backbone, count: int, seed: int) -> EmbeddedSet:
    rng = np.random.default_rng(seed)
    labels = [tuple(shape for shape in SHAPES if rng.random() < 0.5) for _ in range(count)]
    features = np.stack([backbone.embed(draw_shapes(shapes, rng)) for shapes in labels])
    return embedded(labels, features, seed=seed)


def source(name: str) -> DatasetSource:
    return DatasetSource(name, AnnotationKind.MULTILABEL, (), None)


def test_a_multi_label_model_tells_which_of_several_shapes_a_drawing_has(tmp_path: Path) -> None:
    backbone = load_backbone(None)
    training, test = drawn_set(backbone, 36, 0), drawn_set(backbone, 20, 1)
    assert () in training.labels  # a drawing of nothing is an example, too
    test = dataclasses.replace(test, sha256=(training.sha256[3], *test.sha256[1:]))
    reader: Any = Drawn({"training": training, "test": test})
    model, evaluation = tmp_path / "model", tmp_path / "evaluation"
    done = train(TrainRequest(source("training"), None, str(model)), backbone, reader, lambda _: None)
    request = EvaluateRequest(source("test"), "m", str(model), str(evaluation))
    tested = evaluate(request, backbone, reader, lambda _: None)
    assert tested.performance["averagePrecision"] > 0.9
    assert done.performance["averagePrecision"] == pytest.approx(tested.performance["averagePrecision"], abs=0.08)
    classifier = Classifier.load(model / "model.npz")
    confidences = classifier.predict(test.features)
    assert tested.performance == measure_multilabel(confidences, SHAPES, test.labels).as_wire()
    values, more = read_predictions(evaluation, 0, 20)
    assert not more
    assert [value["truth"] for value in values] == [list(labels) for labels in test.labels]
    told = [{tag["name"]: tag["confidence"] for tag in value["predicted"]} for value in values]
    assert told == [dict(zip(SHAPES, row, strict=True)) for row in confidences.tolist()]
    report = json.loads((evaluation / "report.json").read_bytes())
    assert set(report["labelCounts"]) == set(SHAPES)
    assert report["nearDuplicates"]["count"] == 1
