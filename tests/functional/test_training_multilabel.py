"""A dataset whose pictures have several labels each, from the first picture to a second champion, in memory."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from shared.registry import Version
from tests.pictures import draw
from tests.world import World

LABELS = ("bolt", "nut", "rust")
METRIC = "averagePrecision"


def coco(seeds: Iterable[int]) -> bytes:
    """Label picture n with one label, or with two, by turns."""
    seeds = list(seeds)
    records = [(1 + place, seed % 3) for place, seed in enumerate(seeds)]
    records += [(1 + place, (seed + 1) % 3) for place, seed in enumerate(seeds) if seed % 2]
    annotations = [{"id": n, "image_id": image, "category_id": label} for n, (image, label) in enumerate(records, 1)]
    images = [{"id": 1 + place, "file_name": f"{seed}.jpg"} for place, seed in enumerate(seeds)]
    categories = [{"id": number, "name": name} for number, name in enumerate(LABELS)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()


def upload(world: World, seeds: Iterable[int], *, name: str = "all") -> None:
    seeds = list(seeds)
    for seed in seeds:
        world.drop(f"parts/images/{seed}.jpg", draw(seed))
    world.drop(f"parts/annotations/{name}.json", coco(seeds))


def newest(world: World) -> Version:
    return world.registry.versions("parts")[-1]


def train(world: World, value: float) -> Version:
    """Let the newest dataset be trained, with this figure, up to the gate."""
    world.start()
    name = newest(world).name
    world.engine.succeed(name, value, metric=METRIC)
    for _ in range(3):
        world.poll()
    return newest(world)


@pytest.fixture
def world() -> World:
    made = World()
    upload(made, range(30))
    return made


def test_the_engine_is_told_the_kind_and_the_snapshot_has_all_labels_of_a_picture(world: World) -> None:
    world.start()
    version = newest(world)
    assert (version.kind, version.labels) == ("multilabel", LABELS)
    assert {body["annotationKind"] for body in world.engine.datasets.values()} == {"imageMultilabelClassification"}
    assert world.engine.models[version.name]["trainingParameters"]["modelKind"] == "Generic-Classifier"
    sides: list[dict[str, Any]] = [
        json.loads(world.training.read(f"parts/coco/{version.digest}/{side}.json").data) for side in ("train", "test")
    ]
    assert sum(len(side["images"]) for side in sides) == 30
    assert sum(len(side["annotations"]) for side in sides) == 45


def test_the_first_version_is_promoted_on_its_average_precision_and_the_status_says_so(world: World) -> None:
    version = train(world, 0.8)
    assert (version.state, version.metric, version.value) == ("promoted", METRIC, 0.8)
    status = world.status()
    assert status["kind"] == "multilabel"
    assert {key: status["champion"][key] for key in ("metric", "value")} == {"metric": METRIC, "value": 0.8}
    assert "average precision 80.0%" in status["champion"]["reason"]
    before = world.state()
    world.start()
    world.poll()
    assert world.state() == before


@pytest.mark.parametrize(("value", "state"), [(0.8, "promoted"), (0.7, "rejected")])
def test_a_later_version_is_compared_on_average_precision(world: World, value: float, state: str) -> None:
    first = train(world, 0.9)
    upload(world, range(30, 40), name="more")
    world.now += timedelta(hours=1)
    second = train(world, value)
    assert second.state == "evaluating"
    world.engine.evaluated(first.name, 0.75, metric=METRIC)
    world.poll()
    assert (newest(world).state, newest(world).champion_value) == (state, 0.75)


def test_a_training_that_reports_accuracy_only_fails(world: World) -> None:
    world.start()
    world.engine.succeed(newest(world).name, 0.9)
    world.poll()
    assert (newest(world).state, newest(world).reason) == ("failed", "the engine reported no averagePrecision")


def test_a_champion_of_another_kind_is_replaced_without_being_asked() -> None:
    world = World()
    world.training.write("parts/dataset.json", b'{"kind": "classification"}')
    for label in ("nut", "bolt"):
        world.drop_pictures("parts", label, range(100 * len(label), 100 * len(label) + 8))
    world.start()
    world.engine.succeed(newest(world).name, 0.9)
    for _ in range(3):
        world.poll()
    assert newest(world).state == "promoted"
    upload(world, range(30))
    world.training.write("parts/dataset.json", b'{"kind": "multilabel"}')
    world.now += timedelta(hours=1)
    second = train(world, 0.6)
    assert (second.kind, second.state) == ("multilabel", "promoted")
    assert "the dataset's kind was classification" in second.reason
    assert world.engine.evaluations == {}


def test_a_label_below_its_threshold_is_named_and_holds_up_no_other(world: World) -> None:
    more = json.loads(coco(range(30)))
    more["categories"].append({"id": 9, "name": "dent"})
    more["annotations"].append({"id": 1000, "image_id": 1, "category_id": 9})
    world.drop("parts/annotations/all.json", json.dumps(more).encode())
    reasons = world.status()["decision"]["reasons"]
    assert "label 'dent' has 1 of 5 pictures; it is left out" in reasons
    assert world.status()["decision"]["go"]
