"""Mirror images of few pictures, from the data set to what a head learns from."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.access import AllowedHosts
from engine.features import EmbeddedSet
from engine.fetch import Fetcher
from engine.images import TRAINING, decode_picture
from engine.learn.backbone import load_backbone
from engine.learn.views import FEW
from engine.limits import Role
from engine.messages import DatasetSource, Progress
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from tests.engine_support import PictureStore
from tests.learn_support import write_network


class Job:
    """Reads data sets of a store as a job does."""

    def __init__(self, store: PictureStore, folder: Path) -> None:
        self.store = store
        self.made: dict[str, int] = {}
        self.backbone = load_backbone(write_network(folder / "backbone"))
        self.fetcher = Fetcher(AllowedHosts.parse(store.host))
        self._reader = DatasetReader(self.fetcher, self.backbone, folder / "features", folder, self._note)

    def read(self, each: int, role: Role = "training") -> EmbeddedSet:
        self.made.clear()
        uri = self.store.put_parts("parts", each=each)
        return self._reader.read(DatasetSource("parts", AnnotationKind.CLASSIFICATION, (uri,), None), role)

    def _note(self, progress: Progress) -> None:
        self.made[progress.stage] = progress.made


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with PictureStore() as store:
        job = Job(store, tmp_path)
        yield job
        job.fetcher.close()


def test_few_pictures_are_learnt_from_with_their_mirror_images(job: Job) -> None:
    training = job.read(each=2)
    assert training.views is not None
    assert training.views.pictures.tolist() == list(range(len(training.labels)))
    for number, name in enumerate(training.names):
        picture = decode_picture(job.store.files[f"parts/{name.removeprefix('parts/')}"], TRAINING)
        mirrored = job.backbone.embed(np.ascontiguousarray(picture.pixels[:, ::-1]))
        np.testing.assert_array_equal(training.views.features[number], mirrored)


def test_only_the_views_of_new_pictures_are_made(job: Job) -> None:
    first = job.read(each=2)
    more = job.read(each=3)
    new = len(more.labels) - len(first.labels)
    assert (job.made["embed_training_pictures"], job.made["embed_training_views"]) == (new, new)


def test_pictures_to_test_with_and_those_of_labels_with_many_have_no_views(job: Job) -> None:
    assert job.read(each=2, role="test").views is None
    assert job.read(each=FEW + 1).views is None
    assert "embed_training_views" not in job.made
