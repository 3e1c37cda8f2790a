"""The demo's pictures with boxes: found by their side-cars, and split by their bytes."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from devhost.demo_boxes import read_boxed_pictures, read_side_car, split_boxed
from devhost.demo_pictures import Box, PicturesError


def put(folder: Path, name: str, *labels: str, seed: int) -> None:
    """Writes a small picture and a side-car with a box of each label."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    place = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>8.5</ymax></bndbox>"
    objects = "".join(f"<object><name>{label}</name>{place}</object>" for label in labels)
    path.with_suffix(".xml").write_text(f"<annotation>{objects}</annotation>")


def put_both(folder: Path, count: int) -> None:
    for number in range(count):
        put(folder, f"{number:02}.png", "bolt", "nut", seed=number)


def test_pictures_are_those_with_a_side_car_wherever_they_lie(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "bolt", "nut", "bolt", seed=1)
    put(tmp_path, "deeper/b.png", seed=2)
    put(tmp_path, "c.png", "nut", seed=3)
    (tmp_path / "c.xml").unlink()
    one, other = read_boxed_pictures(tmp_path)
    assert (one.name, one.labels, len(one.boxes)) == ("a.png", ("bolt", "nut"), 3)
    assert one.boxes[0] == Box("bolt", 1, 2, 4, 6.5)
    assert one.files == [("a.xml", tmp_path / "a.xml"), ("a.png", tmp_path / "a.png")]
    assert [name for name, _ in other.files] == ["deeper/b.xml", "deeper/b.png"]
    assert (other.name, other.labels, other.side_car) == ("deeper/b.png", (), tmp_path / "deeper/b.xml")


@pytest.mark.parametrize(
    "content",
    [
        "no xml",
        "<!DOCTYPE a><annotation/>",
        "<annotation><object><name>nut</name></object></annotation>",
        "<annotation><object><name>nut</name><bndbox><xmin>1</xmin></bndbox></object></annotation>",
        "<a><object><name>n</name><bndbox><xmin>5</xmin><ymin>2</ymin><xmax>1</xmax><ymax>8</ymax></bndbox></object></a>",
    ],
    ids=["no XML", "document type", "no box", "no corner", "reversed"],
)
def test_a_side_car_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.xml").write_text(content)
    with pytest.raises(PicturesError, match=r"a\.xml is no Pascal VOC side-car"):
        read_side_car(tmp_path / "a.xml")


def test_a_fifth_is_held_out_by_bytes_alone(tmp_path: Path) -> None:
    put_both(tmp_path / "one", 20)
    collection = split_boxed(tmp_path, read_boxed_pictures(tmp_path / "one"))
    assert (len(collection.uploaded), len(collection.held_out)) == (16, 4)
    assert collection.labels == {"bolt": 20, "nut": 20}
    shutil.copytree(tmp_path / "one", tmp_path / "other" / "deeper")
    moved = split_boxed(tmp_path, read_boxed_pictures(tmp_path / "other"))
    assert {one.sha256 for one in moved.held_out} == {one.sha256 for one in collection.held_out}


def test_five_pictures_of_a_label_are_left_to_train_on(tmp_path: Path) -> None:
    put_both(tmp_path, 20)
    for number in range(6):
        put(tmp_path, f"rare-{number}.png", "washer", seed=100 + number)
    collection = split_boxed(tmp_path, read_boxed_pictures(tmp_path))
    assert sum("washer" in one.labels for one in collection.uploaded) >= 5
    assert collection.too_small == {}


def test_pictures_that_show_a_label_that_cannot_be_learnt_are_left_out_and_so_on(tmp_path: Path) -> None:
    put_both(tmp_path, 10)
    for number in range(5):
        labels = ("spring", "gear") if number == 0 else ("spring",)
        put(tmp_path, f"s{number}.png", *labels, seed=200 + number)
    collection = split_boxed(tmp_path, read_boxed_pictures(tmp_path))
    assert collection.too_small == {"gear": 1, "spring": 5}
    assert set(collection.labels) == {"bolt", "nut"}


def test_copies_are_taken_once_and_what_is_no_picture_not_at_all(tmp_path: Path) -> None:
    put_both(tmp_path, 10)
    shutil.copy(tmp_path / "00.png", tmp_path / "zz.png")
    shutil.copy(tmp_path / "00.xml", tmp_path / "zz.xml")
    put(tmp_path, "torn.png", "nut", seed=99)
    (tmp_path / "torn.png").write_bytes(b"torn")
    collection = split_boxed(tmp_path, read_boxed_pictures(tmp_path))
    assert len(collection.uploaded) + len(collection.held_out) == 10


@pytest.mark.parametrize("count", [0, 5])
def test_too_few_pictures_are_refused(tmp_path: Path, count: int) -> None:
    put_both(tmp_path, count)
    with pytest.raises(PicturesError, match=r"no picture with a side-car|too few pictures.*bolt 5, nut 5"):
        split_boxed(tmp_path, read_boxed_pictures(tmp_path))
