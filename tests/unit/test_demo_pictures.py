"""The demo's pictures: what is read, what is held out, what is refused before anything starts."""

import zlib
from pathlib import Path

import pytest

from devhost.demo_pictures import MIN_PICTURES, PicturesError, dataset_name, read_pictures, split
from tests.pictures import draw


def fill(folder: Path, **counts: int) -> Path:
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = draw(zlib.crc32(f"{label} {number}".encode()), size=(16, 16))
            (folder / label / f"{number:02d}.jpg").write_bytes(picture)
    return folder


def test_pictures_are_found_below_label_folders_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, nut=1)
    (tmp_path / "nut" / "deeper").mkdir()
    for name in ("nut/deeper/B.JPEG", "nut/.hidden.jpg", ".git/a.jpg", "nut/notes.txt", "loose.jpg", "coco.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [(picture.label, picture.name) for picture in read_pictures(tmp_path)] == [
        ("nut", "nut/00.jpg"),
        ("nut", "nut/deeper/B.JPEG"),
    ]


@pytest.mark.parametrize(("count", "held_out"), [(6, 1), (7, 1), (8, 2), (10, 2), (24, 5), (100, 20)])
def test_a_fifth_of_each_label_is_held_out_and_enough_is_left(tmp_path: Path, count: int, held_out: int) -> None:
    collection = split(tmp_path, read_pictures(fill(tmp_path, bolt=count, nut=count)))
    for label in ("bolt", "nut"):
        assert sum(picture.label == label for picture in collection.held_out) == held_out
        assert sum(picture.label == label for picture in collection.uploaded) == count - held_out >= MIN_PICTURES
    assert collection.labels == {"bolt": count, "nut": count}


def test_what_is_held_out_depends_on_the_bytes_alone(tmp_path: Path) -> None:
    first = split(tmp_path, read_pictures(fill(tmp_path / "a", bolt=20, nut=20)))
    for path in sorted((tmp_path / "a" / "nut").iterdir()):
        path.rename(path.with_name(f"renamed-{path.name}"))
    second = split(tmp_path, read_pictures(tmp_path / "a"))
    assert {picture.sha256 for picture in first.held_out} == {picture.sha256 for picture in second.held_out}


def test_no_bytes_are_both_uploaded_and_asked_about(tmp_path: Path) -> None:
    fill(tmp_path, bolt=12, nut=12)
    for path in sorted((tmp_path / "nut").iterdir()):
        path.with_name(f"copy-of-{path.name}").write_bytes(path.read_bytes())
    collection = split(tmp_path, read_pictures(tmp_path))
    uploaded = {picture.sha256 for picture in collection.uploaded}
    asked = [picture.sha256 for picture in collection.held_out]
    assert not uploaded & set(asked)
    assert len(asked) == len(set(asked)) == 4


def test_a_picture_under_two_labels_is_never_held_out(tmp_path: Path) -> None:
    fill(tmp_path, bolt=8, nut=8)
    for label in ("bolt", "nut"):
        for number in range(8):
            (tmp_path / label / f"same-{number}.jpg").write_bytes(f"same {number}".encode())
    collection = split(tmp_path, read_pictures(tmp_path))
    assert collection.held_out
    assert not any("same" in picture.name for picture in collection.held_out)


def test_a_label_with_too_few_pictures_is_uploaded_whole_and_named(tmp_path: Path) -> None:
    collection = split(tmp_path, read_pictures(fill(tmp_path, bolt=6, nut=6, washer=5)))
    assert collection.too_small == {"washer": 5}
    assert sum(picture.label == "washer" for picture in collection.uploaded) == 5


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "holds no pictures"),
        ({"nut": 20}, "too few pictures to learn from: nut 20"),
        ({"nut": 20, "bolt": 5}, "bolt 5, nut 20. A demo needs 2 labels with at least 6"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_is_refused(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    with pytest.raises(PicturesError, match=message):
        split(tmp_path, read_pictures(fill(tmp_path, **counts)))


def test_what_is_no_picture_is_uploaded_and_is_no_example_of_its_label(tmp_path: Path) -> None:
    fill(tmp_path, bolt=8, nut=8)
    for label in ("bolt", "nut"):
        (tmp_path / label / "text.jpg").write_bytes(b"I am text")
    collection = split(tmp_path, read_pictures(tmp_path))
    assert {picture.name for picture in collection.uploaded} > {"bolt/text.jpg", "nut/text.jpg"}
    for path in (tmp_path / "nut").iterdir():
        path.write_bytes(f"I am text too: {path.name}".encode())
    with pytest.raises(PicturesError, match="bolt 8, nut 0"):
        split(tmp_path, read_pictures(tmp_path))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match="is not a folder"):
        read_pictures(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("wanted", "folder", "name"),
    [
        (None, None, "parts"),
        (None, "My Pictures (2)", "my-pictures-2"),
        (None, "__", "parts"),
        (None, "x" * 80, "x" * 63),
        ("coins-8", "elsewhere", "coins-8"),
    ],
)
def test_the_dataset_is_named_as_wanted_or_after_its_folder(wanted: str | None, folder: str | None, name: str) -> None:
    assert dataset_name(wanted, Path(folder) if folder is not None else None) == name


@pytest.mark.parametrize("wanted", ["", "Parts", "a_b", "-a", "a" * 64, "a/b"])
def test_a_name_no_dataset_may_have_is_refused(wanted: str) -> None:
    with pytest.raises(PicturesError, match="cannot be a dataset's name"):
        dataset_name(wanted, None)
