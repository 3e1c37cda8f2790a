"""From thresholds to promotion: what design §3 promises of hops 5 to 11, over memory storage."""

import contextlib
import hashlib
import itertools
import json
from datetime import timedelta

import msgspec
import pytest
import stamina

from shared.errors import BlobChangedError, BrokenFileError
from shared.pins import PinnedPictures
from shared.registry import Version
from shared.settings import Settings
from shared.sides import side_of
from tests.pictures import draw
from tests.world import SETTINGS, Killed, World


@pytest.fixture
def world() -> World:
    made = World()
    made.drop_pictures("parts", "nut", range(8))
    made.drop_pictures("parts", "bolt", range(100, 108))
    return made


def only_version(world: World) -> Version:
    (version,) = world.registry.versions("parts")
    return version


def promote_first(world: World, accuracy: float = 0.8) -> str:
    world.start()
    name = only_version(world).name
    world.engine.succeed(name, accuracy)
    for _ in range(3):
        world.poll()
    assert only_version(world).state == "promoted"
    return name


def train_second(world: World, accuracy: float) -> str:
    world.drop_pictures("parts", "nut", range(20, 24))
    world.now += timedelta(hours=1)
    world.start()
    second = world.registry.versions("parts")[-1].name
    world.engine.succeed(second, accuracy)
    world.poll()
    world.poll()
    return second


def champion(world: World) -> str | None:
    newest = world.promotions.champion("parts")
    return newest.version if newest else None


def latest(world: World) -> Version:
    return world.registry.versions("parts")[-1]


def test_below_the_threshold_nothing_starts_and_status_says_what_is_missing() -> None:
    world = World()
    world.drop_pictures("parts", "nut", range(8))
    world.drop_pictures("parts", "bolt", range(100, 103))
    before = world.state()
    world.start()
    assert world.state() == before
    status = world.status()
    assert not status["decision"]["go"]
    assert "label 'bolt' has 3 of 5 pictures" in status["decision"]["reasons"]
    assert {entry["label"]: entry["needed"] for entry in status["labels"]} == {"nut": 0, "bolt": 2}


def test_a_training_is_registered_snapshotted_and_submitted(world: World) -> None:
    world.start()
    version = only_version(world)
    assert version.name == f"parts.{version.digest}.1"
    assert version.state == "submitted"
    sides = [json.loads(world.training.read(f"parts/coco/{version.digest}/{s}.json").data) for s in ("train", "test")]
    assert [len(side["images"]) for side in sides] == [version.train_pictures, version.test_pictures]
    assert version.train_pictures + version.test_pictures == 16
    assert version.test_pictures > 0
    assert world.engine.puts("models") == [version.name]
    assert world.engine.puts("datasets") == [f"parts.{version.digest}.train", f"parts.{version.digest}.test"]
    assert world.status()["training"]["version"] == version.name


def test_a_timer_that_finds_nothing_new_reads_no_version_record_again(world: World) -> None:
    for attempt in range(1, 31):
        name = f"parts.{'0' * 12}.{attempt}"
        ended = Version(
            name=name,
            dataset="parts",
            digest="0" * 12,
            attempt=attempt,
            state="rejected",
            created_at=world.now - timedelta(days=2),
            updated_at=world.now - timedelta(days=1),
            deadline=world.now,
            labels=("bolt", "nut"),
            train_pictures=9,
            test_pictures=3,
            changes=0,
        )
        assert world.registry.create(ended)
    for _ in range(2):  # the first registers a version, which the second sees
        world.start()
    reads: list[str] = []
    world.registry_blobs.before_read = reads.append
    world.start()
    assert [path for path in reads if "/versions/" in path] == []
    assert len(reads) <= 5, "token, pins, champion, its next, survey"
    world.engine.succeed(latest(world).name, 0.9)
    world.poll()
    reads.clear()
    world.start()
    assert [path for path in reads if "/versions/" in path] == [f"parts/versions/{latest(world).name}.json"]


