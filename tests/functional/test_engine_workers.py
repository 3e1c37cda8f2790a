"""Who makes features does not matter: threads of the job, worker processes, more or fewer, in any order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.access import Access, AllowedHosts
from engine.errors import JobError
from engine.executor import Threads
from engine.extractors import EmbeddingExtractor
from engine.featurecache import FeatureCache
from engine.features import EmbeddedSet
from engine.fetch import Fetcher
from engine.images import TRAINING
from engine.learn.backbone import load_backbone
from engine.learn.classifier import fit_classifier
from engine.messages import DatasetSource, Progress
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from engine.walk import MOST_TROUBLE, Address, PictureReader
from engine.worker import Setup
from engine.workers import Spread, Workers
from tests.engine_support import COLOURS, Picture, PictureStore, draw_part
from tests.learn_support import write_network
from tests.waiting import wait_until

SAS = "sv=2026-01-01&sig=SECRET"


@pytest.fixture(scope="module")
def backbone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("averages"))


@pytest.fixture(scope="module")
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        yield pictures


@pytest.fixture(scope="module")
def spread(store: PictureStore, backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Job]":
    with Job(store, tmp_path_factory.mktemp("spread") / "data", backbone_folder, workers=2) as job:
        yield job


@pytest.fixture
def alone(store: PictureStore, backbone_folder: Path, tmp_path: Path) -> "Iterator[Job]":
    with Job(store, tmp_path / "data", backbone_folder, workers=None) as job:
        yield job


def parts(each: int, *, first_seed: int = 0) -> list[Picture]:
    return [Picture(label, draw_part(label, first_seed + number)) for number in range(each) for label in COLOURS]


class Job:
    """What a job does with a data set, in a data folder of its own."""

    def __init__(
        self, store: PictureStore, data: Path, backbone: Path, workers: int | None, *, worth_it: int = 1
    ) -> None:
        data.mkdir()
        self.progress: list[Progress] = []
        self.backbone = load_backbone(backbone)
        self._fetcher = Fetcher(AllowedHosts.parse(store.host), sleep=lambda _: None)
        setup = Setup((str(backbone),), str(data / "features"), str(data), store.host, "")
        self.workers = Workers(setup, count=workers, worth_it=worth_it) if workers else None
        self.reader = DatasetReader(
            self._fetcher, self.backbone, data / "features", data, self.progress.append, self.workers
        )

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        if self.workers is not None:
            self.workers.__exit__()
        self._fetcher.close()

    def read(self, uri: str, sas: str | None = None) -> EmbeddedSet:
        return self.reader.read(DatasetSource("parts", AnnotationKind.CLASSIFICATION, (uri,), sas), "training")

    def failure(self, uri: str) -> str:
        with pytest.raises(JobError) as caught:
            self.read(uri)
        return caught.value.message

    def model(self, uri: str, path: Path) -> bytes:
        pictures = self.read(uri)
        labels = sorted(COLOURS)
        targets = np.array([labels.index(label) for (label,) in pictures.labels])
        fit_classifier(pictures.features, targets, labels, backbone=self.backbone).classifier.save(path)
        return path.read_bytes()


def worker_processes() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        try:
            found += [process] if "engine.worker" in process.cmdline() else []
        except psutil.NoSuchProcess:
            continue
    return found


def test_threads_and_workers_in_any_order_make_the_same_model(
    store: PictureStore, alone: Job, spread: Job, tmp_path: Path
) -> None:
    pictures, models = parts(24), []
    for number, job in enumerate((alone, spread)):
        uri = store.put_dataset(f"order{number}", pictures[::-1] if number else pictures)
        models.append(job.model(uri, tmp_path / f"{number}.npz"))
        assert job.progress[-1] == Progress("embed_training_pictures", 1.0, 72, 72)
    assert worker_processes()
    assert models[0] == models[1]


def test_a_picture_that_cannot_be_used_is_named_the_same_by_workers(
    store: PictureStore, alone: Job, spread: Job
) -> None:
    pictures = parts(6, first_seed=100)
    pictures[3] = Picture("bolt", b"a text named .jpg")
    uri = store.put_dataset("spoilt", pictures)
    del store.files["spoilt/9.jpg"]
    messages = [job.failure(uri) for job in (alone, spread)]
    assert "2 findings" in messages[0]
    assert messages[0] == messages[1]


def test_workers_give_up_a_store_that_hands_nothing_out(store: PictureStore, spread: Job) -> None:
    uri = store.put_dataset("shut", parts(40, first_seed=200))
    for number in range(1, 121):
        store.troubles[f"shut/{number}.jpg"] = [403] * 9
    assert f"none of {MOST_TROUBLE} pictures in a row; the other 88 were not tried" in spread.failure(uri)


def test_a_sas_reaches_workers_but_neither_their_arguments_nor_their_environment(
    store: PictureStore, spread: Job
) -> None:
    uri = store.put_dataset("closed", parts(4, first_seed=300))
    store.sas = SAS
    assert len(spread.read(uri, SAS).labels) == 12
    store.sas = None
    workers = worker_processes()
    assert workers
    for worker in workers:
        assert "SECRET" not in repr((worker.cmdline(), worker.environ()))
        assert worker.environ()["OPENBLAS_NUM_THREADS"] == "1"


def test_killed_workers_are_replaced_and_their_pictures_made_by_others(store: PictureStore, spread: Job) -> None:
    uri = store.put_dataset("killed", parts(10, first_seed=400))
    store.held.add("killed/1.jpg")
    store.gate.clear()

    def kill_all() -> None:
        wait_until(lambda: "killed/1.jpg" in store.paths_asked(), "a worker to be held")
        store.held.clear()
        for worker in worker_processes():
            worker.kill()
        store.gate.set()

    with ThreadPoolExecutor(1) as aside:
        killed = aside.submit(kill_all)
        assert len(spread.read(uri).labels) == 30
        killed.result()


def test_pictures_that_end_two_workers_end_the_job_and_are_named(
    store: PictureStore, backbone_folder: Path, tmp_path: Path
) -> None:
    setup = Setup((), str(tmp_path / "features"), str(tmp_path), store.host, "")  # without the backbone of the shards
    extractor = EmbeddingExtractor(load_backbone(backbone_folder))
    cache = FeatureCache(tmp_path / "features", extractor, tmp_path)
    fetcher = Fetcher(AllowedHosts.parse(store.host))
    pictures = PictureReader(fetcher, Access.of([], None), TRAINING)
    with Workers(setup, count=2, worth_it=1) as workers:
        before = worker_processes()
        executor = Spread(workers, Threads(extractor, cache, pictures), extractor, pictures)
        with pytest.raises(JobError, match=r"Two processes .* from http://127.0.0.1:.*/a.jpg to .*/a.jpg, ended"):
            list(executor.run([Address(store.url("a.jpg"), None, None)]))
    fetcher.close()
    assert set(worker_processes()) <= set(before)


def test_few_pictures_start_no_process(store: PictureStore, backbone_folder: Path, tmp_path: Path) -> None:
    uri, before = store.put_dataset("few", parts(2, first_seed=500)), worker_processes()
    with Job(store, tmp_path / "data", backbone_folder, workers=2, worth_it=7) as job:
        job.read(uri)
        assert worker_processes() == before
