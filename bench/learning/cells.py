"""Result files: a cell is one data set, one number of training pictures and one backbone, drawn several times."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.learning.intervals import Estimate, over_draws
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

    def filled(
        self,
        config: Mapping[str, Any],
        seeds: int,
        packages: Sequence[str],
        measure: Callable[[range], Cell | None],
    ) -> tuple[Cell | None, bool]:
        """Returns a cell of at least so many drawings, and whether all of it was kept; measures drawings that lack.

        Args:
            config: What is measured.
            seeds: How many drawings are asked for.
            packages: Those whose versions matter.
            measure: Takes the seeds of the drawings that lack; returns None when there is nothing to draw.
        """
        kept, drawings = self._kept(config)
        if drawings >= seeds:
            return kept, True
        more = measure(range(drawings, seeds))
        cell = more if kept is None or more is None else together(kept, more)
        cell = cell or kept
        if cell is not None and self.write:
            figures = {name: asdict(estimate) for name, estimate in cell.scores.items()}
            keep_result(
                self._path(config),
                figures,
                at=self.at,
                seed=0,
                config={**config, "seeds": seeds},
                packages=packages,
                details={"costs": cell.costs, "values": cell.values},
            )
        return cell, False

    def _kept(self, config: Mapping[str, Any]) -> tuple[Cell | None, int]:
        """Returns the cell that was measured with just this config, and of how many drawings; else None and 0."""
        path = self._path(config)
        if self.again or not path.exists():
            return None, 0
        kept = json.loads(path.read_bytes())
        seeds = kept["config"].pop("seeds")
        if kept["config"] != json.loads(json.dumps(config)):
            return None, 0
        scores = {name: Estimate(**estimate) for name, estimate in kept["figures"].items()}
        return Cell(*_names(config), scores, kept["details"]["costs"], kept["details"]["values"]), seeds

    def _path(self, config: Mapping[str, Any]) -> Path:
        data, size, backbone = _names(config)
        return self.folder / f"{plain(backbone)}.{data}.{size}.json"


def together(first: Cell, more: Cell) -> Cell:
    """Returns the cell of the drawings of both."""
    values = {name: drawings + more.values[name] for name, drawings in first.values.items()}
    counts = [len(next(iter(cell.values.values()))) for cell in (first, more)]

    def mean(of_first: float, of_more: float) -> float:
        return float(np.average([of_first, of_more], weights=counts))

    scores = {
        name: Estimate(
            float(np.mean(drawings)),
            over_draws(drawings),
            mean(first.scores[name].pictures95, more.scores[name].pictures95),
        )
        for name, drawings in values.items()
    }
    costs = {name: mean(cost, more.costs[name]) for name, cost in first.costs.items()}
    return Cell(first.data, first.size, first.backbone, scores, costs, values)


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
