import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, recall_score

from engine.learn.classifier import Classifier, FittedClassifier
from engine.learn.errors import ClassifierFileError, NotEnoughPicturesError
from engine.learn.folds import multilabel_folds
from engine.learn.heads import cross_fit
from engine.learn.multilabel import fit_multilabel
from engine.learn.multilabel_metrics import measure_multilabel, memberships
from engine.learn.onevsrest import OneVsRestHead
from engine.learn.platt import fit_platt, logistic
from engine.learn.support import Support
from tests.learn_support import FlatBackbone

LABELS = ("bolt", "nut", "washer")
Truth = list[tuple[str, ...]]


def mixtures(
    pictures: int, width: int, seed: int = 0, *, share: float = 0.4, strength: float = 2.0, world: int = 0
) -> tuple[NDArray[np.float32], Truth]:
    """Features (n, width) to which each label of a picture, drawn by itself, adds its own direction of one `world`."""
    rng = np.random.default_rng(seed)
    ground, *directions = np.random.default_rng(world).uniform(0, strength, (1 + len(LABELS), width))
    members = rng.random((pictures, len(LABELS))) < share
    features = 2 + ground + members @ np.array(directions) + rng.normal(0, 0.5, (pictures, width))
    return np.abs(features).astype(np.float32), [
        tuple(label for label, has in zip(LABELS, row, strict=True) if has) for row in members
    ]


def fit(features: NDArray[np.float32], truth: Truth) -> FittedClassifier:
    return fit_multilabel(features, truth, LABELS, backbone=FlatBackbone(features.shape[1]))


def test_labels_are_told_each_by_itself_on_pictures_it_has_not_seen() -> None:
    fitted = fit(*mixtures(120, 32))
    features, truth = mixtures(300, 32, seed=1)
    confidences = fitted.classifier.predict(features)
    performance = measure_multilabel(confidences, LABELS, truth)
    assert performance.average_precision > 0.97
    assert min(performance.recalls.values()) > 0.85
    none = np.array([not labels for labels in truth])
    assert none.any()
    assert (confidences[none].max(axis=1) < 0.5).mean() > 0.8  # pictures of nothing are examples, too


def test_confidences_are_honest_on_fresh_pictures_and_cross_validation_tells_the_figure() -> None:
    fitted = fit(*mixtures(200, 48, strength=0.6))
    features, truth = mixtures(1000, 48, seed=1, strength=0.6)
    performance = measure_multilabel(fitted.classifier.predict(features), LABELS, truth)
    assert performance.calibration_ece < 0.06
    assert fitted.cross_validated().average_precision == pytest.approx(performance.average_precision, abs=0.05)


def test_two_pictures_a_label_are_enough_and_make_no_label_certain() -> None:
    features, _ = mixtures(6, 40)
    fitted = fit(features, [("bolt",), ("bolt", "nut"), ("nut",), ("washer",), ("washer",), ()])
    confidences = fitted.classifier.predict(features)
    assert np.isfinite(confidences).all()
    assert ((confidences > 0.02) & (confidences < 0.98)).all()


def test_labels_that_mean_nothing_get_their_frequency() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(1, 2, (300, 200)).astype(np.float32)
    truth = [tuple(label for label in LABELS if rng.random() < 0.3) for _ in range(300)]
    fitted = fit(features, truth)
    fresh = fitted.classifier.predict(rng.uniform(1, 2, (200, 200)).astype(np.float32))
    assert fresh.mean() == pytest.approx(0.3, abs=0.05)
    assert fitted.cross_validated().average_precision < 0.45


def test_a_label_that_every_picture_has_stays_likely_and_breaks_nothing() -> None:
    features, truth = mixtures(60, 16)
    everywhere = [tuple(sorted({"bolt", *labels})) for labels in truth]
    confidences = fit(features, everywhere).classifier.predict(features)
    assert confidences[:, 0].min() > 0.9
    assert confidences[:, 1].std() > 0.1


