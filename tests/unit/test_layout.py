import unicodedata

import pytest

from shared import layout
from shared.layout import MisplacedPath, PicturePath, parse_picture_path


@pytest.mark.parametrize(
    ("path", "dataset", "label"),
    [
        ("parts/images/nut/1.jpg", "parts", "nut"),
        ("parts/images/nut/deep/er/1.jpg", "parts", "nut"),
        ("parts/images/1.jpg", "parts", None),
        ("parts/images/ wing nut /1.jpg", "parts", "wing nut"),
        (f"parts/images/{unicodedata.normalize('NFD', 'Schlüssel')}/1.jpg", "parts", "Schlüssel"),
        ("a/images/b/images/c.jpg", "a", "b"),
        ("parts/images//1.jpg", "parts", ""),
    ],
)
def test_a_picture_path_names_dataset_and_label(path: str, dataset: str, label: str | None) -> None:
    assert parse_picture_path(path) == PicturePath(path, dataset, label)


@pytest.mark.parametrize(
    "path",
    [
        "Parts/images/nut/1.jpg",
        "-parts/images/a/1.jpg",
        "p" * 64 + "/images/a/1.jpg",
        "../images/x/1.jpg",
        "/images/a/1.jpg",
    ],
)
def test_an_invalid_dataset_name_is_told_with_the_rule(path: str) -> None:
    where = parse_picture_path(path)
    assert isinstance(where, MisplacedPath)
    assert "is not a dataset name. Use lower-case letters" in where.reason


def test_a_path_beside_images_is_told_where_pictures_belong() -> None:
    where = parse_picture_path("x/y/images/z.jpg")
    assert isinstance(where, MisplacedPath)
    assert "'x/images/'" in where.reason


@pytest.mark.parametrize("name", ["parts.0123456789ab.1", "a.ffffffffffff.12"])
def test_a_version_name_gives_its_dataset(name: str) -> None:
    assert layout.dataset_of_version(name) == name.partition(".")[0]


@pytest.mark.parametrize("name", ["parts", "parts.0123456789ab", "parts.0123456789ab.0", "parts.XYZ.1", "latest", ""])
def test_other_names_are_no_version_names(name: str) -> None:
    assert layout.dataset_of_version(name) is None


def test_the_subject_of_an_event_gives_the_path() -> None:
    subject = "/blobServices/default/containers/training/blobs/parts/images/blobs/1.jpg"
    assert layout.path_of_subject(subject, "training") == "parts/images/blobs/1.jpg"
    assert layout.path_of_subject(subject, "other") is None
    assert layout.path_of_subject(subject.replace("/images/", "/coco/"), "training") is None


@pytest.mark.parametrize("name", ["a.json", "deep/er/A.JSON", "classes.txt", "data.yaml", "obj.names"])
def test_coco_files_and_class_lists_in_annotations_are_imports(name: str) -> None:
    assert layout.is_import(f"parts/annotations/{name}")
    assert layout.is_no_upload(f"parts/annotations/{name}")


@pytest.mark.parametrize("path", ["annotations/a.xml", "annotations/a.txt", "Annotations/a.xml", "annotations/a.jpg"])
def test_other_files_in_annotations_are_told_to_lie_beside_their_pictures(path: str) -> None:
    where = parse_picture_path(f"parts/{path}")
    assert isinstance(where, MisplacedPath)
    assert "Put side-cars beside their pictures" in where.reason
    assert not layout.is_import(f"parts/{path}")
    assert not layout.is_no_upload(f"parts/{path}")


def test_a_path_in_no_folder_is_told_where_pictures_belong() -> None:
    where = parse_picture_path("1.jpg")
    assert isinstance(where, MisplacedPath)
    assert where.reason.startswith("lies in no folder. Pictures belong under")
