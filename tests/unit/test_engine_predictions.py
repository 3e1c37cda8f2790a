"""Predictions, training pictures and lines as they lie on disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.learn.detection_metrics import FoundBoxes, TrueBoxes
from engine.learn.near_duplicates import Fingerprints
from engine.lines import read_lines, write_lines
from engine.objects import MOST_OBJECTS
from engine.predictions import TAGS_AT_ONCE, read_predictions, write_box_predictions, write_predictions
from engine.trainingpictures import fingerprints_of, read_fingerprints, read_training_names, write_training_pictures
from tests.judged import boxed, embedded

LABELS = ("bolt", "nut")
BOXED_PICTURES = TAGS_AT_ONCE // MOST_OBJECTS


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=12), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_run_of_lines_is_read_as_it_was_written(tmp_path: Path, lines: list[bytes], data: st.DataObject) -> None:
    path = tmp_path / "some.jsonl"
    write_lines(path, lines)
    first, count = data.draw(st.integers(0, 14)), data.draw(st.integers(1, 14))
    assert read_lines(path, first, count) == lines[first : first + count]


def test_lines_that_do_not_fit_their_starts_are_told(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    write_lines(path, [b"one", b"two"])
    path.write_bytes(b"one")
    with pytest.raises(ValueError, match=r"some\.jsonl"):
        read_lines(path, 0, 2)


def test_a_page_has_the_pictures_asked_for_with_all_labels_most_confident_first(tmp_path: Path) -> None:
    confidences = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    write_predictions(tmp_path, LABELS, confidences, embedded([("bolt",), ("nut",), ("rod",)]), multilabel=False)
    values, more = read_predictions(tmp_path, 0, 2)
    assert more
    assert values[0] == {
        "image": "p0.jpg",
        "url": "http://store.local/p0.jpg",
        "truth": "bolt",
        "predicted": [{"name": "nut", "confidence": 0.75}, {"name": "bolt", "confidence": 0.25}],
    }
    assert [tag["name"] for tag in values[1]["predicted"]] == ["bolt", "nut"]  # of equals, the first by name
    last, more = read_predictions(tmp_path, 2, 2)
    assert (len(last), more) == (1, False)
    assert read_predictions(tmp_path, 3, 2) == ([], False)


def test_the_truth_of_a_multi_label_picture_is_a_list(tmp_path: Path) -> None:
    write_predictions(tmp_path, LABELS, np.zeros((2, 2)), embedded([(), ("bolt", "nut")]), multilabel=True)
    values, _ = read_predictions(tmp_path, 0, 10)
    assert [value["truth"] for value in values] == [[], ["bolt", "nut"]]


def test_of_many_labels_a_page_is_shorter_and_the_next_begins_where_it_ends(tmp_path: Path) -> None:
    labels = tuple(f"l{number}" for number in range(TAGS_AT_ONCE // 3))
    confidences = np.zeros((5, len(labels)))
    write_predictions(tmp_path, labels, confidences, embedded([("l0",)] * 5), multilabel=False)
    values, more = read_predictions(tmp_path, 0, 1000)
    assert (len(values), more) == (3, True)
    values, more = read_predictions(tmp_path, 3, 1000)
    assert ([value["image"] for value in values], more) == (["p3.jpg", "p4.jpg"], False)


def test_boxes_are_kept_in_pixels_and_a_page_of_them_has_fewer_pictures(tmp_path: Path) -> None:
    nothing = np.zeros(0, dtype=np.bool_)
    truth = [TrueBoxes(np.array([[0.1, 0.2, 0.3, 0.4]]), ("nut",), np.zeros(1, dtype=np.bool_))]
    truth += [TrueBoxes(np.empty((0, 4)), (), nothing)] * (BOXED_PICTURES + 4)
    found = [FoundBoxes(np.array([[0.5, 0.0, 0.5, 1.0]]), ("bolt",), np.array([0.75]))]
    found += [FoundBoxes(np.empty((0, 4)), (), np.empty(0))] * (BOXED_PICTURES + 4)
    write_box_predictions(tmp_path, LABELS, found, boxed(truth))
    values, more = read_predictions(tmp_path, 0, 1000)
    assert (len(values), more) == (BOXED_PICTURES, True)
    assert values[0] == {
        "image": "p0.jpg",
        "url": "http://store.local/p0.jpg",
        "truth": [{"name": "nut", "boundingBox": {"x": 20, "y": 20, "w": 60, "h": 40}}],
        "predicted": [{"name": "bolt", "confidence": 0.75, "boundingBox": {"x": 100, "y": 0, "w": 100, "h": 100}}],
    }
    assert (values[1]["truth"], values[1]["predicted"]) == ([], [])
    rest, more = read_predictions(tmp_path, BOXED_PICTURES, 1000)
    assert (len(rest), more) == (5, False)
    assert read_predictions(tmp_path, BOXED_PICTURES + 5, 10) == ([], False)


@pytest.mark.parametrize("name", ["confidences.npy", "pictures.npy", "pictures.jsonl", "predictions.json"])
@pytest.mark.parametrize("how", ["missing", "torn"])
def test_torn_or_missing_predictions_raise_what_the_answer_expects(tmp_path: Path, name: str, how: str) -> None:
    write_predictions(tmp_path, LABELS, np.zeros((2, 2)), embedded([("bolt",), ("nut",)]), multilabel=False)
    if how == "missing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:3])
    with pytest.raises((OSError, ValueError, EOFError)):
        read_predictions(tmp_path, 0, 10)


def test_training_pictures_come_back_and_equal_ones_make_equal_bytes(tmp_path: Path) -> None:
    pictures = embedded([("bolt",)] * 5)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_training_pictures(tmp_path / name, pictures)
    found, expected = read_fingerprints(tmp_path / "one"), fingerprints_of(pictures)
    assert found is not None
    assert np.array_equal(found.sha256, expected.sha256)
    assert np.array_equal(found.looks, expected.looks)
    assert bytes(found.sha256[2]).hex() == pictures.sha256[2]
    assert read_training_names(tmp_path / "one", [4, 0]) == ["p4.jpg", "p0.jpg"]
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_a_model_without_usable_fingerprints_has_none(tmp_path: Path) -> None:
    assert read_fingerprints(tmp_path) is None
    (tmp_path / "training.npz").write_bytes(b"PK torn")
    assert read_fingerprints(tmp_path) is None
    for prints in (
        Fingerprints(np.zeros((2, 32), np.uint8), np.zeros((3, 4), np.uint64)),
        Fingerprints(np.zeros((0, 32), np.uint8), np.zeros((0, 4), np.uint64)),
    ):
        np.savez(tmp_path / "training.npz", allow_pickle=False, sha256=prints.sha256, looks=prints.looks)
        assert read_fingerprints(tmp_path) is None
