import pytest

from shared.formats import MOST_REGIONS, Labelling, Region
from shared.formats.voc import parse_voc, write_voc

NUT = "<object><name>nut</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11.5</xmax><ymax>22</ymax></bndbox></object>"
SIZE = "<size><width>200</width><height>100.0</height><depth>3</depth></size>"

FROM_LABELIMG = """<?xml version="1.0"?>
<annotation verified="yes">
\t<folder>images</folder>
\t<filename>IMG_2385.JPG</filename>
\t<source><database>Unknown</database></source>
\t<size>
\t\t<width>378</width>
\t\t<height>504</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name> wing-nut </name>
\t\t<pose>Unspecified</pose>
\t\t<part><name>wing</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>1</xmax><ymax>1</ymax></bndbox></part>
\t\t<bndbox>
\t\t\t<xmin>65</xmin>
\t\t\t<ymin>129</ymin>
\t\t\t<xmax>333</xmax>
\t\t\t<ymax>463</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""


def voc(*objects: str, size: str = SIZE) -> bytes:
    return "\n".join(["<annotation>", size, *objects, "</annotation>"]).encode()


def test_a_file_of_a_labelling_tool_is_read() -> None:
    parsed = parse_voc(FROM_LABELIMG.encode())
    regions = (Region("wing-nut", (65, 129, 268, 334)),)
    assert parsed.labellings == (Labelling(regions=regions, unit="pixel", size=(378, 504), line=1),)
    assert (parsed.labels, parsed.findings) == (("wing-nut",), ())


def test_other_encodings_are_read_when_declared() -> None:
    text = FROM_LABELIMG.replace("wing-nut", "Flügelmutter")
    for encoding in ("utf-16", "iso-8859-1"):
        declared = text.replace('version="1.0"', f'version="1.0" encoding="{encoding}"')
        assert parse_voc(declared.encode(encoding)).labels == ("Flügelmutter",)
    assert parse_voc(text.encode("utf-8-sig")).labels == ("Flügelmutter",)


def test_no_objects_are_a_picture_that_shows_nothing() -> None:
    assert parse_voc(voc()).labellings == (Labelling(unit="pixel", size=(200, 100), line=1),)


@pytest.mark.parametrize(
    "size", ["", "<size><width>0</width><height>0</height></size>", "<size><width>9</width></size>"]
)
def test_a_size_that_says_nothing_is_none(size: str) -> None:
    assert parse_voc(voc(NUT, size=size)).labellings[0].size is None


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param("<object><name>nut</name></object>", "no <bndbox>", id="no box"),
        pytest.param(NUT.replace("<name>nut</name>", ""), "no <name>", id="no name"),
        pytest.param(NUT.replace("nut", "  "), "cannot be a label", id="an empty name"),
        pytest.param(NUT.replace("nut", "n" * 300), "cannot be a label", id="a long name"),
        pytest.param(NUT.replace("nut", "n\nt"), "cannot be a label", id="two lines"),
        pytest.param(NUT.replace("<xmin>1</xmin>", ""), "no <xmin>", id="a corner that is missing"),
        pytest.param(NUT.replace("11.5", "NaN"), "xmax is 'NaN', which is not a number", id="not a number"),
        pytest.param(NUT.replace("11.5", "1e999"), "is not a number", id="an infinite number"),
        pytest.param(NUT.replace("11.5", "11,5"), "is not a number", id="a decimal comma"),
        pytest.param(NUT.replace("11.5", "0"), "reversed", id="reversed corners"),
        pytest.param(NUT.replace(">22<", ">2<"), "reversed or equal", id="no height"),
    ],
)
def test_an_object_that_cannot_be_used_costs_only_itself(spoilt: str, message: str) -> None:
    parsed = parse_voc(voc(NUT, spoilt, NUT))
    assert [region.label for region in parsed.labellings[0].regions] == ["nut", "nut"]
    (finding,) = parsed.findings
    assert (finding.where, finding.line) == ("object 2", 4)
    assert message in finding.reason


def test_objects_of_which_none_can_be_used_are_not_taken_for_nothing() -> None:
    parsed = parse_voc(voc("<object/>"))
    assert parsed.labellings == ()
    assert [str(finding) for finding in parsed.findings] == ["line 3, object 1: it has no <name>. Add the label."]


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxx"><!ENTITY y "&x;&x;">]><annotation>&y;</annotation>'


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(BOMB, "<!DOCTYPE>", id="an entity bomb"),
        pytest.param('<!DOCTYPE a SYSTEM "http://x/y.dtd"><annotation/>', "<!DOCTYPE>", id="an external document type"),
        pytest.param("<annotation>&x;</annotation>", "undefined entity", id="an unknown entity"),
        pytest.param("<annotation>", "not well-formed", id="half a file"),
        pytest.param("", "not well-formed", id="nothing"),
        pytest.param("<html/>", "the root is <html>", id="another document"),
        pytest.param("<annotation>" + "<a>" * 99, "nested", id="deep nesting"),
        pytest.param("<annotation>" + "<a/>" * 100_001, "100,000 elements", id="countless elements"),
        pytest.param("<annotation>" + "".join(f"<a{n}/>" for n in range(300)), "different", id="countless names"),
        pytest.param(f"<annotation {'a' * 5000}=''/>", "without a tag", id="an endless tag"),
        pytest.param('<?xml version="1.0" encoding="klingon"?><annotation/>', "encoding", id="an unknown encoding"),
    ],
)
def test_a_document_that_is_no_annotation_is_one_finding(document: str, message: str) -> None:
    parsed = parse_voc(document.encode())
    assert parsed.labellings == ()
    (finding,) = parsed.findings
    assert message in finding.reason


def test_more_objects_than_a_picture_may_have_are_left_out() -> None:
    parsed = parse_voc(voc(*[NUT] * (MOST_REGIONS + 150)))
    assert len(parsed.labellings[0].regions) == MOST_REGIONS
    assert len(parsed.findings) == 101
    assert parsed.findings[-1].reason.startswith("and 50 more findings")


def test_what_is_written_is_plain() -> None:
    regions = (Region("a<b", (0.25, 0.5, 0.5, 0.125)), Region("whole"))
    written = write_voc(filename="a&b.jpg", size=(100, 100), regions=regions).decode()
    assert "<filename>a&amp;b.jpg</filename>" in written
    assert "<xmin>25</xmin><ymin>50</ymin><xmax>75</xmax><ymax>62.50</ymax>" in written
    assert "<xmin>0</xmin><ymin>0</ymin><xmax>100</xmax><ymax>100</ymax>" in written
    assert parse_voc(written.encode()).labels == ("a<b", "whole")
