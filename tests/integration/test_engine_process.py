"""The engine as a process: killed, stopped, started twice, started wrongly."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.engine_support import ROOT, SECRET, Engine, PictureStore, draw_part, engine_process
from tests.waiting import wait_until


@pytest.fixture
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        yield pictures


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def start_held_training(engine: Engine, store: PictureStore, name: str) -> psutil.Process:
    """Starts a training that waits for its last picture, and returns its job process."""
    uri = store.put_parts(name)
    store.held.add(f"{name}/12.jpg")
    store.gate.clear()
    engine.register(name, uri)
    engine.train(name, name)
    return job_process(engine, store, name)


def job_process(engine: Engine, store: PictureStore, name: str) -> psutil.Process:
    """Waits until a job has asked for the held picture, and returns its process."""
    store.requests.clear()
    wait_until(lambda: f"{name}/12.jpg" in store.paths_asked(), "the job to wait for its picture")
    assert engine.process is not None
    (child,) = psutil.Process(engine.process.pid).children()
    return child


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def model_bytes(data: Path, name: str) -> bytes:
    return (data / "models" / name / "model.npz").read_bytes()


def test_a_killed_engine_takes_its_job_with_it_and_the_next_one_resumes(store: PictureStore, data: Path) -> None:
    with engine_process(data, store.host) as engine:
        child = start_held_training(engine, store, "parts")
        assert engine.process is not None
        engine.process.send_signal(signal.SIGKILL)
        engine.process.wait()
        wait_until(lambda: has_ended(child), "the orphan to end by itself")
    assert not (data / "models").exists()
    (data / "models" / "parts").mkdir(parents=True)  # as if it had been killed while it published
    (data / "models" / "parts" / "model.npz").write_bytes(b"half")
    with engine_process(data, store.host) as engine:
        job_process(engine, store, "parts")
        answer = engine.call("POST", "imageanalysis:analyze", params={"model-name": "parts"}, content=b"x")
        assert answer.status_code == 409  # nothing of the interrupted attempt is visible
        store.gate.set()
        assert engine.wait("models/parts")["status"] == "succeeded"
        engine.trained("again", "parts")
    assert model_bytes(data, "parts") == model_bytes(data, "again")
    assert not list((data / "work").iterdir())


def test_a_killed_job_is_run_again(store: PictureStore, data: Path) -> None:
    with engine_process(data, store.host) as engine:
        for _ in range(2):
            start_or_find = start_held_training if "parts/coco.json" not in store.files else job_process
            child = start_or_find(engine, store, "parts")
            child.kill()
        job_process(engine, store, "parts")
        store.gate.set()
        assert engine.wait("models/parts")["status"] == "succeeded"


def test_a_cancelled_training_ends_its_process(store: PictureStore, data: Path) -> None:
    with engine_process(data, store.host) as engine:
        child = start_held_training(engine, store, "parts")
        assert engine.call("POST", "models/parts:cancel").status_code == 202
        engine.wait("models/parts", "cancelled")
        assert has_ended(child)
    with engine_process(data, store.host) as engine:
        assert engine.wait("models/parts")["status"] == "cancelled"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_engine_ends_cleanly_and_the_next_one_resumes(
    store: PictureStore, data: Path, stop: signal.Signals
) -> None:
    with engine_process(data, store.host) as engine:
        child = start_held_training(engine, store, "parts")
        engine.train("queued", "parts")
        assert engine.process is not None
        engine.process.send_signal(stop)
        assert engine.process.wait(timeout=20) in (0, -stop)
        assert has_ended(child)
        assert "Traceback" not in engine.log()
    store.gate.set()
    with engine_process(data, store.host) as engine:
        for name in ("parts", "queued"):
            assert engine.wait(f"models/{name}")["status"] == "succeeded"


def test_an_answer_does_not_wait_for_nagle(store: PictureStore, data: Path) -> None:
    with engine_process(data, store.host) as engine:
        took = sorted(engine.client.get("/healthz").elapsed.total_seconds() for _ in range(21))
    assert took[10] < 0.03  # the delay is 0.04 s


def test_two_engines_do_not_share_a_folder(store: PictureStore, data: Path) -> None:
    with engine_process(data, store.host) as engine:
        assert engine.process is not None
        second = start_engine(ENGINE_KEYS="k", ENGINE_DATA=str(data), ENGINE_SECRET=SECRET)
        assert second.returncode == 2
        assert f"Another engine (process {engine.process.pid}) uses {data}" in second.stderr
        assert engine.client.get("/healthz").status_code == 200


def test_an_engine_without_settings_says_which_and_ends(data: Path) -> None:
    ended = start_engine(ENGINE_KEYS="a-key", ENGINE_DATA=str(data))
    assert ended.returncode == 2
    assert "ENGINE_SECRET" in ended.stderr
    assert "a-key" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_engine_without_its_backbone_says_so_and_ends(data: Path) -> None:
    ended = start_engine(
        ENGINE_KEYS="k", ENGINE_DATA=str(data), ENGINE_SECRET=SECRET, ENGINE_BACKBONE=str(data / "none")
    )
    assert ended.returncode == 2
    assert "none" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_key_or_sas_reaches_the_log_or_a_command_line(store: PictureStore, data: Path) -> None:
    sas = "sv=1&sig=TOPSECRET"
    with engine_process(data, store.host, TELEMETRY_EXPORTER="console") as engine:
        uri = store.put_parts("parts")
        store.held.add("parts/12.jpg")
        store.gate.clear()
        engine.register("parts", uri, sas=sas)
        engine.train("parts", "parts")
        child = job_process(engine, store, "parts")
        words = " ".join([*child.cmdline(), *(f"{name}={value}" for name, value in child.environ().items())])
        store.gate.set()
        engine.wait("models/parts")
        params = {"model-name": "parts"}
        url = store.put("one.jpg", draw_part("nut", 1))
        assert (
            engine.call("POST", "imageanalysis:analyze", params=params, json={"url": f"{url}?{sas}"}).status_code == 200
        )
        said = wait_until(lambda: engine.log() if "train_model" in engine.log() else "", "the job's span")
    for secret in ("TOPSECRET", "first-key", SECRET):
        assert secret not in words
        assert secret not in said


def start_engine(**settings: str) -> "subprocess.CompletedProcess[str]":
    """Starts an engine that is expected to end at once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    command = [sys.executable, "-m", "engine", "--port", "0"]
    return subprocess.run(
        command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, timeout=60, check=False
    )
