"""A picture's labels do not depend on the order in which the picture and what speaks of it come, change and go."""

import itertools
import json
from collections.abc import Callable

import pytest

from tests.coco_model import Expected, Stored, expected, said_by
from tests.pictures import draw
from tests.world import World

PICTURE = "parts/images/nut/1.png"
VOC = "parts/images/nut/1.xml"
YOLO = "parts/images/nut/1.txt"
CLASSES = "parts/images/classes.txt"
IMPORT = "parts/annotations/all.json"
HALF = [0.25, 0.25, 0.5, 0.5]


def picture(seed: int = 1) -> bytes:
    return draw(seed, size=(40, 40), file_format="PNG")


def voc(label: str, corners: tuple[int, int, int, int] = (10, 10, 30, 30), size: tuple[int, int] = (40, 40)) -> bytes:
    x, y, x2, y2 = corners
    box = f"<bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation>{stated}<object><name>{label}</name>{box}</object></annotation>".encode()


def coco(label: str, name: str = PICTURE, box: list[float] | None = None) -> bytes:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, **({"bbox": box} if box else {})}
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": name}],
            "annotations": [annotation],
            "categories": [{"id": 1, "name": label}],
        }
    ).encode()


def model(world: World) -> Expected:
    """Return what the file should say, by the naive model."""
    return expected(
        {
            path: Stored(blob.properties.etag, blob.data, blob.properties.metadata.get("label"))
            for path, blob in world.training.blobs.items()
            if "/coco/" not in path
        }
    )


def labels(world: World) -> list[tuple[str, list[float] | None]]:
    return world.labels()[PICTURE]


# Arriving, being replaced, being deleted, in every order

ARRIVALS: dict[str, list[tuple[str, list[bytes]]]] = {
    "boxes of all formats": [
        (PICTURE, [picture()]),
        (VOC, [voc("bolt")]),
        (YOLO, [b"1 0.5 0.5 0.5 0.5\n"]),
        (CLASSES, [b"nut\ngear\n"]),
        (IMPORT, [coco("washer", box=HALF)]),
    ],
    "YOLO and its class list": [
        (PICTURE, [picture()]),
        (YOLO, [b"0 0.5 0.5 0.5 0.5\n", b"1 0.5 0.5 1 1\n"]),
        (CLASSES, [b"nut\ngear\n", b"gear\nnut\n"]),
        (IMPORT, [coco("washer")]),
    ],
    "a picture of another shape": [
        (PICTURE, [picture(), draw(2, size=(80, 40), file_format="PNG")]),
        (VOC, [voc("bolt"), voc("gear", size=(80, 40))]),
        (IMPORT, [coco("washer", "nut/1.png")]),
    ],
    "a bare name": [
        (PICTURE, [picture()]),
        ("parts/images/1.png", [picture(2)]),
        (IMPORT, [coco("washer", "1.png"), coco("gear", "nut/1.png")]),
    ],
}


def interleavings(versions: list[int]) -> list[tuple[int, ...]]:
    """Return every order in which blobs can be written, each as often as it has versions."""
    return sorted(set(itertools.permutations([n for n, count in enumerate(versions) for _ in range(count)])))


@pytest.mark.parametrize("case", sorted(ARRIVALS))
def test_in_whatever_order_they_come_and_are_replaced_the_file_says_the_same(case: str) -> None:
    blobs = ARRIVALS[case]
    for order in interleavings([len(contents) for _, contents in blobs]):
        world = World()
        waiting = [iter(contents) for _, contents in blobs]
        for number in order:
            world.drop(blobs[number][0], next(waiting[number]))
        world.reconcile()
        assert said_by(world.live()) == model(world), order
        world.reconcile()  # looks once more for pictures of an import that labelled some just now
        before = world.state()
        world.reconcile()
        assert world.state() == before, f"{order}: nothing is written when all agree"


@pytest.mark.parametrize("case", sorted(ARRIVALS))
def test_in_whatever_order_they_go_the_file_says_what_is_left_at_every_step(case: str) -> None:
    blobs = ARRIVALS[case]
    for order in itertools.permutations(range(len(blobs))):
        world = World()
        for path, contents in blobs:
            world.drop(path, contents[-1])
        world.reconcile()
        for number in order:
            world.remove(blobs[number][0])
            world.reconcile()
            assert said_by(world.live()) == model(world), order
        live = world.live()
        assert [live[section] for section in ("images", "annotations", "categories", "problems", "claims")] == [[]] * 5


