"""Files in annotations/: matched to pictures, applied in batches that go on where they stood, told in the status."""

import json
import zlib
from typing import Any

import pytest

from shared.errors import BrokenFileError
from shared.formats import Region
from shared.formats.voc import write_voc
from shared.misplaced import MOST
from tests.pictures import draw
from tests.world import Killed, Pace, Watch, World

IMPORT = "parts/annotations/all.json"
BOX = [0.25, 0.25, 0.5, 0.5]


def coco(labels: dict[str, str | None], *, urls: bool = False) -> bytes:
    """Return a COCO file that gives each named picture a label, or None."""
    names = sorted({label for label in labels.values() if label})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, label) in enumerate(labels.items(), 1):
        images.append({"id": number, ("absolute_url" if urls else "file_name"): name})
        if label:
            record = {"id": len(annotations) + 1, "image_id": number, "category_id": names.index(label), "bbox": BOX}
            annotations.append(record)
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()


def imported(world: World) -> dict[str, Any]:
    (entry,) = world.status()["imports"]
    return {key: value for key, value in entry.items() if key != "path"}


def said(world: World) -> dict[str, list[str]]:
    return {path: [label for label, _ in regions] for path, regions in world.labels().items()}


def drop(world: World, *paths: str) -> None:
    for path in paths:
        world.drop(f"parts/images/{path}", draw(zlib.crc32(path.encode())))


@pytest.fixture
def world() -> World:
    return World()


def test_an_archived_file_is_told(world: World) -> None:
    world.training.write(IMPORT, coco({"1.jpg": "nut"}))
    world.training.archive(IMPORT)
    world.services.intake.notice(IMPORT)
    assert imported(world)["state"] == "rejected"
    assert "archive tier" in world.status()["problems"][0]["reason"]


@pytest.mark.parametrize("url", ["http://[parts/images/1.jpg", "http://a\u2100b/parts/images/1.jpg"])
def test_a_url_that_is_none_names_a_picture_by_what_looks_like_its_path(world: World, url: str) -> None:
    drop(world, "1.jpg")
    world.drop(IMPORT, coco({url: "nut"}, urls=True))
    assert said(world) == {"parts/images/1.jpg": ["nut"]}


def test_a_file_is_applied_when_it_comes_and_forgotten_when_it_goes(world: World) -> None:
    drop(world, "1.jpg", "2.jpg")
    world.drop(IMPORT, coco({"1.jpg": "nut", "2.jpg": None}))
    assert world.labels() == {"parts/images/1.jpg": [("nut", BOX)], "parts/images/2.jpg": []}
    assert imported(world) == {"state": "applied", "applied": 2, "pictures": 2, "missing": 0, "findings": 0}
    world.remove(IMPORT)
    assert said(world) == {"parts/images/1.jpg": [], "parts/images/2.jpg": []}
    assert world.status()["imports"] == []
    assert world.live()["claims"] == []


def test_side_cars_in_annotations_are_told_in_a_list_of_bounded_size(world: World) -> None:
    drop(world, "1.jpg")
    written: list[str] = []
    world.before_writes(written.append)
    for number in range(MOST + 20):
        world.drop(f"parts/annotations/{number:03}.xml", b"<annotation/>")
    assert "parts/imports.json" not in written
    assert written.count("misplaced.json") == MOST
    assert world.status()["imports"] == []
    told = world.services.status.report(now=world.now)["problems"]
    assert (len(told), told[0]["path"]) == (MOST, "parts/annotations/000.xml")
    assert "Put side-cars beside their pictures" in told[0]["reason"]
    world.reconcile()  # it makes its lock
    before = world.state()
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before


def test_an_orphan_side_car_has_no_imported_file_matched_again(world: World) -> None:
    drop(world, "1.jpg", "2.jpg")
    world.drop(IMPORT, coco({"1.jpg": "nut"}))
    world.drop("parts/annotations/other.json", coco({"2.jpg": "bolt"}))
    world.drop("parts/images/alone.xml", write_voc(filename="alone.jpg", size=(9, 9), regions=[Region("gear")]))
    reads: list[str] = []
    world.training.before_read = reads.append
    world.services.intake.resume(now=world.now)
    assert [path for path in reads if "/annotations/" in path] == []
    world.remove("parts/images/2.jpg")
    reads.clear()
    world.services.intake.resume(now=world.now)
    assert [path for path in reads if "/annotations/" in path] == ["parts/annotations/other.json"]
    assert [entry["missing"] for entry in world.status()["imports"]] == [0, 1]


