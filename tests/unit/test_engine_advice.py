"""What is advised of a model's mistakes: only what the counts support, the most useful first."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.advice import MOST_ADVICE, NOTHING, REASONS, Advice, Cases, Mark, advise

LABELS = ("bolt", "nut", "washer")
EVEN = dict.fromkeys(LABELS, 30)


def cases(
    *groups: tuple[int, int, int], marked: Sequence[int] = (), labels: tuple[str, ...] = LABELS, noun: str = "pictures"
) -> Cases:
    """Cases of groups (truth, said, how many); of each group so many as `marked` says are dark."""
    truth = np.repeat([group[0] for group in groups], [group[2] for group in groups])
    said = np.repeat([group[1] for group in groups], [group[2] for group in groups])
    dark: list[bool] = []
    for (_, _, count), few in zip(groups, marked or [0] * len(groups), strict=True):
        dark += [True] * few + [False] * (count - few)
    mark = Mark("dark", "among the darkest of the pictures", "add some dark ones", np.array(dark, dtype=np.bool_))
    return Cases(noun, labels, truth, said, (mark,), np.zeros(len(labels), dtype=np.intp))


def only(reason: str, found: list[Advice]) -> list[str]:
    assert {advice.reason for advice in found} <= set(REASONS)
    return [advice.words for advice in found if advice.reason == reason]


def test_where_nothing_goes_wrong_nothing_is_said() -> None:
    assert advise(cases((0, 0, 20), (1, 1, 20), (2, 2, 2)), {"bolt": 20, "nut": 20, "washer": 2}) == []


def test_a_label_with_far_fewer_pictures_is_named_with_what_the_others_have() -> None:
    found = advise(cases((0, 1, 2), (0, 0, 2), (1, 1, 20), (2, 2, 40)), {"bolt": 4, "nut": 20, "washer": 40})
    assert [advice.as_wire() for advice in found] == [
        {
            "reason": "few",
            "labels": ["bolt"],
            "words": "label 'bolt' has 4 pictures, the others 20 to 40; add some.",
            "counts": {"pictures": 4, "least": 20, "most": 40},
        }
    ]


@pytest.mark.parametrize(
    ("taught", "words"),
    [
        ({"bolt": 1, "nut": 20}, "label 'bolt' has 1 picture, the other 20; add some."),
        ({"bolt": 5, "nut": 20, "washer": 20}, "label 'bolt' has 5 pictures, the others 20; add some."),
        ({"bolt": 10, "nut": 20, "washer": 20}, None),
        ({"bolt": 5}, None),
    ],
    ids=["one other", "even others", "half of them", "alone"],
)
def test_a_label_is_sparse_when_the_others_have_three_times_as_many(taught: dict[str, int], words: str | None) -> None:
    found = only("few", advise(cases((0, 1, 1), (0, 0, 9), (1, 1, 10)), taught))
    assert found == ([words] if words else [])


def test_when_no_label_has_many_pictures_more_of_all_are_asked_for() -> None:
    found = advise(cases((0, 1, 1), (0, 0, 4), (1, 1, 8)), {"bolt": 5, "nut": 8})
    assert only("meagre", found) == ["the labels have 5 to 8 pictures each; twice as many of all would help."]
    assert only("meagre", advise(cases((0, 1, 1), (0, 0, 4)), {"bolt": 5})) != []
    assert only("meagre", advise(cases((0, 1, 1), (0, 0, 4)), {"bolt": 10})) == []


def test_a_trait_that_mistakes_of_a_label_have_and_right_ones_do_not_is_named() -> None:
    found = advise(cases((1, 0, 2), (1, 2, 3), (1, 1, 30), (0, 0, 30), marked=(2, 2, 2, 3)), EVEN)
    assert found[0].as_wire() == {
        "reason": "marked",
        "labels": ["nut"],
        "words": "label 'nut': 4 of 5 mistakes are among the darkest of the pictures, 2 of 30 of the others; "
        "add some dark ones.",
        "counts": {"mistakes": 5, "marked": 4, "right": 30, "rightMarked": 2},
        "trait": "dark",
    }


def test_what_chance_may_have_done_is_not_named() -> None:
    assert only("marked", advise(cases((1, 0, 4), (1, 1, 20), marked=(2, 4)), EVEN)) == []
    assert only("marked", advise(cases((1, 0, 2), (1, 1, 50), marked=(2, 0)), EVEN)) == []  # two mistakes are none
    assert only("marked", advise(cases((1, 0, 9), (1, 1, 50), marked=(0, 30)), EVEN)) == []  # less often, not more


def test_a_trait_of_all_labels_mistakes_is_said_once_of_all() -> None:
    groups = [group for number in range(3) for group in ((number, (number + 1) % 3, 4), (number, number, 30))]
    found = only("marked", advise(cases(*groups, marked=(4, 2, 3, 2, 4, 2)), EVEN))
    words = "over all labels, 11 of 12 mistakes are among the darkest of the pictures, 6 of 90 of the others; "
    assert found == [f"{words}add some dark ones."]


def test_random_traits_are_named_in_no_more_than_one_report_of_twenty() -> None:
    rng = np.random.default_rng(7)
    named = 0
    for _ in range(200):
        truth = rng.integers(0, 3, 90)
        said = np.where(rng.random(90) < 0.3, (truth + 1) % 3, truth)
        marks = tuple(Mark(str(number), str(number), "", rng.random(90) < 0.25) for number in range(6))
        named += only("marked", advise(Cases("pictures", LABELS, truth, said, marks, np.zeros(3, int)), None)) != []
    assert named <= 0.05 * 200 + 5


def test_labels_that_are_taken_for_one_another_are_named_together() -> None:
    found = advise(cases((1, 2, 7), (2, 1, 5), (1, 1, 13), (2, 2, 15), (0, 0, 40), (0, 1, 1)), EVEN)
    words = "'nut' and 'washer' are taken for one another in 12 of 40 pictures; look at their labels, or add pictures "
    assert only("confused", found) == [f"{words}that show the difference."]
    assert found[0].counts == {"mistakes": 12, "of": 40}


def test_mistakes_that_fall_on_all_labels_alike_confuse_no_pair() -> None:
    spread = [(truth, said, 6) for truth in range(4) for said in range(4)]
    assert only("confused", advise(cases(*spread, labels=(*LABELS, "rod")), None)) == []
    assert only("confused", advise(cases((0, 1, 9), (1, 0, 9), labels=("bolt", "nut")), None)) == []


def test_a_label_that_is_missed_more_often_than_the_others_is_named_when_nothing_else_is_said_of_it() -> None:
    found = advise(cases((1, NOTHING, 8), (1, 1, 2), (0, 0, 55), (0, NOTHING, 5), noun="boxes"), EVEN)
    assert [advice.words for advice in found] == [
        "label 'nut' is missed in 8 of 10 boxes, the others in 5 of 60; look at its labels, or add pictures of it."
    ]


def test_a_label_that_is_said_where_it_is_not_is_named() -> None:
    nothing = np.zeros(3, dtype=np.bool_)
    truth, unfounded = np.array([0, 1, 1]), np.array([12, 2, 0])
    mark = Mark("dark", "", "", nothing)
    found = advise(Cases("boxes", LABELS, truth, truth, (mark,), unfounded), EVEN)
    assert [advice.words for advice in found] == [
        "label 'bolt' is said 12 of 13 times where it is not; add it where it is missing, or more pictures without it."
    ]
    assert found[0].counts == {"unfounded": 12, "of": 13}


def test_the_five_that_may_save_most_are_said_in_their_order() -> None:
    labels = tuple(f"label {number}" for number in range(8))
    groups = [(number, NOTHING, number + 1) for number in range(8)] + [(number, number, 40) for number in range(8)]
    taught = dict.fromkeys(labels, 40) | dict.fromkeys(labels[:4], 2)
    unfounded = np.array([20, 0, 0, 30, 0, 40, 0, 0])
    found = advise(replace(cases(*groups, labels=labels), unfounded=unfounded), taught)
    assert len({advice.reason for advice in found}) > 1
    assert len(found) == MOST_ADVICE
    gains = [advice.gain for advice in found]
    assert gains == sorted(gains, reverse=True)


def test_the_same_cases_in_another_order_give_the_same_advice() -> None:
    some = cases((1, 0, 5), (1, 1, 30), (0, 2, 9), (0, 0, 30), marked=(4, 2, 3, 3))
    order = np.random.default_rng(0).permutation(len(some.truth))

    def shuffled(values: NDArray[np.intp]) -> NDArray[np.intp]:
        return values[order]

    (mark,) = some.marks
    moved = Mark(mark.name, mark.words, mark.remedy, mark.has[order])
    other = Cases(some.noun, LABELS, shuffled(some.truth), shuffled(some.said), (moved,), some.unfounded)
    assert advise(some, EVEN) == advise(other, EVEN)


def test_no_case_at_all_gives_no_advice() -> None:
    assert advise(cases((0, 0, 0)), {"bolt": 3}) == []
