"""Scenes: things of parts before a ground, dead leaves, a word on something."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pretrain.drawings.camera import photograph
from pretrain.drawings.colours import Floats, colour
from pretrain.drawings.parts import Style, new_style, paint_part
from pretrain.drawings.textures import FONTS, LETTERS, Bank


class Artist:
    """Draws scenes; the n-th drawing is a function of (seed, side, views of each scene, n).

    Args:
        seed: Decides everything.
        side: Of a drawing, px.
    """

    def __init__(self, seed: int, side: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._side = side
        self._canvas = int(side * 1.5)
        self._bank = Bank(self._rng)
        self._kinds = (self._one_thing, self._dead_leaves, self._a_few, self._word)

    def draw(self, views: int = 1) -> list[NDArray[np.uint8]]:
        """Draws the next scene and photographs it as often as asked; each (side, side, 3) in RGB."""
        rng = self._rng
        self._bank.renew()
        angle, tilt = rng.random() * 2 * np.pi, rng.uniform(0.2, 0.9)
        light = np.array([np.cos(angle) * tilt, np.sin(angle) * tilt, np.sqrt(1 - tilt**2)], np.float32)
        canvas = self._ground()
        canvas = self._kinds[rng.choice(4, p=[0.45, 0.3, 0.15, 0.1])](canvas, light)
        return [photograph(rng, canvas, self._side) for _ in range(views)]

    def _ground(self) -> Floats:
        """Paints a ground; some have a horizon, or are a wall and a table; some are out of focus."""
        rng, n = self._rng, self._canvas
        canvas = self._bank.piece(n)
        if rng.random() < 0.35:
            other = self._bank.piece(n)
            y, x = np.mgrid[0:n, 0:n]
            slope = rng.normal(0, 0.25)
            below = (y - n * rng.uniform(0.25, 0.75) + (x - n / 2) * slope) > 0
            canvas[below] = other[below]
        return self._perhaps_blurred(canvas, 7)

    def _perhaps_blurred(self, canvas: Floats, most: int) -> Floats:
        if self._rng.random() >= 0.3:
            return canvas
        side = int(self._rng.integers(1, most)) * 2 + 1
        return cv2.GaussianBlur(canvas, (side, side), 0)

    def _one_thing(self, canvas: Floats, light: Floats) -> Floats:
        """One thing about the middle, and some clutter behind it."""
        rng, n = self._rng, self._canvas
        for _ in range(int(rng.integers(0, 6))):
            self._thing(canvas, rng.random(2) * n, n * np.exp(rng.normal(-2.9, 0.5)), light)
        canvas = self._perhaps_blurred(canvas, 5)
        middle = n * (0.5 + rng.normal(0, 0.08, 2))
        self._thing(canvas, middle, n * np.exp(rng.uniform(np.log(0.1), np.log(0.34))), light)
        return canvas

    def _dead_leaves(self, canvas: Floats, light: Floats) -> Floats:
        """Things that hide each other, of sizes by a power law (Lee, Mumford, Huang 2001), small ones last."""
        rng, n = self._rng, self._canvas
        count = int(rng.integers(8, 40))
        for size in np.sort(np.clip(n * 0.03 * rng.random(count) ** -0.55, 3, n * 0.35))[::-1]:
            self._thing(canvas, rng.random(2) * n, size, light)
        return canvas

    def _a_few(self, canvas: Floats, light: Floats) -> Floats:
        rng, n = self._rng, self._canvas
        for _ in range(int(rng.integers(2, 7))):
            self._thing(canvas, rng.random(2) * n, n * np.exp(rng.normal(-2.2, 0.4)), light)
        return canvas

    def _word(self, canvas: Floats, light: Floats) -> Floats:  # noqa: ARG002 - ink does not rise, so no light falls on it
        """A letter or a short word about the middle."""
        rng, n = self._rng, self._canvas
        text = "".join(rng.choice(list(LETTERS), int(rng.choice([1, 1, 2, 4]))))
        size = rng.uniform(1.2, 5) * n / 192
        (wide, high), _ = cv2.getTextSize(text, 0, size, 3)
        at = (int(n / 2 - wide / 2 + rng.normal(0, 8)), int(n / 2 + high / 2 + rng.normal(0, 8)))
        paper = np.clip(canvas, 0, 255).astype(np.uint8)
        font = int(rng.integers(0, FONTS))
        ink = tuple(map(float, colour(rng)))
        cv2.putText(paper, text, at, font, size, ink, int(rng.integers(2, 14)), cv2.LINE_AA)
        return paper.astype(np.float32)

    def _thing(self, canvas: Floats, centre: Floats, scale: float, light: Floats) -> None:
        """Paints a thing of one to six parts, as animals, tools and plants are; some are mirrored, some in copies."""
        rng = self._rng
        count = int(rng.choice([1, 2, 3, 4, 6], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
        parts = [(np.zeros(2), 1.0)]
        parts += [(rng.normal(0, 0.55, 2), np.exp(rng.normal(-0.6, 0.4))) for _ in range(count - 1)]
        styles: dict[int, Style] = {}
        mirror = rng.random() < 0.35
        for copy in range(int(rng.choice([1, 2, 3, 5, 9], p=[0.72, 0.1, 0.08, 0.06, 0.04]))):
            at = centre if copy == 0 else centre + rng.normal(0, 1.6 * scale, 2)
            size = scale * (1 if copy == 0 else np.exp(rng.normal(-0.1, 0.2)))
            for number, (offset, share) in enumerate(parts):
                if number not in styles:
                    styles[number] = new_style(rng, self._bank, size * share)
                paint_part(canvas, styles[number], at + offset * size, size * share, light)
                if mirror and offset.any():
                    paint_part(canvas, styles[number], at + offset * size * [-1, 1], size * share, light)