def test_what_an_earlier_version_noted_of_side_cars_is_forgotten(world: World) -> None:
    world.training.write("parts/annotations/1.xml", b"<annotation/>")
    noted = {"files": {"parts/annotations/1.xml": {"etag": "0x1", "state": "applied"}}, "schema": 1}
    world.registry_blobs.write("parts/imports.json", json.dumps(noted).encode())
    assert world.status()["imports"] == []
    world.drop(IMPORT, coco({"1.jpg": "nut"}))
    assert b"1.xml" not in world.registry_blobs.read("parts/imports.json").data


def test_a_replaced_file_takes_back_what_only_the_old_one_said(world: World) -> None:
    drop(world, "1.jpg", "2.jpg")
    world.drop(IMPORT, coco({"1.jpg": "nut", "2.jpg": "nut"}))
    world.drop(IMPORT, coco({"2.jpg": "bolt"}))
    assert said(world) == {"parts/images/1.jpg": [], "parts/images/2.jpg": ["bolt"]}
    assert [claim["path"] for claim in world.live()["claims"]] == ["parts/images/2.jpg"]


def test_pictures_are_named_by_url_by_path_or_by_the_end_of_their_path(world: World) -> None:
    drop(world, "nut/1.jpg", "bolt/1.jpg", "Schlüssel/1.jpg")
    world.drop(
        IMPORT,
        coco(
            {
                "https://x.blob.core.windows.net/training/parts/images/nut/1.jpg?sig=x": "by url",
                "https://x.blob.core.windows.net/training/parts/images/Schl%C3%BCssel/1.jpg": "by escaped url",
            },
            urls=True,
        ),
    )
    world.drop("parts/annotations/other.json", coco({"elsewhere/bolt/1.jpg": "by end"}))
    assert said(world) == {
        "parts/images/nut/1.jpg": ["by url"],
        "parts/images/bolt/1.jpg": ["by end"],
        "parts/images/Schlüssel/1.jpg": ["by escaped url"],
    }


def test_a_name_that_fits_two_pictures_is_told_and_labels_none(world: World) -> None:
    drop(world, "nut/1.jpg", "bolt/1.jpg")
    world.drop(IMPORT, coco({"1.jpg": "gear"}))
    assert said(world) == {"parts/images/nut/1.jpg": ["nut"], "parts/images/bolt/1.jpg": ["bolt"]}
    assert "may be 'parts/images/bolt/1.jpg' or 'parts/images/nut/1.jpg'" in world.status()["problems"][0]["reason"]
    world.remove("parts/images/bolt/1.jpg")
    world.reconcile()
    assert said(world) == {"parts/images/nut/1.jpg": ["gear"]}
    assert [p["reason"] for p in world.status()["problems"] if "may be" in p["reason"]] == []


@pytest.mark.parametrize("name", ["parts/images/nut/1.jpg", "nut/1.jpg"])
def test_a_picture_that_is_not_there_yet_gets_no_other_folders_picture(world: World, name: str) -> None:
    drop(world, "bolt/1.jpg")
    world.drop(IMPORT, coco({name: "nut", "bolt/1.jpg": "bolt"}))
    assert said(world) == {"parts/images/bolt/1.jpg": ["bolt"]}
    assert imported(world)["missing"] == 1
    drop(world, "nut/1.jpg")
    assert said(world) == {"parts/images/bolt/1.jpg": ["bolt"], "parts/images/nut/1.jpg": ["nut"]}
    world.reconcile()
    assert imported(world)["missing"] == 0


