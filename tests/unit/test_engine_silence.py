"""The engine's libraries keep to themselves."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_network_runtime_leaves_no_trace_of_telemetry(tmp_path: Path) -> None:
    """With telemetry it keeps a device id and what it is about to send under HOME."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import engine.learn.network"], cwd=ROOT, env=env, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
