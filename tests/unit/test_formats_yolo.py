import pytest

from shared.formats import MOST_LABELS, MOST_REGIONS, Labelling, Region
from shared.formats.yolo import (
    name_classes,
    parse_class_list,
    parse_yolo,
    write_class_list,
    write_data_yaml,
    write_yolo,
)
from shared.layout import is_class_list

LINE = "3 0.5 0.5 0.5 0.25"
BOX = (0.25, 0.375, 0.5, 0.25)


@pytest.mark.parametrize(
    ("text", "label", "box"),
    [
        pytest.param(LINE, "3", BOX, id="class and box"),
        pytest.param(f"{LINE} 0.87", "3", BOX, id="with a confidence"),
        pytest.param(f"\ufeff{LINE}\r\n", "3", BOX, id="from Windows"),
        pytest.param(f"# labels\n\n  {LINE}   # a nut\n", "3", BOX, id="with comments"),
        pytest.param("03.0\t0.5\t0.5\t0.5\t0.25", "3", BOX, id="with tabs and a class like a float"),
        pytest.param("0 0.1 0.2 0.5 0.2 0.3 0.6", "0", (0.1, 0.2, 0.4, 0.4), id="a triangle"),
        pytest.param("0 0 0 1 0 1 1 0 1", "0", (0, 0, 1, 1), id="a quadrangle"),
        pytest.param("0 0.5 0.5 1.01 1", "0", (-0.005, 0, 1.01, 1), id="a little over the border"),
    ],
)
def test_a_line_is_a_class_number_and_a_box(text: str, label: str, box: tuple[float, ...]) -> None:
    parsed = parse_yolo(text.encode())
    assert parsed.findings == ()
    (region,) = parsed.labellings[0].regions
    assert region.label == label
    assert region.box == pytest.approx(box)
    assert parsed.labels == (label,)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing to see\n", "\ufeff"])
def test_an_empty_file_is_a_picture_that_shows_nothing(text: str) -> None:
    parsed = parse_yolo(text.encode())
    assert (parsed.labellings, parsed.findings) == ((Labelling(line=1),), ())


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ("3 320 240 100 50", "shares of the picture"),
        ("3 0.5 0.5 1.5 0.5", "shares of the picture"),
        ("3 -0.5 0.5 0.5 0.5", "shares of the picture"),
        ("3 0.5 0.5 0 0.5", "no width or no height"),
        ("3 0.1 0.1 0.1 0.5 0.1 0.9", "no width or no height"),
        ("3 nan 0.5 0.5 0.5", "'nan' is not a number"),
        ("3 0,5 0,5 0,5 0,5", "'0,5' is not a number"),
        ("3", "1 columns"),
        ("3 0.5 0.5 0.5", "4 columns"),
        ("3 0.5 0.5 0.5 0.5 0.5 0.5 0.5", "8 columns"),
        ("nut 0.5 0.5 0.5 0.5", "the class is 'nut'"),
        ("-1 0.5 0.5 0.5 0.5", "the class is '-1'"),
        ("1.5 0.5 0.5 0.5 0.5", "the class is '1.5'"),
        ("9" * 5000 + " 0.5 0.5 0.5 0.5", "the class is '9999"),
        ("3 " + "0 1 " * 20_000, "Simplify the polygon"),
    ],
)
def test_a_line_that_cannot_be_used_costs_only_itself(spoilt: str, message: str) -> None:
    parsed = parse_yolo(f"{LINE}\n{spoilt}\n{LINE}\n".encode())
    assert len(parsed.labellings[0].regions) == 2
    (finding,) = parsed.findings
    assert finding.line == 2
    assert message in finding.reason
    assert len(finding.reason) < 300


@pytest.mark.parametrize("data", [b"\xff\xfe3\x00", b"ok\n\xc3", b"\n\n\x80", b"hello world", b"\x00"])
def test_a_file_that_is_no_label_file_speaks_of_no_picture(data: bytes) -> None:
    parsed = parse_yolo(data)
    assert parsed.labellings == ()
    assert len(parsed.findings) == 1


def test_the_line_that_is_not_utf8_is_named() -> None:
    assert parse_yolo(b"a\n" * 20_000 + b"\xe9\n").findings[0].line == 20_001


def test_more_boxes_than_a_picture_may_have_are_left_out() -> None:
    parsed = parse_yolo(f"{LINE}\n".encode() * (MOST_REGIONS + 1))
    assert len(parsed.labellings[0].regions) == MOST_REGIONS
    assert parsed.findings[0].line == MOST_REGIONS + 1


def test_what_has_countless_wrong_lines_is_not_read_to_its_end() -> None:
    findings = parse_yolo(b"3\n" * 20_000).findings
    assert findings[-2].reason.startswith("and 9,901 more")
    assert str(findings[-1]).startswith("line 10002: the rest was not read")


def test_names_take_the_place_of_class_numbers() -> None:
    regions = [Region("1", BOX), Region("0"), Region("2", BOX), Region("2"), Region("7")]
    named, findings = name_classes(regions, ["nut", "bolt", ""])
    assert named == (Region("bolt", BOX), Region("nut"))
    assert [(finding.where, finding.reason.split(" a class")[0]) for finding in findings] == [
        ("class 2", "2 boxes have"),
        ("class 7", "1 box has"),
    ]


