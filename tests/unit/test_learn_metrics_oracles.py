"""The figures against scikit-learn and pycocotools, on cases that hypothesis makes, ties and gaps included."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import average_precision_score, recall_score, top_k_accuracy_score

from engine.learn.detection_metrics import (
    THRESHOLDS,
    DetectionPerformance,
    FoundBoxes,
    TrueBoxes,
    measure_detections,
)
from engine.learn.metrics import ECE_BINS, expected_calibration_error, measure

EXACT = 1e-9
Scores = NDArray[np.float64]


@st.composite
def classified(draw: st.DrawFn) -> tuple[Scores, list[str], list[str]]:
    """Probabilities (n, k) with many ties, the k labels, n true labels of which some are no label of the model."""
    count, classes = draw(st.integers(1, 25)), draw(st.integers(2, 8))
    levels = draw(st.sampled_from([1, 2, 5, 1000]))  # 1: constant scores
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(1, levels + 1, (count, classes)).astype(np.float64)
    labels = [f"l{number}" for number in range(classes)]
    unknown = draw(st.integers(0, 2))
    truth = [f"l{number}" for number in rng.integers(0, classes + unknown, count)]
    return scores / scores.sum(axis=1, keepdims=True), labels, truth


@given(classified())
@settings(max_examples=150, deadline=None)
def test_classification_figures_are_those_of_scikit_learn(case: tuple[Scores, list[str], list[str]]) -> None:
    scores, labels, truth = case
    performance = measure(scores, labels, truth)
    names = sorted(set(labels) | set(truth))
    first = [labels[column] for column in np.argmax(scores, axis=1)]
    assert performance.accuracy_top1 == pytest.approx(np.mean([a == b for a, b in zip(first, truth, strict=True)]))
    actual = np.array(truth)
    values = [
        average_precision_score(actual == name, scores[:, labels.index(name)]) if name in labels else 0.0
        for name in sorted(set(truth))
    ]
    assert performance.average_precision == pytest.approx(np.mean(values), abs=EXACT)
    recalls = recall_score(truth, first, labels=names, average=None, zero_division=0)
    assert [performance.per_label[name] for name in names] == pytest.approx(recalls.tolist(), abs=EXACT)


@given(classified().filter(lambda case: len(case[1]) > 5 and set(case[2]) <= set(case[1])))
@settings(max_examples=80, deadline=None)
def test_the_true_label_is_among_five_as_scikit_learn_counts(case: tuple[Scores, list[str], list[str]]) -> None:
    scores, labels, truth = case
    # scikit-learn gives the first places among equals to later labels, we to earlier ones: it sees all turned round.
    turned = [len(labels) - 1 - labels.index(label) for label in truth]
    expected = top_k_accuracy_score(turned, scores[:, ::-1], k=5, labels=range(len(labels)))
    assert measure(scores, labels, truth).accuracy_top5 == pytest.approx(expected)


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.floats(1e-9, 1.0),
                st.integers(1, ECE_BINS).map(lambda edge: float(np.linspace(0, 1, ECE_BINS + 1)[edge])),
                st.integers(1, ECE_BINS).map(lambda edge: edge / ECE_BINS),
            ),
            st.booleans(),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=150, deadline=None)
def test_calibration_error_is_that_of_a_loop_over_right_closed_bins(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    edges, total = np.linspace(0, 1, ECE_BINS + 1), 0.0
    for lower, upper in pairwise(edges):  # as microsoft/vision-evaluation's EceLossEvaluator
        inside = (confidence > lower) & (confidence <= upper)
        total += abs(float(correct[inside].sum()) - float(confidence[inside].sum()))
    assert expected_calibration_error(confidence, correct) == pytest.approx(total / len(pairs), abs=EXACT)


Detections = tuple[list[TrueBoxes], list[FoundBoxes]]


@st.composite
def detected(draw: st.DrawFn) -> Detections:
    """Pictures with true boxes, crowds among them, and found boxes near them or anywhere, with equal confidences."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = draw(st.sampled_from([4, 8, 1000]))  # a coarse grid makes equal overlaps
    crowd_share = draw(st.sampled_from([0.0, 0.3, 1.0]))
    most = draw(st.sampled_from([0, 2, 6]))
    truth, found = [], []
    for _ in range(draw(st.integers(1, 5))):
        true = boxes_on(rng, grid, int(rng.integers(0, most + 1)))
        close = true[rng.integers(0, len(true), int(rng.integers(0, 8)))] if len(true) else true
        moved = np.maximum(close + rng.integers(-1, 2, close.shape) / grid, [[0, 0, 1 / grid, 1 / grid]])
        boxes = np.concatenate([moved, boxes_on(rng, grid, int(rng.integers(0, most + 1)))])
        truth.append(TrueBoxes(true, names_for(rng, len(true), "abc"), rng.random(len(true)) < crowd_share))
        found.append(FoundBoxes(boxes, names_for(rng, len(boxes), "abcd"), rng.integers(1, 6, len(boxes)) / 5))
    return truth, found


