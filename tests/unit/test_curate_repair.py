"""What lint says of COCO files, and that their repaired copies pass the official check."""

import contextlib
import io
import json
from typing import Any

import pytest

from curate.examination import Examined, examine
from curate.repair import repaired
from shared.formats.coco import parse_coco


def image(identity: int, name: str = "", **more: Any) -> dict[str, Any]:
    return {"id": identity, "file_name": name or f"{identity}.jpg", "width": 100, "height": 50, **more}


def note(identity: int, of: int, category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": identity, "image_id": of, "category_id": category, **more}


def examined(
    images: list[Any], annotations: list[Any], names: tuple[str, ...] = ("nut", "bolt"), **real: tuple[int, int] | str
) -> Examined:
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    data = json.dumps({"images": images, "annotations": annotations, "categories": categories}, indent=1).encode()
    sizes = {where.replace("_", " "): size for where, size in real.items()}
    return examine(parse_coco(data), sizes)


def reasons(found: Examined) -> str:
    return "\n".join(map(str, found.findings))


@pytest.mark.filterwarnings("ignore")  # the sample wheel's own dependencies warn when imported
def officially_checked(found: Examined, *, base_url: str = "") -> dict[str, Any]:
    from cognitive_service_vision_model_customization_python_samples import (
        AnnotationKind,
        Purpose,
        check_coco_annotation_file,
    )

    document: dict[str, Any] = json.loads(repaired(found.pictures, found.labels, base_url=base_url))
    kind = AnnotationKind.OBJECT_DETECTION if found.boxes else AnnotationKind.MULTICLASS_CLASSIFICATION
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        check_coco_annotation_file(document, kind, Purpose.TRAINING)
    return document


@pytest.mark.filterwarnings("ignore")  # likewise
def test_a_repaired_copy_of_many_faults_passes_the_official_check() -> None:
    found = examined(
        [
            image(
                10, width=100.0, height=50.0, coco_url="AmlDatastore://x/10.jpg", absolute_url="https://a.b/c/10.jpg"
            ),
            image(20),
            image(30, "10.jpg"),  # again
            image(40, width=20_000),
            image(50, width=0),
            image(60),
            "not a record",
        ],
        [
            note(7, 10, bbox=[10, 10, 20, 20]),
            note(8, 10, bbox=[10, 10, 20, 20]),  # again
            note(9, 30, 2, bbox=[95, 0, 5.5, 50]),  # stands over the border
            note(11, 20, 2, bbox=[0, 0, 100, 50]),
            note(12, 20, 2),  # without a box, beside one
            note(13, 20, 99, bbox=[0, 0, 10, 10]),
            note(14, 60, bbox=[90, 40, 100, 100]),
            note(15, 40, bbox=[0, 0, 10, 10]),
            note(16, 50, bbox=[0, 0, 10, 10]),
        ],
    )
    document = officially_checked(found)
    assert [(i["file_name"], i["width"], i["height"], i["absolute_url"]) for i in document["images"]] == [
        ("10.jpg", 100, 50, "https://a.b/c/10.jpg"),
        ("20.jpg", 100, 50, "20.jpg"),
    ]
    assert all(isinstance(i["width"], int) for i in document["images"])
    assert [(a["id"], a["image_id"], a["category_id"], a["bbox"]) for a in document["annotations"]] == [
        (1, 1, 1, [0.1, 0.2, 0.2, 0.4]),
        (2, 1, 2, [0.95, 0, 0.05, 1]),
        (3, 2, 2, [0, 0, 1, 1]),
    ]
    said = reasons(found)
    for part in (
        "image 10: 1 of its labels say what another says",
        "image 20: it has boxes, and labels without",
        "image 30: it names the same picture as image 10",
        "image 40: 20,000 x 50 px",
        "image 50: its boxes are pixels, and its width and height are not known",
        "image 60: none of its labels can be used",
        "image at 6: Expected `object`",
        "annotation 13: category 99 is not",
    ):
        assert part in said
    assert all(finding.line for finding in found.findings if finding.where)


@pytest.mark.filterwarnings("ignore")  # likewise
def test_a_repaired_classification_passes_the_official_check_with_sizes_that_were_measured() -> None:
    images = [image(n, width=None, height=None) for n in range(4)]
    found = examined(images, [note(n, n, 1 + n % 2) for n in range(4)], **{f"image_{n}": (64, 48) for n in range(4)})
    document = officially_checked(found, base_url="https://a.b/pictures/")
    assert found.kind == "classification"
    assert found.findings == ()
    assert document["images"][3] == {
        "id": 4,
        "file_name": "3.jpg",
        "width": 64,
        "height": 48,
        "absolute_url": "https://a.b/pictures/3.jpg",
    }


def test_a_picture_whose_every_annotation_is_broken_is_not_taken_to_show_nothing() -> None:
    found = examined([image(1), image(2)], [note(1, 1, bbox=[1, 2, 3])])
    assert [picture.name for picture in found.pictures] == ["2.jpg"]
    assert "image 1: none of its annotations can be used" in reasons(found)


def test_sizes_that_nobody_knows_are_told_and_shares_are_kept_without() -> None:
    found = examined([image(1, width=None)], [note(1, 1, bbox=[0.1, 0.1, 0.5, 0.5])])
    assert "its width and height are not stated" in reasons(found)
    (record,) = json.loads(repaired(found.pictures, found.labels))["images"]
    assert "width" not in record


def test_a_picture_that_is_not_there_or_has_another_shape_is_told() -> None:
    boxed = [note(1, 1, bbox=[1, 2, 30, 40]), note(2, 2, bbox=[1, 2, 30, 40])]
    found = examined([image(1), image(2)], boxed, image_1="is not there", image_2=(48, 64))
    assert "image 1: '1.jpg': is not there" in reasons(found)
    assert "image 2: the file says 100 x 50 pixels, the picture is 48 x 64" in reasons(found)
    assert [picture.name for picture in found.pictures] == ["1.jpg"]


def test_a_file_with_boxes_and_labels_without_is_of_no_kind() -> None:
    found = examined([image(1), image(2)], [note(1, 1), note(2, 2, bbox=[1, 1, 20, 20])])
    assert found.kind is None
    assert "not clear what to train" in reasons(found)
