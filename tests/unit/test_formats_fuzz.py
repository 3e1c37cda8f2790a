"""Parsers meet what nobody meant to write: they raise nothing, promise what they promise, and stay within their memory.

Valid documents are damaged by a seeded random mutator, which makes some ten thousand inputs a second; hypothesis adds
bytes of its own. ``FUZZ_EXAMPLES`` is the number of inputs for each parser, 500 when it is not set. The long run:

    FUZZ_EXAMPLES=100000 ./darkroom test tests/unit/test_formats_fuzz.py

Memory is measured on one input in a hundred, and on documents made to be costly.
"""

import math
import os
import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.formats import Parsed, Region, label_problem
from shared.formats.boxes import fit_boxes
from shared.formats.coco import Exported, parse_coco, write_coco
from shared.formats.voc import parse_voc, write_voc
from shared.formats.yolo import (
    name_classes,
    parse_class_list,
    parse_yolo,
    write_class_list,
    write_data_yaml,
    write_yolo,
)

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "500"))
FACTOR: Final = 10
CONSTANT: Final = 256 * 1024  # bytes
ONE_IN: Final = 100

NAMES = ("nut", "wing nut", "Flügel & <mutter>")
REGIONS = (Region("nut", (0.1, 0.2, 0.3, 0.4)), Region("Flügel & <mutter>", (0.5, 0.5, 0.5, 0.25)), Region("wing nut"))
PICTURES = [
    Exported(file_name="a.jpg", size=(640, 480), regions=REGIONS, url="https://h/c/a.jpg"),
    Exported(file_name="b.jpg", size=(30, 40), regions=REGIONS[:1]),
    Exported(file_name="c.jpg", size=(30, 40)),
]
AZURE_ML = b"""{"images":[{"id":1,"width":8000.0,"height":4000.0,"file_name":"proj/img/a.jpg",
"coco_url":"AmlDatastore://store/proj/img/a.jpg","absolute_url":"https://h/c/proj/img/a.jpg",
"date_captured":"2022-09-16T14:48:15.6141099Z"},{"id":"2","coco_url":"https://h/c/2"}],
"annotations":[{"id":1,"category_id":2,"image_id":1,"area":0.0,"bbox":[0.0043,0.5711,0.0138,0.0067]},
{"id":2,"category_id":1,"image_id":2,"bbox":null,"segmentation":{"size":[1,2],"counts":[]}}, {"x":"},{"}],
"categories":[{"id":1,"name":"person"},{"id":2,"name":"plate"}]}"""


def parse_classes_txt(data: bytes) -> Parsed:
    return parse_class_list(data, "classes.txt")


def parse_data_yaml(data: bytes) -> Parsed:
    return parse_class_list(data, "data.yaml")


type Parser = Callable[[bytes], Parsed]
PARSERS: dict[Parser, list[bytes]] = {
    parse_voc: [
        write_voc(filename="a.jpg", size=(640, 480), regions=REGIONS),
        b'<?xml version="1.0" encoding="utf-16"?>'.decode().encode("utf-16") + "<annotation/>".encode("utf-16le"),
        b'<!DOCTYPE a [<!ENTITY x "y">]><annotation><object><name>&x;</name></object></annotation>',
    ],
    parse_yolo: [write_yolo(REGIONS, NAMES), b"# labels\r\n3 0.1 0.2 0.5 0.2 0.3 0.6\n\n1 .5 .5 1e-1 0.2 0.99\n"],
    parse_classes_txt: [write_class_list(NAMES), b"\xef\xbb\xbfnut\r\n\r\nbolt"],
    parse_data_yaml: [
        write_data_yaml(NAMES),
        b"train: ../train\nnc: 2\nnames: ['nut', bolt]\nroboflow: {version: 1, tags: [a, b]}\n",
        b"names:\n- &x nut\n- *x\n- !!python/object:os.system x\n- |\n  bolt\n",
    ],
    parse_coco: [write_coco(PICTURES, NAMES), AZURE_ML],
}
TOKENS: Final = (
    *(
        b"<",
        b">",
        b"</",
        b"/>",
        b"<object>",
        b"</object>",
        b"<name>",
        b"<bndbox>",
        b"&lt;",
        b"&#0;",
        b"]]>",
        b"<![CDATA[",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"},{",
        b'"id":',
        b"null",
        b"NaN",
        b"-1",
        b"0",
        b"1e999",
        b"1e308",
    ),
    *(b"\n", b"\r", b"\t", b" ", b"#", b"- ", b"? ", b"&a ", b"*a", b"---\n", b"nan", b"inf", b"999999999999999999999"),
    *(
        b"\x00",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\\ud800",
        b"\\u0000",
        "\u2028".encode(),
        b"1_0",
        b"0,5",
    ),
)
VALUE: Final = re.compile(rb"(?<=[:\[,>\s])[^\[\]{},<>\s:]+(?=[,\]}<\s])|<object>.*?</object>|\{[^{}]*\}", re.DOTALL)
VALUES: Final = (
    *(b"0", b"1", b"2", b"-1", b"7", b'"7"', b"0.5", b"1.005", b"1.5", b"640", b"641.5", b"1e308", b"1e999", b"-0.0"),
    *(
        b"99999999999999999999",
        b"9" * 5000,
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b'"x"',
        b"nan",
        b"[0.1,0.1,0.2,0.2]",
    ),
    *(
        b"",
        b"x",
        b"x y",
        b"&lt;",
        b"nut",
        b'"nut"',
        b'"' + b"n" * 300 + b'"',
        b"<name>x</name>",
        b"[[[]]]",
        b"#",
        b'"},{"',
    ),
)
EACH = pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__.removeprefix("parse_"))


