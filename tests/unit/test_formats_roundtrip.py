"""What is written in one format says the same when it is read again, in the same format or by way of another.

With ``DARKROOM_DATASETS`` naming a folder of data sets, every ``{set}/coco.json`` in it goes the same ways.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.formats import Box, Labelling, Region
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
from shared.layout import normalise_label

type Regions = tuple[Region, ...]

DATASETS = Path(os.environ.get("DARKROOM_DATASETS", "/nonexistent"))
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
NAMES = ("nut", "bolt", 'a "quoted" & <angled> name', "Flügelmutter", "# 1: {x}", "01", "null", "-", "日本")


def by_voc(picture: Exported, names: Sequence[str]) -> Labelling:
    parsed = parse_voc(write_voc(filename=picture.file_name, size=picture.size, regions=picture.regions))
    assert parsed.findings == ()
    return parsed.labellings[0]


def by_yolo(picture: Exported, names: Sequence[str]) -> Labelling:
    parsed = parse_yolo(write_yolo(picture.regions, names))
    lists = [
        parse_class_list(write(names), name)
        for write, name in ((write_class_list, "classes.txt"), (write_data_yaml, "data.yaml"))
    ]
    named, nameless = name_classes(parsed.labellings[0].regions, lists[0].labels)
    assert lists[0] == lists[1]
    assert lists[0].labels == tuple(names)
    assert (parsed.findings, lists[0].findings, nameless) == ((), (), ())
    return Labelling(regions=named)


def by_coco(picture: Exported, names: Sequence[str]) -> Labelling:
    parsed = parse_coco(write_coco([picture], names))
    assert parsed.findings == ()
    assert parsed.labels == tuple(names)
    return parsed.labellings[0]


def assert_same(before: Regions, after: Regions, size: tuple[int, int]) -> None:
    """Compare labels, counts and boxes, to half a pixel."""
    assert [region.label for region in after] == [region.label for region in before]
    for old, new in zip(before, after, strict=True):
        for number, (a, b) in enumerate(zip(old.box or WHOLE, new.box or WHOLE, strict=True)):
            assert abs(a - b) * size[number % 2] <= 0.5


@st.composite
def pictures(draw: st.DrawFn) -> Exported:
    """Draw a picture with boxes of at least three pixels, none drawn twice, as a labelling tool would leave them."""
    width, height = draw(st.integers(10, 10_240)), draw(st.integers(10, 10_240))

    def span(side: int) -> st.SearchStrategy[tuple[float, float]]:
        return st.tuples(st.floats(0, side - 3), st.floats(3, side)).map(
            lambda s: (s[0] / side, min(s[1], side - s[0]) / side)
        )

    box = st.tuples(span(width), span(height)).map(lambda b: (b[0][0], b[1][0], b[0][1], b[1][1]))
    drawn = draw(st.lists(st.builds(Region, st.sampled_from(NAMES), box), max_size=8))
    regions, findings = fit_boxes(Labelling(regions=tuple(drawn)), (width, height))
    assert findings == ()
    return Exported(file_name="a & b.jpg", size=(width, height), regions=regions)


WAYS = pytest.mark.parametrize("way", [by_voc, by_yolo, by_coco], ids=["voc", "yolo", "coco"])


@WAYS
@given(picture=pictures())
def test_what_is_written_is_read_as_the_same(
    way: Callable[[Exported, Sequence[str]], Labelling], picture: Exported
) -> None:
    regions, findings = fit_boxes(way(picture, NAMES), picture.size)
    assert findings == ()
    if len(set(regions)) == len(picture.regions):  # two boxes less than a hundredth of a pixel apart become one
        assert_same(picture.regions, regions, picture.size)


@WAYS
def test_a_label_of_the_whole_picture_keeps_its_meaning(
    way: Callable[[Exported, Sequence[str]], Labelling],
) -> None:
    picture = Exported(file_name="a.jpg", size=(31, 17), regions=(Region("bolt"), Region("nut", (0.1, 0.1, 0.5, 0.5))))
    regions, findings = fit_boxes(way(picture, NAMES), picture.size)
    assert findings == ()
    assert_same(picture.regions, regions, picture.size)


@given(st.lists(st.text(min_size=1, max_size=20), unique_by=normalise_label, max_size=20))
def test_every_label_survives_every_format(texts: list[str]) -> None:
    names = [label for label in map(normalise_label, texts) if label and label.isprintable()]
    picture = Exported(file_name="a.jpg", size=(99, 99), regions=tuple(Region(n, (0.1, 0.1, 0.5, 0.5)) for n in names))
    for way in (by_voc, by_yolo, by_coco):
        assert [region.label for region in way(picture, names).regions] == names


@pytest.mark.skipif(not DATASETS.is_dir(), reason="DARKROOM_DATASETS names no folder")
@pytest.mark.parametrize("path", sorted(DATASETS.glob("*/coco.json")), ids=lambda path: path.parent.name)
def test_a_real_data_set_survives_every_format(path: Path) -> None:
    parsed = parse_coco(path.read_bytes())
    assert parsed.findings == ()
    exported: list[Exported] = []
    for labelling in parsed.labellings:
        assert labelling.size is not None
        regions, findings = fit_boxes(labelling, labelling.size)
        assert findings == ()
        exported.append(Exported(file_name=labelling.picture, size=labelling.size, regions=regions))
    assert exported
    for picture in exported:
        for way in (by_voc, by_yolo):
            regions, findings = fit_boxes(way(picture, parsed.labels), picture.size)
            assert findings == ()
            assert_same(picture.regions, regions, picture.size)
    again = parse_coco(write_coco(exported, parsed.labels))
    assert (again.labels, again.findings, len(again.labellings)) == (parsed.labels, (), len(exported))
    for picture, labelling in zip(exported, again.labellings, strict=True):
        assert_same(picture.regions, fit_boxes(labelling, picture.size)[0], picture.size)
