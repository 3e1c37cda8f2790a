"""Fields in 0…1 that textures are made of: noise, stripes, cells, and what small random networks see."""

import cv2
import numpy as np

from pretrain.drawings.colours import Floats, mapped


def noise(rng: np.random.Generator, side: int, slope: float) -> Floats:
    """Draws noise (side, side) whose spectrum falls as 1/f^slope, as that of photographs does (Field 1987)."""
    frequency = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side)[None] ** 2
    frequency[0, 0] = 1.0
    stretch = np.exp(rng.normal(0, 0.6))
    if rng.random() < 0.4:  # it has a direction, as wood, cloth and brushed metal have
        frequency = np.fft.fftfreq(side)[:, None] ** 2 * stretch + np.fft.rfftfreq(side)[None] ** 2 / stretch
        frequency[0, 0] = 1.0
    spectrum = rng.normal(size=(2, *frequency.shape)) / frequency ** (slope / 2)
    field = np.fft.irfft2(spectrum[0] + 1j * spectrum[1], s=(side, side))
    low, high = np.percentile(field, (1, 99))
    return np.clip((field - low) / (high - low + 1e-9), 0, 1).astype(np.float32)


def stripes(rng: np.random.Generator, side: int) -> Floats:
    """Draws stripes, checks, rings or spots (side, side), somewhat bent."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    angle = rng.random() * np.pi
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    waves = np.exp(rng.uniform(np.log(3), np.log(40)))
    bend = rng.normal(0, 0.05) * np.sin(across * rng.uniform(2, 25)) + rng.choice([0, 0.08]) * noise(rng, side, 2)
    field = np.sin(2 * np.pi * waves * (along + bend))
    kind = rng.integers(4)
    if kind == 1:  # checks
        field = field * np.sin(2 * np.pi * waves * rng.choice([1, 1, 0.5, 2]) * across)
    elif kind == 2:  # rings
        radius = np.hypot(x - rng.random(), y - rng.random())
        field = np.sin(2 * np.pi * waves * (radius + bend))
    elif kind == 3:  # spots
        field = np.minimum(field, np.sin(2 * np.pi * waves * across))
    sharp = np.exp(rng.normal(0.7, 0.9))
    return (np.tanh(field * sharp) / np.tanh(sharp) * 0.5 + 0.5).clip(0, 1).astype(np.float32)


def cells(rng: np.random.Generator, side: int) -> Floats:
    """Draws the cells of random points (side, side): their distances, or a value each, with or without walls."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(300))))
    seeds = np.full((side, side), 255, np.uint8)
    points = rng.integers(0, side, (count, 2))
    seeds[points[:, 0], points[:, 1]] = 0
    distance, cell = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    if rng.random() < 0.5:
        return (distance / (distance.max() + 1e-6)).astype(np.float32) ** rng.uniform(0.5, 1.5)
    values = rng.random(cell.max() + 1).astype(np.float32)[cell]
    if rng.random() < 0.5:
        wall = cv2.morphologyEx(cell.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        values[wall] = rng.choice([0.0, 1.0])
    return values


def network(rng: np.random.Generator, side: int) -> Floats:
    """Colours each place by a small random network of position and noise: smooth, strange, with long edges.

    Returns:
        (side, side, 3) in 0…255.

    Source: compositional pattern-producing networks (Stanley 2007).
    """
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    inputs = [x, y, np.hypot(x, y), noise(rng, side, rng.uniform(1, 3)) - 0.5]
    h = np.stack(inputs, -1) * np.exp(rng.normal(0.8, 0.6))
    for width in (12, 12, 3):
        w = rng.normal(size=(h.shape[-1], width)).astype(np.float32) * rng.uniform(0.8, 1.8) / np.sqrt(h.shape[-1]) * 2
        h = h @ w + rng.normal(size=width).astype(np.float32)
        h = (np.sin, np.tanh, np.abs)[rng.integers(3)](h)
    low, high = h.min((0, 1)), h.max((0, 1))
    out = (h - low) / (high - low + 1e-6)
    if rng.random() >= 0.5:
        return mapped(rng, out[..., 0])
    shown = out if rng.random() < 0.5 else out[..., :1] * np.ones(3, np.float32)
    return shown.astype(np.float32) * 255