def test_equal_training_makes_equal_bytes_and_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    features, truth = mixtures(40, 24)
    for name in ("one", "other"):
        fit(features.copy(), list(truth)).classifier.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    loaded = Classifier.load(tmp_path / "one")
    assert loaded.multilabel
    assert loaded.predict(features).tobytes() == fit(features, truth).classifier.predict(features).tobytes()


@pytest.mark.parametrize(
    ("slopes", "message"),
    [(np.ones(2), "do not fit its labels"), (np.full(3, np.nan), "not finite"), (np.ones(3, np.float32), "not finite")],
)
def test_stored_curves_that_do_not_fit_are_told(tmp_path: Path, slopes: NDArray[np.float64], message: str) -> None:
    classifier = fit(*mixtures(20, 8)).classifier
    spoiled = dataclasses.replace(classifier.calibration, slopes=slopes)  # type: ignore[type-var]
    dataclasses.replace(classifier, calibration=spoiled).save(tmp_path / "model.npz")
    with pytest.raises(ClassifierFileError, match=message):
        Classifier.load(tmp_path / "model.npz")


def test_a_file_without_its_curves_or_of_an_unknown_calibration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    fit(*mixtures(20, 8)).classifier.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    without = {name: array for name, array in arrays.items() if name not in ("slopes", "offsets")}
    facts = json.loads(arrays["facts"].tobytes()) | {"calibration": "isotonic"}
    unknown = arrays | {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
    for content in (without, unknown):
        np.savez(path, allow_pickle=False, **content)
        with pytest.raises(ClassifierFileError, match="calibration is unknown or lacks its arrays"):
            Classifier.load(path)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ([("bolt",), ("bolt",), ("nut",), ()], "label 'nut' has 1 of 2"),
        ([("bolt", "nut"), ("bolt", "nut"), (), ()], "label 'washer' has 0 of 2"),
    ],
)
def test_too_few_pictures_are_told_with_the_label(truth: Truth, message: str) -> None:
    with pytest.raises(NotEnoughPicturesError, match=message):
        fit(np.ones((4, 3), np.float32), truth)


def test_one_system_of_equations_gives_each_label_the_rule_of_its_own_analysis() -> None:
    features, truth = mixtures(90, 10)
    members = memberships(truth, LABELS)
    rule = cross_fit(OneVsRestHead(0.3), Support(features, members, 3), np.arange(90) % 2).rule
    rows = np.sqrt(features / np.abs(features).sum(axis=1, keepdims=True))  # root, at length 1
    variance = np.sum((rows - rows.mean(axis=0)) ** 2) / (89 * 10)
    for label in range(3):
        ours, others = rows[members[:, label]], rows[~members[:, label]]
        within = np.concatenate([ours - ours.mean(axis=0), others - others.mean(axis=0)])
        covariance = 0.7 * within.T @ within / 89 + 0.3 * variance * np.eye(10)
        weights = np.linalg.solve(covariance, ours.mean(axis=0) - others.mean(axis=0))
        np.testing.assert_allclose(rule.weights[:, label], weights, rtol=1e-4, atol=1e-3)
        middle = (ours.mean(axis=0) + others.mean(axis=0)) / 2
        assert rule.bias[label] == pytest.approx(-middle @ weights, rel=1e-3, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(20, 80), st.floats(0.05, 0.6))
@settings(max_examples=40, deadline=None)
def test_folds_are_equally_large_and_none_takes_all_pictures_of_a_label(seed: int, count: int, share: float) -> None:
    members = np.random.default_rng(seed).random((count, 5)) < share
    folds = multilabel_folds(members)
    sizes = np.bincount(folds, minlength=10)
    assert sizes.max() - sizes.min() <= 3
    for label in np.flatnonzero(members.sum(axis=0) >= 2):
        assert len(set(folds[members[:, label]].tolist())) > 1


