"""What the engine is told in confidence, and where it must not be found while a job uses it."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import psutil

from tests.engine_support import KEY, SECRET, PictureStore, engine_process
from tests.waiting import wait_until

SAS = "sv=2024-11-04&sp=rl&sig=TOPSECRET%2FSIGNATURE"
CONFIDENCES = (SAS, "TOPSECRET", KEY, "second-key", SECRET)


def test_a_sas_and_the_keys_are_in_no_file_argument_environment_log_or_answer(tmp_path: Path) -> None:
    with PictureStore() as store, engine_process(tmp_path / "data", store.host, ENGINE_WORKERS="1") as engine:
        uri = store.put_parts("parts")
        store.sas = SAS
        store.held = {"parts/1.jpg"}
        store.gate.clear()
        body = engine.register("parts", uri, sas=SAS)
        engine.train("parts", "parts")
        wait_until(lambda: "parts/1.jpg" in store.paths_asked(), "the job to ask for a picture")
        assert engine.process is not None
        jobs = psutil.Process(engine.process.pid).children(recursive=True)
        assert jobs
        told = [*(str(job.cmdline()) for job in jobs), *(str(job.environ()) for job in jobs), str(body), engine.log()]
        told += [engine.call("GET", path).text for path in ("datasets/parts", "datasets", "models/parts", "models")]
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        told += [path.read_bytes().decode("latin-1") for path in files]
        assert any(path.name.endswith("-wal") for path in files)
        store.gate.set()
        told.append(str(engine.wait("models/parts")))
        assert [word for word in CONFIDENCES for text in told if word in text] == []
        assert told[-1].count("succeeded") == 1
    with closing(sqlite3.connect(tmp_path / "data" / "engine.sqlite3")) as database:
        assert "sealed_sas" in str(database.execute("SELECT record FROM datasets").fetchall())


def test_what_the_engine_keeps_is_for_its_own_user_only(tmp_path: Path) -> None:
    with PictureStore() as store, engine_process(tmp_path / "data", store.host) as engine:
        engine.register("parts", store.put_parts("parts"))
        engine.trained("parts", "parts")
        kept = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        assert any(path.name == "model.npz" for path in kept)
        assert [(path.name, path.stat().st_mode) for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
