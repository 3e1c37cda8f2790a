import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.formats import EPSILON, Box, Labelling, Region, finite, label_problem
from shared.formats.boxes import fit_boxes

SIZE = (200, 100)


def fitted(
    box: Box, *, unit: str = "share", stated: tuple[int, int] | None = None
) -> tuple[list[Box | None], list[str]]:
    labelling = Labelling(regions=(Region("nut", box),), unit=unit, size=stated, where="image 7", line=3)
    regions, findings = fit_boxes(labelling, SIZE)
    assert all((finding.where.startswith("image 7"), finding.line) == (True, 3) for finding in findings)
    return [region.box for region in regions], [finding.reason for finding in findings]


def passes_the_official_check(box: Box) -> bool:
    """Repeat what `check_coco_annotation_file` asks of a box (contract §7), in the same arithmetic."""
    left, top, width, height = box
    return (
        0 <= left < 1
        and 0 <= top < 1
        and 0 < width <= 1
        and 0 < height <= 1
        and left + width <= 1
        and top + height <= 1
    )


@pytest.mark.parametrize(
    ("box", "unit", "stated", "expected"),
    [
        pytest.param((0.25, 0.5, 0.5, 0.25), "share", None, (0.25, 0.5, 0.5, 0.25), id="shares stay"),
        pytest.param((50, 50, 100, 25), "pixel", None, (0.25, 0.5, 0.5, 0.25), id="pixels of the real picture"),
        pytest.param((100, 100, 200, 50), "pixel", (400, 200), (0.25, 0.5, 0.5, 0.25), id="pixels of a larger one"),
        pytest.param((0, 0, 200, 100), "pixel", None, (0, 0, 1, 1), id="the whole picture"),
        pytest.param((-0.01, 0, 0.5, 1.01), "share", None, (0, 0, 0.49, 1), id="over the border by epsilon"),
        pytest.param((0.6, 0.1, 0.4 + 1e-9, 0.9), "share", None, (0.6, 0.1, 0.4, 0.9), id="sums that round up"),
        pytest.param((0.1, 0.1, 0.5, 0.5), "share", (3, 1), None, id="another shape"),
    ],
)
def test_boxes_become_shares_of_the_real_picture(
    box: Box, unit: str, stated: tuple[int, int] | None, expected: Box | None
) -> None:
    boxes, findings = fitted(box, unit=unit, stated=stated)
    assert boxes == ([pytest.approx(expected, abs=1e-8)] if expected else [])
    assert bool(findings) == (expected is None)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((-0.02, 0, 0.5, 0.5), "beyond the picture's border"),
        ((0.5, 0, 0.52, 0.5), "beyond the picture's border"),
        ((0, 0.5, 0.5, 0.52), "beyond the picture's border"),
        ((1.005, 0, 0.004, 0.5), "thinner than half a pixel"),
        ((0.1, 0.1, 0.002, 0.5), "thinner than half a pixel"),
        ((0.1, 0.1, 0.5, 0.004), "thinner than half a pixel"),
        ((0.1, 0.1, -0.5, 0.5), "thinner than half a pixel"),
        ((math.nan, 0.1, 0.5, 0.5), "not finite"),
        ((0, 0, math.inf, 0.5), "not finite"),
        ((1e308, 0, 1e308, 0.5), "beyond the picture's border"),
    ],
)
def test_a_box_that_cannot_be_used_is_a_finding(box: Box, message: str) -> None:
    boxes, (reason,) = fitted(box)
    assert boxes == []
    assert message in reason
    assert "'nut'" in reason


def test_a_size_that_is_swapped_hints_at_the_exif_turn() -> None:
    boxes, (reason,) = fitted((10, 10, 20, 20), unit="pixel", stated=(100, 200))
    assert boxes == []
    assert "EXIF" in reason


@pytest.mark.parametrize("stated", [(0, 5), (-200, -100), (5, 0)])
def test_a_size_that_cannot_be_is_a_finding(stated: tuple[int, int]) -> None:
    boxes, (reason,) = fitted((10, 10, 20, 20), unit="pixel", stated=stated)
    assert boxes == []
    assert "cannot be" in reason


@pytest.mark.parametrize("stated", [(400, 200), (100, 50), (201, 100), (33, 17), (20, 10)])
def test_a_scaled_picture_keeps_its_boxes(stated: tuple[int, int]) -> None:
    assert fitted((0.1, 0.1, 0.5, 0.5), stated=stated)[1] == []


def test_labels_of_the_whole_picture_pass_whatever_the_size_says() -> None:
    labelling = Labelling(regions=(Region("nut"), Region("nut", (0, 0, 1, 1))), size=(7, 100))
    regions, findings = fit_boxes(labelling, SIZE)
    assert regions == (Region("nut"),)
    assert len(findings) == 1


def test_exact_repetitions_are_dropped() -> None:
    box = (0.1, 0.1, 0.5, 0.5)
    labelling = Labelling(regions=(Region("nut", box), Region("bolt", box), Region("nut", box), Region("nut")))
    regions, _ = fit_boxes(labelling, SIZE)
    assert [(region.label, region.box is None) for region in regions] == [
        ("nut", False),
        ("bolt", False),
        ("nut", True),
    ]


@given(
    box=st.tuples(*[st.floats(-1.5, 1.5) for _ in range(4)]),
    size=st.tuples(st.integers(1, 10_240), st.integers(1, 10_240)),
)
def test_what_is_let_through_passes_the_official_check_and_moves_less_than_half_a_pixel(
    box: Box, size: tuple[int, int]
) -> None:
    regions, findings = fit_boxes(Labelling(regions=(Region("nut", box),)), size)
    assert len(regions) + len(findings) == 1
    for region in regions:
        assert region.box is not None
        assert passes_the_official_check(region.box)
        for axis in (0, 1):
            start, end = max(box[axis], 0), min(box[axis] + box[axis + 2], 1)
            assert abs(region.box[axis] - start) * size[axis] < 0.5
            assert abs(region.box[axis] + region.box[axis + 2] - end) * size[axis] < 0.5
            assert box[axis] >= -EPSILON


@given(left=st.integers(0, 10_239), right=st.integers(1, 10_240), side=st.sampled_from([10_240, 10_239, 7_919]))
def test_boxes_that_end_at_the_border_pass_the_official_check(left: int, right: int, side: int) -> None:
    left, right = sorted((min(left, side - 1), min(right, side)))
    labelling = Labelling(
        regions=(Region("nut", (left, left, max(right - left, 1), max(right - left, 1))),), unit="pixel"
    )
    regions, _ = fit_boxes(labelling, (side, side))
    assert [region.box and passes_the_official_check(region.box) for region in regions] == [True]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), (" -0.5 ", -0.5), ("1e3", 1000), (".5", 0.5), ("5.", 5), ("nan", None), ("inf", None), ("1e999", None)]
    + [(bad, None) for bad in ("", "0,5", "1_0", "0x1", "\u0661", "1" * 65, "--1", "1 2")],
)
def test_only_plain_decimal_numbers_are_numbers(text: str, number: float | None) -> None:
    assert finite(text) == number


@pytest.mark.parametrize(
    ("label", "fits"),
    [("nut", True), ("x" * 256, True), ("", False), ("x" * 257, False), ("a\nb", False), ("\ud800", False)],
)
def test_a_label_has_1_to_256_printable_characters(label: str, fits: bool) -> None:
    assert (label_problem(label) is None) == fits
