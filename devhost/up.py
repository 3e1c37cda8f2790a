"""`up` and `down`: the services on stable ports, in the foreground or detached, one set per data folder.

Who runs the services holds a lock on `up.lock` in the data folder, which ends with the process however that ends, and
writes `up.json` once everything answers.
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from azure.storage.blob import generate_container_sas

from devhost.errors import RunningError, ServiceError
from devhost.keys import load_keys, read_private, write_private
from devhost.ports import Ports
from devhost.process import ROOT, last_lines
from devhost.services import START_TIMEOUT, Services
from devhost.settings import TRAINING_CONTAINER, backbone_settings

_STATE: Final = "up.json"
_STOP_TIMEOUT: Final = 60.0
_SAS_LIFE: Final = timedelta(days=30)
_DEFAULTS: Final = Ports()


def add_up_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `up` understands."""
    parser.description = "Start Azurite, the engine and the function host, and keep them running."
    _add_data(parser)
    parser.add_argument("--detach", action="store_true", help="return when everything answers; `down` stops it")
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line, last")
    for name, port in _DEFAULTS.named():
        parser.add_argument(f"--{name}-port", type=int, default=port, metavar="PORT", help=f"default {port}")


def add_down_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `down` understands."""
    parser.description = "Stop what `up` started."
    _add_data(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line, last")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".darkroom", metavar="DIR", help="where everything is kept (.darkroom)"
    )


def run_up(args: argparse.Namespace) -> int:
    """Starts the services; returns when they answer (`--detach`), or after Ctrl-C.

    Raises:
        RunningError: They run already.
        ServiceError: One could not be started, or a port is in use.
    """
    if args.detach:
        facts = _detach(args)
        _announce(facts, data=args.data, as_json=args.json)
        return 0
    with _only_one(args.data):
        (args.data / _STATE).unlink(missing_ok=True)  # of one that was killed
        try:
            return _serve(args)
        finally:
            (args.data / _STATE).unlink(missing_ok=True)


def run_down(args: argparse.Namespace) -> int:
    """Stops the services of a data folder and returns when they have ended; it is fine when nothing runs.

    Raises:
        ServiceError: They did not end in time.
    """
    state = read_private(args.data / _STATE)
    if not _is_held(args.data) or not state:
        _tell_stopped(args, stopped=False, words=f"nothing runs with data in {args.data}; ./darkroom up starts it")
        return 0
    os.kill(int(state["pid"]), signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while _is_held(args.data):
        if time.monotonic() > deadline:
            raise ServiceError(
                f"process {state['pid']} did not end within {_STOP_TIMEOUT:g} s: see {args.data / 'logs'}"
            )
        time.sleep(0.05)
    _tell_stopped(args, stopped=True, words="stopped; the data is kept")
    return 0


def _tell_stopped(args: argparse.Namespace, *, stopped: bool, words: str) -> None:
    sys.stderr.write(f"{words}\n")
    if args.json:
        _say(json.dumps({"ok": True, "stopped": stopped}) + "\n")


def _serve(args: argparse.Namespace) -> int:
    """Runs the services until SIGINT or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ports = Ports(args.host_port, args.engine_port, args.blob_port, args.queue_port, args.table_port)
    if not args.json:
        _say("starting Azurite, the engine and the function host ...\n")
    with Services(args.data, ports=ports, settings=backbone_settings(os.environ)) as services:
        facts = describe(services)
        write_private(args.data / _STATE, json.dumps({"pid": os.getpid(), **facts}))
        _announce(facts, data=args.data, as_json=args.json)
        if not args.json:
            _say("\nCtrl-C stops everything; the data is kept.\n")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        for number in (signal.SIGINT, signal.SIGTERM):  # impatience must not cut the stopping short
            signal.signal(number, signal.SIG_IGN)
    return 0


