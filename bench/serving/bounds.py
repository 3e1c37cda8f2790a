"""The figures of the suite and what each must keep to. Pure."""

from typing import Final, Literal

from bench.report import Figure

BOUNDS: Final[dict[str, tuple[Literal[">=", "<="], float]]] = {
    "throughput_share_of_limit": (">=", 0.75),
    "throughput_over_plain_endpoint": (">=", 1.0),
    "predict_overhead_ms_p50": ("<=", 8.0),
    "analyze_p95_busy_over_idle": ("<=", 2.5),
    "failures": ("<=", 0),
}


def figure(name: str, value: float, unit: str) -> Figure:
    """Makes a figure with its bound, if it has one; the value is rounded to four digits after it is judged."""
    relation, limit = BOUNDS.get(name, (">=", float("-inf")))
    ok = value >= limit if relation == ">=" else value <= limit
    bound = f"{relation} {limit:g}" if name in BOUNDS else ""
    return Figure(name, float(f"{value:.4g}"), unit, bound, ok)
