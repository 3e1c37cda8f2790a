"""Models of several backbones in one engine: each answers with its own, and one whose backbone is gone says so."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.learn.backbone import HANDMADE, load_backbone
from engine.learn.errors import BackboneError
from engine.served import ServedBackbones
from tests.engine_support import COLOURS, Engine, PictureStore, check_error, draw_part, engine_in_process
from tests.learn_support import write_network

ON_TESTS = {"evaluationParameters": {"testDatasetName": "tests"}}


@dataclass
class Home:
    """An engine's folder in which `old` was trained with one network and `new` with another joined to it."""

    data: Path
    host: str
    old: Path
    other: Path
    before: dict[str, float] = field(default_factory=dict)  # what `old` said of a bolt when its backbone was the engine's

    @property
    def new(self) -> str:
        return f"{self.other}+{self.old}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, store: PictureStore) -> Home:
    folder = tmp_path_factory.mktemp("home")
    old = write_network(folder / "old", name="old-network")
    other = write_network(folder / "other", name="other-network", layout="NCHW", dtype="float32", colours="0-1 BGR")
    home = Home(folder / "data", store.host, old, other)
    with engine_in_process(home.data, home.host, backbone=old) as engine:
        engine.register("parts", store.put_parts("parts"))
        engine.register("tests", store.put_parts("tests", each=2, first_seed=50))
        engine.trained("old", "parts")
        home.before = said(engine, "old", "bolt")
    with engine_in_process(home.data, home.host, backbone=home.new) as engine:
        engine.trained("new", "parts")
    return home


@pytest.fixture(scope="module")
def both(home: Home) -> Iterator[Engine]:
    """An engine whose own backbone is the new one, and that serves the old one too."""
    with engine_in_process(home.data, home.host, backbone=home.new, backbones_served=str(home.old)) as engine:
        yield engine


def said(engine: Engine, model: str, label: str) -> dict[str, float]:
    parameters = {"model-name": model}
    content = draw_part(label, 90)
    headers = {"Content-Type": "application/octet-stream"}
    answer = engine.call("POST", "imageanalysis:analyze", params=parameters, content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return {tag["name"]: tag["confidence"] for tag in answer.json()["customModelResult"]["tagsResult"]["values"]}


def test_models_of_two_backbones_answer_side_by_side(both: Engine, home: Home) -> None:
    for label in COLOURS:
        for model in ("old", "new"):
            tags = said(both, model, label)
            assert max(tags, key=lambda name: tags[name]) == label
    assert both.client.get("/healthz").json()["backbone"]["name"] == "other-network+old-network"
    assert said(both, "old", "bolt") == home.before
    assert said(both, "new", "bolt") != home.before


def test_a_model_of_a_further_backbone_is_evaluated_with_it(both: Engine) -> None:
    for model in ("old", "new"):
        answer = both.call("PUT", f"models/{model}/evaluations/now", json=ON_TESTS)
        assert answer.status_code == 201, answer.text
        evaluation = both.wait(f"models/{model}/evaluations/now")
        assert evaluation["status"] == "succeeded", evaluation


def test_a_model_of_a_further_network_is_exported_with_it(both: Engine) -> None:
    assert both.call("GET", "models/old:export").status_code == 200


def test_training_takes_the_engines_own(both: Engine, home: Home) -> None:
    both.trained("newest", "parts")
    manifest = json.loads((home.data / "models" / "newest" / "model.json").read_text())
    assert manifest["backbone_name"] == "other-network+old-network"
    assert manifest["backbone_digest"] == load_backbone(home.new).digest


def test_a_model_whose_backbone_the_engine_lacks_names_it_and_says_what_to_do(home: Home) -> None:
    digest = load_backbone(home.old).digest[:12]
    with engine_in_process(home.data, home.host, backbone=home.other) as engine:
        asked = engine.call(
            "POST",
            "imageanalysis:analyze",
            params={"model-name": "old"},
            content=draw_part("nut", 1),
            headers={"Content-Type": "application/octet-stream"},
        )
        answers = [asked, engine.call("GET", "models/old:export")]
        engine.call("PUT", "models/old/evaluations/later", json=ON_TESTS)
        evaluation = engine.wait("models/old/evaluations/later")
    messages = [check_error(answer, 409, "ModelBackboneMismatch") for answer in answers]
    for message in messages:
        assert "old-network" in message
        assert digest in message
        assert "ENGINE_BACKBONES_SERVED" in message
    assert evaluation["status"] == "failed"
    assert digest in evaluation["error"]["message"]


def test_an_engine_does_not_start_with_a_further_backbone_that_is_not_there(home: Home) -> None:
    with (
        pytest.raises(BackboneError, match="nowhere"),
        engine_in_process(home.data.parent / "unused", home.host, backbone=home.old, backbones_served="nowhere"),
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
