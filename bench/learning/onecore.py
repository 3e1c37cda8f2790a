"""Runs a suite with one thread for linear algebra, as the engine's jobs run."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.processes import ONE_THREAD

_ROOT = Path(__file__).resolve().parents[2]


def on_one_core(suite: str, arguments: Sequence[str], run: Callable[[Sequence[str]], int]) -> int:
    """Runs a suite here, or in a process of its own when NumPy of this one may use several threads.

    Args:
        suite: Its name.
        arguments: Of its command line.
        run: What it does; takes the arguments and returns an exit code.
    """
    if ONE_THREAD.items() <= dict(os.environ).items():
        return run(arguments)
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-m", "bench", suite, *arguments]
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - ourselves
