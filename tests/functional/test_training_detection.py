"""A dataset of boxes, from the first picture to a second champion, in memory."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from shared.formats import Region
from shared.formats.voc import write_voc
from shared.registry import Version
from tests.pictures import draw
from tests.world import World

METRIC = "meanAveragePrecision50"
PLACE = (0.1, 0.2, 0.3, 0.4)
SIZE = (64, 56)  # of a drawn picture


def upload(world: World, seeds: Iterable[int], *, labels: tuple[str, ...] = ("nut", "bolt")) -> None:
    """Upload pictures with a side-car each: one box, of a label by turns; every seventh shows nothing."""
    for seed in seeds:
        regions = [] if seed % 7 == 6 else [Region(labels[seed % len(labels)], PLACE)]
        world.drop(f"parts/images/{seed}.jpg", draw(seed))
        world.drop(f"parts/images/{seed}.xml", write_voc(filename=f"{seed}.jpg", size=SIZE, regions=regions))


def newest(world: World) -> Version:
    return world.registry.versions("parts")[-1]


def train(world: World, value: float) -> Version:
    """Let the newest dataset be trained, with this figure, up to the gate."""
    world.start()
    world.engine.succeed(newest(world).name, value, metric=METRIC)
    for _ in range(3):
        world.poll()
    return newest(world)


@pytest.fixture
def world() -> World:
    made = World()
    upload(made, range(30))
    return made


def test_the_engine_is_asked_for_a_detector_and_the_snapshot_has_boxes(world: World) -> None:
    world.start()
    version = newest(world)
    assert (version.kind, version.labels) == ("detection", ("bolt", "nut"))
    assert {body["annotationKind"] for body in world.engine.datasets.values()} == {"imageObjectDetection"}
    assert world.engine.models[version.name]["trainingParameters"]["modelKind"] == "Generic-Detector"
    sides: list[dict[str, Any]] = [
        json.loads(world.training.read(f"parts/coco/{version.digest}/{side}.json").data) for side in ("train", "test")
    ]
    assert sum(len(side["images"]) for side in sides) == 30
    assert sum(len(side["annotations"]) for side in sides) == 26


def test_the_first_version_is_promoted_on_its_mean_average_precision_and_the_status_says_so(world: World) -> None:
    version = train(world, 0.8)
    assert (version.state, version.metric, version.value) == ("promoted", METRIC, 0.8)
    status = world.status()
    assert status["kind"] == "detection"
    assert {key: status["champion"][key] for key in ("metric", "value")} == {"metric": METRIC, "value": 0.8}
    assert "mean average precision 80.0%" in status["champion"]["reason"]
    before = world.state()
    world.start()
    world.poll()
    assert world.state() == before


@pytest.mark.parametrize(("value", "state"), [(0.8, "promoted"), (0.7, "rejected")])
def test_a_later_version_is_compared_on_mean_average_precision(world: World, value: float, state: str) -> None:
    first = train(world, 0.9)
    upload(world, range(30, 40))
    world.now += timedelta(hours=1)
    second = train(world, value)
    assert second.state == "evaluating"
    world.engine.evaluated(first.name, 0.75, metric=METRIC)
    world.poll()
    assert (newest(world).state, newest(world).champion_value) == (state, 0.75)


def test_a_training_that_reports_no_mean_average_precision_fails(world: World) -> None:
    world.start()
    world.engine.succeed(newest(world).name, 0.9, metric="averagePrecision")
    world.poll()
    assert (newest(world).state, newest(world).reason) == ("failed", f"the engine reported no {METRIC}")


def test_boxes_of_one_label_are_enough() -> None:
    world = World()
    upload(world, range(12), labels=("nut",))
    assert train(world, 0.6).state == "promoted"
