"""The parts: each an outline (a signed distance) and a relief (a height), both formulas, so sharp at any size and turn.

A part lives in its own units: it lies within the circle of radius 1 about the origin. `u` and `v` are coordinates of
any shape; distances are negative inside. Distances follow Inigo Quilez, "2D distance functions" (iquilezles.org).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from samples.surfaces import Field


@dataclass(frozen=True, slots=True)
class Part:
    """The geometry of one part.

    Attributes:
        outline: (u, v) -> signed distance to the silhouette, negative inside.
        relief: (u, v, distance) -> height of the upper side, in units, where the distance is negative.
        thickness: Height of the upright walls below the relief, in units; seen when the camera is tilted.
    """

    outline: Callable[[Field, Field], Field]
    relief: Callable[[Field, Field, Field], Field]
    thickness: float


def _bevel(distance: Field, width: float) -> Field:
    """Rounds an edge: 0 at the outline, 1 from `width` inwards, with a quarter circle between."""
    inward: Field = np.clip(1 + distance / width, 0, 1)
    return np.sqrt(1 - inward * inward)


def _box(u: Field, v: Field, half_u: float, half_v: float, radius: float) -> Field:
    du, dv = np.abs(u) - (half_u - radius), np.abs(v) - (half_v - radius)
    outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0))
    return outside + np.minimum(np.maximum(du, dv), 0) - radius


def _smooth_union(a: Field, b: Field, blend: float) -> Field:
    overlap = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - overlap * overlap * blend / 4


def _tapered(u: Field, v: Field, start: tuple[float, float], r0: float, end: tuple[float, float], r1: float) -> Field:
    """A rod between two points whose radius grows from `r0` to `r1`."""
    du, dv = end[0] - start[0], end[1] - start[1]
    share = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv), 0, 1)
    return np.hypot(u - start[0] - share * du, v - start[1] - share * dv) - (r0 + (r1 - r0) * share)


def washer(rng: np.random.Generator) -> Part:
    """A flat ring; the hole takes 0.52 to 0.68 of the diameter."""
    hole, bevel = rng.uniform(0.52, 0.68), rng.uniform(0.03, 0.09)

    def outline(u: Field, v: Field) -> Field:
        radius: Field = np.hypot(u, v)
        ring: Field = np.maximum(radius - 1, hole - radius)
        return ring

    def relief(u: Field, v: Field, distance: Field) -> Field:
        return 0.05 * _bevel(distance, bevel) + 0.02 * np.hypot(u, v)

    return Part(outline, relief, thickness=rng.uniform(0.08, 0.16))


def nut(rng: np.random.Generator) -> Part:
    """A hexagon with turned-down corners and a hole of 0.4 to 0.5 of its width across corners."""
    apothem, hole, crown = 0.866, rng.uniform(0.4, 0.5), rng.uniform(0.84, 0.9)

    def outline(u: Field, v: Field) -> Field:
        across = np.abs(u)
        hexagon = np.maximum(across, 0.5 * across + 0.8660254 * np.abs(v)) - apothem
        return np.maximum(hexagon, hole - np.hypot(u, v))

    def relief(u: Field, v: Field, distance: Field) -> Field:
        radius = np.hypot(u, v)
        corners = 0.55 * np.maximum(radius - crown, 0)
        lead_in = 0.9 * np.maximum(hole + 0.09 - radius, 0)
        return 0.16 - corners - lead_in + 0.02 * _bevel(distance, 0.03)

    return Part(outline, relief, thickness=rng.uniform(0.3, 0.5))


def bolt(rng: np.random.Generator) -> Part:
    """A bolt on its side: a hexagon, pan or cylinder head and a shank that is threaded wholly or in part."""
    head_from, head_half = -1 + rng.uniform(0.24, 0.36), rng.uniform(0.3, 0.4)
    shank, pitch = head_half * rng.uniform(0.48, 0.58), rng.uniform(0.075, 0.12)
    thread_from = head_from + rng.choice([0.04, 0.5])
    head = rng.choice(["hexagon", "pan", "cylinder"])
    depth = 0.16 * shank

    def ridges(u: Field, v: Field) -> Field:
        phase = (u / pitch + 0.22 * v / shank) % 1
        return np.where(u > thread_from, np.abs(2 * phase - 1), np.float32(0.9))

    def head_outline(u: Field, v: Field) -> Field:
        middle, half = (head_from - 1) / 2, (head_from + 1) / 2
        if head == "pan":
            dome = np.hypot((u - head_from) * head_half / (2 * half), v) - head_half
            cut: Field = np.maximum(dome, u - head_from)
            return cut
        return _box(u - middle, v, half, head_half, 0.05)

    def outline(u: Field, v: Field) -> Field:
        length = (head_from + 1) / 2
        body = _box(u - length, v, 1 - length, shank, 0.04) + depth * (1 - ridges(u, v))
        return np.minimum(head_outline(u, v), body)

    def relief(u: Field, v: Field, _distance: Field) -> Field:
        round_shank = np.sqrt(np.maximum(shank * shank - v * v, 0)) - depth * (1 - ridges(u, v))
        across = np.clip(np.abs(v) / head_half, 0, 1)
        if head == "hexagon":
            round_head = head_half * np.minimum(0.87, 1.62 - 1.5 * across)
        else:
            round_head = head_half * np.sqrt(np.maximum(1 - across * across, 0))
        edge = 0.06 * _bevel(np.minimum(-(u + 1), u - head_from), 0.06)
        return np.where(u < head_from, round_head + edge, round_shank)

    return Part(outline, relief, thickness=0.0)


def wing_nut(rng: np.random.Generator) -> Part:
    """A wing nut on its back: a conical hub between two flat ears that widen outwards."""
    ear, spread, lift = rng.uniform(0.2, 0.27), rng.uniform(0.66, 0.72), rng.uniform(0.12, 0.4)
    foot, top = rng.uniform(0.32, 0.4), rng.uniform(0.18, 0.24)

    def hub(u: Field, v: Field) -> Field:
        half: Field = foot + (top - foot) * np.clip((0.45 - v) / 0.75, 0, 1)
        return np.maximum(np.abs(u) - half, np.abs(v - 0.1) - 0.38)

    def outline(u: Field, v: Field) -> Field:
        wing = _tapered(np.abs(u), v, (0.16, 0.22), 0.12, (spread, -lift), ear)
        return _smooth_union(wing, hub(u, v), 0.1)

    def relief(u: Field, v: Field, distance: Field) -> Field:
        half = foot + (top - foot) * np.clip((0.45 - v) / 0.75, 0, 1)
        barrel = 0.9 * np.sqrt(np.maximum(half * half - u * u, 0))
        rim, recess = 0.1 * _bevel(distance, 0.05), 0.03 * _bevel(distance + 0.09, 0.04)
        return np.where(hub(u, v) < 0, np.maximum(barrel, rim), rim - recess)

    return Part(outline, relief, thickness=0.08)


def spring(rng: np.random.Generator) -> Part:
    """A compression spring on its side: the helix's near strands over its far ones."""
    turns, coil = int(rng.integers(5, 10)), rng.uniform(0.26, 0.4)
    pitch = 1.9 / turns
    wire = min(rng.uniform(0.26, 0.36) * pitch, 0.3 * coil)

    def strand(u: Field, v: Field, side: float) -> Field:
        bend = np.arcsin(np.clip(v / coil, -0.995, 0.995)) / (2 * np.pi)
        along = (u / pitch - side * bend + (0.25 if side > 0 else 0.75)) % 1 - 0.5
        lean = pitch / (2 * np.pi * np.sqrt(np.maximum(coil * coil - v * v, (0.25 * coil) ** 2)))
        across = np.abs(along) * pitch / np.sqrt(1 + lean * lean)
        beyond = np.maximum(np.abs(v) - coil + wire * 0.4, 0)
        ends = np.maximum(np.abs(u) - 0.95, 0)
        from_axis: Field = np.sqrt(across * across + beyond * beyond + ends * ends)
        return from_axis - wire

    def outline(u: Field, v: Field) -> Field:
        return np.minimum(strand(u, v, 1), strand(u, v, -1))

    def relief(u: Field, v: Field, distance: Field) -> Field:
        arch = np.sqrt(np.maximum(coil * coil - np.minimum(v * v, coil * coil), 0))
        near = strand(u, v, 1)
        from_centre = wire + np.where(near < 0, near, distance)
        round_wire = np.sqrt(np.maximum(wire * wire - from_centre * from_centre, 0))
        lifted: Field = round_wire + np.where(near < 0, np.float32(0.35), np.float32(-0.35)) * arch
        return lifted

    return Part(outline, relief, thickness=0.0)


PARTS: dict[str, Callable[[np.random.Generator], Part]] = {
    "bolt": bolt,
    "nut": nut,
    "spring": spring,
    "washer": washer,
    "wing-nut": wing_nut,
}