def boxes_on(rng: np.random.Generator, grid: int, count: int) -> Scores:
    place, size = rng.integers(0, grid, (count, 2)), rng.integers(1, grid + 1, (count, 2))
    return np.concatenate([place, size], axis=1) / grid


def names_for(rng: np.random.Generator, count: int, names: str) -> tuple[str, ...]:
    return tuple(names[number] for number in rng.integers(0, len(names), count))


def many_of_one_label() -> Detections:
    """More found boxes than are looked at, the right one among the least confident."""
    boxes = np.tile([[0.0, 0.0, 0.1, 0.1]], (305, 1))
    boxes[[7, 303]] = [0.5, 0.5, 0.4, 0.4], [0.2, 0.2, 0.2, 0.2]
    true = np.array([[0.5, 0.5, 0.4, 0.4], [0.2, 0.2, 0.2, 0.2]])
    truth = TrueBoxes(true, ("a", "a"), np.zeros(2, dtype=bool))
    return [truth], [FoundBoxes(boxes, ("a",) * 305, np.linspace(1, 0.1, 305))]


def pycocotools_figures(truth: list[TrueBoxes], found: list[FoundBoxes]) -> tuple[list[float], dict[str, float]]:
    """Mean average precision at each threshold, and each label's at 0.5, by pycocotools."""
    names = sorted({label for boxes in (*truth, *found) for label in boxes.labels}) or ["a"]
    annotations, results = [], []
    for image, (true, guess) in enumerate(zip(truth, found, strict=True), 1):
        for box, label, crowd in zip(true.boxes.tolist(), true.labels, true.crowds.tolist(), strict=True):
            record = {"id": len(annotations) + 1, "image_id": image, "category_id": names.index(label) + 1}
            annotations.append(record | {"bbox": box, "area": box[2] * box[3], "iscrowd": int(crowd)})
        for box, label, score in zip(guess.boxes.tolist(), guess.labels, guess.confidences.tolist(), strict=True):
            results.append({"image_id": image, "category_id": names.index(label) + 1, "bbox": box, "score": score})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(1, len(truth) + 1)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "info": {},
    }
    coco.createIndex()
    judge = COCOeval(coco, coco.loadRes(results) if results else COCO(), "bbox")
    if not results:
        judge.cocoDt.dataset = {"images": [], "annotations": [], "categories": []}
        judge.cocoDt.createIndex()
    judge.params.iouThrs, judge.params.maxDets = np.array(THRESHOLDS), [300]
    judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][..., 0, 0]  # (thresholds, recalls, labels)
    present = [number for number in range(len(names)) if (precision[:, :, number] > -1).any()]
    means = [float(precision[row][:, present].mean()) if present else 0.0 for row in range(len(THRESHOLDS))]
    at_half = {names[number]: float(precision[1, :, number].mean()) for number in present}
    return means, at_half


@given(detected())
@example(many_of_one_label())
@settings(max_examples=150, deadline=None)
def test_detection_figures_are_those_of_pycocotools(case: Detections) -> None:
    truth, found = case
    performance = measure_detections(truth, found)
    means, at_half = pycocotools_figures(truth, found)
    assert list(performance.mean_average_precision.values()) == pytest.approx(means, abs=EXACT)
    assert performance.average_precision_50 == pytest.approx(at_half, abs=EXACT)


def test_the_wire_form_of_detection_figures_is_the_contracts_and_its_mean_the_examples() -> None:
    performance = DetectionPerformance({0.3: 0.93, 0.5: 0.88, 0.75: 0.61}, {"bolt": 0.91, "nut": 0.85})
    wire = performance.as_wire()
    assert wire.pop("averagePrecision") == pytest.approx(0.81, abs=0.005)
    assert wire == {
        "meanAveragePrecision30": 0.93,
        "meanAveragePrecision50": 0.88,
        "meanAveragePrecision75": 0.61,
        "tagPerformance": {"bolt": {"averagePrecision50": 0.91}, "nut": {"averagePrecision50": 0.85}},
    }


def test_what_only_the_predictions_or_only_crowds_have_counts_nowhere_and_nothing_at_all_is_nought() -> None:
    box, none = np.array([[0.1, 0.1, 0.2, 0.2]]), np.zeros((0, 4))
    crowd = TrueBoxes(box, ("crowd",), np.array([True]))
    empty = TrueBoxes(none, (), np.zeros(0, dtype=bool))
    found = FoundBoxes(box, ("ghost",), np.array([0.9]))
    performance = measure_detections([crowd, empty], [found, found])
    assert performance.mean_average_precision == {0.3: 0.0, 0.5: 0.0, 0.75: 0.0}
    assert performance.average_precision_50 == {}


def test_detections_of_other_or_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="0 pictures and 0 predictions"):
        measure_detections([], [])
