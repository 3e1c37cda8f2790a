"""What the demo says of boxes: which are right, and what it prints."""

import io
from pathlib import Path

import pytest

from devhost.console import Console
from devhost.demo_boxreport import BoxAnswer, Found, box_answer, box_report, overlap, show_boxes
from devhost.demo_pictures import Box, LabelledPicture
from devhost.demo_report import Outcome

NUT, BOLT = Box("nut", 10, 10, 20, 20), Box("bolt", 100, 10, 40, 20)


def found(label: str, like: Box, confidence: float, *, shift: float = 0.0) -> Found:
    return Found(Box(label, like.left + shift, like.top, like.width, like.height), confidence)


def kinds(answer: BoxAnswer) -> list[tuple[str | None, str | None, bool]]:
    return [
        (m.truth.label if m.truth else None, m.found.box.label if m.found else None, m.right) for m in answer.matches()
    ]


def test_boxes_are_right_wrong_missed_or_of_nothing() -> None:
    answer = BoxAnswer(
        "1.jpg",
        (NUT, BOLT, Box("washer", 300, 300, 30, 30)),
        (found("nut", NUT, 0.9, shift=2), found("nut", BOLT, 0.8), found("bolt", NUT, 0.7), found("nut", NUT, 0.4)),
    )
    assert kinds(answer) == [
        ("nut", "nut", True),
        ("bolt", "nut", False),
        (None, "bolt", False),
        ("washer", None, False),
    ]


def test_a_box_of_its_own_label_comes_before_a_surer_one_of_another() -> None:
    answer = BoxAnswer("1.jpg", (NUT,), (found("bolt", NUT, 0.9), found("nut", NUT, 0.6)))
    assert kinds(answer) == [(None, "bolt", False), ("nut", "nut", True)]


@pytest.mark.parametrize(("shift", "right"), [(6.6, True), (6.7, False)])
def test_half_of_the_union_is_the_same_place(shift: float, right: bool) -> None:
    answer = BoxAnswer("1.jpg", (NUT,), (found("nut", NUT, 0.9, shift=shift),))
    assert any(match.right for match in answer.matches()) is right


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(NUT, NUT) == 1
    assert overlap(NUT, BOLT) == 0
    assert overlap(NUT, Box("nut", 20, 20, 20, 20)) == pytest.approx(100 / 700)


def test_an_answer_is_read_from_the_contracts_objects() -> None:
    picture = LabelledPicture(Path("a.jpg"), "", "a.jpg", "0", True, Path("a.xml"), (NUT,))
    value = {"boundingBox": {"x": 10, "y": 10, "w": 20, "h": 20}, "tags": [{"name": "nut", "confidence": 0.75}]}
    answer = box_answer(picture, {"objectsResult": {"values": [value]}})
    assert answer == BoxAnswer("a.jpg", (NUT,), (Found(NUT, 0.75),))


OUTCOME = Outcome(
    "mixed.0123456789ab.1",
    "0123456789ab",
    (
        BoxAnswer("1.jpg", (NUT, BOLT), (found("nut", NUT, 0.9), found("nut", Box("", 400, 0, 9, 9), 0.6))),
        BoxAnswer("2.jpg", (), ()),
    ),
    "label 'bolt' has 2 pictures; add some.",
)


def test_the_json_object_has_each_box_with_its_overlap() -> None:
    told = box_report("mixed", OUTCOME, {"upload": 1.5})
    assert list(told) == [
        *("ok", "kind", "dataset", "version", "snapshot", "recall", "precision", "hops", "predictions")
    ]
    assert (told["ok"], told["recall"], told["precision"]) == (True, 0.5, 0.5)
    first, second = told["predictions"]
    assert first["truth"][1] == {"label": "bolt", "box": [100, 10, 40, 20]}
    sure = {"label": "nut", "confidence": 0.9, "box": [10, 10, 20, 20], "overlap": 1.0, "right": True}
    assert first["found"][0] == sure
    assert second == {"picture": "2.jpg", "truth": [], "found": []}


def test_the_outcome_is_a_table_with_both_shares_the_advice_and_the_times() -> None:
    stream = io.StringIO()
    show_boxes(OUTCOME, {"upload": 1.25}, Console(stream))
    lines = stream.getvalue().splitlines()
    assert lines[1:5] == [
        "picture  truth  found  confidence  overlap",
        "1.jpg    nut    nut    0.900       1.00",
        "1.jpg           nut    0.600                nothing there",
        "1.jpg    bolt                               missed",
    ]
    assert "boxes found        50.0% (1 of 2; 95 % interval 9% to 91%)" in lines
    assert "advice             label 'bolt' has 2 pictures; add some." in lines


def test_of_many_boxes_the_wrong_ones_are_shown() -> None:
    stream = io.StringIO()
    show_boxes(Outcome("v", "s", OUTCOME.answers * 30), {}, Console(stream))
    assert stream.getvalue().count("missed") == 30
    assert "and 30 more" in stream.getvalue()


def test_a_detector_that_finds_nothing_has_no_share_of_right_boxes() -> None:
    stream = io.StringIO()
    outcome = Outcome("v", "s", (BoxAnswer("1.jpg", (NUT,), ()),))
    show_boxes(outcome, {}, Console(stream))
    assert "found boxes right  none was found" in stream.getvalue()
    assert box_report("d", outcome, {})["precision"] == 0
