"""How long the function app takes to import with an empty environment: a part of every cold start on Azure."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from bench.report import Figure, print_figures

PROBE = """
import json, sys, time
started = time.perf_counter()
import function_app
seconds = time.perf_counter() - started
print(json.dumps([seconds, [name for name in ("numpy", "onnxruntime") if name in sys.modules]]))
"""


def main(arguments: list[str]) -> int:
    """Run the suite; return its exit code."""
    parser = argparse.ArgumentParser(prog="./darkroom bench imports", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs, after one that is not (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    runs = [_import_once() for _ in range(options.runs + 1)][1:]
    median = statistics.median(seconds for seconds, _ in runs)
    heavy = max(len(modules) for _, modules in runs)
    figures = [
        Figure("import_seconds", median, "s, median", "< 1.0", median < 1.0),
        Figure("import_seconds_worst", max(seconds for seconds, _ in runs), "s"),
        Figure("heavy_modules", heavy, "of numpy and onnxruntime", "0", heavy == 0),
    ]
    return print_figures("imports", figures, as_json=options.json)


def _import_once() -> tuple[float, list[str]]:
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, cwd=root, env={}, capture_output=True, text=True, check=True)  # noqa: S603 - our own probe
    seconds, modules = json.loads(done.stdout)
    return float(seconds), list(modules)
