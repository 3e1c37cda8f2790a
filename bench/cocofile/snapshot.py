"""How long the start of a training takes from the policy's question to the registration, and in what memory."""

import json
import random
from typing import Any

from bench.cocofile.bounds import figure
from bench.cocofile.home import Home, say
from bench.report import Figure


def measure(home: Home, rng: random.Random) -> tuple[list[Figure], dict[str, Any]]:  # noqa: ARG001 - as every case
    """Measure in a fresh process: survey, and both files."""
    large, registry = home.large, home.container()
    idle = json.loads(home.probe("fold", large.name, "idle", str(home.pictures)))["peak_mb"]
    found = json.loads(home.probe("snapshot", large.name, registry.name))
    say(f"snapshot: {json.dumps(found)}")
    unit = f"s, of which survey {found['survey_seconds']:.1f}"
    return [
        figure("snapshot_seconds_1m", found["seconds"], unit, pictures=home.pictures),
        figure("snapshot_rss_mb_1m", found["peak_mb"] - idle, "MB above import alone", pictures=home.pictures),
    ], {**found, "idle_mb": idle}
