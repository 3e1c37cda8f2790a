import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.learn import heads
from engine.learn.heads import HEADS, LdaHead, RidgeHead, rooted
from tests.learn_support import clouds


@pytest.mark.parametrize("name", sorted(HEADS))
@pytest.mark.parametrize(("each", "width"), [(2, 40), (30, 8)])
def test_a_head_tells_distant_clouds_apart(name: str, each: int, width: int) -> None:
    features, targets = clouds(4, each, width, distance=8)
    rule = HEADS[name].fit(features, targets, 4)
    assert (np.argmax(rule.scores(features), axis=1) == targets).all()


@pytest.mark.parametrize("name", sorted(HEADS))
def test_the_same_pictures_give_the_same_rule_to_the_bit(name: str) -> None:
    features, targets = clouds(3, 9, 20)
    one, other = (HEADS[name].fit(features.copy(), targets, 3) for _ in range(2))
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()


def textbook_lda(features: np.ndarray, targets: np.ndarray, shrinkage: float) -> np.ndarray:
    rows = rooted(features).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    classes = int(targets.max()) + 1
    means = np.stack([rows[targets == number].mean(axis=0) for number in range(classes)])
    within = rows - means[targets]
    covariance = within.T @ within / (len(rows) - classes)
    sphere = np.trace(covariance) / rows.shape[1] * np.eye(rows.shape[1])
    inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * sphere)
    return rows @ inverse @ means.T - 0.5 * np.sum(means @ inverse * means, axis=1)


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 12), st.integers(3, 30))
@settings(max_examples=40, deadline=None)
def test_lda_is_the_textbooks_through_either_matrix(seed: int, classes: int, each: int, width: int) -> None:
    features, targets = clouds(classes, each, width, seed)
    expected = textbook_lda(features, targets, 0.2)
    found = LdaHead(0.2).fit(features, targets, classes).scores(features)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_lda_with_one_picture_a_label_is_nearest_mean() -> None:
    features, targets = clouds(3, 1, 10)
    rule = LdaHead().fit(features, targets, 3)
    assert (np.argmax(rule.scores(features), axis=1) == targets).all()
    assert np.isfinite(rule.weights).all()


def test_lda_does_not_prefer_the_label_with_more_pictures() -> None:
    features, targets = clouds(2, 40, 6, distance=8)
    kept = np.r_[0:40, 40:44]
    rule = LdaHead().fit(features[kept], targets[kept], 2)
    assert (np.argmax(rule.scores(features), axis=1) == targets).mean() > 0.95


@pytest.mark.parametrize(("count", "width"), [(12, 5), (8, 30)])
@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_the_leave_one_out_error_is_that_of_leaving_one_out(count: int, width: int, penalty: float) -> None:
    rng = np.random.default_rng(count)
    rows = rng.normal(size=(count, width))
    wanted = rng.normal(size=(count, 2))
    errors = []
    for number in range(count):
        kept = np.arange(count) != number
        centre, middle = rows[kept].mean(axis=0), wanted[kept].mean(axis=0)
        near = rows[kept] - centre
        weights = np.linalg.solve(near.T @ near + penalty * np.eye(width), near.T @ (wanted[kept] - middle))
        errors.append(wanted[number] - middle - (rows[number] - centre) @ weights)
    rows, wanted = rows - rows.mean(axis=0), wanted - wanted.mean(axis=0)
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    kept_directions = singular > 1e-9
    left, values = left[:, kept_directions], singular[kept_directions] ** 2
    found = heads._leave_one_out_error(left, values, left.T @ wanted, wanted, penalty)
    assert found == pytest.approx(float(np.mean(np.square(errors))))


def test_ridge_is_the_same_through_pictures_and_through_features() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 19))
    rows -= rows.mean(axis=0)
    wanted = rng.normal(size=(20, 3))
    wanted -= wanted.mean(axis=0)
    wider = np.hstack([rows, np.zeros((20, 5))])  # five empty features make it go through the pictures
    np.testing.assert_allclose(heads._ridge(wider, wanted)[:19], heads._ridge(rows, wanted), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("head", [LdaHead(), RidgeHead()], ids=lambda head: head.name)
def test_empty_and_equal_features_do_not_break_a_head(head: heads.Head) -> None:
    features = np.zeros((6, 5), np.float32)
    features[3:, 0] = 1.0
    rule = head.fit(features, np.array([0, 0, 0, 1, 1, 1]), 2)
    assert np.isfinite(rule.scores(features)).all()


def test_the_root_keeps_the_sign_and_gives_length_one() -> None:
    rows = rooted(np.array([[4.0, -9.0, 0.0]], np.float32))
    np.testing.assert_allclose(rows, np.array([[2.0, -3.0, 0.0]]) / np.sqrt(13), rtol=1e-6)


def test_pieces_of_many_pictures_add_up_to_the_whole() -> None:
    rows = np.random.default_rng(0).normal(size=(2 * heads.PIECE + 3, 4)).astype(np.float32)
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(heads.gram(rows), wide.T @ wide)
