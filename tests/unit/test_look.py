"""What a blob is, by its name and its content."""

import pytest

from shared.formats import Region
from shared.limits import SIDE_CAR_BYTES, TRAINING_BYTES
from shared.look import MOST_FINDINGS, is_label_file, look
from shared.storage.memory import MemoryContainer
from tests.pictures import draw

PICTURE = "parts/images/nut/1.png"
VOC = (
    b"<annotation><size><width>40</width><height>30</height></size><object><name>nut</name><bndbox>"
    b"<xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>12</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def container() -> MemoryContainer:
    return MemoryContainer()


def problem_of(container: MemoryContainer, path: str, data: bytes) -> str | None:
    container.write(path, data)
    seen = look(container, path)
    assert seen is not None
    return seen.problem or (seen.facts.problem if seen.facts else None)


def test_what_is_not_there_is_nothing(container: MemoryContainer) -> None:
    assert look(container, PICTURE) is None


def test_a_picture_is_told_by_its_content_with_its_metadata(container: MemoryContainer) -> None:
    container.write(PICTURE, draw(1, size=(64, 48)))
    container.set_metadata(PICTURE, {"label": " Schl%C3%BCssel "})
    seen = look(container, PICTURE)
    assert seen is not None
    assert seen.facts is not None
    assert (seen.facts.width, seen.facts.height, seen.facts.labels) == (64, 48, ("Schlüssel",))
    assert seen.facts.etag == seen.etag


@pytest.mark.parametrize("label", ["", "a%0Ab", "x" * 300])
def test_metadata_that_cannot_be_a_label_is_a_problem(container: MemoryContainer, label: str) -> None:
    container.write(PICTURE, draw(1))
    container.set_metadata(PICTURE, {"label": label})
    seen = look(container, PICTURE)
    assert seen is not None
    assert "the metadata 'label'" in (seen.problem or "")


def test_a_folder_that_cannot_be_a_label_is_a_problem(container: MemoryContainer) -> None:
    assert "the folder" in (problem_of(container, "parts/images/a\nb/1.png", draw(1)) or "")


def test_what_is_too_large_is_not_read(container: MemoryContainer) -> None:
    assert (
        problem_of(container, PICTURE, b"x" * (TRAINING_BYTES + 1)) == "20,971,521 bytes; training takes at most 20 MB"
    )
    assert "a file of labels has at most 1 MB" in (
        problem_of(container, "parts/images/1.xml", b"x" * (SIDE_CAR_BYTES + 1)) or ""
    )


def test_a_voc_file_is_a_claim_in_pixels(container: MemoryContainer) -> None:
    container.write("parts/images/1.XML", VOC)
    seen = look(container, "parts/images/1.XML")
    assert seen is not None
    assert seen.claim is not None
    assert (seen.claim.unit, seen.claim.size) == ("pixel", (40, 30))
    assert seen.claim.regions == (Region("nut", (1.0, 2.0, 10.0, 10.0)),)
    assert (seen.claim.path, seen.claim.etag, seen.claim.numbered) == ("parts/images/1.XML", seen.etag, False)


def test_a_yolo_file_is_a_claim_by_numbers(container: MemoryContainer) -> None:
    container.write("parts/images/1.txt", b"3 0.5 0.5 0.5 0.5\n")
    seen = look(container, "parts/images/1.txt")
    assert seen is not None
    assert seen.claim is not None
    assert (seen.claim.numbered, seen.claim.regions) == (True, (Region("3", (0.25, 0.25, 0.5, 0.5)),))


def test_an_empty_yolo_file_says_that_a_picture_shows_nothing(container: MemoryContainer) -> None:
    container.write("parts/images/1.txt", b"")
    seen = look(container, "parts/images/1.txt")
    assert seen is not None
    assert (seen.problem, seen.claim is not None and seen.claim.regions) == (None, ())


@pytest.mark.parametrize(
    ("name", "data", "names"),
    [
        ("classes.txt", b"nut\nbolt\n", ("nut", "bolt")),
        ("obj.names", b"nut\n", ("nut",)),
        ("data.yaml", b"names: {1: bolt, 0: nut}\n", ("nut", "bolt")),
    ],
)
def test_a_class_list_is_known_by_its_name(
    container: MemoryContainer, name: str, data: bytes, names: tuple[str, ...]
) -> None:
    container.write(f"parts/images/{name}", data)
    seen = look(container, f"parts/images/{name}")
    assert seen is not None
    assert (seen.names, seen.claim, seen.problem) == (names, None, None)


@pytest.mark.parametrize("name", ["1.xml", "1.txt", "classes.txt", "data.yaml", "1.json", "1.png"])
@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"<a/>", b"- - -\n", b"\x00" * 100])
def test_every_blob_leaves_a_record_so_that_reconcile_knows_it(
    container: MemoryContainer, name: str, data: bytes
) -> None:
    container.write(f"parts/images/{name}", data)
    seen = look(container, f"parts/images/{name}")
    assert seen is not None
    assert seen.problem or seen.claim or seen.names or (seen.facts and seen.facts.problem)


def test_a_json_file_beside_pictures_is_told_where_to_go(container: MemoryContainer) -> None:
    assert "annotations/" in (problem_of(container, "parts/images/1.json", b"{}") or "")


def test_a_file_with_many_faults_tells_the_first(container: MemoryContainer) -> None:
    told = problem_of(container, "parts/images/1.txt", b"0 0.5 0.5 0.5 0.5\n" + b"x\n" * 9) or ""
    assert told.count("line") == MOST_FINDINGS
    assert told.endswith("(6 more)")


@pytest.mark.parametrize(
    ("path", "told"),
    [("a/1.TXT", True), ("a/1.json", True), ("a/Classes.txt", True), ("a/data.yml", True), ("a/other.yml", False)],
)
def test_label_files_are_told_by_their_names(path: str, told: bool) -> None:
    assert is_label_file(path) == told
