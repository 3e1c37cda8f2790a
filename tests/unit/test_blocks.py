"""The bytes of the live COCO file: blocks that make one JSON document, and can be replaced one by one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blocks import (
    JOINTS,
    SECTIONS,
    Head,
    Info,
    Leaf,
    LeafSizes,
    Map,
    block_ids,
    block_of,
    cut,
    decode_head,
    decode_section,
    encode_head,
    encode_section,
    head_length,
    sections_of,
    split,
    tallies_of,
)
from shared.coco import Annotation, Category, Claim, ClassList, Image, Problem, Records
from shared.errors import BrokenFileError
from shared.shelf import NextIds
from shared.tallies import Tally, Totals

HEAD = Head(
    info=Info(
        description="x",
        schema=2,
        changes=7,
        next_ids=NextIds(image=3),
        traceparent="00-a-b-01",
        totals=Totals(pictures=2, single=2),
        tallies=(Tally(4, train=1, test=1, regions=2, light=(1, 2)),),
        class_lists=(ClassList(path="p", etag="e", names=("Schlüssel", "")),),
    ),
    categories=(Category(id=4, name="nut"),),
)


def image(id_: int, path: str) -> Image:
    return Image(id=id_, file_name=path, width=1, height=1, absolute_url="", etag="", sha256="")


def records(*paths: str) -> Records:
    images = [image(number, path) for number, path in enumerate(sorted(paths), 1)]
    return Records(
        images,
        [Annotation(id=picture.id, image_id=picture.id, category_id=1) for picture in images],
        [Problem(path=path, etag="", reason="") for path in sorted(f"{path}!" for path in paths)],
        [Claim(path=path, etag="") for path in sorted(f"{path}.xml" for path in paths)],
    )


def test_a_head_begins_with_its_own_length_and_survives_encoding() -> None:
    data = encode_head(HEAD).data
    assert head_length(data) == len(data)
    assert decode_head(data) == HEAD
    assert json.loads(data + b"]}")["categories"] == [{"id": 4, "name": "nut"}]


@pytest.mark.parametrize("data", [b"", b"{", b'{"info": {}}', b'{"info":{"head":     abc,'])
def test_what_does_not_begin_as_a_head_is_told_with_the_remedy(data: bytes) -> None:
    with pytest.raises(BrokenFileError, match="reconcile"):
        head_length(data)


def test_a_head_of_another_version_or_form_is_told_with_the_remedy() -> None:
    other = Head(info=Info(description="x", schema=99))
    with pytest.raises(BrokenFileError, match="schema 99"):
        decode_head(encode_head(other).data)
    with pytest.raises(BrokenFileError, match="not valid"):
        decode_head(b'{"info":{"head":       10,"changes":"x"},"categories":[],"images":[')


@pytest.mark.parametrize("section", range(4))
@pytest.mark.parametrize("first", [True, False])
def test_a_section_survives_encoding(section: int, first: bool) -> None:
    content = sections_of(records("a", "b"))[section]
    block = encode_section(content, first=first)
    assert block is not None
    assert block.data[:1] == (b" " if first else b",")
    assert decode_section(section, block.data) == content


def test_an_empty_section_has_no_block() -> None:
    assert encode_section([], first=True) is None


def test_a_block_is_named_after_its_content_in_twenty_characters() -> None:
    names = {block_of(data).block.id for data in (b"a", b"b", b"a")}
    assert len(names) == 2
    assert {len(name) for name in names} == {20}


def test_blocks_make_one_document_and_the_map_finds_each() -> None:
    parts = [records("a"), Records([], [], [], []), records("c", "d")]
    begun = [False] * 4
    data: dict[str, bytes] = {}
    leaves = []
    for number, part in enumerate(parts):
        found = []
        for section, content in enumerate(sections_of(part)):
            block = encode_section(content, first=not begun[section])
            found.append(block.block if block else None)
            if block:
                begun[section] = True
                data[block.block.id] = block.data
        leaves.append(Leaf(str(number), tuple(found)))  # type: ignore[arg-type]
    head = encode_head(Head(info=Info(description="x", schema=2, leaves=tuple(leaves))))
    data |= {head.block.id: head.data} | {joint.block.id: joint.data for joint in JOINTS}
    whole = b"".join(data[id_] for id_ in block_ids(head, leaves))
    document = json.loads(whole)
    assert [len(document[section]) for section in SECTIONS] == [3] * 4
    layout = Map(decode_head(head.data), len(head.data))
    assert layout.size == len(whole)
    for section in range(4):
        for number, part in enumerate(parts):
            start, size = layout.span(section, number, number)
            found_there = decode_section(section, whole[start : start + size]) if size else []
            assert found_there == sections_of(part)[section]
        start, size = layout.span(section, 0, 2)
        assert len(decode_section(section, whole[start : start + size])) == 3


def test_broken_records_are_told_with_their_section() -> None:
    with pytest.raises(BrokenFileError, match="problems of the live COCO file"):
        decode_section(2, b' {"path":1}')


def test_counts_are_found_by_their_label() -> None:
    assert {label: tally.pictures for label, tally in tallies_of(HEAD).items()} == {"nut": 2}


def test_leaves_grow_when_there_would_be_too_many() -> None:
    sizes = LeafSizes(target=100, least=25, most=10)
    assert sizes.target_for(500) == 100
    assert sizes.target_for(5000) == 500


@given(st.sets(st.text("ab./", min_size=1, max_size=6), min_size=1, max_size=20), st.integers(1, 4000))
def test_a_split_keeps_every_record_once_in_order_and_in_its_range(paths: set[str], size: int) -> None:
    before = records(*paths)
    ranges = list(split(before, "", size, 500))
    lows = [low for low, _ in ranges]
    assert lows == sorted(set(lows))
    joined: tuple[list[object], ...] = ([], [], [], [])
    for (low, part), high in zip(ranges, [*lows[1:], "\U0010ffff"], strict=True):
        own = [i.file_name for i in part.images] + [p.path for p in part.problems] + [c.path for c in part.claims]
        assert all(low <= path < high for path in own)
        assert {a.image_id for a in part.annotations} == {i.id for i in part.images}
        for whole, section in zip(joined, sections_of(part), strict=True):
            whole += section
    assert joined == sections_of(before)


def test_a_split_keeps_a_picture_and_its_side_cars_together() -> None:
    many = Records([], [], [], [])
    for number in range(10):
        many.images.append(image(number, f"a/{number}.png"))
        many.claims.append(Claim(path=f"a/{number}.xml", etag=""))
    ranges = list(split(many, "", 2000, 200))
    assert len(ranges) > 5
    for _, part in ranges:
        assert [i.file_name[:-4] for i in part.images] == [c.path[:-4] for c in part.claims]


def test_a_cut_gives_empty_ranges_nothing() -> None:
    parts = list(cut(records("b"), ["", "a", "c"]))
    assert [len(part.images) for _, part in parts] == [0, 1, 0]
