"""The backbones that lie on this machine, and which of them the engine is started with.

SHELF/NAME/META.json, model.onnx    a backbone, as `engine.learn` reads it
SHELF/NAME/check.json               what was found when it was added (`backbones.checking`)
SHELF/use.json                      what was chosen last, and which joined ones ever were

Nothing here knows the engine: `up` and `demo` read it too, and only pass on what it says.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backbones.errors import ShelfError, UsageError

ROOT: Final = Path(__file__).resolve().parents[1]
VARIABLE: Final = "DARKROOM_BACKBONES"
BUILTIN: Final = "builtin"
ALWAYS_THERE: Final = (BUILTIN, "handmade")  # as `engine.learn.backbone` has them
SCHEMA: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_USE: Final = "use.json"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of backbones.

    Attributes:
        folder: It; need not be there yet.
    """

    folder: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Shelf":
        """Returns this machine's: DARKROOM_BACKBONES, else .darkroom/backbones."""
        return cls(Path(environment.get(VARIABLE) or ROOT / ".darkroom" / "backbones").expanduser().absolute())

    @property
    def names(self) -> list[str]:
        """Names of the backbones that lie here, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(one.name for one in self.folder.iterdir() if is_name(one.name) and (one / "META.json").is_file())

    def has(self, name: str) -> bool:
        """Says whether there is a backbone of a name, here or built in."""
        return name in ALWAYS_THERE or name in self.names

    @property
    def used(self) -> str:
        """What the engine is started with: names joined with "+".

        Raises:
            ShelfError: use.json cannot be read.
        """
        return str(self._read().get("use", BUILTIN))

    def use(self, spec: str) -> None:
        """Chooses what the engine is started with from now on.

        Args:
            spec: Names joined with "+".

        Raises:
            UsageError: There is no backbone of one of the names.
            ShelfError: use.json cannot be read.
        """
        names = self._parts(spec)
        chosen, kept = "+".join(names), self._read()
        joined = set(kept.get("joined", ())) | ({chosen} if len(names) > 1 else set())
        content = {"schema": SCHEMA, "use": chosen, "joined": sorted(joined)}
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{_USE}.{os.getpid()}.part"
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(self.folder / _USE)

    def resolved(self, spec: str) -> str:
        """Returns what ENGINE_BACKBONE takes: the folders of the names, joined with "+".

        Raises:
            UsageError: There is no backbone of one of the names.
        """
        parts = self._parts(spec)
        if any(sign in str(self.folder) for sign in "+,") and not set(parts) <= set(ALWAYS_THERE):
            raise UsageError(f"{self.folder} has a '+' or ',' in its path; let {VARIABLE} name another folder")
        return "+".join(name if name in ALWAYS_THERE else str(self.folder / name) for name in parts)

    def settings(self) -> dict[str, str]:
        """Returns the engine's settings: what is used, and all that lies here or was used joined, to be served.

        Raises:
            UsageError: What is used is no longer here.
            ShelfError: use.json cannot be read.
        """
        joined = [spec for spec in self._read().get("joined", ()) if all(map(self.has, spec.split("+")))]
        served = [*self.names, *joined]
        settings = {} if self.used == BUILTIN else {"ENGINE_BACKBONE": self.resolved(self.used)}
        if served:
            settings["ENGINE_BACKBONES_SERVED"] = ",".join(self.resolved(spec) for spec in served)
        return settings

    def _parts(self, spec: str) -> list[str]:
        names = [name.strip() for name in spec.split("+")]
        for name in names:
            if not self.has(name):
                there = ", ".join((*ALWAYS_THERE, *self.names))
                raise UsageError(f"there is no backbone '{name}'; there are {there}. `backbone add` adds one")
        if len(set(names)) != len(names):
            raise UsageError(f"'{spec}' names a backbone twice; name each only once")
        return names

    def _read(self) -> dict[str, Any]:
        path = self.folder / _USE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ShelfError(f"cannot read {path} ({error}); choose anew with `backbone use`, or delete it") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ShelfError(f"{path} is not of schema {SCHEMA}; delete it, and choose anew with `backbone use`")
        return content


def is_name(text: str) -> bool:
    """Says whether a backbone may be called so: a letter or digit, then up to 63 letters, digits, `.`, `_`, `-`."""
    return bool(_NAME.fullmatch(text)) and text not in ALWAYS_THERE and not text.endswith(".json")
