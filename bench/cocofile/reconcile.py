"""How fast storage is compared with the file, when they agree and when one blob in a hundred does not."""

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from bench.cocofile.bounds import figure
from bench.cocofile.home import Home, Metered, say
from bench.cocofile.pictures import DATASET, draw, path_of
from bench.report import Figure
from shared.coco import Seen
from shared.cocofile import CocoFile
from shared.dataset import Datasets
from shared.imports import Imports
from shared.pictures import inspect
from shared.reconcile import Pass, Reconciliation
from shared.registry import Registry

BLOBS: Final = 20_000
LABELS: Final = 20
DRIFT: Final = 200
ROUNDS: Final = 5


def measure(home: Home, rng: random.Random) -> tuple[list[Figure], dict[str, Any]]:
    """Measure; comparisons and bare listings take turns."""
    training, registry = home.container(), home.container()
    paths = [path_of(number % LABELS, number) for number in range(BLOBS)]
    started = time.perf_counter()
    CocoFile(training, DATASET).fold(dict(_upload(training, paths, "")))
    Registry(registry).ensure(DATASET)
    say(f"{BLOBS:,} blobs were uploaded in {time.perf_counter() - started:.1f} s")
    reconciliation = Reconciliation(
        training=training,
        registry=registry,
        datasets=Datasets(training=training, registry=registry, changes=home.queue()),
        imports=Imports(training=training, registry=registry),
    )
    samples: dict[str, list[float]] = {"agree": [], "listing": [], "drift": []}
    for _ in range(ROUNDS):
        samples["agree"].append(_compare(reconciliation, expected=0))
        samples["listing"].append(_seconds(lambda: list(training.pages(f"{DATASET}/"))))
    for number in range(3):
        paths = _disturb(training, paths, rng, number)
        samples["drift"].append(_compare(reconciliation, expected=DRIFT))
    say(f"reconcile: {json.dumps({name: [round(s, 2) for s in of] for name, of in samples.items()})}")
    agree, drift = statistics.median(samples["agree"]), statistics.median(samples["drift"])
    share = statistics.median(b / a for a, b in zip(samples["agree"], samples["listing"], strict=True))
    return [
        figure("reconcile_pictures_per_second", BLOBS / agree, f"/s, {BLOBS:,} blobs that agree"),
        figure("reconcile_pictures_per_second_drift", BLOBS / drift, f"/s, {DRIFT} of {BLOBS:,} do not agree"),
        figure("reconcile_listing_share", share, "of the time is what a bare listing takes"),
    ], {"samples": samples, "blobs": BLOBS, "drift": DRIFT}


def _upload(training: Metered, paths: Sequence[str], mark: str) -> list[tuple[str, Seen]]:
    def one(path: str) -> tuple[str, Seen]:
        data = draw(f"{path}{mark}")
        etag = training.write(path, data)
        return path, Seen(etag=etag, facts=inspect(data, etag=etag))

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, paths))


def _disturb(training: Metered, paths: Sequence[str], rng: random.Random, number: int) -> list[str]:
    """Replace, delete and add a third each of what is to drift; return the paths that are there then."""
    chosen = rng.sample(paths, 2 * DRIFT // 3)
    replaced, gone = chosen[: DRIFT // 3], chosen[DRIFT // 3 :]
    new = [f"{path[:-4]}-{number}.jpg" for path in rng.sample(paths, DRIFT - len(chosen))]
    _upload(training, [*replaced, *new], f" {number}")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(training.delete, gone))
    return sorted({*paths, *new} - set(gone))


def _compare(reconciliation: Reconciliation, *, expected: int) -> float:
    found: dict[str, Pass] = {}
    seconds = _seconds(lambda: found.update(reconciliation.run(now=datetime.now(UTC))))
    if not found[DATASET].done or found[DATASET].drift != expected:
        raise SystemExit(f"{expected} blobs do not agree, and this was found: {found[DATASET]}")
    return seconds


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