def test_a_picture_that_came_later_is_found_by_reconcile_and_no_claim_stays_at_the_guessed_path(world: World) -> None:
    world.drop(IMPORT, coco({"1.jpg": "gear"}))
    assert [(c["path"], bool(c["note"])) for c in world.live()["claims"]] == [("parts/images/1.jpg", True)]
    drop(world, "a/b/1.jpg")
    assert said(world) == {"parts/images/a/b/1.jpg": ["a"]}
    world.reconcile()
    assert said(world) == {"parts/images/a/b/1.jpg": ["gear"]}
    assert [claim["path"] for claim in world.live()["claims"]] == ["parts/images/a/b/1.jpg"]
    drop(world, "1.jpg")
    assert said(world)["parts/images/1.jpg"] == [], "the file meant the other one when it was applied"


def test_a_moved_picture_keeps_the_labels_of_a_file_that_names_it_barely(world: World) -> None:
    drop(world, "a/1.jpg")
    world.drop(IMPORT, coco({"1.jpg": "gear"}))
    world.remove("parts/images/a/1.jpg")
    drop(world, "b/1.jpg")
    world.reconcile()
    assert said(world) == {"parts/images/b/1.jpg": ["gear"]}


def test_what_cannot_be_used_is_told(world: World) -> None:
    world.drop(IMPORT, b"{")
    assert (imported(world)["state"], imported(world)["findings"]) == ("rejected", 1)
    assert world.status()["problems"][0]["path"] == IMPORT
    world.drop(IMPORT, coco({}))
    assert world.status()["problems"] == []


def test_a_crash_at_any_write_is_gone_on_with(world: World) -> None:
    for victim in range(100):
        world = World(pace=Pace(import_batch=2))
        for number in range(5):
            drop(world, f"{number}.jpg")
        world.training.write(IMPORT, coco({f"{number}.jpg": "nut" for number in range(5)}))
        writes = iter(range(1000))

        def die(path: str, victim: int = victim, writes: Any = writes) -> None:
            if next(writes) == victim:
                raise Killed

        world.before_writes(die)
        try:
            world.services.intake.notice(IMPORT)
        except Killed:
            world.before_writes(lambda _: None)
            world.registry_blobs.leases.clear()
            world.reconcile()
            assert said(world) == {f"parts/images/{number}.jpg": ["nut"] for number in range(5)}, victim
        else:
            assert victim > 3
            return


def test_an_import_that_runs_out_of_time_goes_on_where_it_stood_and_the_status_says_how_far(world: World) -> None:
    watch = Watch()
    world = World(pace=Pace(import_batch=3, watch=watch))
    drop(world, *(f"{number}.jpg" for number in range(10)))
    watch.step = 59  # reading the file alone takes all the time there is
    world.drop(IMPORT, coco({f"{number}.jpg": "nut" for number in range(10)}))
    progress = [imported(world)["applied"]]
    while imported(world)["state"] == "pending":
        assert imported(world)["pictures"] == 10
        before = sum(bool(labels) for labels in said(world).values())
        assert before == progress[-1]
        world.services.intake.resume(now=world.now)
        progress.append(imported(world)["applied"])
    assert progress == sorted(progress)
    assert len(progress) > 2
    assert set(map(tuple, said(world).values())) == {("nut",)}


def test_a_file_replaced_while_it_was_applied_is_begun_anew(world: World) -> None:
    watch = Watch()
    world = World(pace=Pace(import_batch=3, watch=watch))
    drop(world, *(f"{number}.jpg" for number in range(10)))
    watch.step = 50
    world.drop(IMPORT, coco({f"{number}.jpg": "nut" for number in range(10)}))
    assert imported(world)["state"] == "pending"
    watch.step = 0
    world.drop(IMPORT, coco({f"{number}.jpg": "bolt" for number in range(9)}))
    assert said(world) == {f"parts/images/{n}.jpg": ["bolt"] if n < 9 else [] for n in range(10)}