def test_without_names_the_remedy_is_a_list() -> None:
    named, (finding,) = name_classes([Region("0", BOX)], [])
    assert named == ()
    assert "classes.txt" in finding.reason


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *[("parts/images/classes.txt", True), ("a/DATA.YAML", True), ("data.yml", True), ("obj.names", True)],
        *[("a/1.txt", False), ("my-classes.txt", False), ("data.yaml/x", False)],
    ],
)
def test_a_list_of_classes_is_known_by_its_name(path: str, expected: bool) -> None:
    assert is_class_list(path) == expected


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        pytest.param("classes.txt", "nut\nbolt\n", ("nut", "bolt"), id="lines"),
        pytest.param("obj.names", "\ufeffnut\r\n wing nut \r\n\r\n", ("nut", "wing nut"), id="lines from Windows"),
        pytest.param("classes.txt", "", (), id="nothing"),
        pytest.param("data.yaml", "names: [nut, bolt]\nnc: 2\n", ("nut", "bolt"), id="a flow list"),
        pytest.param("data.yaml", "nc: 2\nnames:\n- nut\n- 'yes'\n", ("nut", "yes"), id="a block list"),
        pytest.param("data.yml", "names: {1: bolt, 0: nut}", ("nut", "bolt"), id="a map"),
        pytest.param("data.yaml", "names: [1, true, 007]", ("1", "true", "007"), id="names that look like values"),
        pytest.param("data.yaml", "a: {b: [c]}\n? [d]\n: e\nnames: [nut]\nz: 1", ("nut",), id="among other things"),
    ],
)
def test_names_are_read_in_the_order_of_their_numbers(name: str, text: str, labels: tuple[str, ...]) -> None:
    parsed = parse_class_list(text.encode(), name)
    assert (parsed.labels, parsed.findings) == (labels, ())


@pytest.mark.parametrize(
    ("name", "text", "labels", "line", "message"),
    [
        pytest.param("classes.txt", "nut\n\nbolt", ("nut", "", "bolt"), 0, "no name for class 1", id="a blank line"),
        pytest.param("classes.txt", "nut\nb\0lt\nx", ("nut", "", "x"), 2, "cannot be a label", id="not printable"),
        pytest.param("classes.txt", "nut\nnut", ("nut", "nut"), 2, "an earlier class too", id="twice the same"),
        pytest.param("data.yaml", "names: {0: a, 3: b}", ("a", "", "", "b"), 0, "class 1, 2", id="a gap in the map"),
        pytest.param("data.yaml", "names:\n  0: a\n  0: b", ("a",), 3, "has a name already", id="a number twice"),
        pytest.param("data.yaml", "names: {a: 0}", (), 1, "'a' is no class number", id="the map upside down"),
        pytest.param("data.yaml", "names: {99999: a}", (), 1, "no class number", id="a large number"),
        pytest.param("data.yaml", "names: [a, ~, {b: c}]", ("a", "", ""), 0, "class 1, 2", id="names that are none"),
        pytest.param("data.yaml", "names: [a]\nnc: 2", ("a",), 2, "nc is '2', but there are 1", id="another count"),
    ],
)
def test_an_odd_name_does_not_shift_the_others(
    name: str, text: str, labels: tuple[str, ...], line: int, message: str
) -> None:
    parsed = parse_class_list(text.encode(), name)
    assert parsed.labels == labels
    (finding,) = parsed.findings
    assert finding.line == line
    assert message in finding.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: &a [nut]", "anchors"),
        ("names: [nut]\nother: *a", "anchors"),
        ("names: 3", "`names` is missing"),
        ("train: images", "`names` is missing"),
        ("- nut", "no `names`"),
        ("", "no `names`"),
        ("names: [nut", "not well-formed"),
        ("names: [nut]\n--- }", "not well-formed"),
        ("names: " + "[" * 5000, "too deep"),
        ("names: [nut]\nx: [" + "1," * 100_000, "too long"),
        ("names: [\0]", "not well-formed"),
    ],
)
def test_yaml_that_is_no_list_of_classes_is_one_finding(text: str, message: str) -> None:
    parsed = parse_class_list(text.encode(), "data.yaml")
    assert parsed.labels == ()
    (finding,) = parsed.findings
    assert message in finding.reason


@pytest.mark.parametrize("name", ["classes.txt", "data.yaml"])
def test_a_list_that_is_not_utf8_is_one_finding(name: str) -> None:
    assert "UTF-8" in parse_class_list(b"names:\n- n\xfct", name).findings[0].reason
    assert "UTF-16" in parse_class_list("names: [nut]".encode("utf-16"), name).findings[0].reason


@pytest.mark.parametrize(
    ("name", "text"), [("classes.txt", "{0}\n"), ("data.yaml", "- {0}\n"), ("data.yaml", "  {0}: {0}\n")]
)
def test_more_names_than_there_may_be_are_left_out(name: str, text: str) -> None:
    head = "names:\n" if name == "data.yaml" else ""
    parsed = parse_class_list((head + "".join(text.format(n) for n in range(MOST_LABELS + 1))).encode(), name)
    assert len(parsed.labels) == MOST_LABELS
    assert len(parsed.findings) == 1


def test_what_is_written_is_plain() -> None:
    regions = (Region("bolt", (0.25, 0.375, 0.5, 0.25)), Region("nut"))
    assert write_yolo(regions, ["nut", "bolt"]) == b"1 0.5 0.5 0.5 0.25\n0 0.5 0.5 1 1\n"
    assert write_class_list(["nut", "bolt"]) == b"nut\nbolt\n"
    assert write_data_yaml(["nut", 'a "b": #c']) == b'nc: 2\nnames:\n  0: "nut"\n  1: "a \\"b\\": #c"\n'
    assert parse_class_list(write_data_yaml([]), "data.yaml").findings == ()


def test_a_label_without_a_number_cannot_be_written() -> None:
    with pytest.raises(KeyError, match="screw"):
        write_yolo([Region("screw")], ["nut"])
