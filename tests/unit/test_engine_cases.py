"""The cases that advice is about, of what a model said."""

from dataclasses import replace

import numpy as np
import pytest

from engine.advice import NOTHING, Cases, advise
from engine.boxjudgement import JudgedBoxes
from engine.cases import cases_of, lowest
from engine.judgement import Judged
from engine.learn.detection_metrics import FoundBoxes, TrueBoxes
from engine.learn.traits import SHAPED
from tests.judged import boxed, embedded

LABELS = ("bolt", "nut")


def marked(cases: Cases, name: str) -> list[bool]:
    (mark,) = (mark for mark in cases.marks if mark.name == name)
    assert len(mark.has) == len(cases.truth)
    return [bool(has) for has in mark.has]


def test_a_picture_with_one_label_is_a_case_unless_the_model_lacks_its_label() -> None:
    pictures = embedded([("nut",), ("rod",), ("bolt",)])
    cases = cases_of(Judged(LABELS, False, np.array([[0.8, 0.2], [0.5, 0.5], [0.9, 0.1]]), pictures))
    assert (cases.noun, cases.truth.tolist(), cases.said.tolist()) == ("pictures", [1, 0], [0, 0])
    assert cases.unfounded.tolist() == [0, 0]
    assert cases.marks == ()


def test_a_picture_is_among_the_quarter_that_has_least_or_most_of_a_trait() -> None:
    traits = np.full((8, len(SHAPED)), 0.5, dtype=np.float32)
    traits[1:3, SHAPED.index("brightness")] = 0.1
    traits[7, SHAPED.index("narrowness")] = 4
    pictures = replace(embedded([("nut",)] * 7 + [("rod",)]), traits=traits)
    cases = cases_of(Judged(LABELS, False, np.full((8, 2), 0.5), pictures))
    assert marked(cases, "dark") == [False, True, True, False, False, False, False]
    assert not any(marked(cases, "bright"))
    assert not any(marked(cases, "narrow"))  # the narrow one has a label that the model lacks
    assert not any(marked(cases, "small"))  # all are of one size


def test_each_label_of_a_picture_is_a_case_and_one_that_it_has_not_is_unfounded() -> None:
    pictures = embedded([("bolt", "nut"), (), ("nut", "rod")])
    cases = cases_of(Judged(LABELS, True, np.array([[0.9, 0.2], [0.7, 0.1], [0.6, 0.8]]), pictures))
    assert cases.truth.tolist() == [0, 1, 1]
    assert cases.said.tolist() == [0, NOTHING, 1]
    assert cases.unfounded.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("values", "low"),
    [
        ([4, 1, 2, 3, 5, 6, 7, 8], [1, 2]),
        ([1, 1, 1, 2, 3, 4, 5, 6], [1, 1, 1]),
        ([1, 2, 2, 2, 2, 2, 2, 2], [1]),
        ([3, 3, 3, 3], []),
    ],
    ids=["a quarter", "equals", "many equals", "all equal"],
)
def test_the_lowest_quarter_keeps_equals_together_unless_they_are_more_than_half(
    values: list[int], low: list[int]
) -> None:
    array = np.array(values, dtype=np.float32)
    assert array[lowest(array)].tolist() == low


def true(*boxes: tuple[str, float, float, float, float], crowd: bool = False) -> TrueBoxes:
    places = np.array([box[1:] for box in boxes], dtype=np.float64).reshape(-1, 4)
    return TrueBoxes(places, tuple(box[0] for box in boxes), np.full(len(boxes), crowd))


def found(*boxes: tuple[str, float, float, float, float], confidence: float = 0.9) -> FoundBoxes:
    one = true(*boxes)
    return FoundBoxes(one.boxes, one.labels, np.full(len(boxes), confidence))


def test_a_true_box_is_a_case_found_missed_or_taken_for_another_and_a_box_of_nothing_is_unfounded() -> None:
    nut, bolt, far = (0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.2, 0.2), (0.8, 0.1, 0.1, 0.1)
    truth = [true(("nut", *nut), ("bolt", *bolt)), true(("nut", *nut)), true(("rod", *far))]
    said = (found(("nut", *nut), ("nut", *bolt), ("bolt", *far)), found(("nut", *nut), confidence=0.4), found())
    cases = cases_of(JudgedBoxes(LABELS, said, boxed(truth)))
    pairs = sorted(zip(cases.truth.tolist(), cases.said.tolist(), strict=True))
    assert (cases.noun, pairs) == ("boxes", [(0, 1), (1, NOTHING), (1, 1)])
    assert cases.unfounded.tolist() == [1, 0]


def test_a_box_around_many_is_no_case() -> None:
    nut = ("nut", 0.1, 0.1, 0.2, 0.2)
    cases = cases_of(JudgedBoxes(LABELS, (found(),), boxed([true(nut, crowd=True)])))
    assert len(cases.truth) == 0
    assert advise(cases, None) == []


def test_boxes_are_small_overlapped_or_cut_off() -> None:
    truth = [
        true(("nut", 0.2, 0.2, 0.05, 0.05), ("nut", 0.5, 0.5, 0.4, 0.4), ("bolt", 0.7, 0.7, 0.1, 0.1)),
        true(("bolt", 0.0, 0.4, 0.3, 0.3)),
    ]
    traits = np.zeros((2, len(SHAPED)), np.float32)
    traits[1, SHAPED.index("brightness")] = 1
    cases = cases_of(JudgedBoxes(LABELS, (found(), found()), replace(boxed(truth), traits=traits)))
    assert marked(cases, "small box") == [True, False, False, False]
    assert marked(cases, "overlapped") == [False, False, True, False]  # a sixteenth of the large one is too little
    assert marked(cases, "cut off") == [False, False, False, True]
    assert marked(cases, "bright") == [False, False, False, True]


def test_missed_boxes_that_are_small_are_said_to_be() -> None:
    rng = np.random.default_rng(3)
    truth, said = [], []
    for number in range(30):
        small = number % 3 == 0
        side = 0.05 if small else 0.3 + 0.1 * rng.random()
        box = ("nut", 0.1 + 0.4 * rng.random(), 0.2, side, side)
        truth.append(true(box))
        said.append(found() if small and number else found(box))
    words = [one.words for one in advise(cases_of(JudgedBoxes(LABELS, tuple(said), boxed(truth))), None)]
    assert words[0].startswith("label 'nut': 9 of 9 mistakes are no larger than 0.25 % of the picture, ")
    assert words[0].endswith(", 1 of 21 of the others; add pictures with small ones, or crop.")


@pytest.mark.parametrize("count", [0, 1])
def test_pictures_without_a_box_are_no_case(count: int) -> None:
    cases = cases_of(JudgedBoxes(LABELS, (found(),) * count + (found(),), boxed([true()] * (count + 1))))
    assert (len(cases.truth), cases.unfounded.tolist()) == (0, [0, 0])
    assert advise(cases, {"nut": 3}) == []
