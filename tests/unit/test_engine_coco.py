"""What is read of a COCO file, and what is said of one that is damaged."""

import codecs
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import coco as module
from engine.coco import CocoReader, Example, Region
from engine.errors import JobError
from engine.findings import Findings
from engine.records import AnnotationKind, Finding

CLASSIFICATION, MULTILABEL, DETECTION = AnnotationKind
SHA = "ab" * 32
DEEP = b"[" * 1_000_000


def image(number: int, **changes: Any) -> dict[str, Any]:
    return (
        {"id": number, "width": 224.0, "height": 224, "file_name": f"{number}.jpg"}
        | {"absolute_url": f"http://store.local/{number}.jpg"}
        | changes
    )


def coco(images: list[Any], pairs: list[tuple[int, int]], labels: list[str], **changes: Any) -> dict[str, Any]:
    """A file whose annotations are (image id, category id); `changes` are made to each."""
    annotations = [
        {"id": i, "image_id": image, "category_id": kind} | changes for i, (image, kind) in enumerate(pairs, 1)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for number, label in enumerate(labels, 1)],
    }


def boxed(*box: Any) -> dict[str, Any]:
    return coco([image(1)], [(1, 1)], ["nut"], bbox=list(box))


def read_all(
    files: list[bytes], kind: AnnotationKind = CLASSIFICATION, most_images: int = 1_000
) -> tuple[list[Example], JobError | None]:
    """The pictures of all files, and how the job would end."""
    findings = Findings("parts")
    reader = CocoReader(kind, most_images, findings)
    examples = [example for number, file in enumerate(files) for example in reader.read(file, f"{number}.json")]
    try:
        findings.raise_any()
    except JobError as exc:
        return examples, exc
    return examples, None


def read(*files: Any, kind: AnnotationKind = CLASSIFICATION) -> list[Example]:
    examples, error = read_all([json.dumps(file).encode() for file in files], kind)
    assert error is None, error
    return examples


def findings_of(file: Any, kind: AnnotationKind = CLASSIFICATION, **arguments: Any) -> tuple[Finding, ...]:
    content = file if isinstance(file, bytes) else json.dumps(file).encode()
    _, error = read_all([content], kind, **arguments)
    assert error is not None
    assert error.code == "datasetCorrupt"
    return error.details


def test_annotated_images_become_labelled_pictures() -> None:
    file = coco([image(1, sha256=SHA.upper(), etag='"e"'), image(2), image(3)], [(1, 2), (2, 1)], ["nut", "bolt", "no"])
    first, second = read(file)
    assert (first.labels, first.url, first.name) == (("bolt",), "http://store.local/1.jpg", "1.jpg")
    assert (first.title, first.sha256, first.image.etag) == ("0.json: image 1 ('1.jpg')", SHA, '"e"')
    assert (second.labels, second.sha256, second.image.etag) == (("nut",), None, None)


def test_files_are_merged_by_category_name_and_ids_count_per_file() -> None:
    first = coco([image(1)], [(1, 1)], ["nut", "bolt"])
    second = coco([image(1)], [(1, 2)], ["bolt", "nut"])
    assert [example.labels for example in read(first, second)] == [("nut",), ("nut",)]


def test_two_categories_of_one_name_are_one() -> None:
    file = coco([image(1), image(2)], [(1, 1), (2, 2)], ["nut", "nut"])
    assert [example.labels for example in read(file)] == [("nut",), ("nut",)]


def test_sparse_ids_and_extra_fields_of_a_labelling_export_are_read() -> None:
    export = coco([image(70, date_captured="2022-09-16T14:48:15.6141099Z")], [], [])
    export["annotations"] = [{"id": 9, "image_id": 70, "category_id": 7, "area": 0.0, "bbox": [0.1, 0.1, 0.2, 0.2]}]
    export["categories"] = [{"id": 0, "name": "unused"}, {"id": 7, "name": "person", "supercategory": None}]
    assert read(export)[0].labels == ("person",)