def exchange_values(rng: random.Random, document: bytes) -> bytes:
    """Damage what a document says, but hardly its form."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        places = [match.span() for match in VALUE.finditer(document)]
        start, end = rng.choice(places) if places else (0, 0)
        document = document[:start] + rng.choice(VALUES) + document[end:]
    return document


def mutate(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Damage a document: take out, repeat, exchange, cut, or mix with another."""
    kind = rng.random()
    if kind < 0.02:
        return rng.randbytes(rng.randrange(200))
    if kind < 0.5:
        return exchange_values(rng, rng.choice(seeds))
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((1, 2, 5, 20, 100)))
        match rng.randrange(7):
            case 0:
                del data[start:end]
            case 1:
                data[start:start] = data[start:end] * rng.choice((1, 2, 30))
            case 2:
                data[start:end] = rng.choice(TOKENS)
            case 3:
                data[start:start] = rng.choice(TOKENS) * rng.choice((1, 1, 3, 40))
            case 4:
                data[start : start + 1] = rng.randbytes(1)
            case 5:
                other = rng.choice(seeds)
                place = rng.randrange(len(other))
                data[start:end] = other[place : place + rng.choice((3, 30, 300))]
            case _ if rng.random() < 0.2:
                del data[start:]
    return bytes(data)


def assert_promises(parsed: Parsed) -> None:
    """Check what every parser promises of its result."""
    assert isinstance(parsed, Parsed)
    assert all(not label or label_problem(label) is None for label in parsed.labels)
    assert all(0 < len(finding.reason) < 500 and finding.line >= 0 for finding in parsed.findings)
    for labelling in parsed.labellings:
        assert labelling.size is None or min(labelling.size) > 0
        for region in labelling.regions:
            assert label_problem(region.label) is None
            assert region.box is None or (all(map(math.isfinite, region.box)) and min(region.box[2:]) > 0)
        regions, _ = fit_boxes(labelling, (640, 480))
        for left, top, width, height in (region.box for region in regions if region.box):
            assert 0 <= left < 1
            assert 0 <= top < 1
            assert 0 < width <= 1 - left or left + width <= 1
            assert 0 < height <= 1 - top or top + height <= 1
        name_classes(labelling.regions, ["nut"])


def peak_of(parse: Parser, data: bytes) -> int:
    tracemalloc.start()
    try:
        parsed = parse(data)
        peak = tracemalloc.get_traced_memory()[1]
        del parsed
    finally:
        tracemalloc.stop()
    return peak


def assert_within_memory(parse: Parser, data: bytes) -> None:
    parse(b"")  # what is made once is made now
    assert peak_of(parse, data) <= FACTOR * len(data) + CONSTANT


@EACH
def test_no_damaged_document_makes_a_parser_raise_or_break_its_promises(parse: Parser) -> None:
    rng = random.Random(parse.__name__)
    for number in range(EXAMPLES):
        data = mutate(rng, PARSERS[parse])
        try:
            assert_promises(parse(data))
            if number % ONE_IN == 0:
                assert_within_memory(parse, data)
        except BaseException as error:
            error.add_note(f"input {number} of {parse.__name__}: {data!r}")
            raise


