import json
from typing import Any

import pytest

from shared.formats import MOST_REGIONS, Labelling, Parsed, Region
from shared.formats.boxes import fit_boxes
from shared.formats.coco import Exported, parse_coco, write_coco

# contract §7.1
AZURE_ML = """\
{"images":[{"id":1,"width":8000.0,"height":4000.0,"file_name":"proj/img/a.jpg",
            "coco_url":"AmlDatastore://annotations_datastore/proj/img/a.jpg",
            "absolute_url":"https://acct.blob.core.windows.net/container/proj/img/a.jpg",
            "date_captured":"2022-09-16T14:48:15.6141099Z"}],
 "annotations":[{"id":1,"category_id":2,"image_id":1,"area":0.0,"bbox":[0.0043,0.5711,0.0138,0.0067]}],
 "categories":[{"id":1,"name":"person"},{"id":2,"name":"plate"}]}
"""

# contract §7: no file extension, several tags, the Negative tag, untagged pictures, never an absolute_url
STORE = "https://acct.blob.core.windows.net/cv"
CUSTOM_VISION = {
    "images": [
        {"id": n, "width": 640, "height": 480, "coco_url": f"{STORE}/parts_7/images/{n}?sig=x"} for n in (1, 2, 3, 4)
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0.25, 0.5, 0.5, 0.5], "area": 0.25},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [0.1, 0.1, 0.2, 0.2], "area": 0.04},
        {"id": 3, "image_id": 2, "category_id": 3},
        {"id": 4, "image_id": 4, "category_id": 1},
        {"id": 5, "image_id": 4, "category_id": 2},
    ],
    "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}, {"id": 3, "name": "Negative"}],
}

NUT = {"id": 1, "name": "nut"}
BOX = [64, 48, 320, 240]


def image(id_: object = 1, **fields: object) -> dict[str, object]:
    return {"id": id_, "file_name": f"{id_}.jpg", "width": 640, "height": 480, **fields}


def note(id_: object = 1, image_id: object = 1, category_id: object = 1, **fields: object) -> dict[str, object]:
    return {"id": id_, "image_id": image_id, "category_id": category_id, **fields}


def coco(images: list[Any], annotations: list[Any], categories: list[Any] | None = None) -> bytes:
    """Write a file whose records each have a line, as `lines` counts them."""
    parts = {"images": images, "annotations": annotations, "categories": [NUT] if categories is None else categories}
    rows = (f'"{key}": [\n' + ",\n".join(json.dumps(record) for record in part) + "\n]" for key, part in parts.items())
    return ("{" + ",\n".join(rows) + "}").encode()


def findings(parsed: Parsed) -> list[tuple[int, str]]:
    return [(finding.line, finding.where) for finding in parsed.findings]


def test_an_azure_ml_export_is_read() -> None:
    parsed = parse_coco(AZURE_ML.encode())
    assert parsed.labellings == (
        Labelling(
            picture="proj/img/a.jpg",
            url="https://acct.blob.core.windows.net/container/proj/img/a.jpg",
            regions=(Region("plate", (0.0043, 0.5711, 0.0138, 0.0067)),),
            unit="share",
            size=(8000, 4000),
            where="image 1",
            line=1,
        ),
    )
    assert (parsed.labels, parsed.findings) == (("person", "plate"), ())


def test_an_azure_ml_classification_export_has_no_boxes() -> None:
    text = AZURE_ML.replace(',"bbox":[0.0043,0.5711,0.0138,0.0067]', "")
    assert parse_coco(text.encode()).labellings[0].regions == (Region("plate"),)


def test_a_custom_vision_export_is_read() -> None:
    parsed = parse_coco(json.dumps(CUSTOM_VISION).encode())
    assert parsed.findings == ()
    assert [labelling.picture for labelling in parsed.labellings] == [f"cv/parts_7/images/{n}" for n in (1, 2, 3, 4)]
    assert parsed.labellings[0].url == f"{STORE}/parts_7/images/1?sig=x"
    assert [[region.label for region in labelling.regions] for labelling in parsed.labellings] == [
        ["nut", "bolt"],
        ["Negative"],
        [],
        ["nut", "bolt"],
    ]
    assert {labelling.unit for labelling in parsed.labellings} == {"share"}


@pytest.mark.parametrize("ids", [[0, 1], [1, 2], [7, 900_000_000_000], ["0", "12"], [-3, -2]])
def test_ids_may_begin_anywhere_and_be_text(ids: list[int | str]) -> None:
    a, b = ids
    data = coco([image(a), image(b)], [note(a, b, a), note(b, a, b)], [{**NUT, "id": a}, {"id": b, "name": "bolt"}])
    parsed = parse_coco(data)
    assert [[region.label for region in labelling.regions] for labelling in parsed.labellings] == [["bolt"], ["nut"]]
    assert parsed.findings == ()