@pytest.mark.parametrize(
    ("absolute_url", "coco_url", "expected"),
    [
        ("https://a/x", "https://b/x", "https://a/x"),
        (None, "https://b/x", "https://b/x"),
        ("https://a/x", "AmlDatastore://d/x", "https://a/x"),
        ("AmlDatastore://d/x", "HTTPS://b/x", "HTTPS://b/x"),
    ],
)
def test_absolute_url_comes_before_coco_url_and_aml_datastores_are_skipped(
    absolute_url: str | None, coco_url: str, expected: str
) -> None:
    file = coco([image(1, absolute_url=absolute_url, coco_url=coco_url)], [(1, 1)], ["nut"])
    assert read(file)[0].url == expected


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"file_name": None, "absolute_url": "http://a/images/17?sig=x"}, "http://a/images/17"),
        ({"file_name": "http://a/b.jpg?sv=1&sig=x"}, "http://a/b.jpg"),
        ({"file_name": "b.jpg?sig=x"}, "b.jpg"),
        ({"file_name": "what? #1.jpg"}, "what? #1.jpg"),
    ],
)
def test_a_picture_is_called_by_its_file_name_or_url_and_never_by_a_signature(facts: Any, name: str) -> None:
    (example,) = read(coco([image(1, **facts)], [(1, 1)], ["nut"]))
    assert example.name == name
    assert "sig=" not in example.title


def test_images_without_annotation_are_left_out_of_classification_and_count_as_negatives_elsewhere() -> None:
    file = coco([image(1), image(2)], [(2, 1)], ["nut"], bbox=[0, 0, 1, 1])
    labels = {kind: [example.labels for example in read(file, kind=kind)] for kind in AnnotationKind}
    assert labels == {CLASSIFICATION: [("nut",)], MULTILABEL: [(), ("nut",)], DETECTION: [(), ("nut",)]}


def test_a_multilabel_picture_has_each_label_once() -> None:
    file = coco([image(1)], [(1, 1), (1, 2), (1, 1), (1, 3)], ["nut", "bolt", "nut"])
    assert read(file, kind=MULTILABEL)[0].labels == ("bolt", "nut")


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ([0.1, 0.2, 0.3, 0.4], (0.1, 0.2, 0.3, 0.4)),
        ([0, 0, 1, 1], (0, 0, 1, 1)),
        ([0.5, 0.5, 0.5005, 0.5009], (0.5, 0.5, 0.5, 0.5)),
        ([-0.0005, 0.5, 0.5005, 0.25], (0, 0.5, 0.5, 0.25)),
    ],
)
def test_a_box_is_cut_to_its_picture_when_it_reaches_out_by_a_rounding_error(box: list[float], cut: Any) -> None:
    (example,) = read(boxed(*box), kind=DETECTION)
    (region,) = example.regions
    assert region.label == "nut"
    assert region.box == pytest.approx(cut, abs=1e-12)
    assert max(region.box[0] + region.box[2], region.box[1] + region.box[3]) <= 1


@pytest.mark.parametrize("encode", [lambda text: codecs.BOM_UTF8 + text.encode(), lambda text: text.encode("utf-16")])
def test_a_file_may_have_a_byte_order_mark(encode: Any) -> None:
    text = json.dumps(coco([image(1, file_name="Öse.jpg")], [(1, 1)], ["Öse"]), ensure_ascii=False)
    examples, error = read_all([encode(text)])
    assert error is None
    assert (examples[0].labels, examples[0].name) == (("Öse",), "Öse.jpg")


