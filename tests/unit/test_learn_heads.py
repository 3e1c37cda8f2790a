import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.learn.folds import stratified_folds
from engine.learn.heads import HEADS, LdaHead, LinearRule, cross_fit
from engine.learn.rows import PIECE, ArrayRows
from engine.learn.support import Support, rooted
from engine.learn.views import Views
from tests.learn_support import clouds


def out_of_fold(features: np.ndarray, targets: np.ndarray, views: Views | None = None) -> np.ndarray:
    support = Support(features, targets, int(targets.max()) + 1, views)
    return cross_fit(LdaHead(), support, stratified_folds(targets)).scores


def without_common_part(scores: np.ndarray) -> np.ndarray:
    """Scores say which label is likelier; what is the same for all of a picture's labels says nothing."""
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("name", sorted(HEADS))
@pytest.mark.parametrize(("each", "width"), [(2, 40), (30, 8)])
def test_a_head_tells_distant_clouds_apart(name: str, each: int, width: int) -> None:
    features, targets = clouds(4, each, width, distance=8)
    rule = cross_fit(HEADS[name], Support(features, targets, 4), stratified_folds(targets)).rule
    assert (np.argmax(rule.scores(features), axis=1) == targets).all()


@pytest.mark.parametrize(("each", "width"), [(9, 40), (30, 8)])
def test_the_same_pictures_give_the_same_rule_to_the_bit(each: int, width: int) -> None:
    features, targets = clouds(3, each, width)
    one, other = (LdaHead().fit(features.copy(), targets, 3) for _ in range(2))
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()


def textbook_lda(features: np.ndarray, targets: np.ndarray, shrinkage: float) -> np.ndarray:
    rows = rooted(features).astype(np.float64)
    classes = int(targets.max()) + 1
    means = np.stack([rows[targets == number].mean(axis=0) for number in range(classes)])
    within = rows - means[targets]
    covariance = within.T @ within / (len(rows) - classes)
    sphere = np.trace(covariance) / rows.shape[1] * np.eye(rows.shape[1])
    inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * sphere)
    return rows @ inverse @ means.T - 0.5 * np.sum(means @ inverse * means, axis=1)


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 12), st.integers(3, 30))
@settings(max_examples=40, deadline=None)
def test_lda_is_the_textbooks_in_few_coordinates_and_in_all(seed: int, classes: int, each: int, width: int) -> None:
    features, targets = clouds(classes, each, width, seed)
    expected = without_common_part(textbook_lda(features, targets, 0.2))
    found = without_common_part(LdaHead(0.2).fit(features, targets, classes).scores(features))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize(("each", "width"), [(4, 60), (20, 6)])
def test_what_is_said_of_a_picture_is_what_a_rule_says_that_was_fitted_without_it(each: int, width: int) -> None:
    features, targets = clouds(2, each, width, distance=1)
    found, folds = out_of_fold(features, targets), stratified_folds(targets)
    for fold in np.unique(folds):
        rest, mine = folds != fold, folds == fold
        if len(np.unique(np.bincount(targets[rest]))) > 1:
            continue  # of labels with different numbers of pictures the bias is another; see below
        expected = LdaHead().fit(features[rest], targets[rest], 2).scores(features[mine])
        np.testing.assert_allclose(
            without_common_part(found[mine]),
            without_common_part(expected),
            rtol=1e-3,
            atol=1e-3 * np.abs(expected).max(),
        )


def test_views_of_a_picture_are_left_out_with_it() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(1, 2, (40, 200)).astype(np.float32)  # wide enough to be learnt by heart
    targets = np.arange(40) % 2
    scores = out_of_fold(features, targets, Views(features.copy(), np.arange(40)))
    assert (np.argmax(scores, axis=1) == targets).mean() < 0.75


def test_views_are_learnt_from() -> None:
    features, targets = clouds(2, 2, 40)
    views = Views(clouds(2, 2, 40, seed=1)[0], np.arange(4))
    plain, more = (cross_fit(LdaHead(), Support(features, targets, 2, v), np.arange(4)).rule for v in (None, views))
    assert np.abs(plain.weights - more.weights).max() > 1e-3 * np.abs(plain.weights).max()


def test_lda_with_one_picture_a_label_is_nearest_mean() -> None:
    features, targets = clouds(3, 1, 10)
    rule = LdaHead().fit(features, targets, 3)
    assert (np.argmax(rule.scores(features), axis=1) == targets).all()
    assert np.isfinite(rule.weights).all()


