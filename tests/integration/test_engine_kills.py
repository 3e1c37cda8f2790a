"""Jobs that are cancelled in any phase, and job processes and engines that are killed at any moment.

KILL_SEEDS=20 plays twenty sequences of kills in place of one.
"""

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.boxes_support import draw_boxes, put_boxes
from tests.engine_support import Engine, PictureStore, engine_process
from tests.learn_support import write_network
from tests.waiting import wait_until

ENDED = ("succeeded", "failed", "cancelled")


@pytest.fixture(scope="module")
def engine(data: Path, store: PictureStore) -> Iterator[Engine]:
    with engine_process(data, store.host) as running:
        yield running


def job_processes(engine: Engine) -> list[psutil.Process]:
    assert engine.process is not None
    try:
        return psutil.Process(engine.process.pid).children()
    except psutil.NoSuchProcess:
        return []


def leftovers(data: Path) -> list[Path]:
    """Files and folders of jobs that have not ended well; there must be none when no job runs."""
    places = [*(data / "work").iterdir(), *(data / "locks").iterdir()]
    return places + [path for path in (data / "features").rglob("*") if path.is_file() and path.suffix != ".npz"]


@pytest.mark.parametrize(
    ("phase", "held"),
    [
        ("waiting", "other/1.jpg"),
        ("start_process", None),
        ("read_training_annotations", "{}/coco.json"),
        ("embed_training_pictures", "{}/5.jpg"),
        ("read_test_annotations", "{}-test/coco.json"),
        ("embed_test_pictures", "{}-test/2.jpg"),
    ],
)
def test_a_cancelled_training_ends_within_two_seconds_and_leaves_nothing(
    engine: Engine, store: PictureStore, data: Path, phase: str, held: str | None
) -> None:
    name = phase.replace("_", "-")
    for seed, dataset in enumerate((name, f"{name}-test", "other")):
        if engine.call("GET", f"datasets/{dataset}").status_code == 404:
            engine.register(dataset, store.put_parts(dataset, each=2, first_seed=10 * seed + sum(phase.encode())))
    store.requests.clear()
    store.gate.clear()
    if held is not None:
        store.held.add(held.format(name))
    if phase == "waiting":
        engine.train("other", "other")
        wait_until(lambda: "other/1.jpg" in store.paths_asked(), "the other training to hold the only worker")
    engine.train(name, name, test=f"{name}-test")
    if phase == "start_process":
        (child,) = wait_until(lambda: job_processes(engine), "the job's process")
        child.suspend()  # it cannot even end by itself
    elif held is not None and phase != "waiting":
        wait_until(lambda: held.format(name) in store.paths_asked(), "the job to be held")
        assert engine.call("GET", f"models/{name}").json()["trainingProgress"]["stage"] == phase
    assert engine.call("POST", f"models/{name}:cancel").json()["status"] in ("cancelling", "cancelled")
    wait_until(
        lambda: engine.call("GET", f"models/{name}").json()["status"] == "cancelled", "the cancellation", timeout=2
    )
    if phase == "waiting":
        engine.call("POST", "models/other:cancel")
        engine.wait("models/other")
    wait_until(lambda: not job_processes(engine) and not leftovers(data), "the files to be gone", timeout=2)
    assert not (data / "models").exists()
    store.gate.set()


class Poller:
    """Asks for everything, all the time, as the clients do that wait; keeps what they would not survive."""

    def __init__(self) -> None:
        self.endpoint: httpx.Client | None = None
        self.answers = 0
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> "Poller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _poll(self) -> None:
        paths = ["models", "models/m0", "models/m1", "models/m0/evaluations", "datasets", "datasets/parts.1"]
        while not self._ended.wait(0.01):
            client = self.endpoint
            if client is None:
                continue
            for path in paths:
                try:
                    answer = client.get(f"/computervision/{path}", params={"api-version": "2023-04-01-preview"})
                except (
                    httpx.TransportError,
                    RuntimeError,
                ):  # the engine is down or its client closed: no answer is no 5xx
                    break
                self.answers += 1
                if answer.status_code >= 500:
                    self.failures.append(f"{path}: {answer.status_code} {answer.text}")


def works(engine: Engine) -> dict[str, dict[str, object]]:
    """Every model and evaluation, by path."""
    models = engine.call("GET", "models", params={"top": 30}).json()["value"]
    found = {f"models/{model['name']}": model for model in models}
    assert len(found) == len(models)
    for model in models:
        evaluations = engine.call("GET", f"models/{model['name']}/evaluations").json()["value"]
        found |= {f"models/{model['name']}/evaluations/{each['name']}": each for each in evaluations}
    return found


