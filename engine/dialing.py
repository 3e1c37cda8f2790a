"""Opens connections for `engine.fetch`: to addresses that were checked, and never for longer than a call may take.

The check lies where connections are opened. A name that resolves differently a moment later gains nothing, and a
connection belongs to the host's name, so that a certificate that was checked for one name is never used for another.
"""

import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import httpcore

from engine.access import AllowedHosts
from engine.errors import RefusedUrlError, UnreachableError

type Resolve = Callable[[str, int], list[str]]
type Clock = Callable[[], float]

_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # beyond it lie old ways of writing IPv4 addresses, private ones too
_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})  # Azure's own channel to its virtual machines


def resolve_addresses(host: str, port: int) -> list[str]:
    """Returns the IP addresses of a host, in the order in which to try them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Says whether an IP address is of the public internet: not private, local, shared, multicast or a cloud's own."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _PUBLIC_IPV6:
        return False
    return ip.is_global and not ip.is_multicast and ip not in _PLATFORM


@dataclass(frozen=True, slots=True)
class _Call:
    shown: str
    deadline: float


_NO_CALL = _Call("the URL", math.inf)
_call: ContextVar[_Call] = ContextVar("call", default=_NO_CALL)


@contextmanager
def calling(shown: str, deadline: float) -> Iterator[None]:
    """Says for which URL, and until when, this thread's connections are used.

    Args:
        shown: The URL as messages may show it.
        deadline: On the dialler's clock, seconds.
    """
    token = _call.set(_Call(shown, deadline))
    try:
        yield
    finally:
        _call.reset(token)


class Dialler(httpcore.NetworkBackend):
    """Connects to checked addresses only; its connections end at the deadline of the call that uses them.

    Args:
        allowed: Says which hosts may have private addresses.
        resolve: Gives a host's addresses.
        clock: Seconds, as in `calling`.
    """

    def __init__(self, allowed: AllowedHosts, resolve: Resolve = resolve_addresses, clock: Clock = time.monotonic):
        self._allowed = allowed
        self._resolve = resolve
        self._clock = clock
        self._wire = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to the first address of the host that answers.

        Raises:
            RefusedUrlError: One of them is private and the host may not have such.
            UnreachableError: The host is not known, or no address answers.
        """
        failure: Exception | None = None
        for address in self._addresses(host, port):
            try:
                stream = self._wire.connect_tcp(
                    address, port, self._within(timeout), local_address, socket_options=socket_options
                )
                return _Stream(stream, self._within)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
        raise UnreachableError(f"{_call.get().shown} cannot be reached: {failure or 'its host has no address'}.")

    def _addresses(self, host: str, port: int) -> list[str]:
        shown = _call.get().shown
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as exc:  # the latter for a name that cannot be one
            raise UnreachableError(f"The host of {shown} is not known: {exc}.") from exc
        if not self._allowed.names(host, port) and not all(is_public(address) for address in addresses):
            raise RefusedUrlError(
                f"{shown} leads to a private address. If that is meant, name '{host}' in full in ENGINE_ALLOWED_HOSTS."
            )
        return addresses

    def _within(self, timeout: float | None) -> float:
        """Returns the timeout, cut at the call's deadline."""
        left = _call.get().deadline - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout("the call's deadline has passed")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A stream whose waits are cut by `within`; a peer that sends a byte now and then gains no time."""

    def __init__(self, stream: httpcore.NetworkStream, within: Callable[[float | None], float]) -> None:
        self._stream = stream
        self._within = within

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._within(timeout)), self._within)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
