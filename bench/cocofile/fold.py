"""What a fold of a hundred changes costs, against rewriting the whole file with the same libraries."""

import json
import random
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from bench.cocofile.bounds import figure
from bench.cocofile.home import SMALL, Home, Metered, say
from bench.cocofile.pictures import DATASET, clustered, interspersed, scattered
from bench.report import Figure
from shared import layout
from shared.blocks import Info
from shared.coco import Annotation, Category, Claim, Image, Problem, Seen
from shared.cocofile import CALLS_AT_ONCE, CocoFile

ROUNDS = 15
PATH = layout.live_file(DATASET)


class Whole(msgspec.Struct):
    """The whole file, as the peer reads and writes it."""

    info: Info
    categories: list[Category]
    images: list[Image]
    annotations: list[Annotation]
    problems: list[Problem]
    claims: list[Claim]


def rewrite(container: Metered) -> None:
    """Read, decode, encode and upload the whole file."""
    whole = msgspec.json.decode(container.read(PATH).data, type=Whole)
    container.write(f"{DATASET}/rewritten.json", msgspec.json.encode(whole))


def measure(home: Home, rng: random.Random) -> tuple[list[Figure], dict[str, Any]]:
    """Measure; rounds take turns, so that noise hits all alike."""
    large, small, size = home.large, home.small, home.pictures
    samples: dict[str, list[float]] = {}
    for container, pictures in ((large, size), (small, SMALL)):  # not counted: connections, caches
        _fold(container, clustered(rng, pictures))
    for number in range(ROUNDS):
        steps: list[tuple[str, Callable[[], float]]] = [
            ("clustered_1m", lambda: _fold(large, clustered(rng, size), samples)),
            ("clustered_10k", lambda: _fold(small, clustered(rng, SMALL))),
            ("rewrite_10k", lambda: _seconds(lambda: rewrite(small))),
            ("bare_calls_1m", lambda: _repeat(large)),
        ]
        if number % 2:
            steps[:3] = reversed(steps[:3])
        if number % 3 == 0:
            steps.append(("scattered_1m", lambda: _fold(large, scattered(rng, size))))
            steps.append(("interspersed_1m", lambda: _fold(large, interspersed(rng, size))))
        if number % 5 == 2:
            steps.append(("rewrite_1m", lambda: _seconds(lambda: rewrite(large))))
        for name, step in steps:
            samples.setdefault(name, []).append(step())
        say(f"round {number + 1} of {ROUNDS}: " + ", ".join(f"{name} {samples[name][-1]:.3f} s" for name, _ in steps))
    memory = {kind: _memory(home, large.name, kind) for kind in ("idle", "clustered", "scattered")}
    return _figures(samples, memory, size), {"samples": samples, "memory_mb": memory, "leaves": _leaves(large)}


def _figures(samples: Mapping[str, list[float]], memory: Mapping[str, float], size: int) -> list[Figure]:
    middle = {name: statistics.median(values) for name, values in samples.items()}

    def over(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(samples[one], samples[other], strict=True))

    def speed(name: str) -> Figure:
        ratio, seconds = middle["rewrite_1m"] / middle[f"{name}_1m"], middle[f"{name}_1m"]
        unit = f"times as fast as a rewrite: {seconds:.3g} s, {middle['rewrite_1m']:.3g} s"
        return figure(f"fold_speedup_{name}_1m", ratio, unit, pictures=size)

    return [
        speed("clustered"),
        speed("scattered"),
        speed("interspersed"),
        figure("fold_bytes_share_clustered_1m", middle["bytes_share"], "of the file's bytes", pictures=size),
        figure("fold_wall_ratio_1m_over_10k", over("clustered_1m", "clustered_10k"), "median of pairs", pictures=size),
        figure("fold_over_rewrite_10k", over("clustered_10k", "rewrite_10k"), "median of pairs"),
        figure("fold_over_bare_calls_1m", over("clustered_1m", "bare_calls_1m"), "median of pairs", pictures=size),
        figure("fold_rss_mb_1m", memory["clustered"] - memory["idle"], "MB above import alone", pictures=size),
        figure(
            "fold_rss_mb_1m_scattered", memory["scattered"] - memory["idle"], "MB above import alone", pictures=size
        ),
    ]


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _fold(
    container: Metered, changes: Mapping[str, Seen | None], samples: dict[str, list[float]] | None = None
) -> float:
    file = CocoFile(container, DATASET)
    traffic = container.count()
    seconds = _seconds(lambda: file.fold(changes))
    properties = container.properties(PATH)
    if samples is not None and properties is not None:
        samples.setdefault("bytes_share", []).append(traffic.bytes / properties.size)
        samples.setdefault("calls", []).append(traffic.calls.total())
    return seconds


def _repeat(container: Metered) -> float:
    """Make the calls of the last fold again, with nothing between them: what no fold can be faster than."""
    calls = container.traffic.repeat
    reads = [again for call, again in calls if call == "read"]
    stages = [again for call, again in calls if call == "stage"]
    commits = [again for call, again in calls if call == "commit"]

    def go() -> None:
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            for group in (reads[:1], reads[1:], stages, commits):
                list(pool.map(lambda again: again(), group))

    return _seconds(go)


def _memory(home: Home, container: str, kind: str) -> float:
    found = json.loads(home.probe("fold", container, kind, str(home.pictures)))
    if not found["changed"]:
        raise SystemExit(f"the {kind} fold changed nothing")
    return float(found["peak_mb"])


def _leaves(container: Metered) -> dict[str, int]:
    live = CocoFile(container, DATASET).read()
    return {"leaves": len(live.head.info.leaves), "bytes": live.size} if live else {}
