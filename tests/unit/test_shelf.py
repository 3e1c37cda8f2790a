"""What folding does to records: ids, counts, problems and claims, without storage."""

from collections.abc import Mapping

import msgspec
import pytest

from shared.coco import Claim, Image, Records, Seen, stem_of
from shared.formats import Region
from shared.pictures import Facts
from shared.shelf import NO_PICTURE, NOT_THERE, Dropped, Ledger, NextIds, Shelf
from shared.tallies import Totals

HALF = (0.25, 0.25, 0.5, 0.5)


class File:
    """All records of a small file, from change to change."""

    def __init__(self) -> None:
        self.records = Records([], [], [], [])
        self.ledger = self._ledger(NextIds(), None)
        self.changes = 0
        self.touched = False

    def fold(self, seen: Mapping[str, Seen | None], *imports: Claim, dropped: Dropped | None = None) -> "File":
        """Fold one change."""
        ledger = self._ledger(self.ledger.next_ids, self.ledger)
        prefixes = [prefix for path, found in seen.items() if (prefix := ledger.put_class_list(path, found))]
        shelf = Shelf(self.records, ledger)
        for path, found in sorted(seen.items()):
            shelf.put(path, found)
        for claim in imports:
            shelf.put_import(claim)
        if dropped:
            shelf.drop_imports(dropped)
        for prefix in prefixes:
            shelf.name_again(prefix)
        shelf.settle()
        self.records, self.ledger, self.touched = shelf.records(), ledger, shelf.touched
        self.changes += ledger.changes
        return self

    def _ledger(self, next_ids: NextIds, before: Ledger | None) -> Ledger:
        return Ledger(
            next_ids=next_ids,
            categories=before.categories if before else (),
            totals=before.counter.totals if before else Totals(),
            tallies=before.counter.tallies if before else (),
            class_lists=before.class_lists.values() if before else (),
            url_of=lambda path: f"http://x/{path}",
        )

    def image(self, path: str) -> Image:
        """Return a picture's record."""
        return next(image for image in self.records.images if image.file_name == path)

    def labels(self, path: str) -> list[str]:
        """Return a picture's labels."""
        names = {category.id: category.name for category in self.ledger.categories}
        own = self.image(path).id
        return [names[a.category_id] for a in self.records.annotations if a.image_id == own]


def at(name: str, label: str = "nut") -> str:
    return f"parts/images/{label}/{name}"


def picture(etag: str, sha256: str = "aa", problem: str | None = None) -> Seen:
    facts = Facts(etag=etag, sha256=sha256 * 32, width=64, height=48, light=100, problem=problem)
    return Seen(etag=etag, facts=facts)


def side_car(path: str, *labels: str, etag: str = "s", numbered: bool = False) -> Seen:
    regions = tuple(Region(label, HALF) for label in labels)
    return Seen(etag=etag, claim=Claim(path=path, etag=etag, regions=regions, numbered=numbered))


def imported(path: str, label: str, *, source: str = "parts/annotations/a.json", etag: str = "i") -> Claim:
    return Claim(path=path, etag=etag, source=source, regions=(Region(label),))


@pytest.fixture
def file() -> File:
    return File()


def test_a_new_picture_gets_image_annotation_and_category(file: File) -> None:
    file.fold({at("a"): picture("1")})
    assert [(i.id, i.file_name, i.absolute_url) for i in file.records.images] == [(1, at("a"), f"http://x/{at('a')}")]
    assert [(a.id, a.image_id, a.category_id) for a in file.records.annotations] == [(1, 1, 1)]
    assert [(c.id, c.name) for c in file.ledger.categories] == [(1, "nut")]
    assert file.changes == 1


def test_folding_the_same_again_touches_nothing(file: File) -> None:
    change = {at("a"): picture("1"), at("b"): picture("2", problem="broken"), at("c.xml"): side_car(at("c.xml"), "x")}
    file.fold(change)
    before = file.records
    file.fold(change)
    assert (file.records, file.touched, file.changes) == (before, False, 1)


def test_a_replaced_picture_keeps_its_id_and_its_annotations(file: File) -> None:
    file.fold({at("a"): picture("1"), at("b"): picture("2")}).fold({at("b"): picture("3", "bb")})
    assert [(i.id, i.etag) for i in file.records.images] == [(1, "1"), (2, "3")]
    assert [a.id for a in file.records.annotations] == [1, 2]
    assert file.changes == 3


def test_the_same_bytes_uploaded_again_are_no_change_of_the_training_pictures(file: File) -> None:
    file.fold({at("a"): picture("1")}).fold({at("a"): picture("2")})
    assert (file.image(at("a")).etag, file.changes, file.touched) == ("2", 1, True)


def test_an_id_is_never_given_out_twice(file: File) -> None:
    file.fold({at("a"): picture("1"), at("b"): picture("2")}).fold({at("a"): None, at("b"): None})
    assert file.records == Records([], [], [], [])
    file.fold({at("c"): picture("3")})
    assert [i.id for i in file.records.images] == [3]
    assert [a.id for a in file.records.annotations] == [3]
    assert [c.id for c in file.ledger.categories] == [2]


def test_a_category_that_loses_its_last_picture_goes(file: File) -> None:
    file.fold({at("a"): picture("1"), at("b", "bolt"): picture("2")}).fold({at("a"): None})
    assert [c.name for c in file.ledger.categories] == ["bolt"]


