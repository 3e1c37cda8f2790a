"""What every suite prints last: one JSON object on one line, and the exit code that goes with it."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value.

    Attributes:
        name: snake_case, as the issue that asked for it gives it.
        value: What was measured.
        unit: Its unit.
        bound: The bound in words, such as ``< 1.0``; empty when the figure is only printed.
        ok: Whether the bound holds.
    """

    name: str
    value: float
    unit: str
    bound: str = ""
    ok: bool = True


def print_figures(suite: str, figures: Iterable[Figure], *, as_json: bool) -> int:
    """Print a suite's figures; return 1 when a bound is missed, else 0."""
    listed = list(figures)
    if as_json:
        shown = {f.name: {"value": f.value, "unit": f.unit, "bound": f.bound, "ok": f.ok} for f in listed}
        sys.stdout.write(json.dumps({"suite": suite, "figures": shown}) + "\n")
    else:
        for figure in listed:
            bound = f"  (bound {figure.bound}: {'ok' if figure.ok else 'MISSED'})" if figure.bound else ""
            sys.stdout.write(f"{figure.name:32} {figure.value:10.4g} {figure.unit}{bound}\n")
    return 0 if all(figure.ok for figure in listed) else 1
