"""What is kept of training pictures: the digest of their content, as a model's card has it, and their labels."""

import dataclasses
from pathlib import Path

import numpy as np

from engine.features import EmbeddedSet
from engine.learn.detection_metrics import TrueBoxes
from engine.trainingpictures import digest_of, read_taught, taught, write_training_pictures
from tests.judged import boxed


def pictures(*labels: str) -> EmbeddedSet:
    count = len(labels)
    names = tuple(f"{number}.jpg" for number in range(count))
    sha256 = tuple(f"{number:064x}" for number in range(count))
    pairs = tuple((label,) for label in labels)
    return EmbeddedSet(np.zeros((count, 2), np.float32), pairs, names, names, sha256, np.zeros((count, 4), np.uint64))


def test_the_digest_of_training_pictures_names_pictures_and_labels_and_not_where_they_lay() -> None:
    one = pictures("bolt", "nut")
    assert len(digest_of(one)) == 64
    assert digest_of(one) != digest_of(pictures("nut", "bolt"))
    assert digest_of(one) == digest_of(dataclasses.replace(one, names=("a", "b"), urls=("c", "d")))


def test_the_digest_of_pictures_with_boxes_names_where_the_boxes_are() -> None:
    one = TrueBoxes(np.array([[0.0, 0.0, 0.5, 0.5]]), ("nut",), np.zeros(1, np.bool_))
    other = dataclasses.replace(one, boxes=one.boxes / 2)
    assert digest_of(boxed([one])) == digest_of(dataclasses.replace(boxed([one]), names=("a",), urls=("c",)))
    assert digest_of(boxed([one])) != digest_of(boxed([other]))
    assert digest_of(boxed([one])) != digest_of(pictures("nut"))


def test_a_model_knows_how_many_pictures_each_label_had(tmp_path: Path) -> None:
    assert read_taught(tmp_path) is None
    write_training_pictures(tmp_path, pictures("nut", "bolt", "nut"))
    assert read_taught(tmp_path) == taught(pictures("nut", "bolt", "nut")) == {"bolt": 1, "nut": 2}
    (tmp_path / "training.json").write_text('{"labels": ')
    assert read_taught(tmp_path) is None
