"""Rules for the whole suite: nothing but loopback is ever reached. And what most tests of the engine begin with."""

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine_support import PictureStore

LOCAL_NAMES = {"localhost", "", None}


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host in LOCAL_NAMES or not isinstance(host, str):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _is_loopback(arguments[1][0]):
        raise AssertionError(f"a test tried to connect to {arguments[1][0]}; tests reach loopback only")


sys.addaudithook(_refuse_network)


@pytest.fixture(scope="module")
def store() -> "Iterator[PictureStore]":
    """An empty store of pictures over HTTP, for the tests of one module."""
    from tests.engine_support import PictureStore  # only tests that ask for it need the engine

    with PictureStore() as pictures:
        yield pictures


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engine of one module keeps what it keeps; not there yet."""
    return tmp_path_factory.mktemp("engine") / "data"
