"""What a report says of a detector's boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.boxedset import BoxedSet
from engine.boxjudgement import MOST_MISTAKES, JudgedBoxes, paired
from engine.judgement import report_of
from engine.learn.detection_metrics import FoundBoxes, TrueBoxes
from engine.learn.near_duplicates import NearDuplicate
from tests.judged import boxed

LABELS = ("bolt", "nut", "washer")
LEFT, MIDDLE, RIGHT = [0.0, 0.0, 0.2, 0.4], [0.4, 0.0, 0.2, 0.4], [0.8, 0.0, 0.2, 0.4]

type Said = tuple[str, list[float], float]


def true(*boxes: tuple[str, list[float]]) -> TrueBoxes:
    places = np.array([box for _, box in boxes], dtype=np.float64).reshape(-1, 4)
    return TrueBoxes(places, tuple(label for label, _ in boxes), np.zeros(len(boxes), dtype=np.bool_))


def found(*boxes: Said) -> FoundBoxes:
    places = np.array([box for _, box, _ in boxes], dtype=np.float64).reshape(-1, 4)
    confidences = np.array([confidence for *_, confidence in boxes], dtype=np.float64)
    return FoundBoxes(places, tuple(label for label, *_ in boxes), confidences)


def judged(*pictures: tuple[TrueBoxes, FoundBoxes]) -> JudgedBoxes:
    pictures_: BoxedSet = boxed([one for one, _ in pictures])
    return JudgedBoxes(LABELS, tuple(said for _, said in pictures), pictures_)


def pairs(one: TrueBoxes, said: FoundBoxes) -> set[tuple[int | None, int | None, float]]:
    return {(pair.true, pair.found, round(pair.confidence, 6)) for pair in paired(one, said)}


@pytest.mark.parametrize(
    ("boxes", "said", "expected"),
    [
        ([("nut", LEFT)], [("nut", LEFT, 0.9)], {(0, 0, 0.9)}),
        ([("nut", LEFT)], [("nut", RIGHT, 0.9)], {(None, 0, 0.9), (0, None, 1.0)}),
        ([("nut", LEFT)], [("bolt", LEFT, 0.7)], {(0, 0, 0.7)}),
        ([("nut", LEFT)], [("nut", LEFT, 0.4)], {(0, None, 0.6)}),  # too unsure to count, but it was a hint
        ([("nut", LEFT)], [("nut", LEFT, 0.6), ("nut", LEFT, 0.8)], {(0, 1, 0.8), (None, 0, 0.6)}),  # one box, once
        ([("nut", LEFT)], [("bolt", LEFT, 0.9), ("nut", LEFT, 0.6)], {(0, 1, 0.6), (None, 0, 0.9)}),  # its own first
        ([], [("nut", LEFT, 0.9)], {(None, 0, 0.9)}),
        ([("nut", LEFT)], [], {(0, None, 1.0)}),
        ([], [], set()),
    ],
)
def test_true_and_sure_boxes_of_one_place_go_together(
    boxes: Sequence[tuple[str, list[float]]], said: Sequence[Said], expected: set[Any]
) -> None:
    assert pairs(true(*boxes), found(*said)) == expected


def test_boxes_are_counted_as_found_taken_for_others_missed_and_made_up() -> None:
    report = report_of(
        judged(
            (true(("bolt", LEFT), ("nut", MIDDLE)), found(("bolt", LEFT, 0.9), ("washer", MIDDLE, 0.8))),
            (true(("nut", LEFT), ("rod", RIGHT)), found(("nut", MIDDLE, 0.7), ("nut", MIDDLE, 0.2))),
            (true(), found()),
        ),
        None,
        [],
    )
    assert (report["pictures"], report["labels"]) == (3, 3)
    assert report["boxConfusion"] == {
        "labels": ["bolt", "nut", "washer", "rod"],
        "counts": [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        "missed": [0, 1, 0, 1],
        "unfounded": [0, 1, 0, 0],
    }
    assert report["perLabel"] == {
        "bolt": {"precision": 1.0, "recall": 1.0, "pictures": 1, "boxes": 1, "predicted": 1},
        "nut": {"precision": 0.0, "recall": 0.0, "pictures": 2, "boxes": 2, "predicted": 1},
        "washer": {"precision": 0.0, "recall": 0.0, "pictures": 0, "boxes": 0, "predicted": 1},
        "rod": {"precision": 0.0, "recall": 0.0, "pictures": 1, "boxes": 1, "predicted": 0},
    }


def test_the_worst_mistakes_have_a_place_and_null_for_what_is_not_there() -> None:
    mistakes = judged(
        (true(("nut", LEFT)), found(("nut", LEFT, 0.95))),
        (true(("nut", LEFT)), found(("bolt", LEFT, 0.7), ("bolt", RIGHT, 0.9), ("washer", MIDDLE, 0.3))),
        (true(("washer", MIDDLE)), found(("washer", MIDDLE, 0.4))),
    ).tables()["worstMistakes"]
    assert [(one["image"], one["truth"], one["predicted"], one["confidence"]) for one in mistakes] == [
        ("p1.jpg", None, "bolt", 0.9),
        ("p1.jpg", "nut", "bolt", 0.7),
        ("p2.jpg", "washer", None, 0.6),
    ]
    assert [one["boundingBox"] for one in mistakes] == [
        {"x": 160, "y": 0, "w": 40, "h": 40},
        {"x": 0, "y": 0, "w": 40, "h": 40},
        {"x": 80, "y": 0, "w": 40, "h": 40},
    ]
    assert mistakes[0]["url"] == "http://store.local/p1.jpg"


def test_of_many_mistakes_the_most_confident_are_named() -> None:
    many = [(true(), found(("nut", LEFT, 0.5 + number / 100))) for number in range(MOST_MISTAKES + 9)]
    mistakes = judged(*many).tables()["worstMistakes"]
    assert len(mistakes) == MOST_MISTAKES
    assert mistakes[0]["image"] == f"p{MOST_MISTAKES + 8}.jpg"


def test_figures_without_the_near_duplicates_are_those_of_the_other_pictures() -> None:
    said = judged((true(("nut", LEFT)), found(("nut", LEFT, 0.9))), (true(("nut", LEFT)), found(("nut", RIGHT, 0.9))))
    report = report_of(said, [NearDuplicate(1, 0, 2)], ["old.jpg"])
    assert said.performance()["meanAveragePrecision50"] == pytest.approx(0.5, abs=0.01)
    assert report["nearDuplicates"]["without"]["meanAveragePrecision50"] == pytest.approx(1.0)
