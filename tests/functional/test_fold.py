"""Pictures in, COCO file out: what design §3 promises of hops 2 to 4, over memory storage."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes import ChangeRecord, encode_change
from shared.dataset import LOCK
from shared.errors import BlobRefusedError, BrokenFileError, StorageError
from tests.pictures import draw
from tests.world import Pace, World


@pytest.fixture
def world() -> World:
    return World()


def test_a_dropped_picture_is_in_the_file_once_however_often_the_event_comes(world: World) -> None:
    path = "parts/images/nut/1.jpg"
    world.drop(path, draw(1))
    before = world.state()
    for _ in range(3):
        world.services.intake.notice(path)
    assert world.paths() == [path]
    assert world.state() == before


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"text", "not a picture"),
        (draw(1)[:300], "truncated"),
        (draw(1, size=(1, 1)), "1 x 1 px"),
        (draw(1, size=(20_000, 12), file_format="PNG"), "20,000 x 12 px"),
        (b"\xff" * (20 * 2**20 + 1), "at most 20 MB"),
    ],
    ids=["empty", "text", "truncated", "tiny", "huge", "heavy"],
)
def test_a_picture_that_cannot_be_used_is_recorded_with_its_reason(world: World, data: bytes, says: str) -> None:
    world.drop("parts/images/nut/1.jpg", data)
    assert world.paths() == []
    (problem,) = world.status()["problems"]
    assert problem["path"] == "parts/images/nut/1.jpg"
    assert says in problem["reason"]


def test_a_mended_picture_is_no_problem_any_more(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1)[:300])
    world.drop("parts/images/nut/1.jpg", draw(1))
    assert world.status()["problems"] == []
    assert world.paths() == ["parts/images/nut/1.jpg"]


@pytest.mark.parametrize("label", ["wing nut", "Schlüssel", "ナット", "a'b\"c"])
def test_a_label_may_have_spaces_and_any_script(world: World, label: str) -> None:
    world.drop(f"parts/images/{label}/1.jpg", draw(1))
    assert [c["name"] for c in world.live()["categories"]] == [label]


@pytest.mark.parametrize("folder", ["a\nb", " ", "x" * 300])
def test_a_folder_that_cannot_be_a_label_is_told(world: World, folder: str) -> None:
    world.drop(f"parts/images/{folder}/1.jpg", draw(1))
    assert "cannot be a label" in world.status()["problems"][0]["reason"]


def test_the_same_bytes_under_two_labels_are_told_until_one_is_gone(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    world.drop("parts/images/bolt/1.jpg", draw(1))
    assert [p["path"] for p in world.status()["problems"]] == ["parts/images/bolt/1.jpg", "parts/images/nut/1.jpg"]
    assert world.status()["labels"] == []
    world.remove("parts/images/bolt/1.jpg")
    assert world.status()["problems"] == []


def test_a_picture_deleted_between_event_and_fold_is_not_in_the_file(world: World) -> None:
    path = "parts/images/nut/1.jpg"
    lease = world.registry_blobs.lease(LOCK, timedelta(seconds=30))
    world.drop(path, draw(1))  # somebody else folds: this one only leaves its message
    world.training.delete(path)
    assert lease is not None
    lease.release()
    assert world.fold() == 1
    assert world.services.status.report(now=world.now)["datasets"] == []  # a hint alone makes no dataset


def test_a_late_create_after_a_folded_delete_adds_nothing(world: World) -> None:
    path = "parts/images/nut/1.jpg"
    world.drop(path, draw(1))
    world.remove(path)
    before = world.state()
    world.services.intake.notice(path)
    assert world.paths() == []
    assert world.state() == before


def test_facts_of_an_older_version_are_not_believed(world: World) -> None:
    path = "parts/images/nut/1.jpg"
    world.drop(path, draw(1))
    world.training.write(path, draw(2, size=(80, 80)))
    world.services.intake.forget(path)  # any hint will do
    assert [(i["width"], i["height"]) for i in world.live()["images"]] == [(80, 80)]


def test_a_fold_that_lost_its_lease_deletes_no_message(world: World) -> None:
    world.training.write("parts/images/nut/1.jpg", draw(1))
    world.queue.send(encode_change(ChangeRecord(path="parts/images/nut/1.jpg")))
    world.training.before_write = lambda _: world.registry_blobs.leases.clear()
    assert world.fold() == 0
    world.training.before_write = lambda _: None
    world.queue.reveal()
    assert world.fold() == 2
    assert world.paths() == ["parts/images/nut/1.jpg"]
    assert world.queue.messages == {}


def test_a_stalled_folds_old_look_is_corrected_though_the_newer_fold_had_nothing_to_write(world: World) -> None:
    path = "parts/images/nut/1.jpg"
    world.drop("parts/images/nut/0.jpg", draw(0))
    world.training.write(path, draw(1))
    world.queue.send(encode_change(ChangeRecord(path=path)))

    def another_fold_meanwhile(written: str) -> None:
        world.training.before_write = lambda _: None
        world.registry_blobs.leases.clear()  # the stalled fold's lease and message time out
        world.queue.reveal()
        world.training.delete(path)
        world.services.intake.forget(path)
        assert world.queue.messages == {}
        assert path not in world.paths()

    world.training.before_write = another_fold_meanwhile
    world.fold()
    world.fold()
    assert world.paths() == ["parts/images/nut/0.jpg"]


def test_an_invalid_dataset_name_is_a_problem_of_no_dataset(world: World) -> None:
    world.drop("Parts/images/nut/1.jpg", draw(1))
    report = world.services.status.report(now=world.now)
    assert report["datasets"] == []
    assert "is not a dataset name" in report["problems"][0]["reason"]
    world.remove("Parts/images/nut/1.jpg")
    assert world.services.status.report(now=world.now)["problems"] == []


def test_a_message_of_somebody_else_is_dropped_and_holds_nobody_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.queue.send("hello")
    world.drop("parts/images/nut/1.jpg", draw(1))
    assert world.queue.messages == {}
    assert world.paths() == ["parts/images/nut/1.jpg"]
    assert "none of ours" in caplog.text


def test_a_broken_file_of_one_dataset_keeps_its_changes_and_holds_no_other_up(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    world.training.write("parts/coco/live.json", b"{")
    for number in range(300):  # more than a fold takes at once
        world.queue.send(encode_change(ChangeRecord(path=f"parts/images/nut/{number}.jpg")))
    world.drop("others/images/nut/1.jpg", draw(1))
    assert world.paths("others") == ["others/images/nut/1.jpg"]
    assert len(world.queue.messages) == 300
    world.queue.reveal()
    with pytest.raises(BrokenFileError, match="Delete the file"):
        world.fold()
    assert len(world.queue.messages) == 300
    assert "Delete the file" in world.status()["decision"]["reasons"][0]
    with pytest.raises(BrokenFileError):
        world.reconcile()
    world.training.delete("parts/coco/live.json")
    world.queue.reveal()
    world.reconcile()
    assert world.paths() == ["parts/images/nut/1.jpg"]


def test_an_archived_picture_is_told_and_holds_nothing_up(world: World) -> None:
    world.training.write("parts/images/nut/1.jpg", draw(1))
    world.training.archive("parts/images/nut/1.jpg")
    world.drop("parts/images/nut/2.jpg", draw(2))
    world.services.intake.notice("parts/images/nut/1.jpg")
    assert world.paths() == ["parts/images/nut/2.jpg"]
    assert "archive tier" in world.status()["problems"][0]["reason"]
    assert world.reconcile()["parts"].drift == 0
    world.remove("parts/images/nut/1.jpg")
    world.drop("parts/images/nut/1.jpg", draw(1))
    assert len(world.paths()) == 2
    assert world.status()["problems"] == []


def test_a_blob_that_storage_refuses_holds_no_other_dataset_up(world: World) -> None:
    refused = "parts/images/nut/1.jpg"

    def refuse(path: str) -> None:
        if path == refused:
            raise StorageError("refused")

    world.training.before_read = refuse
    world.queue.send(encode_change(ChangeRecord(path=refused)))
    world.drop("others/images/nut/1.jpg", draw(1))
    assert world.paths("others") == ["others/images/nut/1.jpg"]
    world.queue.reveal()
    with pytest.raises(StorageError, match="refused"):
        world.fold()
    assert len(world.queue.messages) == 1


def refusing(world: World, refused: str) -> None:
    def refuse(path: str) -> None:
        if path == refused:
            raise BlobRefusedError(f"'{path}' is refused: it is encrypted with another key")

    world.training.before_read = refuse


def test_a_blob_that_storage_refuses_keeps_none_of_its_batch_out_and_its_message_stays(world: World) -> None:
    refusing(world, "parts/images/nut/2.jpg")
    for seed in range(4):
        world.training.write(f"parts/images/nut/{seed}.jpg", draw(seed))
        world.queue.send(encode_change(ChangeRecord(path=f"parts/images/nut/{seed}.jpg")))
    with pytest.raises(BlobRefusedError, match=r"nut/2\.jpg"):
        world.fold()
    assert world.paths() == [f"parts/images/nut/{seed}.jpg" for seed in (0, 1, 3)]
    assert [json.loads(body)["path"] for body in world.queue.messages.values()] == ["parts/images/nut/2.jpg"]
    world.training.before_read = lambda _: None
    world.queue.reveal()
    assert world.fold() == 1
    assert len(world.paths()) == 4


def test_a_comparison_goes_past_a_blob_that_storage_refuses_and_fails_at_its_end() -> None:
    world = World(pace=Pace(page=2))
    refusing(world, "parts/images/nut/2.jpg")
    for seed in range(8):
        world.training.write(f"parts/images/nut/{seed}.jpg", draw(seed))
    for _ in range(2):
        with pytest.raises(BlobRefusedError, match=r"nut/2\.jpg"):
            world.reconcile()
        assert len(world.paths()) == 7
        assert world.status()["reconcile"]["done"]
    assert world.queue.messages == {}


def test_a_deletion_of_what_is_no_picture_is_none_of_ours(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    for path in ("parts/dataset.json", "parts/coco/live.json"):
        world.services.intake.forget_subject(f"/blobServices/default/containers/training/blobs/{path}")
    world.services.intake.forget_subject("/blobServices/default/containers/other/blobs/parts/images/nut/1.jpg")
    assert world.services.status.report(now=world.now)["problems"] == []
    assert world.queue.messages == {}


def test_a_misplaced_blob_whose_deletion_was_lost_is_forgotten_by_reconcile(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    world.drop("parts/sub/images/x.jpg", draw(2))
    assert len(world.services.status.report(now=world.now)["problems"]) == 1
    world.training.delete("parts/sub/images/x.jpg")
    world.reconcile()
    assert world.services.status.report(now=world.now)["problems"] == []


def test_reconcile_finds_what_no_event_told_and_writes_nothing_when_all_agree(world: World) -> None:
    for seed in (1, 2, 3):
        world.drop(f"parts/images/nut/{seed}.jpg", draw(seed))
    world.training.delete("parts/images/nut/1.jpg")
    world.training.write("parts/images/nut/2.jpg", draw(20))
    world.training.write("parts/images/nut/4.jpg", draw(4))
    world.training.write("BAD/images/nut/1.jpg", draw(4))
    world.training.write("parts/nut/1.jpg", draw(5))
    world.training.write("parts/dataset.json", b"{}")
    found = world.reconcile()
    assert {name: (p.missing, p.changed, p.vanished) for name, p in found.items()} == {
        "parts": (2, 1, 1),
        "BAD": (1, 0, 0),
    }
    report = world.services.status.report(now=world.now)
    assert [problem["path"] for problem in report["problems"]] == ["BAD/images/nut/1.jpg", "parts/nut/1.jpg"]
    assert "belong under 'parts/images/'" in report["problems"][1]["reason"]
    assert world.paths() == [f"parts/images/nut/{n}.jpg" for n in (2, 3, 4)]
    before = world.state()
    assert [found.drift for found in world.reconcile().values()] == [0, 0]
    assert world.state() == before


PATHS = [f"parts/images/{label}/{n}.jpg" for label in ("nut", "bolt") for n in range(3)]
step = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(PATHS), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.sampled_from(PATHS), st.just(0)),
    st.tuples(st.just("event"), st.sampled_from(PATHS), st.just(0)),
    st.tuples(st.just("fold"), st.just(""), st.just(0)),
)


@given(st.lists(step, max_size=25))
def test_whatever_events_are_lost_repeated_or_reordered_reconcile_makes_the_file_equal_the_container(
    steps: list[tuple[str, str, int]],
) -> None:
    world = World()
    for what, path, seed in steps:
        match what:
            case "write":
                world.training.write(path, draw(seed) if seed else b"broken")
            case "delete":
                world.training.delete(path)
            case "event":
                world.queue.send(encode_change(ChangeRecord(path=path)))
            case "fold":
                world.fold()
    world.reconcile()
    there = {p: b.data for p, b in world.training.blobs.items() if "/images/" in p}
    if not there and "parts/coco/live.json" not in world.training.blobs:
        return
    assert world.paths() == sorted(path for path, data in there.items() if data != b"broken")
    assert {p["path"] for p in world.live()["problems"]} == {p for p, data in there.items() if data == b"broken"}
    ids = [image["id"] for image in world.live()["images"]]
    assert len(set(ids)) == len(ids)


def test_a_file_that_was_copied_with_its_folder_is_not_taken_for_the_new_datasets(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    for path in ("images/nut/1.jpg", "coco/live.json"):
        world.training.write(f"copy/{path}", world.training.read(f"parts/{path}").data)
    with pytest.raises(BrokenFileError, match="it is dataset 'parts' copied"):
        world.reconcile()
    world.training.delete("copy/coco/live.json")
    world.reconcile()
    assert world.paths("copy") == ["copy/images/nut/1.jpg"]


def test_a_broken_file_is_told_as_a_problem_and_hides_nothing_else(world: World) -> None:
    world.drop("parts/images/nut/1.jpg", draw(1))
    whole = world.status()
    world.training.write("parts/coco/live.json", b"{")
    broken = world.status()
    assert broken.keys() == whole.keys()
    assert [problem["path"] for problem in broken["problems"]] == ["parts/coco/live.json"]
    assert broken["problemCount"] == 1


def test_what_a_survey_finds_is_told_though_the_kind_is_unclear_or_the_configuration_broken(world: World) -> None:
    world.drop("parts/images/1.jpg", draw(1))
    world.drop("parts/images/nut/2.jpg", draw(2))
    world.training.write("parts/dataset.json", b'{"policy": {"min_picture": 1}, "knd": "detection"}')
    status = world.status()
    assert [problem["path"] for problem in status["problems"]] == ["parts/dataset.json", "parts/images/1.jpg"]
    (reason,) = status["decision"]["reasons"]
    assert "policy.min_picture is no setting (known: min_pictures_per_label, " in reason
    assert "knd is no setting (known: kind, policy)" in reason
    assert status["problemCount"] == 2
