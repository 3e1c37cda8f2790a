"""The figures of the suite: what each must keep to, and which of them speak of the large file. Pure."""

from typing import Final, Literal

from bench.report import Figure

MILLION: Final = 1_000_000
BOUNDS: Final[dict[str, tuple[Literal[">=", "<=", ">"], float]]] = {
    "fold_speedup_clustered_1m": (">=", 30),
    "fold_speedup_scattered_1m": (">=", 3),
    "fold_bytes_share_clustered_1m": ("<=", 0.01),
    "fold_wall_ratio_1m_over_10k": ("<=", 3.0),
    "fold_over_rewrite_10k": ("<=", 1.2),
    "fold_rss_mb_1m": ("<=", 150),
    "fold_rss_mb_1m_scattered": ("<=", 150),
    "snapshot_seconds_1m": ("<=", 60),
    "snapshot_rss_mb_1m": ("<=", 300),
    "intake_speedup": (">=", 3),
    "decode_speedup_json": (">", 1),
    "decode_speedup_pycocotools": (">", 1),
}


def holds(name: str, value: float) -> bool:
    """Tell whether a figure keeps to its bound; one without a bound does."""
    if name not in BOUNDS:
        return True
    relation, limit = BOUNDS[name]
    return {">=": value >= limit, "<=": value <= limit, ">": value > limit}[relation]


def figure(name: str, value: float, unit: str, *, pictures: int = MILLION) -> Figure:
    """Make a figure with its bound.

    Args:
        name: Its name; one that speaks of ``1m`` keeps it when the large file is smaller, and has no bound then.
        value: What was measured.
        unit: Its unit.
        pictures: Pictures in the large file of this run.
    """
    tried_out = "1m" in name and pictures != MILLION
    if tried_out:
        unit = f"{unit}; a try-out with {pictures:,} pictures"
    bound = "" if tried_out or name not in BOUNDS else "{} {:g}".format(*BOUNDS[name])
    return Figure(name, float(f"{value:.4g}"), unit, bound, tried_out or holds(name, value))