def test_a_broken_picture_becomes_a_problem_and_a_mended_one_a_picture(file: File) -> None:
    file.fold({at("a"): picture("1", problem="truncated")})
    assert (file.records.images, [p.reason for p in file.records.problems]) == ([], ["truncated"])
    file.fold({at("a"): picture("2")})
    assert (len(file.records.images), file.records.problems) == (1, [])
    file.fold({at("a"): picture("3", problem="truncated")})
    assert (file.records.images, file.records.annotations, len(file.records.problems)) == ([], [], 1)
    assert file.ledger.counter.totals == Totals(problems=1)


def test_removing_what_is_not_there_changes_nothing(file: File) -> None:
    file.fold({at("a"): picture("1")}).fold({at("b"): None})
    assert (file.touched, file.changes) == (False, 1)


def test_annotations_that_say_the_same_keep_their_ids_when_others_change(file: File) -> None:
    file.fold({at("a.png"): picture("1"), at("a.xml"): side_car(at("a.xml"), "x", "y")})
    before = {file.labels(at("a.png"))[n]: a.id for n, a in enumerate(file.records.annotations)}
    file.fold({at("a.xml"): side_car(at("a.xml"), "y", "z", etag="t")})
    after = {file.labels(at("a.png"))[n]: a.id for n, a in enumerate(file.records.annotations)}
    assert (after["y"], after["z"]) == (before["y"], 3)


def test_relabelling_is_a_change_and_a_note_alone_is_none(file: File) -> None:
    file.fold({at("a.png"): picture("1")}).fold({at("a.xml"): side_car(at("a.xml"), "bolt")})
    assert (file.changes, file.image(at("a.png")).labelled_by) == (2, "side-car")
    file.fold({}, imported(at("a.png"), "gear"))
    assert (file.changes, file.labels(at("a.png"))) == (2, ["bolt"])


def test_a_side_car_waits_for_its_picture_and_says_so(file: File) -> None:
    file.fold({at("a.xml"): side_car(at("a.xml"), "bolt")}, imported(at("b.png"), "gear"))
    assert {c.path: c.note for c in file.records.claims} == {at("a.xml"): NO_PICTURE, at("b.png"): NOT_THERE}
    assert file.ledger.counter.totals.orphans == 2
    file.fold({at("a.png"): picture("1"), at("b.png"): picture("2")})
    assert [c.note for c in file.records.claims] == ["", ""]
    assert (file.labels(at("a.png")), file.labels(at("b.png"))) == (["bolt"], ["gear"])
    file.fold({at("a.png"): None})
    assert [c.note for c in file.records.claims] == [NO_PICTURE, ""]
    file.fold({at("a.xml"): None})
    assert file.ledger.counter.totals.notes == 1, "the folder and the import disagree on b"


def test_an_import_forgets_what_its_new_version_does_not_say(file: File) -> None:
    file.fold({at("a"): picture("1"), at("b"): picture("2")}, imported(at("a"), "x"), imported(at("b"), "x"))
    file.fold({}, imported(at("b"), "y", etag="j"))
    file.fold({}, dropped=Dropped(source="parts/annotations/a.json", but="j", kept={at("b")}))
    assert (file.labels(at("a")), file.labels(at("b"))) == (["nut"], ["y"])


def test_claims_of_the_same_version_for_other_pictures_are_forgotten_too(file: File) -> None:
    file.fold({}, imported(at("guess"), "x"), imported(at("meant"), "x"))
    file.fold({}, dropped=Dropped(source="parts/annotations/a.json", but="i", kept={at("meant")}))
    assert [claim.path for claim in file.records.claims] == [at("meant")]


def test_two_imports_of_one_picture_are_kept_apart(file: File) -> None:
    file.fold(
        {at("a"): picture("1")},
        imported(at("a"), "second", source="parts/annotations/b.json"),
        imported(at("a"), "first"),
    )
    assert file.labels(at("a")) == ["first"]
    file.fold({}, dropped=Dropped(source="parts/annotations/a.json"))
    assert file.labels(at("a")) == ["second"]


def test_a_class_list_names_numbers_again_below_its_folder(file: File) -> None:
    names = Seen(etag="c", names=("gear",))
    file.fold({at("a.png"): picture("1"), at("a.txt"): side_car(at("a.txt"), "0", numbered=True)})
    assert file.labels(at("a.png")) == []
    file.fold({"parts/images/classes.txt": names})
    assert file.labels(at("a.png")) == ["gear"]
    file.fold({"parts/images/classes.txt": msgspec.structs.replace(names, etag="d")})
    assert (file.touched, file.ledger.class_lists["parts/images/classes.txt"].etag) == (False, "d")
    file.fold({"parts/images/classes.txt": None})
    assert file.labels(at("a.png")) == []


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/1.jpg", "a/1"),
        ("a/1", "a/1"),
        ("a.b/1", "a.b/1"),
        ("a/1.tar.jpg", "a/1.tar"),
        ("a/.hidden", "a/.hidden"),
        ("a/.hidden.xml", "a/.hidden"),
        ("1.jpg", "1"),
        ("a/1.", "a/1"),
    ],
)
def test_a_picture_and_its_side_cars_have_the_same_stem(path: str, stem: str) -> None:
    assert stem_of(path) == stem
