"""How fast the file is read from a local disk into records, against `json.loads` and pycocotools on the same file."""

import contextlib
import gc
import io
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO  # type: ignore[import-untyped]  # it ships no types

from bench.cocofile.bounds import figure
from bench.cocofile.home import Home, say
from bench.cocofile.pictures import DATASET
from bench.report import Figure
from shared import layout
from shared.blocks import SECTIONS, Map, decode_head, decode_section, head_length

PICTURES = 100_000
ROUNDS = 5


def read_ours(path: Path) -> list[list[Any]]:
    """Decode head and records as the product does."""
    data = path.read_bytes()
    head = data[: head_length(data)]
    places = Map(decode_head(head), len(head))
    last = len(places.leaves) - 1
    spans = (places.span(section, 0, last) for section in range(len(SECTIONS)))
    return [decode_section(n, data[start : start + size]) if size else [] for n, (start, size) in enumerate(spans)]


def read_json(path: Path) -> object:
    """Decode with the standard library."""
    return json.loads(path.read_bytes())


def read_pycocotools(path: Path) -> COCO:
    """Load and index with the reference implementation, which talks on stdout."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def measure(home: Home, rng: random.Random) -> tuple[list[Figure], dict[str, Any]]:  # noqa: ARG001 - as every case
    """Measure; the three take turns."""
    path = home.folder / "live.json"
    path.write_bytes(home.filled(PICTURES).read(layout.live_file(DATASET)).data)
    readers: dict[str, Callable[[Path], object]] = {
        "ours": read_ours,
        "json": read_json,
        "pycocotools": read_pycocotools,
    }
    samples: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, reader in readers.items():
            gc.collect()
            started = time.perf_counter()
            kept = reader(path)
            samples[name].append(time.perf_counter() - started)
            del kept
    say(f"decode: {json.dumps({name: round(statistics.median(of), 3) for name, of in samples.items()})}")
    return [
        figure(
            f"decode_speedup_{peer}",
            statistics.median(theirs / ours for theirs, ours in zip(samples[peer], samples["ours"], strict=True)),
            f"times as fast on {PICTURES:,} pictures, median of pairs",
        )
        for peer in ("json", "pycocotools")
    ], {"samples": samples, "bytes": path.stat().st_size, "pictures": PICTURES}
