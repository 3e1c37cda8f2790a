"""What can be trained on, and the snapshot of it: copies, conflicts, pins, the digest and the two files."""

import hashlib
import json
from collections.abc import Collection, Iterator
from itertools import count
from typing import Any

import pytest

from shared.coco import Annotation, Category, Claim, Image, Records
from shared.kinds import Kind
from shared.sides import side_of
from shared.snapshot import END, JOINT, digest_of, opening, pins_needed, snapshot_parts
from shared.snapshotfiles import SnapshotFiles
from shared.stock import CONFLICT, COPY, MISFIT, USED, LabelStock, Picture, Stock, pictures_of, take_stock, used
from shared.storage.memory import MemoryContainer
from shared.survey import Survey, Surveys, take_survey

SIZE = (64, 64)
_ids = count(1)


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


TRAIN = [sha(n) for n in range(200) if side_of(sha(n), size=SIZE) == "train"]
TEST = [sha(n) for n in range(200) if side_of(sha(n), size=SIZE) == "test"]
BOX, OTHER_BOX = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)
LABELS = ("bolt", "gear", "nut")


def picture(
    path: str, labels: str | None, sha256: str, *, boxes: tuple[Any, ...] = (), size: tuple[int, int] = SIZE
) -> Picture:
    names = tuple(labels.split()) if labels else ()
    image = Image(
        id=next(_ids), file_name=path, width=size[0], height=size[1], absolute_url="", etag="1", sha256=sha256
    )
    annotations = [
        Annotation(
            id=next(_ids), image_id=image.id, category_id=LABELS.index(name) + 1, bbox=boxes[n] if boxes else None
        )
        for n, name in enumerate(names)
    ]
    return Picture(image, annotations, names, tuple(sorted(set(names))))


def stock(pictures: list[Picture], *, kind: Kind = "classification", pinned: Collection[str] = ()) -> Stock:
    return take_stock(pictures, kind, pinned_test=pinned)


