"""Azurite's access log as a source of hints: which blob was written or deleted just now.

A hint may be missing (the log was cut, a request took another road) or double; listings are the net below it.
"""

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

_LINE: Final = re.compile(r'^\S+ - \S+ \[[^]]*\] "(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[\d.]+" (?P<status>\d{3}) ')
_STARTED: Final = "Azurite Blob service is successfully listening"
# Query parameters that make a DELETE or PUT concern a part or an older copy of a blob, not its current content.
_ASIDE: Final = ("snapshot", "versionid")
_MAX_LINE: Final = 64 * 1024


class Change(Enum):
    """What a line of the log says happened."""

    WRITTEN = "written"
    DELETED = "deleted"
    UNCLEAR = "unclear"  # something that only a listing can tell: a batch, a deleted container, a restart


@dataclass(frozen=True, slots=True)
class Hint:
    """One change; `path` is `container/blob`, empty when the change is unclear."""

    change: Change
    path: str = ""


_UNCLEAR: Final = Hint(Change.UNCLEAR)


def parse_line(line: str) -> Hint | None:
    """Returns the hint in a line of the log, None when it tells of no change.

    A blob is written by Put Blob, Put Block List and copies; metadata, leases, tiers and single blocks raise no event
    in Azure either.
    """
    if line.startswith(_STARTED):
        return _UNCLEAR
    found = _LINE.match(line)
    if found is None or not found["status"].startswith("2"):
        return None
    method, target = found["method"], urlsplit(found["target"])
    query = parse_qs(target.query, keep_blank_values=True)
    compartment = query.get("comp", [""])[0].lower()
    if method == "POST":
        return _UNCLEAR if compartment == "batch" else None
    if method not in ("PUT", "DELETE") or any(name in query for name in _ASIDE):
        return None
    _, _, path = target.path.lstrip("/").partition("/")  # the account comes first
    if query.get("restype") == ["container"]:
        return _UNCLEAR if method == "DELETE" and not compartment else None
    if "/" not in path:
        return None
    try:
        path = unquote(path, errors="strict")
    except UnicodeDecodeError:
        return _UNCLEAR
    if method == "DELETE":
        return Hint(Change.DELETED, path) if not compartment else None
    return Hint(Change.WRITTEN, path) if compartment in ("", "blocklist") else None


class LogTail:
    """Reads what is appended to a log file and keeps the file short."""

    def __init__(self, path: Path, *, limit: int = 4 * 1024 * 1024) -> None:
        """Starts at the file's present end.

        Args:
            path: A file that its writer opened for appending; it may not exist yet.
            limit: The file is emptied when it has been read beyond this many bytes.
        """
        self._path = path
        self._limit = limit
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def read(self) -> tuple[list[str], bool]:
        """Returns the complete lines since the last call, and whether lines may have been lost."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return [], False
        lost = size < self._position
        if lost:
            self._position, self._rest = 0, b""
        if size == self._position:
            return [], lost
        with self._path.open("rb") as file:
            file.seek(self._position)
            text = self._rest + file.read()
            self._position = file.tell()
        *lines, self._rest = text.split(b"\n")
        self._rest = self._rest[-_MAX_LINE:]
        if self._position > self._limit:
            # The writer appends, so it goes on at the new end. What it wrote since our read is lost; we say so.
            os.truncate(self._path, 0)
            self._position, self._rest, lost = 0, b"", True
        return [line.decode("utf-8", errors="replace") for line in lines], lost
