"""What suites of learning say: a line a cell while they run, figures at the end."""

import sys
from collections.abc import Mapping, Sequence

from bench.learning.cells import Cell
from bench.learning.intervals import Estimate
from bench.report import Figure


def say(text: str) -> None:
    """Writes a line to people."""
    sys.stderr.write(f"{text}\n")


def say_cell(name: str, cell: Cell | None, *, kept: bool) -> None:
    """Tells people what a cell holds, or that there are too few pictures for it."""
    if cell is None:
        say(f"{name}: too few pictures, left out")
        return
    scores = ", ".join(f"{score} {estimate.mean:.4g} ± {estimate.half:.2g}" for score, estimate in cell.scores.items())
    costs = ", ".join(f"{cost} {value:.3g}" for cost, value in cell.costs.items())
    say(f"{name}: {scores}; {costs}{' (kept)' if kept else ''}")


def figure(name: str, estimate: Estimate, unit: str, bound: str = "", *, ok: bool = True) -> Figure:
    """Returns an estimate as a figure whose unit tells its intervals."""
    spread = f"± {estimate.draws95:.1f} over drawings, ± {estimate.pictures95:.1f} over scored pictures"
    return Figure(name, round(estimate.mean, 1), f"{unit}, {spread}", bound, ok)


def mean_costs(prefix: str, cells: Sequence[Cell], units: Mapping[str, str]) -> list[Figure]:
    """Returns costs, averaged over cells.

    Args:
        prefix: Of their names.
        cells: At least one.
        units: Cost -> unit.
    """
    return [
        Figure(f"{prefix}{cost}", round(sum(cell.costs[cost] for cell in cells) / len(cells), 3), f"{unit}, all cells")
        for cost, unit in units.items()
    ]