def frozen(
    pictures: list[Picture], *labels: str, pinned: Collection[str] = (), host: str = "x"
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the digest and both files of a snapshot."""
    chosen = list(used(pictures, stock(pictures, pinned=pinned), labels))
    files: dict[tuple[str, str], bytes] = {}
    for part in snapshot_parts(chosen, sorted(labels), pinned, url_of=lambda path: f"http://{host}/{path}"):
        files[part.side, part.place] = files.get((part.side, part.place), b"") + part.data
    digest = digest_of(chosen, pinned).digest
    train, test = (
        json.loads(
            opening(digest, side, sorted(labels))  # type: ignore[arg-type]
            + files.get((side, "images"), b"")
            + JOINT
            + files.get((side, "annotations"), b"")
            + END
        )
        for side in ("train", "test")
    )
    return digest, train, test


# Stock


def test_copies_under_one_label_count_once() -> None:
    pictures = [picture("a", "nut", TRAIN[0]), picture("b", "nut", TRAIN[0]), picture("c", "nut", TEST[0])]
    found = stock(pictures)
    assert found.labels == {"nut": LabelStock(train=1, test=1, copies=1)}
    assert list(found.states) == [USED, COPY, USED]
    assert [p.image.file_name for p in used(pictures, found, {"nut"})] == ["a", "c"]


def test_the_same_bytes_under_two_labels_stay_out_and_each_names_another() -> None:
    pictures = [picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[0]), picture("c", "nut", TRAIN[1])]
    found = stock(pictures)
    assert list(found.states) == [CONFLICT, CONFLICT, USED]
    assert found.conflicts == {0: 1, 1: 0}
    assert found.labels == {"nut": LabelStock(train=1)}


def test_a_conflict_takes_out_all_copies() -> None:
    found = stock([picture("a", "nut", TRAIN[0]), picture("b", "nut", TRAIN[0]), picture("c", "bolt", TRAIN[0])])
    assert list(found.states) == [CONFLICT] * 3
    assert found.labels == {}


def test_the_same_bytes_with_other_boxes_are_a_conflict() -> None:
    pictures = [picture("a", "nut", TRAIN[0], boxes=(BOX,)), picture("b", "nut", TRAIN[0], boxes=(OTHER_BOX,))]
    assert list(stock(pictures, kind="detection").states) == [CONFLICT, CONFLICT]


def test_no_more_conflicts_are_told_one_by_one_than_asked_for() -> None:
    pictures = [picture(f"{n}", ("nut", "bolt")[n % 2], TRAIN[n // 2]) for n in range(20)]
    found = take_stock(pictures, "classification", pinned_test=(), most_conflicts=5)
    assert (len(found.conflicts), list(found.states)) == (5, [CONFLICT] * 20)


def test_a_picture_without_a_label_is_a_misfit() -> None:
    found = stock([picture("a", None, TRAIN[0]), picture("b", "nut bolt", TRAIN[1])])
    assert (list(found.states), found.labels) == ([MISFIT, MISFIT], {})


def test_a_picture_of_several_labels_counts_for_each_and_needs_all_of_them() -> None:
    pictures = [picture("a", "nut bolt", TRAIN[0]), picture("b", "nut", TRAIN[1])]
    found = stock(pictures, kind="multilabel")
    assert found.labels == {"bolt": LabelStock(train=1), "nut": LabelStock(train=2)}
    assert [p.image.file_name for p in used(pictures, found, {"nut"})] == ["b"]


def test_pinned_pictures_are_on_the_test_side() -> None:
    assert stock([picture("a", "nut", TRAIN[0])], pinned={TRAIN[0]}).labels == {"nut": LabelStock(test=1)}


def test_images_meet_their_annotations_run_by_run() -> None:
    image = picture("a", None, TRAIN[0]).image
    records = Records([image], [Annotation(id=n, image_id=image.id, category_id=n) for n in (2, 1, 1)])
    (found,) = pictures_of([Records(), records], [Category(id=1, name="bolt"), Category(id=2, name="nut")])
    assert (found.names, found.labels) == (("nut", "bolt", "bolt"), ("bolt", "nut"))


# The snapshot


def test_ids_are_dense_and_categories_are_the_same_on_both_sides() -> None:
    pictures = [picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1]), picture("c", "nut", TEST[0])]
    _, train, test = frozen(pictures, "nut", "bolt")
    assert [i["id"] for i in train["images"]] == [1, 2]
    assert train["categories"] == test["categories"] == [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]
    assert test["annotations"] == [{"id": 1, "image_id": 1, "category_id": 2}]
    assert train["images"][0] == {
        "id": 1,
        "file_name": "a",
        "width": 64,
        "height": 64,
        "absolute_url": "http://x/a",
        "etag": "1",
        "sha256": TRAIN[0],
    }


def test_labels_that_are_not_ready_are_left_out() -> None:
    _, train, _ = frozen([picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1])], "nut")
    assert [i["file_name"] for i in train["images"]] == ["a"]
    assert [c["name"] for c in train["categories"]] == ["nut"]


def test_a_snapshot_of_nothing_is_valid() -> None:
    _, train, test = frozen([], "nut")
    assert train["images"] == test["annotations"] == []


def test_the_digest_knows_content_and_side_but_no_url_and_no_id() -> None:
    pictures = [picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1])]
    digest = frozen(pictures, "nut", "bolt")[0]
    assert len(digest) == 12
    again = [picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1])]
    assert again[0].image.id != pictures[0].image.id
    assert frozen(again, "nut", "bolt", host="elsewhere")[0] == digest
    others = {
        "side": frozen(pictures, "nut", "bolt", pinned=(TRAIN[0],))[0],
        "labels": frozen(pictures, "nut")[0],
        "path": frozen([picture("A", "nut", TRAIN[0]), pictures[1]], "nut", "bolt")[0],
        "content": frozen([picture("a", "nut", TRAIN[2]), pictures[1]], "nut", "bolt")[0],
        "label": frozen([picture("a", "gear", TRAIN[0]), pictures[1]], "gear", "bolt")[0],
        "size": frozen([picture("a", "nut", TRAIN[0], size=(64, 65)), pictures[1]], "nut", "bolt")[0],
    }
    assert len({digest, *others.values()}) == 1 + len(others)


def test_the_digest_knows_boxes_in_any_order() -> None:
    def digest(names: str, *boxes: Any) -> str:
        return digest_of([picture("a", names, TRAIN[0], boxes=boxes)], ()).digest

    assert digest("nut bolt", BOX, OTHER_BOX) == digest("bolt nut", OTHER_BOX, BOX)
    assert digest("nut bolt", BOX, OTHER_BOX) != digest("nut bolt", OTHER_BOX, BOX)
    assert digest("nut", BOX) != digest("nut nut", BOX, OTHER_BOX)


def test_both_files_are_written_once_and_give_back_their_digests() -> None:
    container = MemoryContainer()
    files = SnapshotFiles(container, "parts")
    pictures = [picture(f"{n:04}", "nut", sha(n)) for n in range(8000)]
    assert not files.exists("d1")
    for host in ("first", "second"):
        files.write("d1", ["nut"], snapshot_parts(pictures, ["nut"], (), url_of=lambda p, h=host: f"http://{h}/{p}"))
    assert files.exists("d1")
    train = json.loads(container.read("parts/coco/d1/train.json").data)
    test = json.loads(container.read("parts/coco/d1/test.json").data)
    assert train["images"][0]["absolute_url"].startswith("http://first/"), "the first one stays"
    assert len(train["images"]) + len(test["images"]) == 8000
    assert [i["id"] for i in train["images"]] == list(range(1, len(train["images"]) + 1))
    assert [a["image_id"] for a in test["annotations"]] == list(range(1, len(test["images"]) + 1))
    everything = [p.image.sha256 for p in pictures]
    assert files.holds(["d1", "gone"], "train", everything) == {i["sha256"] for i in train["images"]}
    assert files.holds(["d1"], "test", everything[:100]) == {i["sha256"] for i in test["images"]} & {*everything[:100]}


# Pins


def trained(*digests: str) -> Any:
    return lambda wanted: set(digests)


def test_a_label_with_no_test_picture_gets_one_that_was_never_trained_on() -> None:
    pictures = [picture(str(n), "nut", TRAIN[n]) for n in range(5)]
    pins = pins_needed(pictures, ["nut"], (), trained(*TRAIN[:4]))
    assert pins == (TRAIN[4],)
    assert stock(pictures, pinned=pins).labels == {"nut": LabelStock(train=4, test=1)}


def test_the_pin_is_the_smallest_digest_whatever_the_order() -> None:
    pictures = [picture(str(n), "nut", TRAIN[n]) for n in range(5)]
    assert pins_needed(pictures, ["nut"], (), trained()) == (min(TRAIN[:5]),)
    assert pins_needed(pictures[::-1], ["nut"], (), trained()) == (min(TRAIN[:5]),)


def test_a_label_whose_pictures_were_all_trained_on_gets_no_test_picture() -> None:
    pictures = [picture(str(n), "nut", TRAIN[n]) for n in range(5)]
    assert pins_needed(pictures, ["nut"], (), trained(*TRAIN)) == ()


def test_pictures_too_small_to_be_tested_and_labels_that_are_not_bare_get_no_pin() -> None:
    small = [picture(str(n), "nut", TRAIN[n], size=(20, 20)) for n in range(5)]
    assert pins_needed(small, ["nut"], (), trained()) == ()
    assert pins_needed([picture("a", "bolt", TRAIN[0])], ["nut"], (), trained()) == ()


# The survey


def surveyed(pictures: list[Picture], claims: tuple[Claim, ...] = (), *, kind: Kind = "classification") -> Survey:
    def records() -> Iterator[Records]:
        yield Records([], [], [], list(claims))
        for one in pictures:
            yield Records([one.image], list(one.annotations))

    categories = [Category(id=number, name=name) for number, name in enumerate(LABELS, 1)]
    found, _ = take_survey(records, categories, etag="7", kind=kind, pinned_test=frozenset(), ready_of=tuple)
    return found


def test_a_survey_tells_conflicts_misfits_and_notes_by_path() -> None:
    pictures = [
        picture("a", "nut", TRAIN[0]),
        picture("b", "bolt", TRAIN[0]),
        picture("c", None, TRAIN[1]),
        picture("d", "nut", TRAIN[2]),
    ]
    claims = (Claim(path="0.xml", etag="", note="lonely"), Claim(path="z", etag="", source="import", note="missing"))
    found = surveyed(pictures, claims)
    assert [finding.path for finding in found.findings] == ["0.xml", "a", "b", "c", "import"]
    assert found.finding_count == 5
    reasons = {finding.path: finding.reason for finding in found.findings}
    assert "same bytes as 'b', which is labelled bolt" in reasons["a"]
    assert "named after its label" in reasons["c"]
    assert reasons["import"].startswith("names pictures that are not there: 'z'.")
    assert (found.ready, found.snapshot.train_pictures) == (("nut",), 1)


@pytest.mark.parametrize(
    ("other", "boxes", "says"),
    [("nut", (OTHER_BOX,), "which has other boxes"), ("bolt", (BOX,), "labelled bolt"), (None, (), "has no label")],
)
def test_a_conflict_says_what_differs(other: str | None, boxes: tuple[Any, ...], says: str) -> None:
    second = picture("b", other, TRAIN[0], boxes=boxes)
    if other is None:
        image = Image(
            **{f: getattr(second.image, f) for f in second.image.__struct_fields__} | {"labelled_by": "side-car"}
        )
        second = Picture(image, (), (), ())
    found = surveyed([picture("a", "nut", TRAIN[0], boxes=(BOX,)), second], kind="detection")
    assert says in found.findings[0].reason


def test_a_survey_of_many_oddities_counts_them_and_tells_the_first() -> None:
    found = surveyed([picture(f"{n:03}", None, TRAIN[0]) for n in range(150)])
    assert (len(found.findings), found.finding_count, found.findings[0].path) == (100, 150, "000")


def test_a_kept_survey_is_read_back() -> None:
    surveys = Surveys(MemoryContainer("registry"))
    assert surveys.read("parts") is None
    found = surveyed([picture("a", "nut", TRAIN[0])])
    surveys.keep("parts", found)
    assert surveys.read("parts") == found