@pytest.mark.parametrize("order", list(itertools.permutations([PICTURE, VOC, IMPORT])), ids=str)
def test_events_alone_are_enough_when_an_import_names_whole_paths(order: tuple[str, ...]) -> None:
    world = World()
    contents = {PICTURE: picture(), VOC: voc("bolt"), IMPORT: coco("washer", box=HALF)}
    for path in order:
        world.drop(path, contents[path])
    assert labels(world) == [("bolt", HALF)]
    world.remove(VOC)
    assert labels(world) == [("washer", HALF)]
    world.remove(IMPORT)
    assert labels(world) == [("nut", None)]


# Precedence

SOURCES: dict[str, Callable[[World], None]] = {
    "side-car": lambda world: world.drop(VOC, voc("by side-car")),
    "metadata": lambda world: world.label(PICTURE, "by metadata"),
    "import": lambda world: world.drop(IMPORT, coco("by import")),
    "folder": lambda world: None,
}


@pytest.mark.parametrize(
    "present", [some for count in range(4) for some in itertools.combinations(list(SOURCES)[:3], count)], ids=str
)
def test_side_car_beats_metadata_beats_import_beats_folder(present: tuple[str, ...]) -> None:
    world = World()
    world.drop(PICTURE, picture())
    for source in present:
        SOURCES[source](world)
    world.reconcile()
    winner = next((source for source in SOURCES if source in present), "folder")
    assert [label for label, _ in labels(world)] == ["nut" if winner == "folder" else f"by {winner}"]
    assert world.live()["images"][0]["labelled_by"] == winner


def test_metadata_is_found_by_reconcile_because_no_event_tells_of_it() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.label(PICTURE, "bolt")
    assert labels(world) == [("nut", None)]
    assert world.reconcile()["parts"].changed == 1
    assert labels(world) == [("bolt", None)]
    world.label(PICTURE, None)
    world.reconcile()
    assert labels(world) == [("nut", None)]


def test_metadata_comes_percent_encoded_because_headers_are_ascii() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.label(PICTURE, "Schl%C3%BCssel")
    world.reconcile()
    assert labels(world) == [("Schlüssel", None)]


def test_xml_beats_txt_of_the_same_picture() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(YOLO, b"0 0.5 0.5 1 1\n")
    world.drop(CLASSES, b"gear\n")
    world.drop(VOC, voc("bolt"))
    assert labels(world) == [("bolt", HALF)]
    world.remove(VOC)
    assert labels(world) == [("gear", [0.0, 0.0, 1.0, 1.0])]


def test_sources_that_disagree_are_noted_with_what_holds() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(IMPORT, coco("washer"))
    (note,) = [problem["reason"] for problem in world.status()["problems"]]
    assert (
        note == "the folder says 'nut', the imported file says 'washer'; the imported file holds. Correct one of them."
    )
    assert world.status()["problemCount"] == 1
    world.drop(IMPORT, coco("nut"))
    assert world.status()["problems"] == []


def test_boxes_and_a_folder_speak_of_different_things_and_do_not_disagree() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(VOC, voc("bolt"))
    assert world.status()["problems"] == []


def test_a_side_car_none_of_whose_boxes_fits_is_told_and_the_folder_does_not_hold() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(VOC, voc("bolt", size=(400, 40)))
    assert labels(world) == []
    assert "which is another shape" in world.status()["problems"][0]["reason"]
    world.drop(VOC, voc("bolt", (100, 10, 300, 30), size=(400, 40)))
    world.drop(PICTURE, draw(1, size=(100, 10), file_format="PNG"))
    assert "thinner" not in json.dumps(world.status()["problems"])


def test_two_pictures_of_one_name_share_the_side_car() -> None:
    world = World()
    world.drop(VOC, voc("bolt"))
    for suffix in ("png", "jpg"):
        world.drop(f"parts/images/nut/1.{suffix}", picture())
    assert world.labels() == {f"parts/images/nut/1.{suffix}": [("bolt", HALF)] for suffix in ("jpg", "png")}


def test_a_side_car_without_a_picture_is_told_until_the_picture_comes() -> None:
    world = World()
    world.drop(VOC, voc("bolt"))
    (problem,) = world.status()["problems"]
    assert (problem["path"], problem["reason"][:23]) == (VOC, "no picture of this name")
    world.drop(PICTURE, picture())
    assert world.status()["problems"] == []
    world.remove(PICTURE)
    assert [found["path"] for found in world.status()["problems"]] == [VOC]


