"""The rules around HTTP functions, without a worker behind them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from devhost.endpoints import MAX_BODY, HttpFunctions
from devhost.errors import AppError
from devhost.functions import Binding, Function
from devhost.keys import load_keys
from devhost.protos import RpcHttp, TypedData
from devhost.worker import Call, Outcome


def http_function(name: str, **options: object) -> Function:
    trigger = Binding("req", "httpTrigger", "in", {"authLevel": "ANONYMOUS", **options})
    return Function(name, name, trigger, (trigger,))


class Echo:
    """Answers each call with the function's name and the size of the body it was given."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def __call__(self, function: Function, call: Call) -> Outcome:
        self.calls.append(call)
        body = f"{function.name} {len(call.value.http.body.bytes)}".encode()
        answer = RpcHttp(status_code="200", headers={"content-length": "9999"}, body=TypedData(bytes=body))
        return Outcome(ok=True, value=TypedData(http=answer))


def ask(
    tmp_path: Path, *functions: Function, method: str, url: str, prefix: str = "", **more: object
) -> httpx.Response:
    app = HttpFunctions(functions, prefix=prefix, keys=load_keys(tmp_path / "keys.json"), invoke=Echo())

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            return await client.request(method, url, **more)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [("GET", "/a", 200), ("HEAD", "/a", 404), ("POST", "/a", 404), ("GET", "/b", 404), ("GET", "/api/a", 404)],
)
def test_a_method_or_path_that_no_function_has_is_404(tmp_path: Path, method: str, url: str, status: int) -> None:
    assert ask(tmp_path, http_function("a", methods=["GET"]), method=method, url=url).status_code == status


def test_a_function_without_methods_takes_them_all_at_its_name_below_the_prefix(tmp_path: Path) -> None:
    for method in ("GET", "HEAD", "DELETE", "PATCH"):
        assert ask(tmp_path, http_function("a"), method=method, url="/api/a", prefix="api").status_code == 200


def test_the_most_literal_route_answers(tmp_path: Path) -> None:
    functions = [http_function("rest", route="{*rest}"), http_function("literal", route="x/y")]
    assert ask(tmp_path, *functions, method="GET", url="/x/y").text == "literal 0"
    assert ask(tmp_path, *functions, method="GET", url="/x/z").text == "rest 0"


def test_a_body_announced_above_the_limit_is_refused_unread(tmp_path: Path) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"content-length": str(MAX_BODY + 1)}
    answer = ask(tmp_path, http_function("a"), method="POST", url="/a", content=never(), headers=headers)
    assert answer.status_code == 413


def test_a_body_that_grows_above_the_limit_is_refused(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        chunk = bytes(16 * 1024 * 1024)
        for _ in range(7):
            yield chunk

    assert ask(tmp_path, http_function("a"), method="POST", url="/a", content=endless()).status_code == 413


def test_the_root_says_that_it_runs(tmp_path: Path) -> None:
    assert ask(tmp_path, method="GET", url="/").status_code == 200


def test_a_malformed_route_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="malformed"):
        ask(tmp_path, http_function("a", route="{x"), method="GET", url="/")
