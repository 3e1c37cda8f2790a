import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.learn.metrics import average_precision, expected_calibration_error, measure, top_k_accuracy

LABELS = ("bolt", "nut", "washer")


def test_the_contracts_figures_of_four_pictures_worked_out_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])
    performance = measure(probabilities, LABELS, ["bolt", "nut", "nut", "washer"])
    assert performance.accuracy_top1 == 0.75
    assert performance.accuracy_top5 == 1.0
    # bolt: first of its column; nut: first and second; washer: first
    assert performance.average_precision == 1.0
    # bins of width 1/15: 0.7 alone, 0.6 alone, both 0.5 together (one right of two)
    assert performance.calibration_ece == pytest.approx((0.3 + 0.4 + abs(1 - 1.0)) / 4)
    assert performance.per_label == {"bolt": 1.0, "nut": 0.5, "washer": 1.0}


def test_the_wire_form_is_the_contracts() -> None:
    performance = measure(np.array([[0.9, 0.1], [0.2, 0.8]]), ("a", "b"), ["a", "b"])
    assert performance.as_wire() == {
        "accuracyTop1": 1.0,
        "accuracyTop5": 1.0,
        "averagePrecision": 1.0,
        "calibrationECE": pytest.approx(0.15),
        "tagPerformance": {"a": {"accuracy": 1.0}, "b": {"accuracy": 1.0}},
    }


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.5 * 1 + 0.5 * 2 / 3),  # the example of sklearn's documentation
        ([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1], 0.5),  # all equal: the share of positives
        ([0.9, 0.5, 0.5, 0.1], [0, 1, 0, 1], 0.5 * 1 / 3 + 0.5 * 2 / 4),  # the tie counts as one step
        ([0.9, 0.8, 0.7], [0, 0, 1], 1 / 3),
    ],
)
def test_average_precision_of_small_rankings(scores: list[float], positive: list[int], expected: float) -> None:
    assert average_precision(np.array(scores), np.array(positive, dtype=bool)) == pytest.approx(expected)


rankings = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1, max_size=30
).filter(lambda pairs: any(positive for _, positive in pairs))


@given(rankings)
def test_average_precision_is_the_sum_over_thresholds(pairs: list[tuple[float, bool]]) -> None:
    positives = sum(positive for _, positive in pairs)
    expected, recall_before = 0.0, 0.0
    for threshold in sorted({score for score, _ in pairs}, reverse=True):
        taken = [positive for score, positive in pairs if score >= threshold]
        recall = sum(taken) / positives
        expected += (recall - recall_before) * sum(taken) / len(taken)
        recall_before = recall
    scores, positive = (np.array(column) for column in zip(*pairs, strict=True))
    assert average_precision(scores, positive) == pytest.approx(expected)


def test_a_confidence_on_the_edge_of_a_bin_belongs_to_the_bin_below() -> None:
    # 1/3 is the right edge of the fifth bin; 0.34 lies in the sixth, so the two do not cancel
    confidence = np.array([5 / 15, 0.34])
    assert expected_calibration_error(confidence, np.array([True, False])) == pytest.approx((1 - 5 / 15 + 0.34) / 2)
    # 0.3 and 1/3 share the fifth bin
    assert expected_calibration_error(np.array([0.3, 5 / 15]), np.array([True, False])) == pytest.approx(
        (1 - 0.3 - 5 / 15) / 2
    )


def test_certainty_that_is_right_has_no_calibration_error_and_certainty_that_is_wrong_has_all() -> None:
    ones = np.ones(4)
    assert expected_calibration_error(ones, ones.astype(bool)) == 0.0
    assert expected_calibration_error(ones, np.zeros(4, dtype=bool)) == 1.0


def test_a_label_that_the_model_lacks_counts_as_wrong() -> None:
    performance = measure(np.array([[0.9, 0.1], [0.9, 0.1]]), ("a", "b"), ["a", "c"])
    assert performance.accuracy_top1 == 0.5
    assert performance.accuracy_top5 == 0.5
    assert performance.average_precision == pytest.approx((0.5 + 0.0) / 2)  # a ties with c's picture; b has no truth
    assert performance.per_label == {"a": 1.0, "b": 0.0, "c": 0.0}


def test_top_five_is_capped_at_the_number_of_labels_and_counts_the_fifth() -> None:
    scores = np.array([[0.3, 0.25, 0.2, 0.15, 0.07, 0.03]])
    assert top_k_accuracy(scores, np.array([4]), 5) == 1.0
    assert top_k_accuracy(scores, np.array([5]), 5) == 0.0
    assert top_k_accuracy(scores[:, :3], np.array([2]), 5) == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 8))
def test_every_figure_lies_between_nought_and_one_and_ignores_the_order_of_pictures(
    seed: int, count: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    probabilities: NDArray[np.float64] = rng.dirichlet(np.ones(classes), count)
    labels = [f"l{number}" for number in range(classes)]
    truth = [f"l{number}" for number in rng.integers(0, classes + 1, count)]  # the last is unknown to the model
    performance = measure(probabilities, labels, truth)
    figures = [performance.accuracy_top1, performance.accuracy_top5, performance.average_precision]
    figures += [performance.calibration_ece, *performance.per_label.values()]
    assert all(0.0 <= figure <= 1.0 for figure in figures)
    order = rng.permutation(count)
    again = measure(probabilities[order], labels, [truth[number] for number in order])
    assert again.average_precision == pytest.approx(performance.average_precision)
    assert again.calibration_ece == pytest.approx(performance.calibration_ece)
    assert (again.accuracy_top1, again.accuracy_top5) == pytest.approx(
        (performance.accuracy_top1, performance.accuracy_top5)
    )


@pytest.mark.parametrize(
    ("shape", "labels", "truth", "message"),
    [
        ((2, 3), ("a", "b"), ["a", "b"], "expected \\(2, 2\\)"),
        ((1, 2), ("a", "b"), ["a", "b"], "expected \\(2, 2\\)"),
        ((1, 2), ("a", "a"), ["a"], "named twice"),
        ((0, 2), ("a", "b"), [], "no picture"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, int], labels: tuple[str], truth: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(np.zeros(shape), labels, truth)
