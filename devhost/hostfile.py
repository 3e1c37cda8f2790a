"""host.json: the few settings of it that change how functions run here."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devhost.errors import AppError

DEFAULT_TIMEOUT: Final = 300.0
_TIMESPAN: Final = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?$")


@dataclass(frozen=True, slots=True)
class HostFile:
    """What the host takes from host.json.

    Attributes:
        route_prefix: Comes before each route, without slashes; may be empty.
        function_timeout: Seconds a function may run (default five minutes, as on the Consumption plan); None: no end.
        blob_parallelism: How many blob events are worked on at once (default eight per CPU).
        poison_threshold: How many attempts a blob version gets.
    """

    route_prefix: str = "api"
    function_timeout: float | None = DEFAULT_TIMEOUT
    blob_parallelism: int = 8 * (os.cpu_count() or 1)
    poison_threshold: int = 5


_DEFAULTS: Final = HostFile()


def parse_timespan(text: str) -> float | None:
    """Returns the seconds of a .NET TimeSpan ("00:05:00", "1.00:00:00"), None when the text is none."""
    match = _TIMESPAN.match(text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def read_hostfile(path: Path) -> HostFile:
    """Returns what host.json says.

    Raises:
        AppError: The file is missing, is no JSON, or holds a value that makes no sense.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise AppError(f"cannot read {path}: {error.strerror}; a function app has a host.json at its root") from error
    except ValueError as error:
        raise AppError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("version") != "2.0":
        raise AppError(f'{path} must be an object with "version": "2.0"')
    extensions = content.get("extensions", {})
    blobs = extensions.get("blobs", {})
    return HostFile(
        route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
        function_timeout=_timeout(content.get("functionTimeout"), path),
        blob_parallelism=_positive(blobs, "maxDegreeOfParallelism", _DEFAULTS.blob_parallelism, path),
        poison_threshold=_positive(blobs, "poisonBlobThreshold", _DEFAULTS.poison_threshold, path),
    )


def _timeout(value: object, path: Path) -> float | None:
    if value is None:
        return DEFAULT_TIMEOUT
    if value == "-1":
        return None
    seconds = parse_timespan(value) if isinstance(value, str) else None
    if not seconds:
        raise AppError(f'functionTimeout in {path} is {value!r}; write it as "00:05:00", or "-1" for no end')
    return seconds


def _positive(section: dict[str, Any], name: str, default: int, path: Path) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or value < 1:
        raise AppError(f"{name} in {path} is {value!r}; it must be a whole number above 0")
    return value
