"""What a report says of predictions."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix, precision_recall_fscore_support

from engine.judgement import MOST_MISTAKES, MOST_PAIRS, Judged, report_of
from engine.learn.multilabel_metrics import memberships
from engine.learn.near_duplicates import NearDuplicate
from tests.judged import embedded

LABELS = ("bolt", "nut", "washer")


def single(truth: Sequence[str], confidences: Sequence[Sequence[float]]) -> Judged:
    return Judged(LABELS, False, np.array(confidences), embedded([(label,) for label in truth]))


def test_a_confusion_matrix_has_the_truth_in_rows_and_labels_that_the_model_lacks() -> None:
    judged = single(["bolt", "nut", "nut", "rod"], [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    report = report_of(judged, None, [])
    assert report == {
        "pictures": 4,
        "labels": 3,
        "confusionMatrix": {
            "labels": ["bolt", "nut", "washer", "rod"],
            "counts": [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]],
        },
        "perLabel": {
            "bolt": {"precision": 0.5, "recall": 1.0, "pictures": 1, "predicted": 2},
            "nut": {"precision": 1.0, "recall": 0.5, "pictures": 2, "predicted": 1},
            "washer": {"precision": 0.0, "recall": 0.0, "pictures": 0, "predicted": 1},
            "rod": {"precision": 0.0, "recall": 0.0, "pictures": 1, "predicted": 0},
        },
        "worstMistakes": [
            {
                "image": f"p{number}.jpg",
                "url": f"http://store.local/p{number}.jpg",
                "truth": truth,
                "predicted": predicted,
                "confidence": 0.8,
            }
            for number, truth, predicted in [(2, "nut", "bolt"), (3, "rod", "washer")]
        ],
    }


@pytest.mark.parametrize("seed", range(5))
def test_counts_precision_and_recall_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = [LABELS[number] for number in rng.integers(0, 3, 60)]
    confidences = rng.dirichlet(np.ones(3), 60)
    report = report_of(single(truth, confidences.tolist()), None, [])
    first = [LABELS[column] for column in confidences.argmax(axis=1)]
    assert report["confusionMatrix"]["counts"] == confusion_matrix(truth, first, labels=LABELS).tolist()
    columns = precision_recall_fscore_support(truth, first, labels=LABELS, zero_division=0)
    for label, precision, recall, pictures in zip(LABELS, columns[0], columns[1], columns[3], strict=True):
        found = report["perLabel"][label]
        assert (found["precision"], found["recall"]) == pytest.approx((precision, recall))
        assert (found["pictures"], found["predicted"]) == (pictures, first.count(label))


@pytest.mark.parametrize("seed", range(5))
def test_a_multi_label_report_counts_each_label_as_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = [tuple(label for label in LABELS if rng.random() < 0.4) for _ in range(50)]
    confidences = rng.random((50, 3))
    report = report_of(Judged(LABELS, True, confidences, embedded(truth)), None, [])
    expected = multilabel_confusion_matrix(memberships(truth, LABELS), confidences >= 0.5)
    assert [report["labelCounts"][label] for label in LABELS] == expected.tolist()
    assert "confusionMatrix" not in report
    for label, ((_, wrong), (missed, right)) in zip(LABELS, expected.tolist(), strict=True):
        assert report["perLabel"][label]["precision"] == pytest.approx(right / (right + wrong))
        assert report["perLabel"][label]["recall"] == pytest.approx(right / (right + missed))


def test_a_multi_label_mistake_is_what_was_said_of_one_label_whether_it_was_there_or_not() -> None:
    truth = [("bolt", "rod"), (), ("nut",)]
    confidences = np.array([[0.1, 0.2, 0.0], [0.6, 0.2, 0.7], [0.2, 0.9, 0.1]])
    report = report_of(Judged(LABELS, True, confidences, embedded(truth)), None, [])
    assert [(m["image"], m["truth"], m["predicted"], m["label"]) for m in report["worstMistakes"]] == [
        ("p0.jpg", ["bolt", "rod"], [], "bolt"),  # missed with confidence 0.9
        ("p1.jpg", [], ["bolt", "washer"], "washer"),
    ]
    assert [m["confidence"] for m in report["worstMistakes"]] == [0.9, 0.7]
    assert report["labelCounts"]["rod"] == [[2, 0], [1, 0]]
    assert report["perLabel"]["rod"] == {"precision": 0.0, "recall": 0.0, "pictures": 1, "predicted": 0}


def test_mistakes_are_the_most_confident_and_of_equals_the_first() -> None:
    confidences = [[0.5 + 0.01 * (number // 2), 0.5 - 0.01 * (number // 2), 0.0] for number in range(60)]
    mistakes = report_of(single(["nut"] * 60, confidences), None, [])["worstMistakes"]
    assert len(mistakes) == MOST_MISTAKES
    assert [mistake["image"] for mistake in mistakes[:4]] == ["p58.jpg", "p59.jpg", "p56.jpg", "p57.jpg"]


def test_near_duplicates_are_named_and_the_figures_given_without_them() -> None:
    judged = single(["bolt", "nut", "nut"], [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1]])
    near = report_of(judged, [NearDuplicate(1, 7, 4)], ["old.jpg"])["nearDuplicates"]
    assert near["pairs"] == [{"test": "p1.jpg", "training": "old.jpg", "distance": 4}]
    assert near["count"] == 1
    assert near["without"] == judged.performance(np.array([True, False, True]))
    assert near["without"]["accuracyTop1"] == 0.5
    everything = [NearDuplicate(number, 0, 0) for number in range(3)]
    assert report_of(judged, everything, ["old.jpg"] * 3)["nearDuplicates"]["without"] is None


def test_of_many_near_duplicates_the_first_hundred_are_named_and_all_are_counted() -> None:
    judged = single(["bolt"] * 150, [[1.0, 0.0, 0.0]] * 150)
    near = [NearDuplicate(number, number, 0) for number in range(120)]
    found = report_of(judged, near, [f"t{number}" for number in range(MOST_PAIRS)])["nearDuplicates"]
    assert (len(found["pairs"]), found["count"]) == (100, 120)
