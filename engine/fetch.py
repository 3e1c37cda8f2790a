"""Reads URLs that others wrote, without becoming their way into our network.

A host is read only when ENGINE_ALLOWED_HOSTS names it. A host that is named in full may have a private address, because
the operator named it; one that only matches a `*.suffix` must resolve to public addresses alone. The connection goes
to an address that was checked, so a name that resolves differently a moment later gains nothing. Redirects are refused.
"""

import ipaddress
import socket
import time
from collections.abc import Callable

import httpx

from engine.access import ANONYMOUS, Access, AllowedHosts, port_of, shown
from engine.errors import (
    ChangedError,
    FetchError,
    ForbiddenError,
    MissingError,
    RefusedUrlError,
    TooLargeError,
    UnreachableError,
)

ATTEMPTS = 5
FIRST_WAIT = 0.25  # seconds; doubled after each attempt
LONGEST_WAIT = 10.0  # seconds

type Resolve = Callable[[str, int], list[str]]


def resolve_addresses(host: str, port: int) -> list[str]:
    """Returns the IP addresses of a host, in the order in which to try them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedTransport(httpx.BaseTransport):
    """Checks where a request leads, then sends it to an address that was checked.

    The SAS is put on here, below httpx's own log of requests.
    """

    def __init__(self, allowed: AllowedHosts, resolve: Resolve = resolve_addresses) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._wire = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request to the first checked address that can be connected to."""
        url = request.url
        addresses = self._checked_addresses(url, private=self._allowed.admit(url))
        access: Access = request.extensions.get("access", ANONYMOUS)
        signed = access.sign(url)
        failure: httpx.ConnectError | None = None
        for address in addresses:
            pinned = httpx.Request(
                request.method,
                signed.copy_with(host=address),
                headers=request.headers,  # Host still names the host
                stream=request.stream,
                extensions={"timeout": request.extensions["timeout"], "sni_hostname": url.host},
            )
            try:
                return self._wire.handle_request(pinned)
            except httpx.ConnectError as exc:
                failure = exc
        raise UnreachableError(f"{shown(str(url))} cannot be reached: {failure or 'its host has no address'}.")

    def close(self) -> None:
        """Closes all connections."""
        self._wire.close()

    def _checked_addresses(self, url: httpx.URL, *, private: bool) -> list[str]:
        try:
            addresses = self._resolve(url.host, port_of(url))
        except (OSError, UnicodeError) as exc:  # the latter for a name that cannot be one
            raise UnreachableError(f"The host of {shown(str(url))} is not known: {exc}.") from exc
        if not private and not all(_is_public(address) for address in addresses):
            raise RefusedUrlError(
                f"{shown(str(url))} leads to a private address. "
                f"If that is meant, name '{url.host}' in full in ENGINE_ALLOWED_HOSTS."
            )
        return addresses


class Fetcher:
    """Reads URLs whole, bounded in bytes and seconds, with a few tries. May be shared by threads."""

    def __init__(
        self,
        allowed: AllowedHosts,
        *,
        resolve: Resolve = resolve_addresses,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = httpx.Client(
            transport=GuardedTransport(allowed, resolve),
            timeout=httpx.Timeout(30.0, connect=10.0),
            trust_env=False,
            headers={"User-Agent": "darkroom-engine", "Accept-Encoding": "identity"},
        )
        self._sleep = sleep
        self._clock = clock

    def read(
        self,
        url: str,
        *,
        limit: int,
        access: Access = ANONYMOUS,
        etag: str | None = None,
        seconds: float = 300.0,
        attempts: int = ATTEMPTS,
    ) -> bytes:
        """Returns the bytes at the URL.

        Args:
            url: An http(s) URL.
            limit: Most bytes to take.
            access: Whether and where a SAS is sent.
            etag: When given, only these bytes' ETag will do (If-Match).
            seconds: Longest time for one try.
            attempts: How often to try while the store cannot be reached.

        Raises:
            FetchError: One of its subclasses, named in `engine.errors`.
        """
        wait = FIRST_WAIT
        for _ in range(attempts - 1):
            try:
                return self._read_once(url, limit, access, etag, seconds)
            except UnreachableError as exc:
                self._sleep(min(exc.retry_after if exc.retry_after is not None else wait, LONGEST_WAIT))
                wait *= 2
        return self._read_once(url, limit, access, etag, seconds)

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def _read_once(self, url: str, limit: int, access: Access, etag: str | None, seconds: float) -> bytes:
        headers = {"If-Match": etag if etag.endswith('"') else f'"{etag}"'} if etag else {}
        deadline = self._clock() + seconds
        content = bytearray()
        try:
            with self._client.stream("GET", url, headers=headers, extensions={"access": access}) as response:
                _check_answer(url, response)
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > limit:
                        raise TooLargeError(f"{shown(url)} has more than {limit} bytes.")
                    if self._clock() > deadline:
                        raise UnreachableError(f"{shown(url)} was not read within {seconds:.0f} s.")
        except httpx.InvalidURL as exc:
            raise RefusedUrlError(f"{shown(url)} is not a URL.") from exc
        except httpx.TransportError as exc:
            raise UnreachableError(f"{shown(url)} cannot be read: {type(exc).__name__}.") from exc
        return bytes(content)


def _check_answer(url: str, response: httpx.Response) -> None:
    code = response.status_code
    if code == 200:
        return
    if response.is_redirect:
        raise RefusedUrlError(f"{shown(url)} redirects; redirects are not followed. Give the address it leads to.")
    if code in (404, 410):
        raise MissingError(f"Nothing lies at {shown(url)} (HTTP {code}).")
    if code == 412:
        raise ChangedError(f"{shown(url)} is no longer what was recorded (HTTP 412).")
    if code == 429 or code >= 500:
        after = response.headers.get("Retry-After", "")
        raise UnreachableError(
            f"{shown(url)} answers HTTP {code}.", retry_after=float(after) if after.isdecimal() else None
        )
    if code in (401, 403, 409):
        raise ForbiddenError(f"{shown(url)} may not be read (HTTP {code}). Check the data set's authentication.")
    raise FetchError(f"{shown(url)} answers HTTP {code}.")


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    return ip.is_global and not ip.is_multicast