@pytest.mark.parametrize(
    ("fields", "picture", "url"),
    [
        ({"file_name": "a\\b.jpg"}, "a/b.jpg", ""),
        ({"file_name": None, "coco_url": "AmlDatastore://store/img/a%20b.jpg"}, "img/a b.jpg", ""),
        ({"file_name": "", "coco_url": "http://h/c/a.jpg?x#y"}, "c/a.jpg", "http://h/c/a.jpg?x#y"),
        ({"absolute_url": "", "coco_url": "https://h/c/a"}, "1.jpg", "https://h/c/a"),
        ({"absolute_url": "file:///etc/passwd"}, "1.jpg", ""),
    ],
)
def test_a_picture_is_named_by_its_file_or_its_url(fields: dict[str, object], picture: str, url: str) -> None:
    (labelling,) = parse_coco(coco([image(**fields)], [])).labellings
    assert (labelling.picture, labelling.url) == (picture, url)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        *[({}, (640, 480)), ({"width": 224.0}, (224, 480)), ({"width": "640"}, (640, 480)), ({"width": 0}, None)],
        *[({"height": None}, None), ({"height": -1}, None), ({"height": 1e300}, None), ({"height": "nan"}, None)],
    ],
)
def test_a_size_may_be_missing(fields: dict[str, object], size: tuple[int, int] | None) -> None:
    assert parse_coco(coco([image(**fields)], [])).labellings[0].size == size


@pytest.mark.parametrize("bbox", [{}, {"bbox": None}, {"bbox": []}])
def test_an_annotation_without_a_box_labels_the_whole_picture(bbox: dict[str, object]) -> None:
    assert parse_coco(coco([image()], [note(**bbox)])).labellings[0].regions == (Region("nut"),)


@pytest.mark.parametrize(
    ("boxes", "unit", "kept", "reported"),
    [
        pytest.param([], "share", 0, 0, id="no boxes"),
        pytest.param([[0, 0, 1, 1], [0.5, 0.5, 0.509, 0.5]], "share", 2, 0, id="shares, one over the border"),
        pytest.param([BOX, [0, 0, 640, 480]], "pixel", 2, 0, id="pixels"),
        pytest.param([[0.5, 0.25, 1.5, 0.25]], "pixel", 1, 0, id="a small box of pixels"),
        pytest.param([[0.1, 0.1, 0.2, 0.2]] * 9 + [[0.5, 0.5, 0.6, 0.5]], "share", 9, 1, id="one far over the border"),
        pytest.param([[0.1, 0.1, 0.2, 0.2]] * 9 + [BOX], "share", 9, 1, id="shares and one in pixels"),
        pytest.param([BOX] * 9 + [[0, 0, 1, 1]], "pixel", 9, 1, id="pixels and one share"),
        pytest.param([BOX, [0, 0, 1, 1]], "pixel", 1, 1, id="half and half"),
        pytest.param([[0.5, 0.5, 0.6, 0.5]], "share", 0, 1, id="neither"),
        pytest.param([[-5, -5, 6, 6]], "pixel", 1, 0, id="pixels to the left"),
    ],
)
def test_whether_boxes_are_pixels_or_shares_is_decided_once_a_file(
    boxes: list[list[float]], unit: str, kept: int, reported: int
) -> None:
    parsed = parse_coco(coco([image()], [note(n, bbox=box) for n, box in enumerate(boxes)]))
    is_read = bool(kept or not boxes)
    assert [(said.unit, len(said.regions)) for said in parsed.labellings] == [(unit, kept)] * is_read
    assert len(parsed.findings) == (reported + 1 if reported else 0) + (not is_read)
    if reported:
        assert "in one unit" in parsed.findings[0].reason
        assert parsed.findings[1].where.startswith("annotation ")