@EACH
@given(data=st.binary(max_size=500) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_a_parser_raise(parse: Parser, data: bytes) -> None:
    assert_promises(parse(data))


@EACH
def test_valid_documents_are_read_without_findings(parse: Parser) -> None:
    parsed = parse(PARSERS[parse][0])
    assert parsed.findings == ()
    assert parsed.labels


def many(unit: str, length: int, joint: str = "") -> str:
    """Repeat a text, numbered, until it has a length."""

    def units() -> Iterator[str]:
        size = 0
        for number in count():
            if size >= length:
                return
            text = unit.replace("@", f"{number:x}").replace("%", str(number))
            size += len(text) + len(joint)
            yield text

    return joint.join(units())


def coco(images: str, annotations: str, categories: str = '{"id":1,"name":"a"}') -> Callable[[int], str]:
    def document(length: int) -> str:
        parts = (many(part, length, ",") if "…" in part else part for part in (images, annotations, categories))
        one, two, three = (part.replace("…", "") for part in parts)
        return f'{{"images":[{one}],"annotations":[{two}],"categories":[{three}]}}'

    return document


def xml(unit: str) -> Callable[[int], str]:
    return lambda length: f"<annotation>{many(unit, length)}</annotation>"


ONE_IMAGE = '{"id":1,"file_name":"a"}'
OBJECT = "<object><name>@</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
COSTLY: list[tuple[str, Parser, Callable[[int], str]]] = [
    ("tiny elements", parse_voc, xml("<a/>")),
    ("empty objects", parse_voc, xml("<object/>")),
    ("objects", parse_voc, xml(OBJECT)),
    ("different names", parse_voc, xml("<a@/>")),
    ("nesting", parse_voc, lambda n: "<annotation>" + many("<a>", n)),
    ("attributes", parse_voc, lambda n: "<annotation><a" + many(' a@=""', n) + "/></annotation>"),
    ("tags with attributes", parse_voc, xml("<a a@='' b@='' c@=''/>")),
    (
        "a long text",
        parse_voc,
        lambda n: "<annotation><object><name>" + many("&lt;", n) + "</name></object></annotation>",
    ),
    ("a long comment", parse_voc, lambda n: "<annotation><!--" + many("x", n) + "--></annotation>"),
    ("boxes", parse_yolo, lambda n: many("0 1 1 1 1\n", n)),
    ("classes of boxes", parse_yolo, lambda n: many("% .5 .5 1 1\n", n)),
    ("wrong lines", parse_yolo, lambda n: many("0\n", n)),
    ("blank lines", parse_yolo, lambda n: many("\n", n)),
    ("a polygon", parse_yolo, lambda n: "0 " + many("0 1 ", n)),
    ("one long word", parse_yolo, lambda n: many("0", n)),
    ("names", parse_classes_txt, lambda n: many("@\n", n)),
    ("the same name", parse_classes_txt, lambda n: many("ab\n", n)),
    ("holes", parse_classes_txt, lambda n: many("\n", n) + "a"),
    ("a block list", parse_data_yaml, lambda n: "names:\n" + many("- @\n", n)),
    ("a flow list", parse_data_yaml, lambda n: f"names: [{many('@,', n)}]"),
    ("a map", parse_data_yaml, lambda n: f"names: {{{many('%: @,', n)}}}"),
    ("flow nesting", parse_data_yaml, lambda n: "names: " + many("[", n)),
    ("block nesting", parse_data_yaml, lambda n: many("- ", n)),
    ("keys", parse_data_yaml, lambda n: many("a@: 1\n", n)),
    ("documents", parse_data_yaml, lambda n: "names: [a]\n" + many("---\n", n)),
    ("a folded text", parse_data_yaml, lambda n: 'names: "' + many("aa\n ", n) + '"'),
    ("numbers for records", parse_coco, coco("…0", "")),
    ("lists for records", parse_coco, coco("…[]", "")),
    ("empty records", parse_coco, coco(ONE_IMAGE, "…{}")),
    ("images", parse_coco, coco('…{"id":%,"file_name":"a"}', "")),
    ("images on lines", parse_coco, coco('…\n{"id":%,"file_name":"a"}', "")),
    ("annotations of one image", parse_coco, coco(ONE_IMAGE, '…{"id":%,"image_id":1,"category_id":1}')),
    (
        "images with boxes",
        parse_coco,
        coco('…{"id":%,"file_name":"a"}', '…{"image_id":%,"category_id":1,"bbox":[0,0,9,9]}'),
    ),
    (
        "boxes of two units",
        parse_coco,
        coco('…{"id":%,"file_name":"a"}', '…{"image_id":%,"category_id":1,"bbox":[0,0,1,%]}'),
    ),
    ("annotations of no image", parse_coco, coco(ONE_IMAGE, '…{"image_id":%9,"category_id":1}')),
    ("categories", parse_coco, coco(ONE_IMAGE, "", '…{"id":%,"name":"@"}')),
    ("the same category", parse_coco, coco(ONE_IMAGE, "", '…{"id":%,"name":"a"}')),
    ("nested lists", parse_coco, lambda n: '{"images":' + many("[", n)),
    ("nested objects", parse_coco, lambda n: many('{"a":', n)),
    ("one endless record", parse_coco, lambda n: coco(ONE_IMAGE, '{"x":[' + many("{}", n, ",") + "]}")(n)),
    ("texts like ends", parse_coco, coco(ONE_IMAGE, '…{"image_id":1,"category_id":1,"x":"},{"}')),
]


@pytest.mark.parametrize("length", [1_000, 20_000, 100_000])
@pytest.mark.parametrize(("parse", "document"), [row[1:] for row in COSTLY], ids=[row[0] for row in COSTLY])
def test_a_document_made_to_be_costly_stays_within_memory(
    parse: Parser, document: Callable[[int], str], length: int
) -> None:
    data = document(length).encode()
    assert_promises(parse(data))
    assert_within_memory(parse, data)
