"""Measures itself, as a fresh process: `python -m bench.cocofile.probe fold|snapshot …`; prints one JSON object.

The peak is the kernel's high-water mark of this process's memory (`VmHWM`). `ru_maxrss` would begin with the memory
of whoever started it, since Linux carries that over an exec.
"""

import json
import os
import random
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.cocofile.pictures import DATASET, clustered, scattered
from shared.assessment import Assessor
from shared.cocofile import CocoFile
from shared.policy import Rules
from shared.snapshot import snapshot_parts
from shared.snapshotfiles import SnapshotFiles
from shared.stock import pictures_of, used
from shared.storage.azure import Account, AzureContainer

RULES = Rules(
    min_pictures_per_label=5,
    min_labels=2,
    min_new_pictures=1,
    quiet_period=timedelta(minutes=1),
    cool_down=timedelta(0),
)


def peak_mb() -> float:
    """Return the most memory this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def fold(container: AzureContainer, kind: str, pictures: int) -> dict[str, Any]:
    """Fold once; `idle` only reads a tiny blob."""
    if kind == "idle":
        container.write("tiny", b"{}")
        return {"changed": container.read("tiny").data == b"{}"}
    rng = random.Random(kind)  # noqa: S311 - not for secrets
    changes = clustered(rng, pictures) if kind == "clustered" else scattered(rng, pictures)
    return {"changed": CocoFile(container, DATASET).fold(changes)}


def snapshot(training: AzureContainer, registry: AzureContainer) -> dict[str, Any]:
    """Do what a start of a training does from the policy's question to the registration."""
    started = time.perf_counter()
    assessor = Assessor(training=training, registry=registry, rules=RULES)
    assessment = assessor.assess(DATASET, now=datetime.now(UTC) + timedelta(days=1), thorough=True)
    surveyed = time.perf_counter()
    live, survey, stock = assessment.live, assessment.survey, assessment.stock
    if live is None or survey is None or stock is None or not assessment.decision.go:
        raise SystemExit(f"the policy says no: {assessment.decision.reasons}")
    pictures = used(pictures_of(live.records(), live.head.categories), stock, survey.ready)
    files = SnapshotFiles(training, DATASET)
    if files.exists(survey.snapshot.digest):
        raise SystemExit("the snapshot is there already")
    parts = snapshot_parts(pictures, survey.ready, assessment.pinned, url_of=training.url)
    files.write(survey.snapshot.digest, survey.ready, parts)
    return {
        "seconds": time.perf_counter() - started,
        "survey_seconds": surveyed - started,
        "train_pictures": survey.snapshot.train_pictures,
        "test_pictures": survey.snapshot.test_pictures,
        "findings": survey.finding_count,
        "copies": sum(label.copies for label in survey.labels),
    }


def main(arguments: list[str]) -> None:
    """Measure what the arguments name."""
    service = Account(os.environ["PROBE_STORAGE"]).blob_service()
    match arguments:
        case ["fold", container, kind, pictures]:
            done = fold(AzureContainer(service, container), kind, int(pictures))
        case ["snapshot", training, registry]:
            done = snapshot(AzureContainer(service, training), AzureContainer(service, registry))
        case _:
            raise SystemExit(__doc__)
    sys.stdout.write(json.dumps({**done, "peak_mb": peak_mb()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