@pytest.mark.parametrize("newer", [coco({"1.jpg": "new"}), None])
def test_who_lost_the_lease_and_commits_an_old_version_has_the_newer_one_applied_again(
    world: World, newer: bytes | None
) -> None:
    drop(world, "1.jpg")
    world.training.write(IMPORT, coco({"1.jpg": "old"}))

    def stall(path: str) -> None:
        if path.endswith("live.json"):
            world.before_writes(lambda _: None)
            world.registry_blobs.leases.clear()
            if newer is None:
                world.remove(IMPORT)
            else:
                world.drop(IMPORT, newer)

    world.before_writes(stall)
    world.services.intake.notice(IMPORT)
    assert said(world) == {"parts/images/1.jpg": ["old"]}, "it was committed last"
    world.services.intake.resume(now=world.now)
    assert said(world) == {"parts/images/1.jpg": ["new"] if newer else []}
    assert [entry["state"] for entry in world.status()["imports"]] == (["applied"] if newer else [])


def test_a_picture_that_comes_while_a_file_is_applied_in_parts_is_not_passed_over(world: World) -> None:
    watch = Watch()
    world = World(pace=Pace(import_batch=1, watch=watch))
    drop(world, "m.jpg", "n.jpg")
    watch.step = 59
    world.drop(IMPORT, coco({"m.jpg": "nut", "n.jpg": "nut", "z.jpg": "nut"}))
    assert imported(world)["state"] == "pending"
    watch.step = 0
    drop(world, "a/z.jpg")  # sorts before what was applied
    world.services.intake.resume(now=world.now)
    world.reconcile()
    assert said(world)["parts/images/a/z.jpg"] == ["nut"]


def test_lost_events_of_imports_are_found_by_reconcile(world: World) -> None:
    drop(world, "1.jpg")
    world.training.write(IMPORT, coco({"1.jpg": "nut"}))
    world.reconcile()
    assert said(world) == {"parts/images/1.jpg": ["nut"]}
    world.training.write(IMPORT, coco({"1.jpg": "bolt"}))
    world.reconcile()
    assert said(world) == {"parts/images/1.jpg": ["bolt"]}
    world.training.delete(IMPORT)
    world.reconcile()
    assert said(world) == {"parts/images/1.jpg": []}
    before = world.state()
    world.reconcile()
    assert world.state() == before


@pytest.mark.parametrize("timer", ["reconcile", "resume"])
def test_a_broken_dataset_keeps_no_other_from_its_imports(world: World, timer: str) -> None:
    world.drop("aaa/annotations/all.json", coco({"1.jpg": "nut"}))
    world.training.write("aaa/coco/live.json", b"{")
    drop(world, "1.jpg")
    world.training.write(IMPORT, coco({"1.jpg": "nut"}))
    world.services.intake.imports.compare("parts", {IMPORT: "any"}, after="", end="z")
    with pytest.raises(BrokenFileError):
        getattr(world.services.intake, timer)(now=world.now)
    assert said(world) == {"parts/images/1.jpg": ["nut"]}


def test_a_file_may_come_before_any_picture(world: World) -> None:
    world.drop(IMPORT, coco({"parts/images/1.jpg": "nut"}))
    assert world.live()["images"] == []
    assert imported(world)["missing"] == 1
    drop(world, "1.jpg")
    assert said(world) == {"parts/images/1.jpg": ["nut"]}


def test_a_picture_without_annotations_shows_nothing_only_in_a_file_of_boxes() -> None:
    for box, labels in ((None, [("nut", None)]), ([0.25, 0.25, 0.5, 0.5], [])):
        world = World()
        for number in (1, 2):
            world.drop(f"parts/images/nut/{number}.jpg", draw(number))
        annotation = {"id": 1, "image_id": 1, "category_id": 1, **({"bbox": box} if box else {})}
        images = [{"id": number, "file_name": f"nut/{number}.jpg"} for number in (1, 2)]
        document = {"images": images, "annotations": [annotation], "categories": [{"id": 1, "name": "bolt"}]}
        world.drop("parts/annotations/a.json", json.dumps(document).encode())
        assert world.labels()["parts/images/nut/2.jpg"] == labels
        told = [problem["reason"] for problem in world.status()["problems"] if "annotations" in problem["path"]]
        assert told == (
            ["1 of its pictures have no label; nothing is said of them. Label them."] if box is None else []
        )
