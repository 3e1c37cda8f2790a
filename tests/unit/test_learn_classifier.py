import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.learn.classifier import Classifier, FittedClassifier, fit_classifier
from engine.learn.errors import ClassifierFileError, NotEnoughPicturesError
from engine.learn.rows import PIECE, ArrayRows
from engine.learn.views import Views
from tests.learn_support import FlatBackbone, clouds


def fit(
    features: NDArray[np.float32], targets: Sequence[int] | NDArray[np.intp], labels: Sequence[str]
) -> FittedClassifier:
    return fit_classifier(features, np.asarray(targets, np.intp), labels, backbone=FlatBackbone(features.shape[1]))


@pytest.fixture
def classifier() -> Classifier:
    features, targets = clouds(3, 5, 12, distance=6)
    return fit(features, targets, ("bolt", "nut", "Flügelmutter ⌀5")).classifier


def test_two_pictures_a_label_are_enough() -> None:
    features, targets = clouds(5, 2, 64, distance=8)
    fitted = fit(features, targets, "abcde")
    probabilities = fitted.classifier.predict(features)
    assert (np.argmax(probabilities, axis=1) == targets).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert fitted.cross_validated().accuracy_top1 == 1.0


def test_cross_validation_is_not_fooled_by_labels_that_mean_nothing() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(1, 2, (200, 300)).astype(np.float32)  # wide enough to be learnt by heart
    targets = rng.permutation(np.arange(200) % 4)
    fitted = fit(features, targets, "abcd")
    assert fitted.cross_validated().accuracy_top1 < 0.4
    fresh = fitted.classifier.predict(rng.uniform(1, 2, (100, 300)).astype(np.float32))
    assert fresh.max(axis=1).mean() < 0.5


def test_cross_validated_confidence_tells_the_accuracy_on_fresh_pictures() -> None:
    features, targets = clouds(4, 300, 6, distance=1.2)
    train, test = np.arange(1200) % 2 == 0, np.arange(1200) % 2 == 1
    fitted = fit(features[train], targets[train], "abcd")
    fresh = fitted.classifier.predict(features[test])
    accuracy = float(np.mean(np.argmax(fresh, axis=1) == targets[test]))
    assert 0.4 < accuracy < 0.97
    assert fresh.max(axis=1).mean() == pytest.approx(accuracy, abs=0.06)
    assert fitted.cross_validated().accuracy_top1 == pytest.approx(accuracy, abs=0.06)


def test_more_pictures_than_features_and_fewer_both_work() -> None:
    for each, width in ((60, 10), (4, 80)):
        features, targets = clouds(3, each, width, distance=8)
        assert fit(features, targets, "abc").cross_validated().accuracy_top1 > 0.9


@pytest.mark.parametrize(
    ("targets", "labels", "message"),
    [
        ([0, 0, 0, 0], ["bolt"], "there are 1 labels"),
        ([0, 0, 0, 1], ["bolt", "nut"], "label 'nut' has 1 of 2 pictures"),
        ([0, 0, 1, 1], ["bolt", "nut", "rod"], "label 'rod' has 0 of 2 pictures"),
    ],
)
def test_too_few_pictures_are_told_with_the_label(targets: list[int], labels: list[str], message: str) -> None:
    with pytest.raises(NotEnoughPicturesError, match=message):
        fit(np.ones((4, 3), np.float32), targets, labels)


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(spoiled: float) -> None:
    features, targets = clouds(2, 3, 4)
    features[1, 2] = spoiled
    with pytest.raises(ValueError, match="finite"):
        fit(features, targets, "ab")


def test_features_of_another_width_are_refused(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match=re.escape("takes (n, 12)")):
        classifier.predict(np.ones((1, 11), np.float32))


def test_progress_never_goes_back_within_a_step_and_ends_at_the_fit() -> None:
    told: list[tuple[str, float]] = []
    features, targets = clouds(2, 6, 4)
    fit_classifier(
        features,
        targets,
        "ab",
        backbone=FlatBackbone(4),
        on_progress=lambda step, share: told.append((step, share)),
    )
    assert told[-1] == ("fit", 1.0)
    for step in ("calibrate", "fit"):
        shares = [share for name, share in told if name == step]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_what_is_saved_comes_back_and_answers_the_same_to_the_bit(classifier: Classifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "model.npz")
    loaded = Classifier.load(tmp_path / "model.npz")
    features, _ = clouds(3, 4, 12, seed=9)
    assert loaded.predict(features).tobytes() == classifier.predict(features).tobytes()
    assert (loaded.labels, loaded.backbone_digest, loaded.head) == (classifier.labels, "d" * 64, "lda")


