"""Outlines of parts: blobs, polygons, stars, rings, boxes, limbs, mirrored and branching shapes, domes."""

from collections.abc import Callable

import numpy as np

from pretrain.drawings.colours import Floats

Rings = list[Floats]


def _around(radius: Floats, angles: Floats) -> Floats:
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1)


def _turn(count: int) -> Floats:
    return np.linspace(0, 2 * np.pi, count, endpoint=False)


def _blob(rng: np.random.Generator) -> Rings:
    """A few Fourier terms of the radius."""
    t = _turn(48)
    radius = np.ones_like(t)
    for k in range(1, int(rng.integers(2, 9))):
        radius += rng.normal(0, 0.35 / k ** rng.uniform(0.3, 1.2)) * np.cos(k * t + rng.random() * 6.28)
    return [_around(np.clip(radius, 0.15, 2.5), t)]


def _polygon(rng: np.random.Generator) -> Rings:
    n = int(rng.integers(3, 8))
    t = np.sort(rng.random(n)) * 2 * np.pi if rng.random() < 0.5 else np.arange(n) * 2 * np.pi / n
    stretch = rng.uniform(0.6, 1.1, (n, 1) if rng.random() < 0.3 else (1, 1))
    return [np.stack([np.cos(t), np.sin(t)], 1) * stretch]


def _star(rng: np.random.Generator) -> Rings:
    """Stars, flowers, gears; some with a hole."""
    n = int(rng.integers(3, 14))
    t = _turn(96)
    wave = np.cos(n * t)
    sharp = rng.uniform(0.3, 4)
    radius = 1 + rng.uniform(0.15, 0.6) * np.tanh(wave * sharp) / np.tanh(sharp)
    rings = [_around(radius, t)]
    if rng.random() < 0.4:
        rings.append(0.35 * np.stack([np.cos(t), np.sin(t)], 1))
    return rings


def _ring(rng: np.random.Generator) -> Rings:
    t = _turn(40)
    rings = [np.stack([np.cos(t), np.sin(t)], 1)]
    if rng.random() < 0.6:
        rings.append(rings[0] * rng.uniform(0.2, 0.85))
    return rings


def _box(rng: np.random.Generator) -> Rings:
    """A superellipse: from a box with round corners to a cushion."""
    t = _turn(48)
    p = np.exp(rng.normal(-1.2, 0.7))
    return [np.stack([np.sign(np.cos(t)) * np.abs(np.cos(t)) ** p, np.sign(np.sin(t)) * np.abs(np.sin(t)) ** p], 1)]


def _limb(rng: np.random.Generator) -> Rings:
    """A thick curve whose width changes."""
    n = 16
    s = np.linspace(0, 1, n)
    angle = np.cumsum(rng.normal(0, rng.uniform(0.02, 0.5), n)) + rng.random() * 6.28
    spine = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), 0) / n * 2.4
    spine -= spine.mean(0)
    thick = rng.uniform(0.05, 0.35)
    swell = 1 + 0.6 * np.sin(s * rng.uniform(0.5, 7) + rng.random() * 6)
    taper = np.sin(np.pi * np.clip(s * 0.96 + 0.02, 0, 1)) ** rng.uniform(0, 1.2) + 0.05
    normal = np.stack([-np.sin(angle), np.cos(angle)], 1) * (thick * swell * taper)[:, None]
    return [np.concatenate([spine + normal, (spine - normal)[::-1]])]


def _mirrored(rng: np.random.Generator) -> Rings:
    """The same on the left and on the right, as insects, leaves and vases are."""
    n = 14
    y = np.linspace(-1, 1, n)
    x = np.abs(0.5 + np.cumsum(rng.normal(0, 0.22, n)))
    x = np.clip(x * np.sqrt(np.clip(1.05 - y**2, 0, 1)) ** rng.uniform(0, 1.5), 0.03, 1.3)
    right = np.stack([x, y], 1)
    return [np.concatenate([right, (right * [-1, 1])[::-1]])]


def _branching(rng: np.random.Generator) -> Rings:
    """Several limbs from one place."""
    n = int(rng.integers(3, 9))
    rings: Rings = []
    for t in np.arange(n) * 2 * np.pi / n + rng.random() * 6:
        length, width = rng.uniform(0.6, 1.2), rng.uniform(0.05, 0.25)
        bend = rng.normal(0, 0.3)
        out, side = np.array([np.cos(t), np.sin(t)]), np.array([-np.sin(t), np.cos(t)])
        left, right = (out * length * 0.6 + side * (bend + way * width) for way in (-1, 1))
        rings.append(np.stack([-side * width, left, out * length + side * bend, right, side * width]))
    return rings


def _dome(rng: np.random.Generator) -> Rings:
    """Moons and domes."""
    t = np.linspace(0, np.pi, 24)
    cut = rng.uniform(-0.6, 0.8)
    arc = np.stack([np.cos(t), np.sin(t)], 1)
    return [np.concatenate([arc, np.stack([np.cos(t)[::-1], cut * np.sin(t)[::-1]], 1)])]


KINDS: tuple[Callable[[np.random.Generator], Rings], ...] = (
    *(_blob, _blob, _blob),
    *(_polygon, _star, _ring, _box),
    *(_limb, _limb),
    *(_mirrored, _branching, _dome),
)


def outline(rng: np.random.Generator) -> Rings:
    """Draws closed outlines around the origin, of radius about 1, each (n, 2); where two overlap there is a hole."""
    kind = KINDS[rng.integers(len(KINDS))]
    aspect = np.exp(rng.normal(0, 0.4))
    rings = kind(rng)
    if kind is _limb:  # is long already
        aspect = 1.0
    turn = rng.random() * 2 * np.pi if rng.random() < 0.7 else rng.normal(0, 0.15)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return [(ring * [aspect**0.5, aspect**-0.5] @ rotation.T).astype(np.float32) for ring in rings]