@pytest.mark.parametrize(("width", "distance"), [(30, 0.4), (200, 0.2)])
def test_a_label_with_3_pictures_is_found_as_often_as_one_with_300(width: int, distance: float) -> None:
    found = []
    for seed in range(12):
        features, targets = clouds(2, 350, width, seed, distance)
        train, fresh = np.r_[0:300, 350:353], np.r_[300:350, 650:700]
        rule = LdaHead().fit(features[train], targets[train], 2)
        right = np.argmax(rule.scores(features[fresh]), axis=1) == targets[fresh]
        found.append((right[:50].mean(), right[50:].mean()))
    many, few = np.mean(found, axis=0)
    assert abs(few - many) < 0.25
    assert (few + many) / 2 > 0.6


def test_two_pictures_a_label_are_answered_about_as_well_when_left_out_as_fresh_ones() -> None:
    lefts, fresh = [], []
    for seed in range(20):
        features, targets = clouds(4, 22, 60, seed, distance=0.5)
        train = np.arange(88) % 22 < 2
        rule = LdaHead().fit(features[train], targets[train], 4)
        lefts.append(np.mean(np.argmax(out_of_fold(features[train], targets[train]), axis=1) == targets[train]))
        fresh.append(np.mean(np.argmax(rule.scores(features[~train]), axis=1) == targets[~train]))
    assert np.mean(fresh) > 0.4
    assert np.mean(lefts) == pytest.approx(np.mean(fresh), abs=0.1)


def test_empty_and_equal_features_do_not_break_a_head() -> None:
    features = np.zeros((6, 5), np.float32)
    features[3:, 0] = 1.0
    rule = LdaHead().fit(features, np.array([0, 0, 0, 1, 1, 1]), 2)
    assert np.isfinite(rule.scores(features)).all()


@pytest.mark.parametrize("apart", [0.0, 1e-8, 1e-6, 1e-4])
def test_many_pictures_that_are_all_but_equal_within_each_label_are_told_apart(apart: float) -> None:
    rng = np.random.default_rng(0)
    means, targets = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.1]]), np.arange(3000) % 2
    features = (means[targets] + apart * rng.normal(size=(3000, 3))).astype(np.float32)
    rule = LdaHead().fit(features, targets, 2)
    assert (np.argmax(rule.scores(features), axis=1) == targets).all()


@pytest.mark.parametrize(("each", "width"), [(9, 40), (2 * PIECE, 8)])
def test_however_many_threads_there_are_the_rule_is_the_same_to_the_bit(
    each: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, targets = clouds(2, each, width)
    rules = []
    for cpus in (1, 2, 5):
        monkeypatch.setattr("os.process_cpu_count", lambda count=cpus: count)
        rules.append(LdaHead().fit(features, targets, 2))
    assert len({rule.weights.tobytes() + rule.bias.tobytes() for rule in rules}) == 1


def test_the_root_keeps_the_sign_and_gives_length_one() -> None:
    rows = rooted(np.array([[4.0, -9.0, 0.0]], np.float32))
    np.testing.assert_allclose(rows, np.array([[2.0, -3.0, 0.0]]) / np.sqrt(13), rtol=1e-6)


def test_rows_that_are_read_in_pieces_give_the_rule_of_an_array() -> None:
    features, targets = clouds(2, PIECE + 3, 6)
    of_array = LdaHead().fit(features, targets, 2)
    of_rows = LdaHead().fit(ArrayRows(features), targets, 2)
    assert of_array.weights.tobytes() == of_rows.weights.tobytes()
    assert of_rows.scores(ArrayRows(features)).shape == (len(features), 2)


def test_sums_of_the_folds_are_those_of_all_pictures() -> None:
    features, targets = clouds(2, PIECE, 4)
    support = Support(features, targets, 2)
    whole = support.moments(np.zeros(len(targets), np.intp))[0][0]
    one, other = support.moments(np.arange(len(targets)) % 2)[0]
    np.testing.assert_allclose((one + other).scatter, whole.scatter, rtol=1e-5)
    np.testing.assert_allclose((whole - other).sums, one.sums, rtol=1e-4, atol=1e-3)
    assert (one + other).pictures.tolist() == [PIECE, PIECE]


def test_a_rule_of_an_older_file_still_moves_rows_to_its_centre() -> None:
    features, _ = clouds(2, 3, 4)
    rng = np.random.default_rng(0)
    weights, bias, centre = rng.normal(size=(4, 2)), rng.normal(size=2), rng.uniform(size=4)
    moved = rooted(features) - centre
    expected = moved / np.linalg.norm(moved, axis=1, keepdims=True) @ weights + bias
    np.testing.assert_allclose(LinearRule(weights, bias, centre).scores(features), expected, rtol=1e-5, atol=1e-5)