def describe(services: Services) -> dict[str, Any]:
    """Returns how to reach the services: the object that `up --json` prints."""
    return {
        "endpoint": services.endpoint,
        "engine": services.engine,
        "key": services.key,
        "functionKey": services.function_key,
        "engineKey": services.engine_key,
        "storageConnectionString": services.storage_connection_string,
        "pids": services.pids,
    }


def _detach(args: argparse.Namespace) -> dict[str, Any]:
    """Runs `up` in a process of its own session and returns what it says when everything answers."""
    args.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _is_held(args.data):
        _refuse(args.data)
    log = args.data / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "devhost", "up", "--data", str(args.data), "--json"]
    for name, _ in _DEFAULTS.named():
        command += [f"--{name}-port", str(getattr(args, f"{name}_port"))]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    log.unlink(missing_ok=True)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        child = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + 2 * START_TIMEOUT
    while (state := read_private(args.data / _STATE)).get("pid") != child.pid:
        if child.poll() is not None:
            words = last_lines(log).removeprefix("darkroom up: ")
            raise ServiceError(words or f"the services ended with {child.returncode}: see {log.parent}")
        if time.monotonic() > deadline:
            child.terminate()
            raise ServiceError(f"the services did not answer within {2 * START_TIMEOUT:g} s: see {log.parent}")
        time.sleep(0.05)
    del state["pid"]
    return state


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "up.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _refuse(data)
        yield


def _is_held(data: Path) -> bool:
    """Says whether a process runs the services of a data folder."""
    try:
        with (data / "up.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _refuse(data: Path) -> NoReturn:
    state = read_private(data / _STATE)
    where = f" at {state['endpoint']} (process {state['pid']})" if state else ", but does not answer yet"
    raise RunningError(f"it runs already{where}: ./darkroom down stops it")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _announce(facts: dict[str, Any], *, data: Path, as_json: bool) -> None:
    if as_json:
        _say(json.dumps(facts, sort_keys=True) + "\n")
        return
    master = load_keys(data / "host" / "keys.json").master
    parts = dict(part.split("=", 1) for part in facts["storageConnectionString"].split(";") if part)
    sas = generate_container_sas(
        parts["AccountName"],
        TRAINING_CONTAINER,
        account_key=parts["AccountKey"],
        permission="racwdl",
        expiry=datetime.now(UTC) + _SAS_LIFE,
    )
    _say(_TEXT.format(container=f"{parts['BlobEndpoint']}/{TRAINING_CONTAINER}", sas=sas, masterKey=master, **facts))


_TEXT: Final = """
storage    {storageConnectionString}
predict    {endpoint}/computervision/imageanalysis:analyze
key        {key}
status     {endpoint}/api/status?code={functionKey}
engine     {engine}
engine key {engineKey}

1. Drop pictures into container "training" as DATASET/images/LABEL/FILE, for example with

   curl -X PUT -H 'x-ms-blob-type: BlockBlob' --data-binary @1.jpg \\
        '{container}/parts/images/washer/1.jpg?{sas}'

   azcopy copy './pictures/*' --recursive --from-to LocalBlob \\
        '{container}/parts/images?{sas}'

   from azure.storage.blob import ContainerClient
   training = ContainerClient.from_connection_string("{storageConnectionString}", "training")
   training.upload_blob("parts/images/washer/1.jpg", open("1.jpg", "rb"))

2. Watch the data set grow and a model come:

   curl '{endpoint}/api/status?code={functionKey}'

3. Ask about a picture:

   curl -X POST -H 'Ocp-Apim-Subscription-Key: {key}' \\
        -H 'Content-Type: application/octet-stream' --data-binary @picture.jpg \\
        '{endpoint}/computervision/imageanalysis:analyze?api-version=2023-04-01-preview&model-name=parts'

4. Have everything looked at again now, which happens by itself every hour:

   curl -X POST -H 'x-functions-key: {masterKey}' -H 'Content-Type: application/json' \\
        -d '{{}}' '{endpoint}/admin/functions/reconcile'
"""
