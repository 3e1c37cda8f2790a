"""Models of several backbones in one engine: each answers with its own, and one whose backbone is gone says so."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from engine.access import AllowedHosts
from engine.errors import JobError
from engine.evaluation import evaluate
from engine.fetch import Fetcher
from engine.learn.backbone import HANDMADE, load_backbone
from engine.learn.errors import BackboneError
from engine.messages import DatasetSource, EvaluateRequest
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from engine.served import ServedBackbones
from tests.engine_support import COLOURS, Engine, PictureStore, check_error, draw_part, engine_in_process
from tests.learn_support import write_network


@dataclass
class Home:
    """An engine whose own backbone is two networks joined, and that serves `old`, of one of them, too.

    Attributes:
        engine: It.
        before: What `old` said of a bolt when the engine's own backbone was its.
        refusals: What an engine answered that did not have the backbone of `old`.
    """

    data: Path
    old: Path
    engine: Engine
    before: dict[str, float]
    refusals: list[httpx.Response]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, store: PictureStore) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    old = write_network(folder / "old", name="old-network")
    other = write_network(folder / "other", name="other-network", layout="NCHW", dtype="float32", colours="0-1 BGR")
    data = folder / "data"
    with engine_in_process(data, store.host, backbone=old) as engine:
        engine.register("parts", store.put_parts("parts"))
        engine.register("tests", store.put_parts("tests", each=2, first_seed=50))
        engine.trained("old", "parts")
        before = said(engine, "old", "bolt")
    with engine_in_process(data, store.host, backbone=other) as engine:
        refusals = [ask(engine, "old", "bolt"), engine.call("GET", "models/old:export")]
    with engine_in_process(data, store.host, backbone=f"{other}+{old}", backbones_served=str(old)) as engine:
        engine.trained("new", "parts")
        yield Home(data, old, engine, before, refusals)


def ask(engine: Engine, model: str, label: str) -> httpx.Response:
    headers, content = {"Content-Type": "application/octet-stream"}, draw_part(label, 90)
    return engine.call("POST", "imageanalysis:analyze", params={"model-name": model}, content=content, headers=headers)


def said(engine: Engine, model: str, label: str) -> dict[str, float]:
    answer = ask(engine, model, label)
    assert answer.status_code == 200, answer.text
    return {tag["name"]: tag["confidence"] for tag in answer.json()["customModelResult"]["tagsResult"]["values"]}


def test_models_of_two_backbones_answer_side_by_side(home: Home) -> None:
    for label in COLOURS:
        for model in ("old", "new"):
            tags = said(home.engine, model, label)
            assert max(tags, key=lambda name: tags[name]) == label
    assert said(home.engine, "old", "bolt") == home.before
    assert said(home.engine, "new", "bolt") != home.before


def test_a_model_of_a_further_backbone_is_evaluated_with_it(home: Home) -> None:
    body = {"evaluationParameters": {"testDatasetName": "tests"}}
    assert home.engine.call("PUT", "models/old/evaluations/now", json=body).status_code == 201
    evaluation = home.engine.wait("models/old/evaluations/now")
    assert evaluation["status"] == "succeeded", evaluation


def test_a_model_of_a_further_network_is_exported_with_it(home: Home) -> None:
    assert home.engine.call("GET", "models/old:export").status_code == 200


def test_training_takes_the_engines_own(home: Home) -> None:
    own = home.engine.client.get("/healthz").json()["backbone"]
    manifest = json.loads((home.data / "models" / "new" / "model.json").read_text())
    assert manifest["backbone_name"] == own["name"] == "other-network+old-network"
    assert manifest["backbone_digest"] == own["digest"]


def test_a_model_whose_backbone_the_engine_lacks_names_it_and_says_what_to_do(home: Home) -> None:
    for refusal in home.refusals:
        message = check_error(refusal, 409, "ModelBackboneMismatch")
        for words in ("old-network", load_backbone(home.old).digest[:12], "ENGINE_BACKBONES_SERVED"):
            assert words in message


def test_an_evaluation_of_a_model_whose_backbone_the_engine_lacks_ends_with_its_name(
    home: Home, tmp_path: Path
) -> None:
    own = load_backbone(HANDMADE)
    reader = DatasetReader(Fetcher(AllowedHosts.parse("")), own, tmp_path, tmp_path, lambda _: None)
    source = DatasetSource("tests", AnnotationKind.CLASSIFICATION, (), None)
    task = EvaluateRequest(source, "old", str(home.data / "models" / "old"), str(tmp_path / "output"))
    with pytest.raises(JobError, match=r"'old-network', [0-9a-f]{12}\).*ENGINE_BACKBONES_SERVED") as caught:
        evaluate(task, own, reader, lambda _: None)
    assert caught.value.code == "incorrectModelKind"


def test_an_engine_does_not_start_with_a_further_backbone_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(BackboneError, match="nowhere"),
        engine_in_process(tmp_path, "", backbone=write_network(tmp_path), backbones_served="nowhere"),
    ):
        pass


def test_a_further_backbone_is_opened_when_it_is_asked_for_and_once(tmp_path: Path) -> None:
    own, further = load_backbone(write_network(tmp_path / "own")), write_network(tmp_path / "two", colours="0-255 BGR")
    backbones = ServedBackbones(own, [str(further)])
    digest = load_backbone(further).digest
    assert backbones.find(own.digest) is own
    assert backbones.find("0" * 64) is None
    found = backbones.find(digest)
    assert found is not None
    assert found.digest == digest
    (further / "META.json").unlink()
    assert backbones.find(digest) is found


def test_a_further_backbone_that_changed_since_the_start_is_told(tmp_path: Path) -> None:
    own, further = load_backbone(write_network(tmp_path / "own")), write_network(tmp_path / "two", colours="0-255 BGR")
    digest = load_backbone(further).digest
    backbones = ServedBackbones(own, [str(further)])
    write_network(further, name="changed")
    with pytest.raises(BackboneError, match=r"two have changed since the engine started"):
        backbones.find(digest)


def test_what_is_built_in_is_always_there(tmp_path: Path) -> None:
    backbones = ServedBackbones(load_backbone(write_network(tmp_path)))
    for spec in (None, HANDMADE):
        assert backbones.find(load_backbone(spec).digest) is load_backbone(spec)
