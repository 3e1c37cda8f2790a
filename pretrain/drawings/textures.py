"""Textures, and the bank that keeps them because a texture costs more than a part that wears it."""

import string

import cv2
import numpy as np
from numpy.typing import NDArray

from pretrain.drawings.colours import Floats, colour, mapped, palette
from pretrain.drawings.fields import cells, network, noise, stripes

LETTERS = string.ascii_letters + string.digits
SIGNS = LETTERS + "  .,;:+-*/#&"
FONTS = 8  # of OpenCV


def _clouds(rng: np.random.Generator, side: int) -> Floats:
    return mapped(rng, noise(rng, side, rng.uniform(0.8, 3.2)))


def _bands(rng: np.random.Generator, side: int) -> Floats:
    return mapped(rng, stripes(rng, side))


def _tiles(rng: np.random.Generator, side: int) -> Floats:
    return mapped(rng, cells(rng, side))


def _mixture(rng: np.random.Generator, side: int) -> Floats:
    """Two textures, mixed by a third."""
    first = mapped(rng, noise(rng, side, 2))
    second = mapped(rng, stripes(rng, side) if rng.random() < 0.5 else cells(rng, side))
    share = (noise(rng, side, rng.uniform(1.5, 3)) - 0.5) * rng.uniform(1, 12) + 0.5
    share = np.clip(share, 0, 1)[..., None]
    return first * share + second * (1 - share)


def _strokes(rng: np.random.Generator, side: int) -> Floats:
    """Fur, grass, hair: many lines of about one direction."""
    out = np.ascontiguousarray(np.broadcast_to(colour(rng), (side, side, 3)), dtype=np.float32)
    colours = palette(rng, 6)
    angle, spread = rng.random() * 6.28, rng.choice([0.15, 0.5, 3.0])
    length = rng.uniform(4, 40)
    for _ in range(int(rng.uniform(150, 600))):
        start = rng.random(2) * side
        turned = angle + rng.normal() * spread
        end = start + length * np.array([np.cos(turned), np.sin(turned)])
        ink = tuple(map(float, colours[rng.integers(6)] + rng.normal(0, 12)))
        cv2.line(out, start.astype(int).tolist(), end.astype(int).tolist(), ink, int(rng.integers(1, 3)), cv2.LINE_AA)
    return out


def _pebbles(rng: np.random.Generator, side: int) -> Floats:
    """Leaves, pebbles, petals: many small ellipses, each lit."""
    out = np.ascontiguousarray(np.broadcast_to(colour(rng) * 0.5, (side, side, 3)), dtype=np.float32)
    colours = palette(rng, 6)
    size = rng.uniform(4, 22)
    flat = rng.uniform(0.3, 1)
    for _ in range(int(min(500, 2.5 * side * side / (size * size * 3)))):
        tint = colours[rng.integers(6)] * rng.uniform(0.6, 1.2)
        x, y = (int(v) for v in rng.random(2) * side)
        wide, high = int(size * rng.uniform(0.6, 1.2)) + 1, int(size * flat * rng.uniform(0.6, 1.2)) + 1
        turn = float(rng.random() * 360)
        dark, bright = tuple(map(float, tint * 0.6)), tuple(map(float, tint))
        cv2.ellipse(out, (x, y), (wide, high), turn, 0, 360, dark, -1, cv2.LINE_AA)
        inner = (max(1, wide * 3 // 4), max(1, high * 3 // 4))
        cv2.ellipse(out, (x - 1, y - 1), inner, turn, 0, 360, bright, -1, cv2.LINE_AA)
    return out


def _print(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Lines of random signs on paper."""
    out = np.ascontiguousarray(np.broadcast_to(colour(rng), (side, side, 3)).astype(np.uint8))
    ink = tuple(map(float, colour(rng)))
    scale = rng.uniform(0.3, 1.2)
    for y in range(0, side + 20, int(26 * scale) + 4):
        text = "".join(rng.choice(list(SIGNS), 30))
        left, font, thick = -int(rng.integers(20)), int(rng.integers(0, FONTS)), int(rng.integers(1, 3))
        cv2.putText(out, text, (left, y), font, scale, ink, thick, cv2.LINE_AA)
    return out


KINDS = (_clouds, _bands, _tiles, network, _mixture, _strokes, _pebbles, _print)
SHARES = (0.26, 0.16, 0.16, 0.1, 0.1, 0.1, 0.06, 0.06)


def texture(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Draws a texture (side, side, 3)."""
    out = KINDS[rng.choice(len(KINDS), p=SHARES)](rng, side)
    if rng.random() < 0.35:  # grain
        out = out + (noise(rng, side, rng.uniform(0, 1.5))[..., None] - 0.5) * rng.uniform(10, 70)
    return np.clip(out, 0, 255).astype(np.uint8)


class Bank:
    """Keeps textures, more of them as drawing goes on, and gives pieces of them.

    Args:
        rng: Decides everything; shared with the artist.
    """

    TILE, FIRST, FULL = 256, 40, 600  # px; textures

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._textures = [texture(rng, self.TILE) for _ in range(self.FIRST)]

    def renew(self) -> None:
        """Adds a texture until the bank is full; then, now and then, replaces one."""
        rng = self._rng
        if len(self._textures) < self.FULL:
            self._textures.append(texture(rng, self.TILE))
        elif rng.random() < 0.12:
            new = texture(rng, self.TILE)
            self._textures[rng.integers(self.FULL)] = new

    def piece(self, side: int) -> Floats:
        """Cuts a piece (side, side, 3) of a texture: turned, scaled, recoloured; values may leave 0…255."""
        rng = self._rng
        source = self._textures[rng.integers(len(self._textures))]
        zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
        angle = rng.random() * 360
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, zoom)
        matrix[:, 2] += rng.uniform(-40, 40, 2)
        mirrored = cv2.BORDER_REFLECT_101
        turned = cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=mirrored)
        out: Floats = turned.astype(np.float32)
        if rng.random() < 0.5:
            mean = out.mean((0, 1))
            target = mean + (colour(rng) - mean) * rng.uniform(0, 1)
            out = (out - mean) * rng.uniform(0.3, 1.3) + target
        elif rng.random() < 0.3:
            out = out[..., rng.permutation(3)]
        return np.ascontiguousarray(out, dtype=np.float32)