def test_starting_twice_trains_once(world: World) -> None:
    world.start()
    before = world.state()
    world.start()
    assert world.state() == before
    assert len(world.engine.puts("models")) == 1


@pytest.mark.parametrize("survived", range(8))
def test_a_start_that_was_killed_after_any_write_is_taken_up_again(world: World, survived: int) -> None:
    writes = itertools.count()

    def kill(path: str) -> None:
        if next(writes) >= survived:
            raise Killed(path)

    world.before_writes(kill)
    with contextlib.suppress(Killed):
        world.start()
    world.before_writes(lambda _: None)
    world.start()
    for _ in range(2):
        world.poll()
    version = only_version(world)
    assert version.state == "submitted"
    assert set(world.engine.puts("models")) == {version.name}
    world.engine.succeed(version.name, 0.9)
    for _ in range(3):
        world.poll()
    assert champion(world) == version.name


def test_the_first_version_is_promoted_and_the_world_is_told_once(world: World) -> None:
    name = promote_first(world)
    newest = world.promotions.champion("parts")
    assert newest is not None
    assert (newest.seq, newest.version, newest.previous, newest.who) == (1, name, None, "gate")
    assert "first version" in newest.reason
    assert [p.version for p in world.listener.heard] == [name]
    assert world.registry.in_flight("parts").version is None
    before = world.state()
    world.poll()
    assert world.state() == before
    assert world.status()["champion"]["version"] == name


@pytest.mark.parametrize(("accuracy", "state"), [(0.8, "promoted"), (0.9, "promoted"), (0.7, "rejected")])
def test_a_later_version_is_judged_against_the_champion_on_the_same_test_pictures(
    world: World, accuracy: float, state: str
) -> None:
    first = promote_first(world)
    second = train_second(world, accuracy)
    assert latest(world).state == "evaluating"
    world.engine.evaluated(first, 0.8)
    world.poll()
    assert latest(world).state == state
    assert latest(world).champion_value == 0.8
    assert champion(world) == (second if state == "promoted" else first)
    assert f"{latest(world).digest}.1" in world.engine.puts(f"models/{first}/evaluations")[0]


def test_a_champion_that_the_engine_lost_is_replaced(world: World) -> None:
    first = promote_first(world)
    train_second(world, 0.2)
    del world.engine.models[first]
    world.poll()
    assert latest(world).state == "promoted"
    assert "can no longer answer" in latest(world).reason


def test_a_champion_that_cannot_be_evaluated_for_another_reason_stays(world: World) -> None:
    first = promote_first(world)
    train_second(world, 0.9)
    for evaluation in world.engine.evaluations.values():
        evaluation.update(status="failed", error={"code": "internalServerError", "message": "out of memory"})
    world.poll()
    assert latest(world).state == "failed"
    assert "out of memory" in latest(world).reason
    assert champion(world) == first


@pytest.mark.parametrize("down_for", [timedelta(seconds=15), timedelta(days=2)], ids=["a moment", "past the deadline"])
def test_a_crash_between_the_log_and_the_record_promotes_once(world: World, down_for: timedelta) -> None:
    world.start()
    name = only_version(world).name
    world.engine.succeed(name, 0.8)

    def kill(path: str) -> None:
        if path.endswith("champion.json"):
            raise Killed(path)

    world.before_writes(kill)
    with pytest.raises(Killed):
        world.poll()
    world.before_writes(lambda _: None)
    world.poll(after=down_for)
    world.poll()
    assert only_version(world).state == "promoted"
    assert [p.version for p in world.promotions.entries("parts")] == [name]
    assert [p.version for p in world.listener.heard] == [name]


def test_pictures_that_reach_no_snapshot_train_nothing_again(world: World) -> None:
    name = promote_first(world)
    world.drop_pictures("parts", "washer", [300])
    world.drop("parts/images/no-label.jpg", draw(301))
    world.now += timedelta(hours=1)
    world.start()
    assert [version.name for version in world.registry.versions("parts")] == [name]
    assert f"nothing new that can be trained on since {name}" in world.status()["decision"]["reasons"]


