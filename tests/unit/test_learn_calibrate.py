import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.learn.calibrate import LOG_SPREAD, USUAL, WRONG, fit_temperature, softmax
from engine.learn.folds import MANY, VERY_MANY, stratified_folds
from engine.learn.heads import LdaHead, cross_fit
from engine.learn.metrics import expected_calibration_error
from engine.learn.support import Support
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
    assert len(np.unique(stratified_folds(np.arange(VERY_MANY + 2) % 2))) == 3


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
def test_no_other_temperature_is_likelier(seed: int, classes: int, each: int) -> None:
    features, targets = clouds(classes, each, 5, seed, distance=0.5)
    scores = cross_fit(LdaHead(), Support(features, targets, classes), stratified_folds(targets)).scores
    best, spread = fit_temperature(scores, targets), np.std(scores - scores.mean(axis=1, keepdims=True))
    wrong = WRONG / (len(targets) + 2 * WRONG)
    wanted = np.full(scores.shape, wrong / (classes - 1))
    wanted[np.arange(len(targets)), targets] = 1 - wrong

    def unlikelihood(temperature: float) -> float:
        entropy = -np.sum(wanted * np.log(np.maximum(softmax(scores, temperature), 1e-300)))
        return float(entropy + 0.5 * (np.log(temperature / spread / USUAL) / LOG_SPREAD) ** 2)

    assert unlikelihood(best) <= min(unlikelihood(best * 1.1), unlikelihood(best / 1.1))


def test_pictures_that_are_all_answered_rightly_make_the_model_the_surer_the_more_they_are() -> None:
    some = np.array([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 5.0]])
    targets = np.array([0, 0, 1, 1])

    def doubt(times: int) -> float:
        scores = np.tile(some, (times, 1))
        return 1.0 - float(softmax(scores, fit_temperature(scores, np.tile(targets, times))).max())

    assert 1e-3 < doubt(1) < 0.1
    assert doubt(100) < doubt(10) < doubt(1)


def test_pictures_that_are_answered_wrongly_outweigh_what_is_usual() -> None:
    scores = np.array([[5.0, 0.0], [0.0, 5.0]] * 100)
    right = np.arange(200) % 2
    answers = np.where(np.arange(200) < 80, 1 - right, right)
    found = softmax(scores, fit_temperature(scores, answers)).max(axis=1)
    assert found.max() == pytest.approx(0.6, abs=0.05)


def test_scores_that_say_nothing_give_equal_confidences() -> None:
    scores = np.zeros((6, 3))
    found = softmax(scores, fit_temperature(scores, np.array([0, 1, 2, 0, 1, 2])))
    np.testing.assert_allclose(found, 1 / 3)


def test_softmax_survives_huge_scores() -> None:
    found = softmax(np.array([[1e300, 0.0], [-1e300, 0.0]]), 1.0)
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.0, 1.0]])
