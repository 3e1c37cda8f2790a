"""Reads URLs that others wrote, without becoming their way into our network.

A host is read only when ENGINE_ALLOWED_HOSTS names it. A host that is named in full may have a private address, because
the operator named it; one that only matches a `*.suffix` must resolve to public addresses alone (`engine.dialing`).
Redirects are refused. URLs of hosts in ENGINE_HOST_MAP are read from where their pictures lie now.
"""

import time
from collections.abc import Callable

import httpcore
import httpx

from engine.access import ANONYMOUS, NO_MAP, Access, AllowedHosts, HostMap, shown
from engine.dialing import Clock, Dialler, Resolve, calling, resolve_addresses
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
_LONGEST_ETAG = 1_024  # characters


class GuardedTransport(httpx.BaseTransport):
    """Checks where a request leads, then sends it there.

    Hosts are mapped and the SAS is put on here, below httpx's own log of requests.
    """

    def __init__(self, allowed: AllowedHosts, hosts: HostMap, dialler: Dialler) -> None:
        self._allowed = allowed
        self._hosts = hosts
        self._wire = _Wire(dialler)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request to its place.

        Raises:
            RefusedUrlError: The URL may not be read.
            UnreachableError: Its host cannot be found or connected to.
        """
        place = self._hosts.place(request.url)
        self._allowed.admit(place, request.extensions.get("shown"))
        access: Access = request.extensions.get("access", ANONYMOUS)
        headers = request.headers.copy()
        headers["Host"] = place.netloc.decode("ascii")
        return self._wire.handle_request(
            httpx.Request(
                request.method,
                access.sign(place, self._hosts),
                headers=headers,
                stream=request.stream,
                extensions={"timeout": request.extensions["timeout"]},
            )
        )

    def close(self) -> None:
        """Closes all connections."""
        self._wire.close()


class _Wire(httpx.HTTPTransport):
    """httpx's transport over connections of our own dialler."""

    def __init__(self, dialler: Dialler) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=dialler,
        )


class Fetcher:
    """Reads URLs whole, bounded in bytes and seconds, with a few tries. May be shared by threads."""

    def __init__(
        self,
        allowed: AllowedHosts,
        *,
        hosts: HostMap = NO_MAP,
        resolve: Resolve = resolve_addresses,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self._client = httpx.Client(
            transport=GuardedTransport(allowed, hosts, Dialler(allowed, resolve, clock)),
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
        headers = _conditions(url, etag)
        deadline = self._clock() + seconds
        content = bytearray()
        try:
            with (
                calling(shown(url), deadline),
                self._client.stream(
                    "GET", url, headers=headers, extensions={"access": access, "shown": shown(url)}
                ) as response,
            ):
                _check_answer(url, response, limit)
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > limit:
                        raise TooLargeError(f"{shown(url)} has more than {limit} bytes.")
                    if self._clock() > deadline:
                        raise httpx.ReadTimeout("the call's deadline has passed")
        except (httpx.InvalidURL, UnicodeError) as exc:  # the latter for a host that cannot be one
            raise RefusedUrlError(f"{shown(url)} is not a URL.") from exc
        except httpx.TimeoutException as exc:
            if self._clock() > deadline:
                raise UnreachableError(f"{shown(url)} was not read within {seconds:.0f} s.") from exc
            raise UnreachableError(f"{shown(url)} cannot be read: {type(exc).__name__}.") from exc
        except httpx.TransportError as exc:
            raise UnreachableError(f"{shown(url)} cannot be read: {type(exc).__name__}.") from exc
        return bytes(content)


def _conditions(url: str, etag: str | None) -> dict[str, str]:
    if not etag:
        return {}
    if len(etag) > _LONGEST_ETAG or not etag.isascii() or not etag.isprintable():
        raise ChangedError(f"{shown(url)} is recorded with an etag that no store gives.")
    return {"If-Match": etag if etag.endswith('"') else f'"{etag}"'}


def _check_answer(url: str, response: httpx.Response, limit: int) -> None:
    code = response.status_code
    if code == 200:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise TooLargeError(f"{shown(url)} has more than {limit} bytes.")
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
