"""Which URLs may be read, and with what: the operator's list of hosts, and a data set's SAS."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import httpx

from engine.errors import RefusedUrlError

_ENTRY = re.compile(r"(?P<host>\*|(?:\*\.)?[a-z0-9_-][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535


def shown(url: str) -> str:
    """Returns a URL as it may be logged or answered: no query, no user, no fragment."""
    return re.sub(r"^([a-z]+://)[^/]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0], flags=re.IGNORECASE)[:500]


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts from which URLs may be read: pairs of host (or `*.suffix`, or `*`) and port, None for any port."""

    entries: tuple[tuple[str, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a comma-separated list of `host`, `host:port`, `*.suffix`, `*`.

        Raises:
            ValueError: An entry is none of these.
        """
        entries = []
        for piece in filter(None, (piece.strip().lower() for piece in text.split(","))):
            match = _ENTRY.fullmatch(piece)
            if match is None:
                raise ValueError(f"'{piece}' is not a host, host:port or *.suffix")
            entries.append((match["host"].strip("[]"), int(match["port"]) if match["port"] else None))
        return cls(tuple(entries))

    def admit(self, url: httpx.URL) -> bool:
        """Returns whether the URL may lead to a private address.

        Raises:
            RefusedUrlError: The URL may not be read at all.
        """
        if url.scheme not in _DEFAULT_PORTS or not url.host:
            raise RefusedUrlError(f"{shown(str(url))} is not an http or https URL.")
        if url.userinfo:
            raise RefusedUrlError(f"{shown(str(url))} carries a user name; pass a SAS instead.")
        port = port_of(url)
        if port > _LAST_PORT:  # sockets would take it modulo 65,536
            raise RefusedUrlError(f"{shown(str(url))} names port {port}; the last one is {_LAST_PORT}.")
        hosts = [host for host, only in self.entries if only in (None, port)]
        if url.host in hosts:
            return True
        if any(host == "*" or (host.startswith("*.") and url.host.endswith(host[1:])) for host in hosts):
            return False
        raise RefusedUrlError(
            f"{shown(str(url))} is not on an allowed host. "
            f"If the engine may read from it, add '{url.host}' or '{url.host}:{port}' to ENGINE_ALLOWED_HOSTS."
        )


@dataclass(frozen=True, slots=True)
class Access:
    """How a data set's URLs are read: anonymously, or with a SAS that is sent to the annotation files' origins only."""

    sas: str | None = field(default=None, repr=False)
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, annotation_file_uris: Iterable[str], sas: str | None) -> Self:
        """Binds a SAS to the origins of the annotation files, so that no other host ever sees it."""
        return cls(sas, frozenset(_origin(httpx.URL(uri)) for uri in annotation_file_uris))

    def sign(self, url: httpx.URL) -> httpx.URL:
        """Returns the URL with the SAS when it lies on one of the origins."""
        if self.sas is None or _origin(url) not in self.origins:
            return url
        query = "&".join(filter(None, (url.query.decode(), self.sas)))
        return url.copy_with(query=query.encode())


ANONYMOUS = Access()


def port_of(url: httpx.URL) -> int:
    """Returns the port of an http(s) URL, the scheme's own when it names none."""
    return url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host}:{port_of(url)}"
