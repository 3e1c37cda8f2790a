"""Reading data sets over HTTP, as a job does: what is said of the ones that cannot be used."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.access import AllowedHosts
from engine.errors import JobError
from engine.features import EmbeddedSet
from engine.fetch import Fetcher
from engine.learn.backbone import load_backbone
from engine.limits import Role
from engine.messages import DatasetSource, Progress
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from engine.walk import FETCH_THREADS, MOST_AHEAD, MOST_TROUBLE
from tests.engine_support import COLOURS, Picture, PictureStore, draw_part

CLASSIFICATION, MULTILABEL, DETECTION = AnnotationKind
SAS = "sv=2026-01-01&sig=SECRET"


@pytest.fixture
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        yield pictures


class Job:
    """What a job process does with a data set, without the process; retries take no time."""

    def __init__(self, store: PictureStore, data: Path) -> None:
        self.progress: list[Progress] = []
        self._data = data
        self._fetcher = Fetcher(AllowedHosts.parse(store.host), sleep=lambda _: None)
        self._backbone = load_backbone(None)
        self._reader = DatasetReader(self._fetcher, self._backbone, data / "features", data, self.progress.append)

    def read(self, *uris: str, kind: AnnotationKind = CLASSIFICATION, role: Role = "training") -> EmbeddedSet:
        return self._reader.read(DatasetSource("parts", kind, uris, SAS), role)

    def failure(self, *uris: str, **arguments: Any) -> JobError:
        with pytest.raises(JobError) as caught:
            self.read(*uris, **arguments)
        return caught.value

    def close(self) -> None:
        self._fetcher.close()


@pytest.fixture
def job(store: PictureStore, tmp_path: Path) -> Iterator[Job]:
    job = Job(store, tmp_path)
    yield job
    job.close()


def parts(each: int = 2, *, size: tuple[int, int] = (80, 64)) -> list[Picture]:
    return [Picture(label, draw_part(label, number, size=size)) for number in range(each) for label in COLOURS]


def without_annotations(store: PictureStore, name: str, *image_ids: int, **changes: Any) -> str:
    """Puts a data set whose pictures of these ids have no annotation, and makes changes to the other annotations."""
    uri = store.put_dataset(name, parts())
    file = json.loads(store.files[f"{name}/coco.json"])
    file["annotations"] = [note | changes for note in file["annotations"] if note["image_id"] not in image_ids]
    return store.put(f"{name}/coco.json", json.dumps(file).encode()) or uri


def test_every_picture_that_cannot_be_used_is_named_in_the_order_of_the_file(store: PictureStore, job: Job) -> None:
    pictures = parts(3)
    spoilt = {
        1: {"content": b"a text named .jpg"},
        3: {"facts": {"sha256": "0" * 64}},
        4: {"content": draw_part("nut", 1, size=(9, 60))},
        6: {"facts": {"absolute_url": "http://elsewhere.example/a.jpg?sig=SECRET"}},
        7: {"facts": {"sha256": None, "etag": '"old"'}},
    }
    for number, change in spoilt.items():
        pictures[number] = dataclasses.replace(pictures[number], **change)
    uri = store.put_dataset("odd", pictures)
    del store.files["odd/1.jpg"]
    error = job.failure(uri)
    assert error.code == "datasetCorrupt"
    assert [(finding.code, finding.target) for finding in error.details] == [
        (code, f"{uri}: image {number} ('odd/{number}.jpg')")
        for number, code in [
            (1, "imageMissing"),
            (2, "imageInvalid"),
            (4, "imageChanged"),
            (5, "imageInvalid"),
            (7, "addressRefused"),
            (8, "imageChanged"),
        ]
    ]
    lines = error.message.splitlines()
    assert lines[0] == "Data set 'parts' cannot be used (6 findings):"
    assert "9 x 60 pixels" in lines[4]
    assert "ENGINE_ALLOWED_HOSTS" in lines[5]
    assert "SECRET" not in error.message
    assert job.progress[-1] == Progress("embed_training_pictures", 1.0, 9, 9)


def test_a_store_that_refuses_is_unknown_and_data_at_fault_beside_it_is_corrupt(store: PictureStore, job: Job) -> None:
    uri = store.put_dataset("closed", parts())
    store.troubles = {"closed/2.jpg": [403] * 9, "closed/5.jpg": [503] * 9}
    error = job.failure(uri)
    assert error.code == "unknown"
    assert [finding.code for finding in error.details] == ["forbidden", "unreachable"]
    uri = store.put_dataset("gone", parts(3))
    store.troubles = {"gone/8.jpg": [403] * 9}
    del store.files["gone/9.jpg"]
    error = job.failure(uri)
    assert error.code == "datasetCorrupt"
    assert [finding.code for finding in error.details] == ["forbidden", "imageMissing"]


def test_a_store_that_hands_nothing_out_is_given_up_after_a_bounded_number_of_tries(
    store: PictureStore, job: Job
) -> None:
    uri = store.put_dataset("down", parts(100))
    for number in range(4, 301):
        store.troubles[f"down/{number}.jpg"] = [403] * 9
    error = job.failure(uri)
    lines = error.message.splitlines()
    left = 300 - 3 - MOST_TROUBLE
    assert error.code == "unknown"
    assert lines[-1] == f"The store handed out none of 32 pictures in a row; the other {left} were not tried."
    assert lines[-2] == "And 12 more: 12 forbidden."
    assert len(store.requests) <= 1 + 3 + MOST_TROUBLE + MOST_AHEAD + FETCH_THREADS


def test_pictures_that_are_handed_out_in_between_keep_the_walk_going(store: PictureStore, job: Job) -> None:
    uri = store.put_dataset("flaky", parts(15))
    for number in {*range(1, 46)} - {20}:
        store.troubles[f"flaky/{number}.jpg"] = [403] * 9
    assert "44 findings" in job.failure(uri).message


def test_every_annotation_file_that_cannot_be_read_is_named(store: PictureStore, job: Job) -> None:
    good, torn, gone = store.put_dataset("good", parts()), store.put("torn.json", b"{"), store.url("gone.json")
    error = job.failure(good, gone, torn, "http://elsewhere.example/a.json?sig=SECRET")
    assert error.code == "datasetCorrupt"
    assert [(finding.code, finding.target) for finding in error.details] == [
        ("annotationFileUnreadable", gone),
        ("annotationFileInvalid", torn),
        ("addressRefused", "http://elsewhere.example/a.json"),
    ]
    assert "SECRET" not in error.message
    assert "good/1.jpg" not in store.paths_asked()


@pytest.mark.parametrize(("status", "code"), [(403, "forbidden"), (503, "unreachable")])
def test_an_annotation_file_that_the_store_does_not_hand_out_is_unknown(
    store: PictureStore, job: Job, status: int, code: str
) -> None:
    store.troubles["a.json"] = [status] * 9
    error = job.failure(store.url("a.json"))
    assert (error.code, error.details[0].code) == ("unknown", code)


def test_every_label_with_too_few_pictures_is_named_before_any_picture_is_fetched(
    store: PictureStore, job: Job
) -> None:
    error = job.failure(store.put_dataset("few", [*parts()[:4], Picture("bolt", draw_part("bolt", 9))]))
    assert error.code == "datasetCorrupt"
    assert [finding.target for finding in error.details] == [
        f"data set 'parts': label '{x}'" for x in ("nut", "washer")
    ]
    assert "has 1 of 2 pictures" in error.details[0].message
    assert store.paths_asked() == ["few/coco.json"]


def test_training_needs_two_labels_and_a_test_one(store: PictureStore, job: Job) -> None:
    uri = store.put_dataset("one", [Picture("nut", draw_part("nut", number)) for number in range(2)])
    (finding,) = job.failure(uri).details
    assert (finding.code, "has 1 label ('nut')" in finding.message) == ("tooFew", True)
    assert job.read(uri, role="test").labels == (("nut",), ("nut",))
    for kind in AnnotationKind:
        (finding,) = job.failure(store.put_dataset("none", []), kind=kind, role="test").details
        assert (finding.code, finding.message) == ("datasetEmpty", "has no annotated picture. Add some.")


def test_a_small_picture_can_be_trained_on_but_not_tested_with_though_its_features_are_known(
    store: PictureStore, job: Job
) -> None:
    uri = store.put_dataset("small", parts(size=(40, 60)))
    assert len(job.read(uri).labels) == 6
    error = job.failure(uri, role="test")
    assert len(error.details) == 6
    assert "40 x 60 pixels; 50 to 16000" in error.details[0].message


def test_the_rows_of_several_files_are_ordered_by_content_alone(store: PictureStore, job: Job) -> None:
    pictures = parts(2)
    first, second = store.put_dataset("a", pictures[:4]), store.put_dataset("b", pictures[4:])
    forward, backward = job.read(first, second), job.read(second, first)
    assert forward.sha256 == tuple(sorted(forward.sha256))
    assert (forward.labels, forward.names, forward.urls) == (backward.labels, backward.names, backward.urls)
    assert np.array_equal(forward.features, backward.features)
    assert np.array_equal(forward.looks, backward.looks)
    assert forward.features.shape[0] == forward.looks.shape[0] == 6
    assert np.ptp(forward.features, axis=0).any()


def test_features_stay_with_their_pictures_when_rows_are_ordered(store: PictureStore, job: Job) -> None:
    one_by_one = {}
    for number, picture in enumerate(parts(2)):
        single = job.read(store.put_dataset(f"s{number}", [picture]), role="test")
        one_by_one[single.sha256[0]] = (single.labels[0], single.features[0], single.looks[0], single.traits)
    together = job.read(store.put_dataset("t", parts(2)))
    for row, sha256 in enumerate(together.sha256):
        labels, features, look, traits = one_by_one[sha256]
        assert together.labels[row] == labels
        assert np.array_equal(together.features[row], features)
        assert np.array_equal(together.looks[row], look)
        assert traits is not None
        assert together.traits is not None
        assert np.array_equal(together.traits[row], traits[0])


def test_multilabel_pictures_without_annotation_are_negatives(store: PictureStore, job: Job) -> None:
    pictures = job.read(without_annotations(store, "negative", 3), kind=MULTILABEL, role="test")
    assert sorted(pictures.labels) == [(), ("bolt",), ("bolt",), ("nut",), ("nut",), ("washer",)]
