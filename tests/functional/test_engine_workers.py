"""Who makes features does not matter: threads of the job, worker processes, more or fewer, in any order."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
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
from engine.messages import DatasetSource, JobRequest, Progress, TrainRequest
from engine.outcomes import Crashed
from engine.processes import JobProcess
from engine.reading import DatasetReader
from engine.records import AnnotationKind
from engine.walk import MOST_TROUBLE, Address, PictureReader
from engine.worker import Setup, Shard, Worker
from engine.workers import WORTH_IT, Crew, Spread
from tests.engine_support import COLOURS, ROOT, Picture, PictureStore, draw_part
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
        self.on_progress: Callable[[], None] = lambda: None
        self.backbone = load_backbone(backbone)
        self._fetcher = Fetcher(AllowedHosts.parse(store.host), sleep=lambda _: None)
        self.setup = Setup((str(backbone),), str(data / "features"), str(data), store.host, "")
        crew = Crew(self.setup, count=workers, worth_it=worth_it) if workers else None
        self.reader = DatasetReader(self._fetcher, self.backbone, data / "features", data, self._note, crew)

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        self._fetcher.close()

    def _note(self, progress: Progress) -> None:
        self.progress.append(progress)
        self.on_progress()

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
    for process in psutil.Process().children(recursive=True):
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
    assert models[0] == models[1]
    assert worker_processes() == []


def shard(store: PictureStore, backbone: Path, *paths: str) -> Shard:
    return Shard(
        backbone=load_backbone(backbone).digest,
        extractor=EmbeddingExtractor.name,
        annotation_file_uris=(),
        sas=None,
        sides=(TRAINING.least, TRAINING.most),
        pictures=tuple((store.url(path), None, None) for path in paths),
    )


def test_a_worker_says_the_same_of_a_picture_that_cannot_be_used_and_keeps_the_others(
    store: PictureStore, alone: Job, backbone_folder: Path, tmp_path: Path
) -> None:
    pictures = parts(2, first_seed=100)
    pictures[3] = Picture("bolt", b"a text named .jpg")
    uri = store.put_dataset("spoilt", pictures)
    del store.files["spoilt/6.jpg"]
    message = alone.failure(uri)
    with closing(Worker(alone.setup)) as worker:
        answer = worker.work(shard(store, backbone_folder, *(f"spoilt/{number}.jpg" for number in range(1, 7))))
    refused = [outcome for outcome in answer.outcomes if not isinstance(outcome, str)]
    assert [reason for reason, _ in refused] == ["imageInvalid", "imageMissing"]
    assert all(words in message for _, words in refused)
    assert len(answer.outcomes) == 6


def test_workers_give_up_a_store_that_hands_nothing_out(store: PictureStore, spread: Job) -> None:
    uri = store.put_dataset("shut", parts(40, first_seed=200))
    store.troubles = {f"shut/{number}.jpg": [403] * 9 for number in range(1, 121)}
    assert f"none of {MOST_TROUBLE} pictures in a row; the other 88 were not tried" in spread.failure(uri)


def test_workers_know_the_sas_but_not_by_arguments_or_environment_and_killed_ones_are_replaced(
    store: PictureStore, spread: Job
) -> None:
    uri = store.put_dataset("killed", parts(4, first_seed=400))
    store.sas = SAS
    store.held.add("killed/1.jpg")
    store.gate.clear()

    def look_and_kill() -> None:
        wait_until(lambda: "killed/1.jpg" in store.paths_asked(), "a worker to be held")
        store.held.clear()
        try:
            for worker in worker_processes():
                assert "SECRET" not in repr((worker.cmdline(), worker.environ()))
                assert worker.environ()["OPENBLAS_NUM_THREADS"] == "1"
                worker.kill()
        finally:
            store.gate.set()

    with ThreadPoolExecutor(1) as aside:
        looked = aside.submit(look_and_kill)
        assert len(spread.read(uri, SAS).labels) == 12
        looked.result()
    store.sas = None


def test_pictures_that_end_two_workers_end_the_job_and_are_named(
    store: PictureStore, backbone_folder: Path, tmp_path: Path
) -> None:
    setup = Setup((), str(tmp_path / "features"), str(tmp_path), store.host, "")  # without the backbone of the shards
    extractor = EmbeddingExtractor(load_backbone(backbone_folder))
    cache = FeatureCache(tmp_path / "features", extractor, tmp_path)
    fetcher = Fetcher(AllowedHosts.parse(store.host))
    pictures = PictureReader(fetcher, Access.of([], None), TRAINING)
    spread = Spread(Crew(setup, count=2, worth_it=1), Threads(extractor, cache, pictures), extractor, pictures)
    with pytest.raises(JobError, match=r"Two processes .* from http://127.0.0.1:.*/a.jpg to .*/a.jpg, ended"):
        list(spread.run([Address(store.url("a.jpg"), None, None)]))
    fetcher.close()
    assert worker_processes() == []


def test_few_pictures_start_no_process(store: PictureStore, backbone_folder: Path, tmp_path: Path) -> None:
    uri = store.put_dataset("few", parts(2, first_seed=500))
    started: list[psutil.Process] = []
    with Job(store, tmp_path / "data", backbone_folder, workers=2, worth_it=7) as job:
        job.on_progress = lambda: started.extend(worker_processes())
        job.read(uri)
    assert job.progress[-1].made == 6
    assert started == []


def test_a_worker_ends_with_its_job_in_the_middle_of_a_picture(
    store: PictureStore, alone: Job, backbone_folder: Path
) -> None:
    path = "left/1.jpg"
    store.put(path, draw_part("nut", 1))
    store.held.add(path)
    store.gate.clear()
    worker = subprocess.Popen(
        [sys.executable, "-m", "engine.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    for line in (alone.setup, shard(store, backbone_folder, path)):
        worker.stdin.write(msgspec.json.encode(line) + b"\n")
    worker.stdin.flush()
    wait_until(lambda: path in store.paths_asked(), "the worker to ask for its picture")
    worker.stdin.close()  # as when the job dies
    wait_until(lambda: worker.poll() is not None, "the worker to end")
    store.gate.set()
    assert (worker.returncode, worker.stdout.read()) == (3, b"")
    worker.stdout.close()


def test_whoever_ends_a_job_ends_its_workers(store: PictureStore, backbone_folder: Path, tmp_path: Path) -> None:
    count = WORTH_IT // len(COLOURS) + 1
    uri = store.put_dataset("ended", parts(count, first_seed=1000))
    store.held = {f"ended/{number}.jpg" for number in range(1, 3 * count + 1)}
    store.gate.clear()
    source = DatasetSource("ended", AnnotationKind.CLASSIFICATION, (uri,), None)
    places = {name: str(tmp_path / name) for name in ("lock", "scratch", "features")}
    request = JobRequest(
        task=TrainRequest(source, None, str(tmp_path / "output")),
        backbone=str(backbone_folder),
        allowed_hosts=store.host,
        **places,
    )
    with ThreadPoolExecutor(1) as aside, JobProcess(seconds=600, hour_seconds=3600) as process:
        outcome = aside.submit(
            process.wait, request, on_progress=lambda _: None, on_tick=lambda _: None, may_give_up=False
        )
        wait_until(lambda: store.held & set(store.paths_asked()), "a picture to be asked for", timeout=120)
        workers = worker_processes()
        process.kill()
        wait_until(lambda: not any(worker.is_running() for worker in workers), "the workers to end")
        assert outcome.result() == Crashed(-signal.SIGKILL)
    store.gate.set()
    assert workers