def test_curves_make_scores_honest_whatever_their_scale_and_a_rare_label_leans_on_the_others() -> None:
    rng = np.random.default_rng(0)
    true_slopes, true_offsets = np.array([1.0, 1.2, 0.8]), np.array([0.0, -1.0, -4.0])
    scores = rng.normal(0, 2, (4000, 3))
    members = rng.random(scores.shape) < logistic(scores * true_slopes + true_offsets)
    for scale in (0.01, 1.0, 250.0):
        curves = fit_platt(scores * scale, members)
        np.testing.assert_allclose(curves.slopes * scale, true_slopes, rtol=0.15)
        np.testing.assert_allclose(curves.offsets, true_offsets, atol=0.3)
    few = np.concatenate([scores[:, :2], rng.normal(0, 2, (4000, 1))], axis=1)
    rare = members.copy()
    rare[:, 2] = False
    rare[np.argsort(few[:, 2])[-2:], 2] = True  # two pictures, the best by far: no reason to be certain
    curves = fit_platt(few, rare)
    assert 0.4 < curves.slopes[2] < 2.5


def test_a_label_whose_scores_point_the_wrong_way_is_never_turned_round() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, (500, 3))
    members = rng.random(scores.shape) < logistic(3 * scores * [1, 1, -1])
    assert (fit_platt(scores, members).slopes > 0).all()


def test_constant_scores_give_each_label_its_frequency() -> None:
    members = np.zeros((100, 2), dtype=bool)
    members[:30, 0] = True
    curves = fit_platt(np.full((100, 2), 7.0), members)
    np.testing.assert_allclose(curves.probabilities(np.full((1, 2), 7.0)), [[0.3, 0.01]], atol=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.sampled_from([1, 2, 5, 1000]))
@settings(max_examples=80, deadline=None)
def test_the_figures_are_those_of_scikit_learn(seed: int, count: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    labels = ("a", "b", "c", "d", "e", "f")
    confidences = rng.integers(0, levels + 1, (count, 6)) / levels
    truth = [tuple(name for name in (*labels, "unknown") if rng.random() < 0.3) for _ in range(count)]
    members = memberships(truth, labels)
    performance = measure_multilabel(confidences, labels, truth)
    occurring = [name for name in (*labels, "unknown") if any(name in picture for picture in truth)]
    values = [
        average_precision_score(members[:, labels.index(name)], confidences[:, labels.index(name)])
        if name in labels
        else 0.0
        for name in occurring
    ]
    assert performance.average_precision == pytest.approx(np.mean(values) if values else 0.0, abs=1e-9)
    recalls = recall_score(members, confidences >= 0.5, average=None, zero_division=0)
    assert [performance.recalls[name] for name in labels] == pytest.approx(recalls.tolist(), abs=1e-9)
    wire = performance.as_wire()
    assert list(wire) == ["accuracyTop1", "accuracyTop5", "averagePrecision", "calibrationECE", "tagPerformance"]


def test_multi_label_figures_of_three_pictures_worked_out_by_hand() -> None:
    confidences = np.array([[0.9, 0.6, 0.1], [0.2, 0.8, 0.7], [0.1, 0.3, 0.2]])
    performance = measure_multilabel(confidences, LABELS, [("bolt", "nut"), ("washer",), ()])
    assert performance.accuracy_top1 == 0.5  # of the two pictures that have a label
    assert performance.accuracy_top5 == 1.0
    assert performance.average_precision == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert performance.recalls == {"bolt": 1.0, "nut": 1.0, "washer": 1.0}
    assert performance.average_precisions == {"bolt": 1.0, "nut": 0.5, "washer": 1.0}


@pytest.mark.parametrize(
    ("shape", "labels", "truth", "message"),
    [
        ((2, 3), ("a", "b"), [(), ()], "expected \\(2, 2\\)"),
        ((1, 2), ("a", "a"), [()], "named twice"),
        ((0, 2), ("a", "b"), [], "no picture"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, int], labels: tuple[str, ...], truth: Truth, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure_multilabel(np.zeros(shape), labels, truth)
