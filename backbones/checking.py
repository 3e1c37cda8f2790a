"""Finds out whether a backbone does what the engine needs: maps of pictures of any size, and each time the same."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import ALWAYS_THERE, Backbone, load_backbone, parts_of
from engine.learn.builtin import STORED
from engine.learn.errors import BackboneError
from engine.learn.manifest import Origin, read_origin
from engine.learn.network import RUN_ERRORS

SIZES: Final = ((224, 224), (96, 160), (416, 320), (33, 47), (7, 300))  # height, width
STEP: Final = 32
TIMED: Final = 224  # px, both sides of the picture that is timed
RUNS: Final = 15
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a backbone that fits.

    Attributes:
        name: For people.
        digest: Under which models remember it.
        width: Length of an embedding.
        channels: Stride -> channels of its map.
        milliseconds: Of one core's time, to embed a picture of 224 x 224 px; the median of several.
        licence: Of each part, as its manifest names it; None where it does not.
        source: Likewise.
    """

    name: str
    digest: str
    width: int
    channels: dict[int, int]
    milliseconds: float
    licence: str | None
    source: str | None

    def document(self) -> dict[str, Any]:
        """Returns what is kept as check.json, and printed with --json."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "digest": self.digest,
            "width": self.width,
            "channels": {str(stride): count for stride, count in self.channels.items()},
            "milliseconds": round(self.milliseconds, 2),
            "licence": self.licence,
            "source": self.source,
        }


def check_backbone(spec: str | Path) -> Checked:
    """Opens a backbone, runs it on pictures of several sizes, and measures its speed.

    Args:
        spec: See `engine.learn.backbone.parts_of`.

    Raises:
        BackboneError: It does not fit; the message says why.
    """
    backbone = load_backbone(spec)
    channels = try_backbone(backbone, load_backbone(spec, threads=2))
    origins = [origin_of(part) for part in parts_of(spec)]
    licences, sources = [one.licence for one in origins], [one.source for one in origins]
    return Checked(
        name=backbone.name,
        digest=backbone.digest,
        width=backbone.width,
        channels=channels,
        milliseconds=milliseconds(backbone),
        licence=" + ".join(licence or "unknown" for licence in licences) if any(licences) else None,
        source=" + ".join(source or "unknown" for source in sources) if any(sources) else None,
    )


def try_backbone(one: Backbone, two: Backbone) -> dict[int, int]:
    """Runs a backbone on pictures of several sizes; returns stride -> channels of its maps.

    Args:
        one: It, on one thread.
        two: The same, on two.

    Raises:
        BackboneError: It does not fit; the message says why.
    """
    channels: dict[int, int] = {}
    before: NDArray[np.float32] | None = None
    for number, (height, width) in enumerate(SIZES):
        picture = drawn(height, width, number)
        try:
            channels = _check_maps(one, two, picture)
            features = _check_embedding(one, two, picture)
        except RUN_ERRORS as error:
            raise BackboneError(
                f"'{one.name}' does not run on a picture of {width} x {height} px ({error}); export it for any size"
            ) from error
        if before is not None and np.array_equal(before, features):
            raise BackboneError(f"'{one.name}' has the same features for different pictures; export it again")
        before = features
    return channels


def milliseconds(backbone: Backbone) -> float:
    """Measures what embedding a picture of TIMED x TIMED px takes of one core, whatever else that core does."""
    picture = drawn(TIMED, TIMED, 0)
    times = []
    for _ in range(RUNS):
        start = time.thread_time()
        backbone.embed(picture)
        times.append(1000 * (time.thread_time() - start))
    return statistics.median(times)


def drawn(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Draws coarse coloured blocks under fine noise: (height, width, 3)."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 200, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    coarse = blocks.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    fine: NDArray[np.uint8] = rng.integers(0, 56, (height, width, 3), dtype=np.uint8)
    return coarse + fine


def origin_of(part: str) -> Origin:
    """Returns where a part of a spec comes from."""
    if part not in ALWAYS_THERE:
        return read_origin(Path(part))
    return read_origin(STORED) if part == ALWAYS_THERE[0] else Origin("MIT", "Computed by this code, without a network")


def _check_maps(one: Backbone, two: Backbone, picture: NDArray[np.uint8]) -> dict[int, int]:
    """Returns stride -> channels."""
    height, width = (max(STEP, round(side / STEP) * STEP) for side in picture.shape[:2])
    maps, again, threaded = one.feature_maps(picture), one.feature_maps(picture), two.feature_maps(picture)
    for stride, levels in maps.items():
        which = f"the map at stride {stride} of '{one.name}'"
        if levels.shape[1:] != (height // stride, width // stride):
            raise BackboneError(
                f"{which} has {levels.shape[1]} x {levels.shape[2]} cells for {height} x {width} px, not "
                f"{height // stride} x {width // stride}; it must halve evenly, with padding that keeps borders"
            )
        _check_numbers(which, levels, again[stride], threaded[stride])
        if float(levels.std(axis=(1, 2)).max()) == 0.0 and levels[0].size > 1:
            raise BackboneError(f"{which} is the same everywhere; export it again")
    return {stride: len(levels) for stride, levels in sorted(maps.items())}


def _check_embedding(one: Backbone, two: Backbone, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    features = one.embed(picture)
    if features.shape != (one.width,):
        raise BackboneError(f"the embedding of '{one.name}' has shape {features.shape}, not ({one.width},)")
    _check_numbers(f"the embedding of '{one.name}'", features, one.embed(picture), two.embed(picture))
    return features


def _check_numbers(
    which: str, found: NDArray[np.float32], again: NDArray[np.float32], threaded: NDArray[np.float32]
) -> None:
    if not np.isfinite(found).all():
        raise BackboneError(f"{which} holds numbers that are not finite; check input.range, mean and std")
    if found.tobytes() != again.tobytes():
        raise BackboneError(f"{which} differs when it is made twice; export it for inference, without dropout")
    if found.tobytes() != threaded.tobytes():
        raise BackboneError(f"{which} differs between one thread and two; models would depend on the machine")