@pytest.mark.parametrize(
    ("spoilt", "where", "message"),
    [
        pytest.param(note(7, bbox=[1, 1, 0, 5]), "annotation 7", "0 wide and 5 high", id="no width"),
        pytest.param(note(7, bbox=[1, 1, 5, -5]), "annotation 7", "-5 high", id="a negative height"),
        pytest.param(note(7, bbox=["nan", 1, 5, 5]), "annotation 7", "not finite", id="not a number"),
        pytest.param(note(7, bbox=[1, 1, 5]), "annotation 7", "3 numbers", id="three numbers"),
        pytest.param(note(7, bbox=[1, 1, 5, "x"]), "annotation at 1", "Expected `float`", id="a word"),
        pytest.param(note(7, bbox="1 1 5 5"), "annotation at 1", "Expected `array | null`", id="a text"),
        pytest.param(note(7, image_id=99), "annotation 7", "image 99 is not", id="no such image"),
        pytest.param(note(7, category_id=99), "annotation 7", "category 99 is not", id="no such category"),
        pytest.param(note(None, category_id=99), "annotation at 1", "category 99 is not", id="without an id"),
        pytest.param(note(7, image_id=1.5), "annotation at 1", "Expected `int`", id="half an id"),
        pytest.param(note(7, image_id=10**30), "annotation at 1", "Expected `int` <=", id="an endless id"),
        pytest.param({"id": 7}, "annotation at 1", "missing required field", id="fields that are missing"),
        pytest.param([7], "annotation at 1", "Expected `object`", id="a list"),
        pytest.param(None, "annotation at 1", "Expected `object`", id="null"),
    ],
)
def test_an_annotation_that_cannot_be_used_costs_only_itself(spoilt: object, where: str, message: str) -> None:
    data = coco([image()], [note(1, bbox=BOX), spoilt, note(3, bbox=BOX)])
    parsed = parse_coco(data)
    assert len(parsed.labellings[0].regions) == 2
    assert findings(parsed) == [(6, where)]
    assert message in parsed.findings[0].reason


def test_images_and_categories_that_cannot_be_used_cost_only_themselves() -> None:
    images = [image(1), {"id": 2}, image(3, width="wide"), image(1), image(5, file_name="\u0007")]
    categories = [NUT, {"id": 2, "name": " "}, {"id": 3}, {"id": 1, "name": "bolt"}, {"id": 5, "name": 5}]
    parsed = parse_coco(coco(images, [note(1, 1, 1), note(2, 1, 5), note(3, 2, 1), note(4, 1, 2)], categories))
    assert [labelling.regions for labelling in parsed.labellings] == [(Region("nut"), Region("5"))]
    assert parsed.labels == ("nut", "5")
    assert findings(parsed) == [
        (16, "category 2"),
        (17, "category at 2"),
        (18, "category 1"),
        (3, "image 2"),
        (4, "image at 2"),
        (5, "image 1"),
        (6, "image 5"),
        (11, "annotation 3"),
        (12, "annotation 4"),
    ]


def test_one_name_under_two_ids_is_one_label_and_a_warning() -> None:
    parsed = parse_coco(coco([image()], [note(1, 1, 1), note(2, 1, 2)], [NUT, {"id": 2, "name": " nut"}]))
    assert parsed.labels == ("nut",)
    assert parsed.labellings[0].regions == (Region("nut"), Region("nut"))
    assert findings(parsed) == [(10, "category 2")]


def test_an_annotation_id_that_is_used_twice_is_a_warning() -> None:
    parsed = parse_coco(coco([image()], [note(1, bbox=BOX), note(1, bbox=[0, 0, 9, 9])]))
    assert len(parsed.labellings[0].regions) == 2
    assert findings(parsed) == [(6, "annotation 1")]


def test_lines_are_right_wherever_the_file_is_cut_for_reading() -> None:
    images = [image(n) for n in range(1, 501)]
    annotations = [note(n, n if n % 7 else 9999, bbox=BOX, x="},{" if n % 100 == 1 else "") for n in range(1, 1001)]
    data = coco(images, annotations)
    parsed = parse_coco(data)
    rows = data.decode().splitlines()
    for labelling in parsed.labellings:
        assert f'"file_name": "{labelling.picture}"' in rows[labelling.line - 1]
    for finding in parsed.findings:
        assert rows[finding.line - 1].startswith(f'{{"id": {finding.where.removeprefix("annotation ")}, ')


