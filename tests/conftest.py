"""Rules for the whole suite: nothing but loopback is ever reached."""

import ipaddress
import sys
from typing import Any

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
