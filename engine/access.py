"""Which URLs may be read, from where, and with what: the operator's list and map of hosts, and a data set's SAS."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

import httpx

from engine.errors import RefusedUrlError

_ENTRY = re.compile(r"(?P<host>\*|(?:\*\.)?[a-z0-9_-][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
LAST_PORT = 65_535


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

    def admit(self, url: httpx.URL, named: str | None = None) -> None:
        """Lets a URL pass that may be read, as far as its host's name tells.

        Args:
            url: Where it leads.
            named: What messages call it, by default the URL itself without its query.

        Raises:
            RefusedUrlError: The URL may not be read.
        """
        named = named or shown(str(url))
        if url.scheme not in _DEFAULT_PORTS or not url.host:
            raise RefusedUrlError(f"{named} is not an http or https URL.")
        if url.userinfo:
            raise RefusedUrlError(f"{named} carries a user name; pass a SAS instead.")
        port, host = port_of(url), _host(url)
        if port > LAST_PORT:  # sockets would take it modulo 65,536
            raise RefusedUrlError(f"{named} names port {port}; the last one is {LAST_PORT}.")
        hosts = [known for known, only in self.entries if only in (None, port)]
        if not any(known in ("*", host) or (known.startswith("*.") and host.endswith(known[1:])) for known in hosts):
            raise RefusedUrlError(
                f"{named} is not on an allowed host. "
                f"If the engine may read from it, add '{host}' or '{host}:{port}' to ENGINE_ALLOWED_HOSTS."
            )

    def names(self, host: str, port: int) -> bool:
        """Says whether the operator named the host in full, so that it may have a private address."""
        return any((host, only) in self.entries for only in (None, port))


@dataclass(frozen=True, slots=True)
class HostMap:
    """Where the URLs of retired hosts are read from: pairs of host (or host:port) and base URL."""

    entries: tuple[tuple[str, httpx.URL], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a comma-separated list of `host=http(s)://place[/folder]`.

        Raises:
            ValueError: An entry is not one, or a host comes twice.
        """
        entries: dict[str, httpx.URL] = {}
        for piece in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, base = piece.partition("=")
            host = _ENTRY.fullmatch(name.strip().lower())
            try:
                place = httpx.URL(base.strip())
            except httpx.InvalidURL:
                place = httpx.URL("")
            if host is None or "*" in host["host"] or place.scheme not in _DEFAULT_PORTS or not place.host:
                raise ValueError(f"'{shown(piece)}' is not host=URL with an http or https URL")
            if place.userinfo or place.query or place.fragment:
                raise ValueError(f"the URL of '{host[0]}' has a user name, a query or a fragment")
            if host[0] in entries:
                raise ValueError(f"'{host[0]}' is mapped twice")
            entries[host[0]] = place
        return cls(tuple(entries.items()))

    def place(self, url: httpx.URL) -> httpx.URL:
        """Returns where a URL is read from: path and query stay, behind the base's own path."""
        known = dict(self.entries)
        base = known.get(f"{_host(url)}:{port_of(url)}") or known.get(_host(url))
        if base is None or url.userinfo:
            return url
        target = base.raw_path.rstrip(b"/") + url.raw_path
        return base.copy_with(raw_path=target)


NO_MAP = HostMap()


@dataclass(frozen=True, slots=True)
class Access:
    """How a data set's URLs are read: anonymously, or with a SAS that only its annotation files' containers get."""

    sas: str | None = field(default=None, repr=False)
    files: tuple[httpx.URL, ...] = ()

    @classmethod
    def of(cls, annotation_file_uris: Iterable[str], sas: str | None) -> Self:
        """Binds a SAS to the containers of the annotation files, so that no other host or account ever sees it."""
        return cls(sas, tuple(httpx.URL(uri) for uri in annotation_file_uris))

    def sign(self, place: httpx.URL, hosts: HostMap = NO_MAP) -> httpx.URL:
        """Returns a place with the SAS when it lies in a container of the annotation files.

        Args:
            place: Where a URL is read from, already mapped.
            hosts: How the annotation files' URLs are mapped.
        """
        if self.sas is None or not any(_holds(hosts.place(file), place) for file in self.files):
            return place
        query = "&".join(filter(None, (place.query.decode(), self.sas)))
        return place.copy_with(query=query.encode())


ANONYMOUS = Access()


def port_of(url: httpx.URL) -> int:
    """Returns the port of an http(s) URL, the scheme's own when it names none."""
    return url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _host(url: httpx.URL) -> str:
    """Returns the host as it goes over the wire, so that a name and its punycode are one."""
    return url.raw_host.decode("ascii")


def _holds(file: httpx.URL, place: httpx.URL) -> bool:
    """Says whether a place lies in a file's container."""
    if (file.scheme, _host(file), port_of(file)) != (place.scheme, _host(place), port_of(place)):
        return False
    folders = _folders(place)
    container = _folders(file)[: _container_depth(file)]
    return folders[: len(container)] == container and not any(
        folder in (".", "..") or "/" in folder or "\\" in folder for folder in folders
    )


def _folders(url: httpx.URL) -> list[str]:
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    return [unquote(segment) for segment in path.split("/")[1:-1]]


def _container_depth(url: httpx.URL) -> int:
    """Returns how many folders name the container: emulators have the account in the path, clouds in the host."""
    host = _host(url)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return 1 if "." in host else 2
    return 2
