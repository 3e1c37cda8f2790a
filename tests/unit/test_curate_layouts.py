"""How a local folder is laid out, and where each of its files belongs."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.layouts import Layout, coco_among, pairs, place_of, recognise, refuse_splits
from curate.tree import scan, size_of
from tests.pictures import draw, turned

COCO = json.dumps({"images": [], "annotations": [], "categories": []})


def folder(root: Path, *paths: str) -> Path:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(COCO if path.endswith("coco.json") else "{}")
    return root


def seen(root: Path, paths: Iterable[str]) -> Layout:
    tree = scan(folder(root, *paths))
    return recognise(tree, coco_among(tree))


@pytest.mark.parametrize(
    ("paths", "layout"),
    [
        (["nut/1.jpg", "bolt/2.png"], "folders"),
        (["images/nut/1.jpg", "README.txt", "META.json"], "folders"),
        (["1.jpg", "coco.json", "META.json"], "coco"),
        (["images/1.jpg", "annotations/instances_coco.json"], "coco"),
        (["images/train/1.jpg", "labels/train/1.txt", "data.yaml"], "yolo"),
        (["train/images/1.jpg", "train/labels/1.txt", "data.yaml"], "yolo"),
        (["1.jpg", "1.txt", "classes.txt"], "yolo"),
        (["JPEGImages/1.jpg", "Annotations/1.xml"], "voc"),
        (["images/a/1.jpg", "Annotations/a/1.xml"], "voc"),
        (["nut/1.jpg", "nut/1.xml"], "voc"),
    ],
)
def test_a_layout_is_recognised(tmp_path: Path, paths: list[str], layout: str) -> None:
    assert seen(tmp_path, paths) == layout


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["1.jpg", "1.txt", "1.xml", "classes.txt"], r"mixture of YOLO \(1 .txt .*and Pascal VOC.*--layout yolo\|voc"),
        (["1.jpg", "1.txt", "classes.txt", "coco.json"], "mixture of COCO .coco.json. and YOLO"),
        (["1.jpg", "2.jpg"], "2 pictures, none of them in a folder that gives its label"),
        (["a.md", "b.xml"], "no pictures, only 2 other files"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_was_seen(tmp_path: Path, paths: list[str], said: str) -> None:
    with pytest.raises(CurateError, match=said):
        seen(tmp_path, paths)


def test_splits_are_not_taken_for_labels(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="splits, not labels"):
        refuse_splits(scan(folder(tmp_path, "train/nut/1.jpg", "val/nut/2.jpg")))
    refuse_splits(scan(folder(tmp_path / "other", "train/1.jpg", "car/1.jpg")))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("nut/1.jpg", "nut/1.jpg"),
        ("images/train/1.jpg", "train/1.jpg"),
        ("train/labels/1.txt", "train/1.txt"),
        ("JPEGImages/1.jpg", "1.jpg"),
        ("images", "images"),
    ],
)
def test_folders_that_only_sort_files_fall_away(path: str, place: str) -> None:
    assert place_of(path) == place


def test_a_picture_gets_the_side_car_beside_it_or_in_the_mirrored_folder(tmp_path: Path) -> None:
    tree = scan(folder(tmp_path, "images/a/1.jpg", "labels/a/1.txt", "images/b/1.jpg", "images/2.jpg", "images/2.txt"))
    assert dict(pairs(tree, tree.txt)) == {
        "images/2.jpg": "images/2.txt",
        "images/a/1.jpg": "labels/a/1.txt",
        "images/b/1.jpg": None,
    }


def test_hidden_files_and_those_of_operating_systems_are_passed_by(tmp_path: Path) -> None:
    tree = scan(folder(tmp_path, ".git/1.jpg", "__MACOSX/1.jpg", "a/.DS_Store", "a/Thumbs.db", "a/1.JPG"))
    assert (tree.pictures, tree.others) == (("a/1.JPG",), ())


def test_a_size_is_read_from_the_header_and_turned_as_exif_says(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(draw(1, size=(64, 48))[:700])
    (tmp_path / "2.jpg").write_bytes(turned(2, size=(64, 48)))
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    assert [size_of(tmp_path / name) for name in ("1.jpg", "2.jpg", "3.jpg")] == [(64, 48), (48, 64), None]
