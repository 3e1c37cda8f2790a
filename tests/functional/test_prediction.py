"""What callers of `predict` are answered, over memory storage."""

import json

import msgspec
import pytest

from shared.errors import (
    AccessDeniedError,
    InvalidRequestError,
    NoChampionError,
    UnknownModelError,
    VisionUnavailableError,
)
from shared.prediction import Answer, Prediction
from shared.settings import Settings
from tests.pictures import draw
from tests.world import KEY, SETTINGS, World

VERSION = "2023-04-01-preview"


def ask(world: World, *, key: str = KEY, body: bytes = b"picture", **query: str) -> Answer:
    parameters = {"api-version": VERSION, **{name.replace("_", "-"): value for name, value in query.items()}}
    headers = {"ocp-apim-subscription-key": key, "content-type": "image/jpeg"}
    return world.services.prediction.analyze(headers=headers, query=parameters, body=body)


def trained(world: World, dataset: str) -> str:
    world.drop_pictures(dataset, "nut", range(8))
    world.drop_pictures(dataset, "bolt", range(100, 108))
    world.start()
    (version,) = world.registry.versions(dataset)
    world.engine.succeed(version.name, 0.9)
    for _ in range(3):
        world.poll()
    return version.name


@pytest.fixture
def world() -> World:
    return World()


def test_the_champion_answers_for_its_dataset(world: World) -> None:
    name = trained(world, "parts")
    for query in (
        {"model_name": "parts"},
        {"model_version": "latest"},
        {"model_name": "parts", "model_version": "latest"},
        {},
    ):
        answer = ask(world, **query)
        assert (answer.model, answer.snapshot) == (name, name.split(".")[1])
        assert json.loads(answer.body)["model"] == name


@pytest.mark.parametrize("parameter", ["model_name", "model_version"])
def test_an_exact_version_pins_it(world: World, parameter: str) -> None:
    name = trained(world, "parts")
    assert ask(world, **{parameter: name}).model == name


def test_storage_is_read_once_a_second_and_a_promotion_shows_after_that(world: World) -> None:
    first, now = trained(world, "parts"), [0.0]
    prediction = Prediction(
        registry=world.registry_blobs,
        vision=world.vision,
        keys=[KEY],
        default_dataset=None,
        clock=lambda: now[0],
    )

    def champion() -> str:
        headers, query = {"ocp-apim-subscription-key": KEY}, {"api-version": VERSION, "model-name": "parts"}
        return prediction.analyze(headers=headers, query=query, body=b"picture").model

    assert champion() == first
    (version,) = world.registry.versions("parts")
    second = msgspec.structs.replace(version, name=version.name[:-1] + "2")
    world.engine.models[second.name] = world.engine.models[first]
    before = world.promotions.champion("parts")
    world.promotions.promote(second, after=before, reason="better", who="test", now=world.now)
    now[0] = 0.999
    assert champion() == first
    now[0] = 1.0
    assert champion() == second.name


def test_query_names_and_versions_have_any_casing_as_at_the_engine(world: World) -> None:
    name = trained(world, "parts")
    headers = {"ocp-apim-subscription-key": KEY}
    query = {"API-Version": VERSION.upper(), "Model-Name": "parts", "MODEL-VERSION": "Latest"}
    assert world.services.prediction.analyze(headers=headers, query=query, body=b"picture").model == name


def test_other_parameters_are_passed_on(world: World) -> None:
    trained(world, "parts")
    passed = json.loads(ask(world, features="tags,read", api_version="2023-10-01", code="hush").body)["query"]
    assert passed["features"] == "tags,read"
    assert passed["api-version"] == "2023-10-01"
    assert "code" not in passed


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", "é"])
def test_a_wrong_key_is_refused(world: World, key: str) -> None:
    with pytest.raises(AccessDeniedError, match="Ocp-Apim-Subscription-Key"):
        ask(world, key=key)


def test_every_configured_key_opens(world: World) -> None:
    trained(world, "parts")
    assert ask(world, key="another").model


def test_without_a_champion_the_next_step_is_told(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    with pytest.raises(NoChampionError, match="/api/status"):
        ask(world, model_name="parts")


@pytest.mark.parametrize("name", ["nothing", "No Such", "parts.0123456789ab.7"])
def test_an_unknown_name_is_told_with_the_known_ones(world: World, name: str) -> None:
    trained(world, "parts")
    with pytest.raises(UnknownModelError, match=r"Datasets: parts|/api/status"):
        ask(world, model_name=name)


def test_a_version_that_cannot_answer_is_told_with_its_state(world: World) -> None:
    world.drop_pictures("parts", "nut", range(8))
    world.drop_pictures("parts", "bolt", range(100, 108))
    world.start()
    (version,) = world.registry.versions("parts")
    with pytest.raises(UnknownModelError, match="is submitted and cannot answer"):
        ask(world, model_name=version.name)


def test_a_model_version_that_is_none_is_told(world: World) -> None:
    trained(world, "parts")
    with pytest.raises(UnknownModelError, match="neither 'latest' nor"):
        ask(world, model_version="2023-02-01")


def test_two_datasets_and_no_name_lists_the_names_or_takes_the_default(world: World) -> None:
    trained(world, "parts")
    trained(world, "tools")
    with pytest.raises(InvalidRequestError, match=r"Datasets: parts, tools\."):
        ask(world)
    chosen = World(Settings(**{**SETTINGS.model_dump(), "default_dataset": "tools"}))
    name = trained(chosen, "tools")
    trained(chosen, "parts")
    assert ask(chosen).model == name


def test_the_only_dataset_answers_whatever_the_default_says() -> None:
    stale = World(Settings(**{**SETTINGS.model_dump(), "default_dataset": "gone"}))
    name = trained(stale, "parts")
    assert ask(stale).model == name


@pytest.mark.parametrize(("body", "says"), [(b"", "0 bytes"), (b"x" * 31_457_280, "31,457,280 bytes")])
def test_a_body_out_of_bounds_is_refused(world: World, body: bytes, says: str) -> None:
    trained(world, "parts")
    with pytest.raises(InvalidRequestError, match=says) as refused:
        ask(world, body=body)
    assert refused.value.inner_code == "InvalidImageSize"


@pytest.mark.parametrize("version", [None, "2022-07-31-preview", ""])
def test_an_api_version_is_required_and_must_be_known(world: World, version: str | None) -> None:
    query = {} if version is None else {"api-version": version}
    headers = {"ocp-apim-subscription-key": KEY}
    with pytest.raises(InvalidRequestError, match="api-version"):
        world.services.prediction.analyze(headers=headers, query=query, body=b"x")


def test_what_the_engine_finds_wrong_with_the_picture_is_the_callers_fault(world: World) -> None:
    trained(world, "parts")
    world.engine.refuse = 400
    with pytest.raises(InvalidRequestError, match="scripted"):
        ask(world)


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_wrong_between_us_and_the_engine_is_not_the_callers_fault(world: World, status: int) -> None:
    trained(world, "parts")
    world.engine.refuse = status
    with pytest.raises(VisionUnavailableError, match=str(status)):
        ask(world)


def test_a_champion_that_the_engine_lost_is_told_with_the_remedy(world: World) -> None:
    name = trained(world, "parts")
    del world.engine.models[name]
    with pytest.raises(VisionUnavailableError, match="train anew"):
        ask(world)
