import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import coco
from shared.coco import Document, Entry
from shared.errors import BrokenFileError
from shared.pictures import Facts


def entry(etag: str, label: str | None = "nut", sha256: str = "aa", problem: str | None = None) -> Entry:
    facts = Facts(etag=etag, sha256=sha256, width=64, height=48, problem=problem)
    return Entry(facts, (label,) if label else ())


def fold(document: Document, **seen: Entry | None) -> Document:
    return coco.fold(document, seen, url_of=lambda path: f"http://x/{path}")


def test_a_new_picture_gets_image_annotation_and_category() -> None:
    after = fold(Document(), a=entry("1"))
    assert [(i.id, i.file_name, i.absolute_url) for i in after.images] == [(1, "a", "http://x/a")]
    assert [(a.id, a.image_id, a.category_id) for a in after.annotations] == [(1, 1, 1)]
    assert [(c.id, c.name) for c in after.categories] == [(1, "nut")]
    assert after.info.changes == 1


def test_folding_the_same_again_gives_the_same_document() -> None:
    after = fold(Document(), a=entry("1"), b=entry("2", problem="broken"))
    assert fold(after, a=entry("1"), b=entry("2", problem="broken")) is after


def test_a_replaced_picture_keeps_its_id() -> None:
    before = fold(Document(), a=entry("1"), b=entry("2"))
    after = fold(before, b=entry("3", sha256="bb"))
    assert [i.id for i in after.images] == [1, 2]
    assert after.images[1].etag == "3"
    assert after.info.changes == before.info.changes + 1


def test_the_same_bytes_uploaded_again_are_no_change_of_the_training_pictures() -> None:
    before = fold(Document(), a=entry("1"))
    after = fold(before, a=entry("2"))
    assert after.images[0].etag == "2"
    assert after.info.changes == before.info.changes


def test_an_id_is_never_given_out_twice() -> None:
    document = fold(Document(), a=entry("1"), b=entry("2"))
    document = fold(document, a=None, b=None)
    document = fold(document, c=entry("3"))
    assert [i.id for i in document.images] == [3]
    assert [a.id for a in document.annotations] == [3]
    assert [c.id for c in document.categories] == [2]


def test_a_broken_picture_becomes_a_problem_and_a_mended_one_a_picture() -> None:
    broken = fold(Document(), a=entry("1", problem="truncated"))
    assert (broken.images, [p.reason for p in broken.problems]) == ((), ["truncated"])
    mended = fold(broken, a=entry("2"))
    assert (len(mended.images), mended.problems) == (1, ())
    again = fold(mended, a=entry("3", problem="truncated"))
    assert (again.images, again.annotations, len(again.problems)) == ((), (), 1)


def test_removing_what_is_not_there_changes_nothing() -> None:
    before = fold(Document(), a=entry("1"))
    assert fold(before, b=None) is before


def test_pinning_is_remembered_once() -> None:
    document = coco.pin_to_test(coco.pin_to_test(Document(), ["b"]), ["a", "b"])
    assert document.info.pinned_test == ("a", "b")


def test_a_file_survives_encoding() -> None:
    document = fold(Document(), a=entry("1"), b=entry("2", problem="broken"), c=entry("3", label=None))
    assert coco.decode(coco.encode(document)) == document


@pytest.mark.parametrize("data", [b"", b"{", b'{"images": 3}', b'{"info": {"schema": 99}}'])
def test_a_broken_file_is_told_with_the_remedy(data: bytes) -> None:
    with pytest.raises(BrokenFileError, match=r"reconcile|Update"):
        coco.decode(data)


steps = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(["nut", "bolt", None]),
        st.sampled_from(["x", "y", "z"]),
        st.booleans(),
        st.booleans(),
    )
)


@given(steps)
def test_any_sequence_of_changes_gives_what_was_seen_last(
    sequence: list[tuple[str, str | None, str, bool, bool]],
) -> None:
    document, model, ids = Document(), {}, {}
    for number, (path, label, sha256, broken, gone) in enumerate(sequence):
        seen = None if gone else entry(str(number), label, sha256, "broken" if broken else None)
        document = fold(document, **{path: seen})
        model[path] = seen
        usable = {p for p, e in model.items() if e is not None and e.facts.problem is None}
        ids = {p: i for p, i in ids.items() if p in usable}
        for image in document.images:
            assert ids.setdefault(image.file_name, image.id) == image.id, "ids are stable"
        assert {i.file_name for i in document.images} == usable
        assert {p.path for p in document.problems} == {p for p, e in model.items() if e and e.facts.problem}
        for records in (document.images, document.annotations, document.categories):
            numbers = [record.id for record in records]
            assert len(set(numbers)) == len(numbers), "ids are unique"
        for picture in coco.pictures_of(document):
            seen = model[picture.path]
            assert seen is not None
            assert (picture.labels, picture.sha256, picture.etag) == (seen.labels, seen.facts.sha256, seen.facts.etag)
        used = {a.category_id for a in document.annotations}
        assert used == {c.id for c in document.categories}
        names = [c.name for c in document.categories]
        assert len(set(names)) == len(names)
        assert list(itertools.pairwise(i.file_name for i in document.images)) == list(
            itertools.pairwise(sorted(usable))
        )