def test_a_live_file_that_was_deleted_is_built_anew_and_training_goes_on_with_the_same_sides() -> None:
    world = World()
    train_side = [seed for seed in range(80) if _is_train(seed)]
    world.drop_pictures("parts", "nut", train_side[:6])
    world.drop_pictures("parts", "bolt", train_side[6:12])
    first = promote_first(world)
    pinned = PinnedPictures(world.registry_blobs).of("parts")
    for _ in range(2):
        world.drop("parts/images/nut/more.jpg", draw(train_side[20]))
        world.remove("parts/images/nut/more.jpg")
    world.training.delete("parts/coco/live.json")
    world.reconcile()
    assert world.live()["info"]["changes"] < 20
    world.drop_pictures("parts", "nut", train_side[12:15])
    world.now += timedelta(hours=1)
    world.start()
    assert [version.attempt for version in world.registry.versions("parts")] == [1, 1]
    assert latest(world).name != first
    assert PinnedPictures(world.registry_blobs).of("parts") >= pinned


def test_a_training_without_a_figure_fails(world: World) -> None:
    world.start()
    world.engine.models[only_version(world).name].update(status="succeeded")
    world.poll()
    assert (only_version(world).state, only_version(world).reason) == ("failed", "the engine reported no accuracy")


def test_a_dataset_in_a_bad_state_holds_no_other_up(world: World) -> None:
    world.drop("aaa/images/nut/1.jpg", draw(1))
    world.training.write("aaa/coco/live.json", b"{")
    with pytest.raises(BrokenFileError):
        world.start()
    (version,) = world.registry.versions("parts")
    world.registry_blobs.write("aaa/training.json", b"{")
    world.engine.succeed(version.name, 0.9)
    with pytest.raises(BrokenFileError):
        world.poll()
    assert champion(world) == version.name
    assert world.status("parts")["champion"]["version"] == version.name
    assert "Restore or delete it" in world.status("aaa")["decision"]["reasons"][0]


def test_a_configuration_that_is_too_large_is_told(world: World) -> None:
    world.training.write("parts/dataset.json", b" " * 1_000_001)
    assert "larger than" in world.status()["decision"]["reasons"][0]


def test_a_failed_training_says_why_and_is_tried_again_after_the_cool_down(world: World) -> None:
    world.start()
    name = only_version(world).name
    world.engine.fail(name, "datasetCorrupt", "picture 'parts/images/nut/1.jpg' changed.")
    world.poll()
    assert only_version(world).state == "failed"
    assert "parts/images/nut/1.jpg" in only_version(world).reason
    world.start()
    assert len(world.registry.versions("parts")) == 1
    world.now += timedelta(minutes=6)
    world.start()
    assert [v.attempt for v in world.registry.versions("parts")] == [1, 2]


def test_an_engine_that_does_not_answer_is_asked_again_with_back_off(world: World) -> None:
    world.engine.down = True
    with stamina.set_testing(True, attempts=1):
        world.start()
        assert only_version(world).state == "registered"
        assert only_version(world).failures == 1
        for _ in range(4):
            world.poll()
    assert only_version(world).failures > 1
    pause = only_version(world).next_check_at
    assert pause is not None
    world.engine.down = False
    world.poll(after=timedelta(minutes=6))
    assert (only_version(world).state, only_version(world).failures) == ("submitted", 0)
    assert only_version(world).reason == ""
    assert world.engine.puts("models")[-1:] == [only_version(world).name]


def test_a_wrong_key_waits_for_a_person_and_a_refused_request_fails(world: World) -> None:
    world.engine.refuse = 401
    world.start()
    assert only_version(world).state == "registered"
    assert "401" in only_version(world).reason
    world.engine.refuse = 400
    world.poll()
    assert only_version(world).state == "failed"