def after_requests(engine: Engine, store: PictureStore, count: int) -> bool:
    """Waits until jobs have asked for `count` more files; False when all have ended before that."""
    asked = len(store.requests)

    def enough() -> str:
        if len(store.requests) >= asked + count:
            return "asked"
        return "ended" if all(work["status"] in ENDED for work in works(engine).values()) else ""

    return wait_until(enough, "jobs to go on", timeout=60, pause=0.01) == "asked"


@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("KILL_SEEDS", "1"))))
def test_jobs_survive_kills_of_their_processes_and_of_the_engine(
    store: PictureStore, tmp_path: Path, seed: int
) -> None:
    rng, data, accepted = random.Random(seed), tmp_path / "data", set[str]()
    store.held.clear()
    with Poller() as poller:
        with engine_process(data, store.host, ENGINE_WORKERS="2") as engine:
            poller.endpoint = engine.client
            for number in range(3):
                engine.register(f"parts.{number}", store.put_parts(f"kill{seed}{number}", each=3, first_seed=number))
            engine.trained("m0", "parts.0")
            accepted.add("models/m0")
            for number in range(1, 3):
                engine.train(f"m{number}", f"parts.{number % 3}", test="parts.0")
                accepted.add(f"models/m{number}")
            for number in range(2):
                body = {"evaluationParameters": {"testDatasetName": f"parts.{number}"}}
                assert engine.call("PUT", f"models/m0/evaluations/e{number}", json=body).status_code == 201
                accepted.add(f"models/m0/evaluations/e{number}")
            for _ in range(3):
                if not after_requests(engine, store, rng.randrange(12)):
                    break
                if children := job_processes(engine):
                    rng.choice(children).kill()
            kill(engine)
        for _ in range(rng.randrange(3)):
            with engine_process(data, store.host, ENGINE_WORKERS="2") as engine:
                poller.endpoint = engine.client
                after_requests(engine, store, rng.randrange(12))
                kill(engine)
        with engine_process(data, store.host, ENGINE_WORKERS="2") as engine:
            poller.endpoint = engine.client
            for path in accepted:
                ended = engine.wait(path)
                assert ended["status"] == "succeeded" or ended["error"]["message"], ended
            found = works(engine)
            assert set(found) == accepted
            succeeded = {path.removeprefix("models/") for path, work in found.items() if work["status"] == "succeeded"}
            wait_until(lambda: not leftovers(data), "the files of the last job to be gone")
            models = {path.name for path in (data / "models").iterdir()}
            evaluations = {f"m0/evaluations/{path.name}" for path in (data / "evaluations" / "m0").iterdir()}
            assert models | evaluations == succeeded
    assert poller.answers > 0
    assert poller.failures == []


def ended(engine: Engine, name: str) -> dict[str, Any]:
    """Waits, longer than `Engine.wait` does, until a training has ended: fitting is work for a busy machine."""
    wait_until(lambda: engine.call("GET", f"models/{name}").json()["status"] in ENDED, f"{name} to end", timeout=180)
    body: dict[str, Any] = engine.call("GET", f"models/{name}").json()
    return body


def test_a_detector_whose_fit_was_killed_is_fitted_again_to_the_same_bytes(store: PictureStore, tmp_path: Path) -> None:
    data, network = tmp_path / "data", write_network(tmp_path / "network")
    uri = put_boxes(store, "boxes", [draw_boxes(("nut",), seed) for seed in range(3)])
    parameters = {"trainingDatasetName": "boxes", "timeBudgetInHours": 1, "modelKind": "Generic-Detector"}
    with engine_process(data, store.host, ENGINE_BACKBONE=str(network)) as engine:
        body = {"annotationKind": "imageObjectDetection", "annotationFileUris": [uri]}
        assert engine.call("PUT", "datasets/boxes", json=body).status_code == 201
        assert engine.call("PUT", "models/killed", json={"trainingParameters": parameters}).status_code == 201

        def fits() -> bool:
            progress = engine.call("GET", "models/killed").json().get("trainingProgress", {"stage": ""})
            return str(progress["stage"]).startswith("fit_detector")

        wait_until(fits, "the detector to be fitted", timeout=180, pause=0.01)
        kill(engine)
    assert not (data / "models").exists()
    with engine_process(data, store.host, ENGINE_BACKBONE=str(network)) as engine:
        assert ended(engine, "killed")["status"] == "succeeded"
        assert engine.call("PUT", "models/other", json={"trainingParameters": parameters}).status_code == 201
        assert ended(engine, "other")["status"] == "succeeded"
        wait_until(lambda: not leftovers(data), "the files of the last job to be gone")
    killed, other = ((data / "models" / name / "detector.npz").read_bytes() for name in ("killed", "other"))
    assert killed == other


def kill(engine: Engine) -> None:
    assert engine.process is not None
    engine.process.send_signal(signal.SIGKILL)
    engine.process.wait()
