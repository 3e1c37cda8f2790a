"""Every hostile input gets its answer, no server error and no secret, and the engine goes on."""

import json
import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from tests.engine_support import KEY, SECRET, Engine, PictureStore, engine_in_process, engine_process
from tests.hostile.cases import ANALYZE, CASES, Case
from tests.hostile.pictures import part

DATA = "hidden-data-folder"
SECRETS = (DATA, KEY, "second-key", SECRET, "sig=", "Traceback")
LEAKS = (*SECRETS, "site-packages", ".py", "root:", str(Path.home()))


def prepare(engine: Engine, store: PictureStore) -> None:
    """Trains the model that pictures are sent to."""
    engine.register("parts", store.put_parts("parts"))
    engine.trained("parts", "parts")


def send(engine: Engine, case: Case) -> tuple[int, str]:
    """Sends a case's very bytes; returns status (0: hung up without a word) and body."""
    port = int(engine.endpoint.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with suppress(ConnectionError):  # it need not listen to the end
            connection.sendall(case.wire())
            if case.hangs_up:
                connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        with suppress(ConnectionError):
            while not whole(bytes(answer)) and (piece := connection.recv(65_536)):
                answer += piece
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3})", head)
    return int(status[1]) if status else 0, body.decode("utf-8", "replace")


def whole(answer: bytes) -> bool:
    """Says whether an answer has all the bytes that it announced."""
    head, end, body = answer.partition(b"\r\n\r\n")
    announced = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and announced is not None and len(body) >= int(announced[1])


def fault(case: Case, status: int, body: str) -> str | None:
    """Says what is wrong with an answer, if anything is."""
    leaks = [leak for leak in LEAKS if leak in body and leak not in str(case.query)]
    if status not in case.statuses:
        return f"{case.name}: {status} instead of {case.statuses}: {body[:300]}"
    if leaks and status >= 400:
        return f"{case.name} leaks {leaks}: {body[:300]}"
    if status < 400 or not body.startswith("{"):
        return None if status < 400 or case.code is None else f"{case.name}: not JSON: {body[:300]}"
    error = json.loads(body)["error"]
    if case.code is not None and error["code"] != case.code:
        return f"{case.name}: code {error['code']} instead of {case.code}: {body[:300]}"
    if case.inner is not None and error.get("innererror", {}).get("code") != case.inner:
        return f"{case.name}: {body[:300]} instead of {case.inner}"
    return None


def test_the_table_has_at_least_200_inputs_and_no_name_twice() -> None:
    names = [case.name for case in CASES]
    assert [name for name in names if names.count(name) > 1] == []
    assert len(names) >= 200


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # what is broken in metadata is told by a warning, and left out
@pytest.mark.parametrize("start", [engine_in_process, engine_process])
def test_every_hostile_input_gets_its_answer_and_no_secret(
    store: PictureStore,
    start: Callable[[Path, str], AbstractContextManager[Engine]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with start(tmp_path / DATA, store.host) as engine:
        prepare(engine, store)
        faults = [found for case in CASES if (found := fault(case, *send(engine, case)))]
        assert faults == []
        assert send(engine, Case("a good picture", path=ANALYZE, body=part))[0] == 200
        assert [leak for leak in SECRETS if leak in engine.log()] == []
        if engine.process is not None:
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{engine.process.pid}/status").read_text())
            assert peak is not None
            record_property("peak_megabytes", int(peak[1]) // 1024)
            print(f"{len(CASES)} hostile inputs, peak memory of the engine {int(peak[1]) // 1024} MB")  # noqa: T201
            assert int(peak[1]) < 600 * 1024  # kB; the inputs reach the limits of bytes, not those of pixels
