"""Result files: a cell is one data set, one number of training pictures and one backbone."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.learning.intervals import Estimate
from bench.report import keep_result

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured in one cell.

    Attributes:
        data: Name of the data set.
        size: Such as ``5shot`` or ``30img``.
        backbone: Its name; empty when none has a part in it.
        scores: What was scored: name -> mean and interval.
        costs: Seconds and milliseconds by name.
        values: Of each score that of every drawing, in the order of the seeds.
    """

    data: str
    size: str
    backbone: str
    scores: dict[str, Estimate]
    costs: dict[str, float]
    values: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder in which a suite keeps its cells.

    Attributes:
        folder: Below bench/results.
        at: The revision that is measured.
        write: Whether new cells are kept.
        again: Whether cells that are kept are measured all the same.
    """

    folder: Path
    at: str
    write: bool
    again: bool

    def found(self, config: Mapping[str, Any]) -> Cell | None:
        """Returns the cell that was measured with just this config, if it is kept."""
        path = self._path(config)
        if self.again or not path.exists():
            return None
        kept = json.loads(path.read_bytes())
        if kept["config"] != json.loads(json.dumps(config)):
            return None
        scores = {name: Estimate(**estimate) for name, estimate in kept["figures"].items()}
        return Cell(*_names(config), scores, kept["details"]["costs"], kept["details"]["values"])

    def keep(self, cell: Cell, config: Mapping[str, Any], packages: Sequence[str]) -> None:
        """Writes a cell, when cells are to be written."""
        if self.write:
            figures = {name: asdict(estimate) for name, estimate in cell.scores.items()}
            details = {"costs": cell.costs, "values": cell.values}
            keep_result(
                self._path(config), figures, at=self.at, seed=0, config=config, packages=packages, details=details
            )

    def _path(self, config: Mapping[str, Any]) -> Path:
        data, size, backbone = _names(config)
        return self.folder / f"{plain(backbone)}.{data}.{size}.json"


def plain(name: str) -> str:
    """Returns a name as a part of a figure's or a file's: letters, digits and underscores."""
    return re.sub(r"\W", "_", name)


def code_digest(patterns: Iterable[str]) -> str:
    """Returns the hex sha256 of the source files that patterns, relative to the repository, match."""
    files = sorted({path for pattern in patterns for path in _ROOT.glob(pattern)})
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(_ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _names(config: Mapping[str, Any]) -> tuple[str, str, str]:
    return config["data"], config["size"], config["backbone"]