def test_equal_training_makes_equal_bytes_and_leaves_no_part_behind(tmp_path: Path) -> None:
    features, targets = clouds(3, 5, 12)
    for name in ("one", "other"):
        fit(features.copy(), targets.copy(), ("a", "b", "c")).classifier.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_saving_replaces_the_old_file(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")
    classifier.save(path)
    assert Classifier.load(path).labels == classifier.labels


def test_a_torn_file_is_refused_wherever_it_is_torn(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    classifier.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ClassifierFileError, match="train it again"):
            Classifier.load(path)


def test_a_flipped_byte_in_an_array_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    classifier.save(path)
    content = bytearray(path.read_bytes())
    place = content.index(classifier.rule.weights.tobytes())
    content[place + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ClassifierFileError, match="cannot be read"):
        Classifier.load(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClassifierFileError, match=re.escape("nowhere.npz")):
        Classifier.load(tmp_path / "nowhere.npz")


def test_a_single_array_is_no_classifier(tmp_path: Path) -> None:
    with (tmp_path / "model.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ClassifierFileError, match="cannot be read"):
        Classifier.load(tmp_path / "model.npz")


def test_a_pickled_array_is_never_unpacked(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, facts=np.array([{"schema": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ClassifierFileError, match="cannot be read"):
        Classifier.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 4}, "not of schema 3"),
        ({"labels": ["a", "a", "b"]}, "not distinct"),
        ({"labels": ["a"]}, "fewer than two"),
        ({"labels": ["a", "b"]}, "do not fit"),
        ({"labels": "abc"}, "not a list of names"),
        ({"labels": [1, 2, 3]}, "not a list of names"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"head": "forest"}, "unknown"),
        ({"backboneDigest": None}, "unknown"),
        ({"weights": np.zeros((3, 12))}, "do not fit"),
        ({"bias": np.zeros(2)}, "do not fit"),
        ({"bias": np.full(3, np.nan)}, "not finite"),
        ({"bias": np.zeros(3, np.float32)}, "not finite"),
        ({"means": np.zeros((3, 12))}, "not finite"),
        ({"means": np.zeros((3, 11), np.float32)}, "do not fit"),
        ({"distanceSpread": 0.0}, "distances"),
        ({"usualDistance": None}, "distances"),
    ],
)
def test_an_inconsistent_file_is_told(
    classifier: Classifier, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "model.npz"
    classifier.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    facts = json.loads(arrays["facts"].tobytes())
    for name, value in changes.items():
        (arrays if name in arrays else facts)[name] = value
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ClassifierFileError, match=message):
        Classifier.load(path)


def test_a_file_of_schema_2_is_still_read_and_answers_as_it_did(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"centre": rng.uniform(size=4), "weights": rng.normal(size=(4, 2)), "bias": rng.normal(size=2)}
    facts = {"schema": 2, "labels": ["a", "b"], "backboneDigest": "d" * 64, "head": "ridge"}
    facts |= {"calibration": "softmax", "temperature": 2.0}
    path = tmp_path / "model.npz"
    with path.open("wb") as file:
        np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
    features = rng.uniform(0, 1, (3, 4)).astype(np.float32)
    roots = np.sqrt(features / features.sum(axis=1, keepdims=True))
    moved = roots - arrays["centre"]
    scores = moved / np.linalg.norm(moved, axis=1, keepdims=True) @ arrays["weights"] + arrays["bias"]
    classifier = Classifier.load(path)
    expected = np.exp(scores / 2) / np.exp(scores / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict(features), expected, rtol=1e-5)
    assert classifier.unknown(features) is None


def test_a_picture_like_none_of_the_labels_is_told_from_those_that_are(tmp_path: Path) -> None:
    features, targets = clouds(3, 40, 60, distance=3)
    train = np.arange(120) % 2 == 0
    classifier = fit(features[train], targets[train], "abc").classifier
    classifier.save(tmp_path / "model.npz")
    classifier = Classifier.load(tmp_path / "model.npz")
    fresh, strange = classifier.unknown(features[~train]), classifier.unknown(clouds(3, 20, 60, seed=7, distance=3)[0])
    assert fresh is not None
    assert strange is not None
    assert np.mean(fresh) == pytest.approx(0.5, abs=0.1)
    assert np.mean(fresh > 0.95) < 0.12
    assert strange.min() > 0.99


def test_features_are_read_a_piece_at_a_time_with_the_same_result(tmp_path: Path) -> None:
    features, targets = clouds(2, PIECE, 5)
    one = fit_classifier(features, targets, "ab", backbone=FlatBackbone(5)).classifier
    other = fit_classifier(ArrayRows(features), targets, "ab", backbone=FlatBackbone(5)).classifier
    one.save(tmp_path / "one")
    other.save(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_views_count_as_support_and_not_as_pictures() -> None:
    features, targets = clouds(2, 3, 30)
    views = Views(clouds(2, 3, 30, seed=1)[0], np.arange(6))
    fitted = fit_classifier(features, targets, "ab", backbone=FlatBackbone(30), views=views)
    assert fitted.held_out.shape == (6, 2)


def test_views_are_learnt_from_only_where_they_help_with_pictures_that_were_left_out() -> None:
    def weights(views: Views | None) -> NDArray[np.float64]:
        fitted = fit_classifier(features, targets, "ab", backbone=FlatBackbone(30), views=views)
        return fitted.classifier.rule.weights

    features, targets = clouds(2, 6, 30, distance=0.7)
    alike = Views(clouds(2, 6, 30, distance=0.7)[0] + np.float32(0.01), np.arange(12))
    other_way_round = Views(features[::-1].copy(), np.arange(12))  # as if left and right told the labels apart
    assert (weights(other_way_round) == weights(None)).all()
    assert (weights(alike) != weights(None)).any()