def test_a_model_that_the_engine_lost_is_put_again(world: World) -> None:
    world.start()
    name = only_version(world).name
    del world.engine.models[name]
    world.poll()
    assert world.engine.puts("models") == [name, name]


def test_a_training_that_takes_too_long_is_cancelled(world: World) -> None:
    world.start()
    world.poll(after=timedelta(hours=3))
    assert only_version(world).state == "timedOut"
    assert world.engine.models[only_version(world).name]["status"] == "cancelled"
    world.poll()
    assert world.registry.in_flight("parts").version is None


def test_a_promotion_stands_though_nobody_can_be_told(world: World) -> None:
    world.listener.deaf = True
    world.start()
    name = only_version(world).name
    world.engine.succeed(name, 0.8)
    for _ in range(3):
        world.poll()
    assert champion(world) == name
    assert not only_version(world).announced
    world.listener.deaf = False
    world.poll(after=timedelta(minutes=10))
    assert [p.version for p in world.listener.heard] == [name]
    assert world.registry.in_flight("parts").version is None


def test_an_old_or_broken_or_missing_cache_does_not_hide_the_champion(world: World) -> None:
    name = promote_first(world)
    old = world.registry_blobs.read("parts/champion.json").data
    second = train_second(world, 0.9)
    world.engine.evaluated(name, 0.8)
    world.poll()
    for cache in (old, b"{"):
        world.registry_blobs.write("parts/champion.json", cache)
        assert champion(world) == second
    world.registry_blobs.delete("parts/champion.json")
    assert champion(world) == second


def test_a_promotion_against_an_older_champion_is_refused(world: World) -> None:
    promote_first(world)
    version = msgspec.structs.replace(only_version(world), name="parts.aaaaaaaaaaaa.1")
    with pytest.raises(BlobChangedError, match="judge"):
        world.promotions.promote(version, after=None, reason="late", who="gate", now=world.now)


def test_without_test_pictures_the_first_is_promoted_on_cross_validation_and_says_so() -> None:
    world = World(Settings(**{**SETTINGS.model_dump(), "min_pictures_per_label": 2}))
    train_side = [seed for seed in range(40) if _is_train(seed)]
    world.drop_pictures("parts", "nut", train_side[:3])
    world.drop_pictures("parts", "bolt", train_side[3:6])
    world.start()
    version = only_version(world)
    assert version.test_pictures == 0
    assert "evaluationParameters" not in world.engine.models[version.name]
    world.engine.succeed(version.name, 0.7)
    for _ in range(3):
        world.poll()
    assert "cross-validated" in only_version(world).reason
    assert only_version(world).metric == "crossValidatedAccuracy"


def _is_train(seed: int) -> bool:
    return side_of(hashlib.sha256(draw(seed)).hexdigest(), size=(64, 56)) == "train"


def test_dataset_json_overrides_the_thresholds_and_a_broken_one_is_told(world: World) -> None:
    world.training.write("parts/dataset.json", b'{"policy": {"min_pictures_per_label": 9}}')
    assert "label 'nut' has 8 of 9 pictures" in world.status()["decision"]["reasons"]
    world.training.write("parts/dataset.json", b'{"policy": {"min_pictures": 9}}')
    (reason,) = world.status()["decision"]["reasons"]
    assert "min_pictures" in reason
    world.start()
    assert world.registry.versions("parts") == []


def test_a_picture_pinned_to_the_test_side_stays_there(world: World) -> None:
    bare = World()
    train_side = [seed for seed in range(80) if _is_train(seed)]
    bare.drop_pictures("parts", "nut", train_side[:6])
    bare.drop_pictures("parts", "bolt", train_side[6:12])
    bare.start()
    assert only_version(bare).test_pictures == 2
    pinned = PinnedPictures(bare.registry_blobs).of("parts")
    assert len(pinned) == 2
    assert [(e["train"], e["test"]) for e in bare.status()["labels"]] == [(5, 1), (5, 1)]
