import hashlib
import json

from shared.coco import Picture
from shared.snapshot import Sides, Stock, digests_in, make_snapshot, pins_needed, side_of, take_stock


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


TRAIN = [sha(n) for n in range(200) if side_of(sha(n), ()) == "train"]
TEST = [sha(n) for n in range(200) if side_of(sha(n), ()) == "test"]


def picture(path: str, label: str | None, sha256: str) -> Picture:
    return Picture(path=path, etag="1", sha256=sha256, width=64, height=48, labels=(label,) if label else ())


def frozen(stock: Stock, *labels: str, pinned: tuple[str, ...] = (), host: str = "x") -> tuple[str, dict, dict]:
    snapshot = make_snapshot(stock, labels, pinned, url_of=lambda path: f"http://{host}/{path}")
    return snapshot.digest, json.loads(snapshot.train), json.loads(snapshot.test)


def test_about_a_fifth_of_all_contents_is_test() -> None:
    assert 0.12 < len(TEST) / 200 < 0.28


def test_copies_under_one_label_count_once() -> None:
    stock = take_stock([picture("a", "nut", TRAIN[0]), picture("b", "nut", TRAIN[0])], ())
    assert stock.labels == {"nut": Sides(train=1)}
    assert [p.path for p in stock.pictures] == ["a"]


def test_the_same_bytes_under_two_labels_stay_out_and_every_copy_is_told() -> None:
    stock = take_stock(
        [picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[0]), picture("c", "nut", TRAIN[1])], ()
    )
    assert [p.path for p in stock.pictures] == ["c"]
    assert [f.path for f in stock.findings] == ["a", "b"]
    assert "'b', which is labelled bolt" in stock.findings[0].reason


def test_a_picture_without_a_label_is_told_where_to_go() -> None:
    stock = take_stock([picture("a", None, TRAIN[0])], ())
    assert (stock.pictures, stock.labels) == ((), {})
    assert "named after its label" in stock.findings[0].reason


def test_ids_are_dense_and_categories_are_the_same_on_both_sides() -> None:
    stock = take_stock(
        [picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1]), picture("c", "nut", TEST[0])], ()
    )
    _, train, test = frozen(stock, "nut", "bolt")
    assert [i["id"] for i in train["images"]] == [1, 2]
    assert train["categories"] == test["categories"] == [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]
    assert test["annotations"] == [{"id": 1, "image_id": 1, "category_id": 2}]


def test_labels_that_are_not_ready_are_left_out() -> None:
    stock = take_stock([picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1])], ())
    _, train, _ = frozen(stock, "nut")
    assert [i["file_name"] for i in train["images"]] == ["a"]
    assert [c["name"] for c in train["categories"]] == ["nut"]


def test_the_digest_knows_content_and_side_but_no_url() -> None:
    stock = take_stock([picture("a", "nut", TRAIN[0]), picture("b", "bolt", TRAIN[1])], ())
    digest = frozen(stock, "nut", "bolt")[0]
    assert frozen(stock, "nut", "bolt", host="elsewhere")[0] == digest
    assert frozen(stock, "nut", "bolt", pinned=(TRAIN[0],))[0] != digest
    assert frozen(stock, "nut")[0] != digest
    assert len(digest) == 12


def test_a_label_with_five_pictures_and_no_test_picture_gets_one_that_was_never_trained_on() -> None:
    stock = take_stock([picture(str(n), "nut", TRAIN[n]) for n in range(5)], ())
    pins = pins_needed(stock, ["nut"], (), lambda: TRAIN[:4])
    assert pins == (TRAIN[4],)
    assert take_stock(stock.pictures, pins).labels == {"nut": Sides(train=4, test=1)}


def test_a_label_whose_pictures_were_all_trained_on_gets_no_test_picture() -> None:
    stock = take_stock([picture(str(n), "nut", TRAIN[n]) for n in range(5)], ())
    assert pins_needed(stock, ["nut"], (), lambda: TRAIN) == ()


def test_a_label_with_a_test_picture_or_too_few_pictures_needs_no_pin() -> None:
    def unexpected() -> list[str]:
        raise AssertionError("earlier snapshots were read for nothing")

    few = take_stock([picture(str(n), "nut", TRAIN[n]) for n in range(4)], ())
    has = take_stock([*few.pictures, picture("t", "nut", TEST[0])], ())
    assert pins_needed(few, ["nut"], (), unexpected) == pins_needed(has, ["nut"], (), unexpected) == ()


def test_a_stored_side_gives_back_its_digests() -> None:
    stock = take_stock([picture("a", "nut", TRAIN[0])], ())
    snapshot = make_snapshot(stock, ["nut"], (), url_of=str)
    assert digests_in(snapshot.train) == {TRAIN[0]}
