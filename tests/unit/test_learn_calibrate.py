import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.learn.calibrate import MANY, fit_temperature, out_of_fold_scores, softmax, stratified_folds
from engine.learn.heads import LdaHead, LinearRule
from engine.learn.metrics import expected_calibration_error
from tests.learn_support import clouds


@given(st.lists(st.integers(2, 30), min_size=2, max_size=8))
def test_no_fold_takes_all_pictures_of_a_label_and_folds_are_equally_large(counts: list[int]) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    folds = stratified_folds(targets)
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1
    for number in np.unique(folds):
        assert set(targets[folds != number]) == set(range(len(counts)))


def test_up_to_ten_pictures_each_is_left_out_alone() -> None:
    assert sorted(stratified_folds(np.array([0, 1, 0, 1, 0]))) == [0, 1, 2, 3, 4]


def test_many_pictures_are_dealt_to_fewer_folds() -> None:
    assert len(np.unique(stratified_folds(np.arange(MANY + 2) % 2))) == 5


def test_no_picture_is_scored_by_a_rule_that_has_seen_it() -> None:
    class Witness:
        """A head that scores 1 where it has seen the picture's only feature."""

        name = "witness"

        def fit(self, features: np.ndarray, targets: np.ndarray, classes: int) -> LinearRule:
            seen = {float(value) for value in features[:, 0]}
            assert all(float(value) in values for value in seen)
            held_out = values - seen
            assert held_out
            asked.append(held_out)
            return LdaHead().fit(features, targets, classes)

    asked: list[set[float]] = []
    features = np.arange(1, 27, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    values = {float(value) for value in features[:, 0]}
    shares: list[float] = []
    out_of_fold_scores(Witness(), features, np.arange(26) % 3, 3, shares.append)
    assert sorted(value for held_out in asked for value in held_out) == sorted(values)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("factor", [0.01, 1.0, 250.0])
def test_the_temperature_makes_overconfident_scores_honest_whatever_their_scale(factor: float) -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 2, (4000, 4))
    chance = softmax(honest, 1.0)
    targets = np.array([rng.choice(4, p=row) for row in chance])
    temperature = fit_temperature(honest * factor, targets)
    assert temperature == pytest.approx(factor, rel=0.1)
    found = softmax(honest * factor, temperature)
    correct = np.argmax(found, axis=1) == targets
    assert expected_calibration_error(found.max(axis=1), correct) < 0.03


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(2, 10))
@settings(max_examples=30, deadline=None)
def test_no_other_temperature_has_less_cross_entropy(seed: int, classes: int, each: int) -> None:
    features, targets = clouds(classes, each, 5, seed, distance=0.5)
    scores = out_of_fold_scores(LdaHead(), features, targets, classes, lambda _: None)
    best = fit_temperature(scores, targets)
    wrong = 1 / (len(targets) + 2)
    wanted = np.full(scores.shape, wrong / (classes - 1))
    wanted[np.arange(len(targets)), targets] = 1 - wrong

    def entropy(temperature: float) -> float:
        return float(-np.sum(wanted * np.log(np.maximum(softmax(scores, temperature), 1e-300))))

    assert entropy(best) <= min(entropy(best * 1.1), entropy(best / 1.1)) + 1e-3  # the best may be no confidence at all


def test_a_few_pictures_all_answered_rightly_do_not_make_the_model_certain() -> None:
    scores = np.array([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 5.0]])
    targets = np.array([0, 0, 1, 1])
    confidence = softmax(scores, fit_temperature(scores, targets)).max(axis=1)
    assert (confidence < 0.9).all()
    assert (confidence > 0.7).all()


def test_scores_that_say_nothing_give_equal_confidences() -> None:
    scores = np.zeros((6, 3))
    found = softmax(scores, fit_temperature(scores, np.array([0, 1, 2, 0, 1, 2])))
    np.testing.assert_allclose(found, 1 / 3)


def test_softmax_survives_huge_scores() -> None:
    found = softmax(np.array([[1e300, 0.0], [-1e300, 0.0]]), 1.0)
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.0, 1.0]])
