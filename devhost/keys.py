"""Access keys of the function host: master, host, per function and per extension, kept in one private file."""

import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devhost.errors import ServiceError

EXTENSIONS: Final = ("blobs_extension", "eventgrid_extension")


def write_private(path: Path, text: str) -> None:
    """Replaces a file in one step; only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def read_private(path: Path) -> dict[str, Any]:
    """Returns a JSON object kept with `write_private`, empty when there is none.

    Raises:
        ServiceError: The file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ServiceError(f"cannot read {path}: {error}; delete it to have it made anew") from error
    if not isinstance(content, dict):
        raise ServiceError(f"{path} holds no JSON object; delete it to have it made anew")
    return content


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one host. Comparisons take constant time.

    Attributes:
        master: Opens everything, the admin API too.
        host: Opens every function of level "function".
        functions: Per function, the key that opens that one.
        extensions: Per webhook extension ("blobs_extension", "eventgrid_extension"), the key deliveries carry.
    """

    master: str
    host: str
    functions: Mapping[str, str]
    extensions: Mapping[str, str]

    def admits(self, level: str, function: str, key: str | None) -> bool:
        """Says whether a key opens a function of this level: "anonymous", "function" or "admin"."""
        if level == "anonymous":
            return True
        accepted = [self.master]
        if level == "function":
            accepted += [self.host, *([self.functions[function]] if function in self.functions else [])]
        return _is_one_of(key, accepted)

    def admits_delivery(self, extension: str, key: str | None) -> bool:
        """Says whether a key opens the webhook of an extension."""
        return _is_one_of(key, [self.extensions[extension], self.master])


def _is_one_of(key: str | None, accepted: Iterable[str]) -> bool:
    given = (key or "").encode()
    matches = 0
    for one in accepted:  # each comparison is made, whichever fits
        matches += hmac.compare_digest(given, one.encode())
    return matches > 0


def load_keys(path: Path, functions: Iterable[str] = ()) -> Keys:
    """Returns the keys in a file; makes, and keeps, those that are missing.

    Raises:
        ServiceError: The file holds something else than keys.
    """
    kept = read_private(path)
    content: dict[str, Any] = {
        "masterKey": kept.get("masterKey") or secrets.token_urlsafe(40),
        "functionKeys": {"default": kept.get("functionKeys", {}).get("default") or secrets.token_urlsafe(40)},
        "systemKeys": _with_keys(kept.get("systemKeys", {}), EXTENSIONS),
        "functions": _with_keys(kept.get("functions", {}), functions),
    }
    if content != kept:
        write_private(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
    return Keys(
        master=content["masterKey"],
        host=content["functionKeys"]["default"],
        functions=content["functions"],
        extensions=content["systemKeys"],
    )


def _with_keys(kept: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {**kept, **{name: secrets.token_urlsafe(40) for name in names if name not in kept}}