NUT = coco([image(1)], [(1, 1)], ["nut"])
DAMAGED = [
    ("not JSON", b"hello", "", "is not a COCO file: JSON is malformed: invalid character (byte 0)"),
    ("empty", b"", "", "is not a COCO file: Input data was truncated"),
    ("cut off", json.dumps(NUT).encode()[:-9], "", "is not a COCO file: Input data was truncated"),
    ("NaN", json.dumps(NUT | {"x": float("nan")}).encode(), "", "JSON is malformed: invalid character"),
    ("a list", [], "", "is not a COCO file: Expected `object`, got `array`"),
    ("nested list", b'{"x":' + DEEP, "", "is not a COCO file: it is nested too deeply"),
    ("nested in an object", b'{"images":' + DEEP, "", "is not a COCO file: it is nested too deeply"),
    ("UTF-16 cut off", codecs.BOM_UTF16_LE + b"{\x00}", "", "is not a COCO file"),
    ("no images", {"annotations": [], "categories": []}, "", "it has no array 'images'"),
    ("null annotations", NUT | {"annotations": None}, "", "it has no array 'annotations'"),
    ("object of categories", NUT | {"categories": {"1": "nut"}}, "", "it has no array 'categories'"),
    ("a number", NUT | {"images": [1]}, "images[0]", "Expected `object`, got `int`"),
    ("id as text", coco([image(1, id="one")], [], []), "images[0]", "Expected `int`, got `str` - at `$.images[0].id`"),
    ("no id", NUT | {"annotations": [{"image_id": 1}]}, "annotations[0]", "missing required field `id`"),
    ("width as text", coco([image(1, width="224")], [], []), "images[0]", "Expected `float | null`, got `str`"),
    ("huge id", coco([image(10**30)], [], []), "images[0]", "Expected `int`"),
    ("bad UTF-8", json.dumps(NUT).encode().replace(b"1.jpg", b"\xff"), "images[0]", "can't decode byte 0xff"),
    ("two image ids", coco([image(1), image(1)], [], []), "image 1 ('1.jpg')", "has an id that another one has"),
    ("two annotation ids", NUT | {"annotations": NUT["annotations"] * 2}, "annotation 1", "has an id that another one"),
    (
        "no such image",
        coco([image(1)], [(2, 1)], ["nut"]),
        "annotation 1",
        "belongs to image 2, which the file does not",
    ),
    ("no such category", coco([image(1)], [(1, 3)], ["nut"]), "annotation 1", "belongs to category 3, which"),
    ("two labels", coco([image(1)], [(1, 1), (1, 2)], ["nut", "x"]), "annotation 2", "second one of image 1 ('1.jpg')"),
    (
        "the same twice",
        coco([image(1)], [(1, 1), (1, 1)], ["nut"]),
        "annotation 2",
        "one label per picture; remove one",
    ),
    ("no URL", coco([image(1, absolute_url=None)], [(1, 1)], ["nut"]), "image 1 ('1.jpg')", "has no http(s) URL"),
    (
        "AML only",
        coco([image(1, absolute_url="AmlDatastore://x")], [(1, 1)], ["nut"]),
        "image 1 ('1.jpg')",
        "no http(s)",
    ),
    (
        "bad sha256",
        coco([image(1, sha256="../x")], [(1, 1)], ["nut"]),
        "image 1 ('1.jpg')",
        "has a sha256 that is not 64",
    ),
    ("blank label", coco([image(1)], [(1, 1)], [" "]), "category 1", "has no name"),
]


@pytest.mark.parametrize(
    ("file", "record", "message"), [case[1:] for case in DAMAGED], ids=[case[0] for case in DAMAGED]
)
def test_a_damaged_file_is_corrupt_and_the_first_finding_says_where_and_why(
    file: Any, record: str, message: str
) -> None:
    first = findings_of(file)[0]
    assert first.target == (f"0.json: {record}" if record else "0.json")
    assert message in first.message
    assert first.code in set(module.Reason)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([10, 20, 30, 40], "bbox [10, 20, 30, 40] must be normalised 0…1; this looks like pixels"),
        ([0, 0, 1.002, 1], "this looks like pixels"),
        ([0.5, 0.5, 0.6, 0.5], "reaches beyond the picture"),
        ([-0.1, 0, 0.5, 0.5], "reaches beyond the picture"),
        ([0.5, 0.5, 0, 0.1], "covers nothing"),
        ([0.5, 0.5, -0.1, 0.1], "covers nothing"),
        ([1.0005, 0, 0.0001, 1], "covers nothing"),
    ],
)
def test_a_box_that_is_none_is_named(box: list[float], message: str) -> None:
    (finding,) = findings_of(boxed(*box), DETECTION)
    assert (finding.code, finding.target) == ("boxInvalid", "0.json: annotation 1")
    assert message in finding.message


@pytest.mark.parametrize("box", [[0, 0, 1], [0, 0, 1, 1, 1], ["0", 0, 1, 1], [None, 0, 1, 1], "0 0 1 1", True, 1])
def test_a_box_of_another_shape_is_named(box: Any) -> None:
    (finding,) = findings_of(coco([image(1)], [(1, 1)], ["nut"], bbox=box), DETECTION)
    assert (finding.code, finding.target) == ("recordInvalid", "0.json: annotations[0]")
    assert "$.annotations[0].bbox" in finding.message


def test_detection_needs_a_box_and_at_most_a_thousand_an_image() -> None:
    assert "has no bbox" in findings_of(coco([image(1)], [(1, 1)], ["nut"]), DETECTION)[0].message
    crowded = coco([image(1)], [(1, 1)] * 1_001, ["nut"], bbox=[0, 0, 1, 1])
    (finding,) = findings_of(crowded, DETECTION)
    assert (finding.code, finding.target) == ("tooMany", "0.json: annotation 1001")