def test_a_broken_side_car_is_told_and_a_mended_one_holds() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(VOC, b"<annotation>")
    assert labels(world) == []
    assert [problem["path"] for problem in world.status()["problems"]] == [PICTURE, VOC]
    world.drop(YOLO, b"a caption, which is none of ours")
    assert labels(world) == []
    world.remove(YOLO)
    world.drop(VOC, voc("bolt"))
    assert (labels(world), world.status()["problems"]) == ([("bolt", HALF)], [])


# Class lists


def test_the_nearest_class_list_holds_for_its_folder_and_all_below() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(YOLO, b"0 0.5 0.5 0.5 0.5\n")
    assert "no list of names" in world.status()["problems"][0]["reason"]
    for path, names, label in (
        ("parts/annotations/data.yaml", b"names: [dataset]\n", "dataset"),
        ("parts/images/classes.txt", b"images\n", "images"),
        ("parts/images/nut/data.yaml", b"names: {0: folder}\n", "folder"),
    ):
        world.drop(path, names)
        assert labels(world) == [(label, HALF)]
    world.drop("parts/images/bolt/classes.txt", b"elsewhere\n")
    assert labels(world) == [("folder", HALF)]
    world.remove("parts/images/nut/data.yaml")
    assert labels(world) == [("images", HALF)]


def test_an_empty_class_list_is_told_and_hides_no_other() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(YOLO, b"0 0.5 0.5 0.5 0.5\n")
    world.drop(CLASSES, b"gear\n")
    world.drop("parts/images/nut/classes.txt", b"")
    assert labels(world) == [("gear", HALF)]
    assert [p["reason"] for p in world.status()["problems"]] == ["names no class. Correct it, or delete it."]
    world.reconcile()
    before = world.state()
    assert world.reconcile()["parts"].drift == 0
    assert world.state() == before


# Kinds


def fill(world: World) -> None:
    for label, start in (("nut", 100), ("bolt", 200)):
        world.drop_pictures("parts", label, range(start, start + 12))


def declare(world: World, kind: str) -> None:
    world.drop("parts/dataset.json", json.dumps({"kind": kind}).encode())


def reasons(world: World) -> dict[str, str]:
    found: dict[str, str] = {}
    for problem in world.status()["problems"]:
        found[problem["path"]] = found.get(problem["path"], "") + problem["reason"]
    return found


def test_a_kind_is_inferred_from_what_the_pictures_have() -> None:
    world = World()
    world.drop(PICTURE, picture())
    assert world.status()["kind"] == "classification"
    world.drop(VOC, voc("bolt"))
    assert world.status()["kind"] == "detection"
    world.drop("parts/images/bolt/2.png", picture(2))
    assert world.status()["kind"] is None
    assert "not clear what to train" in world.status()["decision"]["reasons"][0]


def test_a_declared_kind_holds_and_misfits_are_reported() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(VOC, voc("bolt"))
    world.drop("parts/images/bolt/2.png", picture(2))
    declare(world, "classification")
    assert world.status()["kind"] == "classification"
    assert list(reasons(world)) == [PICTURE]
    assert "has boxes, and the dataset's kind is classification" in reasons(world)[PICTURE]
    declare(world, "detection")
    assert list(reasons(world)) == ["parts/images/bolt/2.png"]
    assert "has a label but no boxes" in reasons(world)["parts/images/bolt/2.png"]


def test_the_first_version_fixes_the_kind() -> None:
    world = World()
    fill(world)
    world.start()
    assert world.registry.versions("parts")[0].kind == "classification"
    world.drop(PICTURE, picture(1000))
    world.drop(VOC, voc("bolt"))
    assert world.status()["kind"] == "classification", "one box does not make another dataset of it"
    assert "has boxes" in reasons(world)[PICTURE]


def test_several_labels_of_a_picture_are_a_misfit_of_classification_and_fit_multilabel() -> None:
    world = World()
    world.drop(PICTURE, picture())
    both = json.loads(coco("nut"))
    both["categories"].append({"id": 2, "name": "bolt"})
    both["annotations"].append({"id": 2, "image_id": 1, "category_id": 2})
    world.drop(IMPORT, json.dumps(both).encode())
    assert world.status()["kind"] == "multilabel"
    declare(world, "classification")
    assert "has 2 labels" in reasons(world)[PICTURE]
    declare(world, "multilabel")
    assert "has 2 labels" not in reasons(world)[PICTURE]


def test_a_picture_that_shows_nothing_is_worth_something_to_detection_only() -> None:
    world = World()
    world.drop(PICTURE, picture())
    world.drop(YOLO, b"")
    assert labels(world) == []
    declare(world, "detection")
    assert reasons(world) == {}
    declare(world, "classification")
    assert "gives it none" in reasons(world)[PICTURE]
