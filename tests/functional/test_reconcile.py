"""Reconcile goes page by page, on where it stood, tells how far it is, and writes nothing when all agree."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.blocks import LeafSizes
from shared.changes import ChangeRecord, encode_change
from shared.coco import Seen
from shared.cocofile import CocoFile
from shared.misplaced import MOST
from shared.pictures import Facts
from shared.reconcile import FOLDED_AT_ONCE, LOCK
from tests.coco_model import Stored, expected, said_by
from tests.pictures import draw
from tests.world import Killed, Pace, Watch, World

TINY = LeafSizes(target=500, least=180)
PICTURES = [draw(seed, size=(12, 12), file_format="PNG") for seed in range(30)]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def world(watch: Watch) -> World:
    return World(pace=Pace(page=3, sizes=TINY, watch=watch))


def put(world: World, count: int = 20) -> None:
    """Let a container be there before Darkroom."""
    for number in range(count):
        world.training.write(f"parts/images/{'nut' if number % 2 else 'bolt'}/{number:02}.png", PICTURES[number])


def agrees(world: World) -> bool:
    stored = {
        path: Stored(blob.properties.etag, blob.data)
        for path, blob in world.training.blobs.items()
        if path.startswith("parts/") and "/coco/" not in path
    }
    return said_by(world.live()) == expected(stored)


def progress(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.status()["reconcile"]
    return {key: found[key] for key in ("done", "compared", "missing", "changed", "vanished", "upTo")}


def test_a_container_that_was_there_before_is_taken_in_by_pages(world: World) -> None:
    put(world)
    assert world.reconcile()["parts"].compared == 20
    assert agrees(world)
    assert progress(world) == {"done": True, "compared": 20, "missing": 20, "changed": 0, "vanished": 0, "upTo": ""}
    before = world.state()
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before


def test_a_blob_that_stands_for_a_folder_is_nothing_whoever_tells_of_it(world: World) -> None:
    put(world, 2)
    world.reconcile()
    world.training.write("parts/images/nut", b"")
    world.training.set_metadata("parts/images/nut", {"hdi_isfolder": "true"})
    before = world.state()
    world.services.intake.notice("parts/images/nut")
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before
    assert world.status()["problems"] == []


def test_a_pass_that_runs_out_of_time_goes_on_where_it_stood_and_the_status_says_how_far(
    world: World, watch: Watch
) -> None:
    put(world)
    watch.step = 100
    world.reconcile()
    seen = [progress(world)]
    while not seen[-1]["done"]:
        assert world.paths() == sorted(world.training.blobs)[1 : 1 + seen[-1]["compared"]], "live.json is the first"
        world.services.intake.resume(now=world.now)
        seen.append(progress(world))
    watch.step = 0
    assert all(after["compared"] > before["compared"] for before, after in pairwise(seen))
    assert all(after["upTo"] > before["upTo"] for before, after in pairwise(seen[:-1]))
    assert len(seen) > 3
    assert seen[-1]["compared"] == 20
    assert agrees(world)
    before = world.state()
    world.services.intake.resume(now=world.now)
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before


def test_a_pass_that_runs_out_of_time_within_a_page_goes_on_there(watch: Watch) -> None:
    world = World(pace=Pace(sizes=TINY, watch=watch))
    count = 2 * FOLDED_AT_ONCE + 20
    for number in range(count):
        world.training.write(f"parts/images/nut/{number:04}.txt", b"0 0.5 0.5 0.2 0.2")
    watch.step = 100
    world.reconcile()
    seen = [progress(world)]
    while not seen[-1]["done"]:
        world.services.intake.resume(now=world.now)
        seen.append(progress(world))
    assert [one["missing"] for one in seen] == [FOLDED_AT_ONCE, 2 * FOLDED_AT_ONCE, count]
    assert [one["compared"] for one in seen] == [0, 0, count + 1], "and live.json"
    watch.step = 0
    assert world.reconcile()["parts"].drift == 0
    for number in range(count):
        world.training.delete(f"parts/images/nut/{number:04}.txt")
    watch.step = 100
    assert world.reconcile()["parts"].vanished == FOLDED_AT_ONCE


def test_a_comparison_folds_what_others_upload_only_for_a_while(watch: Watch) -> None:
    world = World(pace=Pace(fold_batch=1, watch=watch))
    put(world, 1)
    for number in range(100):
        world.queue.send(encode_change(ChangeRecord(path=f"parts/images/nut/{number}.png")))
    watch.step = 2
    world.reconcile()
    assert len(world.queue.messages) > 90


def test_misplaced_blobs_beyond_those_that_are_told_are_not_looked_at_again(world: World) -> None:
    for number in range(MOST + 5):
        world.training.write(f"parts/nut/{number:04}.jpg", b"")
    world.reconcile()
    before = world.state()
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before
    world.training.delete("parts/nut/0000.jpg")
    assert world.reconcile()["parts"].vanished == 1
    world.reconcile()
    told = [problem["path"] for problem in world.services.status.report(now=world.now)["problems"]]
    assert (len(told), told[-1]) == (MOST, f"parts/nut/{MOST:04}.jpg")


def test_pictures_in_no_folder_are_told_and_forgotten_when_they_are_gone(world: World) -> None:
    for name in ("1.jpg", "2.jpg"):
        world.training.write(name, PICTURES[0])
    world.reconcile()
    told = world.services.status.report(now=world.now)["problems"]
    assert [problem["path"] for problem in told] == ["1.jpg", "2.jpg"]
    assert told[0]["reason"].startswith("lies in no folder. Pictures belong under")
    before = world.state()
    world.reconcile()
    assert world.state() == before
    world.training.delete("1.jpg")
    world.reconcile()
    told = world.services.status.report(now=world.now)["problems"]
    assert [problem["path"] for problem in told] == ["2.jpg"]


def test_of_many_pictures_in_no_folder_the_first_are_told_at_little_cost(world: World) -> None:
    for number in range(MOST + 5):
        world.training.write(f"{number:04}.jpg", b"")
    world.reconcile()
    before = world.state()
    world.reconcile()
    assert world.state() == before
    assert len(world.services.status.report(now=world.now)["problems"]) == MOST


def test_what_changes_behind_and_before_a_pass_under_way_is_found_by_it_or_the_next(world: World, watch: Watch) -> None:
    put(world)
    watch.step = 100
    world.reconcile()
    watch.step = 0
    reached = progress(world)["upTo"]
    world.training.write("parts/images/a/behind.png", PICTURES[21])
    world.training.write("parts/images/z/before.png", PICTURES[22])
    world.training.delete("parts/images/nut/19.png")
    assert "parts/images/a/behind.png" < reached < "parts/images/nut/19.png"
    world.services.intake.resume(now=world.now)
    assert progress(world)["done"]
    assert "parts/images/z/before.png" in world.paths()
    assert "parts/images/nut/19.png" not in world.paths()
    assert "parts/images/a/behind.png" not in world.paths()
    assert world.reconcile()["parts"].missing == 1
    assert agrees(world)


def test_a_fold_during_a_pass_does_not_mislead_it(world: World) -> None:
    put(world, 9)
    world.reconcile()
    put(world, 12)
    late = iter(PICTURES[20:])

    def somebody_uploads(path: str) -> None:
        if path.endswith("live.json") and (data := next(late, None)) is not None:
            world.training.write(f"parts/images/nut/late-{len(world.training.blobs)}.png", data)

    world.before_writes(somebody_uploads)
    world.reconcile()
    world.before_writes(lambda _: None)
    world.reconcile()
    assert agrees(world)


@pytest.mark.parametrize("what", ["missing", "changed", "vanished"])
def test_drift_is_counted_by_what_it_is(world: World, what: str) -> None:
    put(world, 6)
    world.reconcile()
    match what:
        case "missing":
            world.training.write("parts/images/nut/new.png", PICTURES[20])
        case "changed":
            world.label("parts/images/bolt/00.png", "gear")
        case "vanished":
            world.training.delete("parts/images/bolt/00.png")
    found = world.reconcile()["parts"]
    assert (found.drift, getattr(found, what)) == (1, 1)


def test_blobs_of_every_sort_agree_after_one_pass(world: World) -> None:
    put(world, 4)
    for path, data in {
        "images/nut/01.xml": b"<annotation>",
        "images/nut/03.txt": b"0 0.5 0.5 0.5 0.5\n",
        "images/nut/classes.txt": b"",
        "images/classes.txt": b"nut\n",
        "images/bolt/data.yaml": b"names: [",
        "images/bolt/notes.json": b"{}",
        "images/broken.png": b"broken",
        "images/huge.txt": b"x" * (2**20 + 1),
        "annotations/all.json": b"{",
        "annotations/classes.txt": b"",
        "annotations/sub/data.yaml": b"names: [nut]\n",
        "dataset.json": b"{}",
        "other/1.png": PICTURES[9],
        "top.png": PICTURES[9],
    }.items():
        world.training.write(f"parts/{path}", data)
    world.reconcile()
    before = world.state()
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before


def test_only_one_compares_at_a_time(world: World) -> None:
    put(world, 3)
    lease = world.registry_blobs.lease(LOCK, timedelta(seconds=60))
    assert world.reconcile() == {}
    assert lease is not None
    lease.release()
    assert world.reconcile()["parts"].missing == 3


def test_a_pass_that_is_killed_at_any_write_is_gone_on_with(watch: Watch) -> None:
    for victim in range(200):
        world = World(pace=Pace(page=3, sizes=TINY, watch=watch))
        put(world, 8)
        writes = iter(range(1000))

        def die(path: str, victim: int = victim, writes: Any = writes) -> None:
            if next(writes) == victim:
                raise Killed

        world.before_writes(die)
        try:
            world.reconcile()
        except Killed:
            world.before_writes(lambda _: None)
            world.registry_blobs.leases.clear()
            world.queue.reveal()
            world.reconcile()
            assert agrees(world), victim
        else:
            assert victim > 5
            return


def test_a_file_of_many_leaves_is_merged_from_where_the_pass_stands(world: World, watch: Watch) -> None:
    file = CocoFile(world.training, "parts", sizes=TINY)
    gone = {
        f"parts/images/nut/{number:03}.png": Seen(
            etag="1", facts=Facts(etag="1", sha256=f"{number:064x}", width=12, height=12)
        )
        for number in range(50)
    }
    file.fold(gone)
    world.training.write("parts/images/nut/025.png", PICTURES[0])
    world.registry.ensure("parts")
    watch.step = 100
    world.reconcile()
    while not progress(world)["done"]:
        world.services.intake.resume(now=world.now)
    assert progress(world) | {"compared": 0} == {
        "done": True, "compared": 0, "missing": 0, "changed": 1, "vanished": 49, "upTo": ""
    }  # fmt: skip
    assert agrees(world)