def test_classification_does_not_look_at_boxes() -> None:
    assert read(coco([image(1)], [(1, 1)], ["nut"], bbox="none"))[0].regions == (Region("nut"),)


def test_nothing_stops_at_the_first_finding_and_what_refers_to_a_broken_record_is_not_one() -> None:
    images = [image(1), image(2, id="two"), image(3, sha256="x"), image(4)]
    file = coco(images, [(1, 1), (3, 1), (9, 1), (4, 2), (4, 8)], ["nut", ""])
    targets = [finding.target for finding in findings_of(file)]
    # image 9 may be the one whose id cannot be read; category 8 is certainly missing
    records = ["images[1]", "image 3 ('3.jpg')", "category 2", "annotation 5"]
    assert targets == [f"0.json: {record}" for record in records]


def test_twenty_findings_are_named_in_the_order_of_the_files_and_the_rest_is_counted_by_reason() -> None:
    first = coco([image(1)], [(9, 1)] * 15, ["nut"])
    second = coco([image(number, absolute_url="") for number in range(1, 13)], [(n, 1) for n in range(1, 13)], ["nut"])
    second["annotations"][0]["category_id"] = 5
    contents = [json.dumps(file).encode() for file in (first, second)]
    _, error = read_all(contents)
    assert error is not None
    lines = error.message.splitlines()
    assert lines[0] == "Data set 'parts' cannot be used (27 findings):"
    assert lines[1].startswith("0.json: annotation 1: belongs to image 9")
    assert lines[16].startswith("1.json: annotation 1: belongs to category 5")
    assert lines[-1] == "And 7 more: 7 imageUrlMissing."
    assert len(lines) == 22
    assert [f"{finding.target}: {finding.message}" for finding in error.details] == lines[1:-1]
    assert read_all(contents)[1].message == error.message


def test_a_finding_stays_on_one_line_and_shows_no_signature() -> None:
    name = "http://a/b.jpg?sv=1&sig=SECRET\n" + "x" * 9_000
    message = str(read_all([json.dumps(coco([image(1, file_name=name, sha256="x")], [], [])).encode()])[1])
    assert len(message.splitlines()) == 2
    assert len(message) < 1_000
    assert "SECRET" not in message


def test_more_images_than_allowed_are_not_read() -> None:
    finding = findings_of(coco([image(number) for number in range(1, 6)], [(5, 1)], ["nut"]), most_images=3)[0]
    assert (finding.code, finding.target) == ("tooMany", "0.json: images")


def test_records_are_read_whatever_lies_between_and_in_them() -> None:
    tricky = [image(n, file_name='},{"id":5},{', extra=[{"a": [{}, {}]}, {"b": "}, {"}] * 3_000) for n in range(1, 4)]
    plain = [image(number) for number in range(10, 2_000)]
    file = coco(tricky + plain, [(n, 1) for n in (1, 2, 3, *range(10, 2_000))], ["nut"])
    for spaces in (None, 1):
        examples, error = read_all([json.dumps(file, indent=spaces).encode()], most_images=10_000)
        assert error is None
        assert [example.image.id for example in examples] == [1, 2, 3, *range(10, 2_000)]


def test_an_array_that_consists_of_no_records_is_left_at_once() -> None:
    file = b'{"images": [{}, ' + b"0," * 5_000_000 + b'0], "annotations": [], "categories": []}'
    first = findings_of(file)[0]
    assert "images[0]" in first.target
    assert "the rest was not read" in first.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
WHOLE = coco(
    [image(1, sha256=SHA, etag="e", coco_url=None), image(2)], [(1, 1), (2, 2)], ["nut", "bolt"], bbox=[0, 0, 1, 1]
)
PLACES = [()] + [
    place
    for key, records in WHOLE.items()
    for place in [(key,), (key, 0), *((key, 1 - (key != "images"), field) for field in records[0])]
]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(PLACES), json_values, st.sampled_from(AnnotationKind))
def test_any_value_in_place_of_any_field_is_read_or_a_finding(
    place: tuple[Any, ...], value: Any, kind: AnnotationKind
) -> None:
    file: Any = copy.deepcopy(WHOLE)
    if place:
        inner = file
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
    else:
        file = value
    _, error = read_all([json.dumps(file).encode()], kind)
    assert error is None or (error.code == "datasetCorrupt" and error.details)


@settings(deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_whatever_bytes_come_are_no_coco_file(content: bytes) -> None:
    assert "is not a COCO file" in findings_of(content)[0].message
