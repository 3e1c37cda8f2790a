"""What `predict` of the function app adds to a call of the engine: the same picture and model, in turns."""

from typing import Any, Final

from bench.report import Figure
from bench.serving.bounds import figure
from bench.serving.children import Asked
from bench.serving.home import Home
from bench.serving.throughput import percentile

_WARM_SECONDS: Final = 2.0


def measure(home: Home, *, rounds: int, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    """Measures with one client that asks the engine, then `predict`, then the engine again."""
    question = {"targets": [home.engine_target, home.predict_target], "picture": str(home.picture), "clients": 1}
    with Asked("clients") as clients:
        clients.ask(**question, seconds=_WARM_SECONDS)
        direct, through = clients.ask(**question, seconds=rounds * seconds)["targets"]
    for found in (direct, through):
        if found["failures"]:
            raise SystemExit(f"not every call was answered: {found['failures']}")
    p50, p95 = ([percentile(found["latencies"], share) for found in (direct, through)] for share in (0.50, 0.95))
    figures = [
        figure("predict_overhead_ms_p50", p50[1] - p50[0], "ms, one client"),
        figure("predict_overhead_ms_p95", p95[1] - p95[0], "ms, one client"),
        figure("predict_p50_ms", p50[1], "ms, one client"),
        figure("engine_p50_ms", p50[0], "ms, one client"),
    ]
    return figures, {"calls": len(direct["latencies"])}