def test_records_and_texts_that_look_like_the_end_of_a_record_are_read() -> None:
    odd = note(1, x="},{", y=[{"a": 1}, {"b": ['"},{\\', {}]}])
    parsed = parse_coco(coco([image()], [odd, {**odd, "id": 2, "z": [{}] * 9000}, {**odd, "id": 3}, 5, odd]))
    assert len(parsed.labellings[0].regions) == 4
    assert findings(parsed) == [(8, "annotation at 3"), (9, "annotation 1")]


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        pytest.param(b"", 1, "truncated", id="nothing"),
        pytest.param(b"[]", 1, "not a COCO file", id="a list"),
        pytest.param(b"{}", 0, "no list 'images'", id="an empty object"),
        pytest.param(b'{"images": {}, "annotations": [], "categories": []}', 0, "no list 'images'", id="no list"),
        pytest.param(b'{"images": [], "annotations": []}', 0, "no list 'categories'", id="no categories"),
        pytest.param(b'{"images":\n[NaN]}', 2, "malformed", id="NaN"),
        pytest.param(b'{"images":\n[1,\nInfinity]}', 3, "malformed", id="Infinity"),
        pytest.param(b'{"images":\n["\xff"]}', 2, "UTF-8", id="not UTF-8"),
        pytest.param('{"images": []}'.encode("utf-16"), 1, "UTF-16", id="UTF-16"),
        pytest.param(b'{"images":' + b"[" * 100_000, 0, "too deeply", id="deep lists"),
        pytest.param(b'{"a":' * 100_000, 0, "too deeply", id="deep objects"),
        pytest.param(b'{"images": [{"id": 1,\n', 2, "truncated", id="half a file"),
    ],
)
def test_a_file_that_is_no_coco_is_one_finding(data: bytes, line: int, message: str) -> None:
    parsed = parse_coco(data)
    assert parsed.labellings == ()
    (finding,) = parsed.findings
    assert finding.line == line
    assert message in finding.reason


def test_a_byte_order_mark_and_escaped_keys_are_read() -> None:
    data = coco([image()], [note()]).replace(b'"images"', b'"\\u0069mages"')
    assert len(parse_coco(b"\xef\xbb\xbf" + data).labellings[0].regions) == 1


def test_a_thousand_findings_are_kept_and_the_rest_counted() -> None:
    parsed = parse_coco(coco([image()], [note(n, 99) for n in range(5_000)]))
    assert len(parsed.findings) == 1_001
    assert parsed.findings[-1].reason.startswith("and 4,000 more findings")


def test_what_has_countless_records_of_another_form_is_not_read_to_its_end() -> None:
    parsed = parse_coco(coco([image()], [0] * 20_000))
    assert "not read" in parsed.findings[-1].reason
    assert len(parsed.labellings) == 1


def test_annotations_of_pictures_that_were_taken_out_do_not_end_the_reading() -> None:
    parsed = parse_coco(coco([image()], [*(note(n, 99) for n in range(20_000)), note(-1)]))
    assert parsed.labellings[0].regions == (Region("nut"),)


def test_more_annotations_than_a_picture_may_have_are_left_out() -> None:
    parsed = parse_coco(coco([image()], [note(n, bbox=BOX) for n in range(MOST_REGIONS + 2)]))
    assert len(parsed.labellings[0].regions) == MOST_REGIONS
    assert len(parsed.findings) == 2


def test_what_is_written_is_standard_coco() -> None:
    regions = (Region("nut", (0.1, 0.1, 0.5, 0.5)), Region("bolt"))
    pictures = [
        Exported(file_name="a.jpg", size=(640, 480), regions=regions, url="http://h/a.jpg"),
        Exported(file_name="b.jpg", size=(10, 10)),
    ]
    written = json.loads(write_coco(pictures, ["bolt", "nut", "screw"]))
    assert written == {
        "images": [
            {
                "id": 1,
                "width": 640,
                "height": 480,
                "file_name": "a.jpg",
                "absolute_url": "http://h/a.jpg",
                "coco_url": "http://h/a.jpg",
            },
            {"id": 2, "width": 10, "height": 10, "file_name": "b.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 2, "bbox": BOX, "area": 76_800, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "iscrowd": 0},
        ],
        "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}, {"id": 3, "name": "screw"}],
    }


def test_what_is_written_is_read_again() -> None:
    regions = (Region("nut", (0.1, 0.1, 0.5, 0.5)), Region("bolt"))
    (labelling,) = parse_coco(
        write_coco([Exported(file_name="a.jpg", size=(640, 480), regions=regions)], ["nut", "bolt"])
    ).labellings
    assert fit_boxes(labelling, (640, 480)) == (regions, ())


def test_a_picture_none_of_whose_annotations_can_be_used_is_not_said_to_show_nothing() -> None:
    notes = [note(1, bbox=[1, 2, 3]), note(2, image_id=2, bbox=["x", 1, 2, 3]), note(3, image_id=3)]
    parsed = parse_coco(coco([image(number) for number in (1, 2, 3, 4)], notes))
    assert [(said.picture, len(said.regions)) for said in parsed.labellings] == [("3.jpg", 1), ("4.jpg", 0)]
    assert [finding.where for finding in parsed.findings] == ["annotation 1", "annotation at 1", "image 1", "image 2"]
