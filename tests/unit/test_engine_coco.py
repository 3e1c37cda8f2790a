import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.coco import Example, labelled_pictures, parse_coco
from engine.errors import JobError

SHA = "ab" * 32


def image(number: int, **changes: Any) -> dict[str, Any]:
    return (
        {"id": number, "width": 224.0, "height": 224, "file_name": f"{number}.jpg"}
        | {"absolute_url": f"http://store.local/{number}.jpg"}
        | changes
    )


def coco(images: list[dict[str, Any]], pairs: list[tuple[int, int]], labels: list[str]) -> dict[str, Any]:
    """A file whose annotations are (image id, category id)."""
    annotations = [{"id": i, "image_id": image, "category_id": kind} for i, (image, kind) in enumerate(pairs, 1)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for number, label in enumerate(labels, 1)],
    }


def read(*files: dict[str, Any]) -> list[Example]:
    return labelled_pictures(
        [
            (f"{number}.json", parse_coco(json.dumps(file).encode(), f"{number}.json"))
            for number, file in enumerate(files)
        ]
    )


def test_annotated_images_become_labelled_pictures() -> None:
    file = coco(
        [image(1, sha256=SHA.upper(), etag='"e"'), image(2), image(3)], [(1, 2), (2, 1)], ["nut", "bolt", "unused"]
    )
    assert read(file) == [
        Example("bolt", "http://store.local/1.jpg", "image 1 ('1.jpg') of 0.json", "1.jpg", SHA, '"e"'),
        Example("nut", "http://store.local/2.jpg", "image 2 ('2.jpg') of 0.json", "2.jpg", None, None),
    ]


def test_files_are_merged_by_category_name_and_ids_count_per_file() -> None:
    first = coco([image(1)], [(1, 1)], ["nut", "bolt"])
    second = coco([image(1)], [(1, 2)], ["bolt", "nut"])
    assert [example.label for example in read(first, second)] == ["nut", "nut"]


def test_sparse_ids_and_extra_fields_of_a_labelling_export_are_read() -> None:
    export = coco([image(70, date_captured="2022-09-16T14:48:15.6141099Z")], [], [])
    export["annotations"] = [{"id": 9, "image_id": 70, "category_id": 7, "area": 0.0, "bbox": [0.1, 0.1, 0.2, 0.2]}]
    export["categories"] = [{"id": 7, "name": "Größe é", "supercategory": "x"}]
    assert [example.label for example in read(export)] == ["Größe é"]


@pytest.mark.parametrize(
    ("absolute_url", "coco_url", "expected"),
    [
        ("http://a/1", "http://b/1", "http://a/1"),
        (None, "http://b/1", "http://b/1"),
        ("AmlDatastore://x/1", "HTTPS://b/1", "HTTPS://b/1"),
        ("http://a/1", "AmlDatastore://x/1", "http://a/1"),
    ],
)
def test_the_absolute_url_comes_first_and_data_stores_are_skipped(
    absolute_url: str | None, coco_url: str, expected: str
) -> None:
    file = coco([image(1, absolute_url=absolute_url, coco_url=coco_url)], [(1, 1)], ["nut"])
    assert read(file)[0].url == expected


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (coco([image(1)], [(1, 1), (1, 2)], ["nut", "bolt"]), ["annotation 2", "image 1", "1.jpg", "one label"]),
        (coco([image(1)], [(1, 1), (1, 1)], ["nut"]), ["annotation 2"]),
        (coco([image(1)], [(2, 1)], ["nut"]), ["annotation 1", "image 2"]),
        (coco([image(1)], [(1, 3)], ["nut"]), ["annotation 1", "category 3"]),
        (coco([image(1), image(1)], [(1, 1)], ["nut"]), ["image 1"]),
        (coco([image(1, absolute_url="AmlDatastore://x")], [(1, 1)], ["nut"]), ["image 1", "absolute_url"]),
        (coco([image(1, absolute_url=None)], [(1, 1)], ["nut"]), ["image 1"]),
        (coco([image(1, sha256="../../etc/passwd")], [(1, 1)], ["nut"]), ["image 1", "sha256"]),
        (coco([image(1)], [(1, 1)], [" "]), ["category 1"]),
        (coco([image(1, id="one")], [], []), ["$.images[0].id"]),
        ({"images": []}, ["annotations"]),
        ([], ["COCO"]),
    ],
)
def test_a_wrong_file_is_corrupt_and_names_the_place(file: Any, words: list[str]) -> None:
    with pytest.raises(JobError) as caught:
        read(file)
    assert caught.value.code == "datasetCorrupt"
    for word in ["0.json", *words]:
        assert word in caught.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
record = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("id", "name", "image_id", "category_id", "absolute_url", "coco_url", "sha256", "etag"), json_values
    ),
)
hostile_file = st.fixed_dictionaries(
    {}, optional={key: st.lists(record, max_size=3) | json_values for key in ("images", "annotations", "categories")}
)


@settings(deadline=None)
@given(hostile_file | json_values)
def test_whatever_json_comes_is_read_or_corrupt(file: object) -> None:
    content = json.dumps(file).encode()
    with suppress(JobError):
        labelled_pictures([("hostile.json", parse_coco(content, "hostile.json"))])


@settings(deadline=None)
@given(st.binary())
def test_whatever_bytes_come_are_read_or_corrupt(content: bytes) -> None:
    with pytest.raises(JobError, match="not a COCO file"):
        parse_coco(content, "hostile.json")
