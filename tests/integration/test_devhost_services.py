"""What cannot start says why, and what runs is found and stopped by `up` and `down`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from azure.storage.blob import BlobServiceClient

from devhost.errors import PortBusyError, ServiceError
from devhost.ports import Ports
from devhost.services import Services
from tests.devhost_support import APP, HOURLY
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def app_in(folder: Path, source: str) -> Path:
    folder.mkdir()
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "function_app.py").write_text(f"import azure.functions as func\napp = func.FunctionApp()\n{source}")
    return folder


def function(decorator: str, parameter: str) -> str:
    return f"@app.{decorator}\ndef work(x: func.{parameter}) -> None: ...\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            function('queue_trigger(arg_name="x", queue_name="q", connection="C")', "QueueMessage"),
            "function 'work' has binding 'x' of type 'queueTrigger'",
        ),
        (
            function('timer_trigger(arg_name="x", schedule="%NEVER_SET%")', "TimerRequest"),
            "the setting NEVER_SET is not set: add it to the app settings",
        ),
        (
            function('timer_trigger(arg_name="x", schedule="soon")', "TimerRequest"),
            "schedule 'soon' is not understood",
        ),
        (
            function('blob_trigger(arg_name="x", path="c/{n}", connection="C")', "InputStream"),
            "function 'work' polls for blobs",
        ),
        (
            function('blob_trigger("x", "c/{n}", "NONE", source=func.BlobSource.EVENT_GRID)', "InputStream"),
            "the setting NONE is not set",
        ),
        ('raise RuntimeError("broken on import")\n', "RuntimeError: broken on import"),
        ("import no_such_package\n", "No module named 'no_such_package'"),
    ],
)
def test_an_app_that_cannot_run_says_why_at_start(tmp_path: Path, source: str, message: str) -> None:
    app = app_in(tmp_path / "app", source)
    command = [sys.executable, "-m", "devhost.host", "--app", str(app), "--data", str(tmp_path / "data"), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert ended.returncode == 1
    assert message in ended.stderr


def test_a_host_that_cannot_start_gives_its_last_words_and_leaves_nothing_running(tmp_path: Path) -> None:
    services = Services(tmp_path / "data", app=app_in(tmp_path / "app", 'raise RuntimeError("no")\n'), engine=False)
    with pytest.raises(ServiceError, match=r"(?s)host ended with 1.*RuntimeError: no"):
        services.start()
    assert services.pids == {}


def test_a_busy_port_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free = Ports.free()
        ports = Ports(free.host, free.engine, taken.getsockname()[1], free.queue, free.table)
        services = Services(tmp_path, ports=ports, app=APP, engine=False)
        with pytest.raises(PortBusyError, match=r"\(blob\) is in use.*--blob-port"):
            services.start()


def test_azurite_that_is_not_installed_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"Azurite is not installed in .*: run \./darkroom"):
        Services(tmp_path, azurite=tmp_path)


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    source = (
        "import sys, time\nfrom pathlib import Path\nfrom devhost.services import Services\n"
        f"settings = {{'NOTES': '/dev/null', 'TICK': '{HOURLY}'}}\n"
        "with Services(Path(sys.argv[1]), app=Path(sys.argv[2]), engine=False, settings=settings) as services:\n"
        "    print(*services.pids.values(), flush=True)\n    time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path), str(APP)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert len(pids) == 2
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the children end")


def darkroom(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devhost", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


@pytest.fixture
def ports() -> list[str]:
    return [argument for name, port in Ports.free().named() for argument in (f"--{name}-port", str(port))]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    darkroom("down", "--data", tmp_path / "data")


def test_up_runs_detached_until_down_and_keeps_what_was_stored(data: Path, ports: list[str]) -> None:
    up = darkroom("up", "--detach", "--json", "--data", data, *ports)
    assert up.returncode == 0, up.stderr
    facts = json.loads(up.stdout.splitlines()[-1])
    assert set(facts) == {"endpoint", "engine", "key", "functionKey", "engineKey", "storageConnectionString", "pids"}
    assert set(facts["pids"]) == {"azurite", "engine", "host"}
    assert httpx.get(f"{facts['endpoint']}/api/status", params={"code": facts["functionKey"]}).status_code == 200
    with BlobServiceClient.from_connection_string(facts["storageConnectionString"]) as blobs:
        blobs.get_blob_client("training", "note.txt").upload_blob(b"kept")

    again = darkroom("up", "--detach", "--data", data, *ports)
    assert again.returncode == 1
    assert "it runs already at http://127.0.0.1:" in again.stderr

    down = darkroom("down", "--data", data)
    assert down.returncode == 0, down.stderr
    assert not any(psutil.pid_exists(pid) for pid in facts["pids"].values())
    nothing = darkroom("down", "--data", data)
    assert nothing.returncode == 0
    assert "nothing runs" in nothing.stderr

    second = json.loads(darkroom("up", "--detach", "--json", "--data", data, *ports).stdout.splitlines()[-1])
    assert {**second, "pids": 0} == {**facts, "pids": 0}
    with BlobServiceClient.from_connection_string(second["storageConnectionString"]) as blobs:
        assert blobs.get_blob_client("training", "note.txt").download_blob().readall() == b"kept"


def test_up_in_the_foreground_tells_how_to_use_it_and_ends_with_ctrl_c(data: Path, ports: list[str]) -> None:
    command = [sys.executable, "-m", "devhost", "up", "--data", str(data), *ports]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    upload = re.search(r"'(http://[^']*/1\.jpg\?[^']*)'", "".join(lines))
    assert upload is not None
    put = httpx.put(upload[1], content=b"x", headers={"x-ms-blob-type": "BlockBlob"})
    assert put.status_code == 201
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()
    text = "".join(lines)
    for part in ("curl -X PUT", "azcopy copy", "from_connection_string", "Ocp-Apim-Subscription-Key", "api/status"):
        assert part in text


def test_without_a_verb_every_verb_is_explained() -> None:
    told = darkroom()
    assert told.returncode == 0
    assert all(verb in told.stdout for verb in ("up", "down", "demo", "test", "bench"))
    assert darkroom("upp").returncode == 2
