"""Turns a part's formulas into pixels: where it lies, how the camera leans, its upper side and its walls."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samples.parts import Part
from samples.shading import Finish, Light, Vector, shade
from samples.surfaces import Field, noise

REACH = 1.16
"""How far a part's picture reaches from its centre, in units: its radius and what perspective adds."""

_WALL_STEPS = 6


@dataclass(frozen=True, slots=True)
class View:
    """The camera's lean away from straight above: direction and angle in radians, and strength of the perspective."""

    direction: float
    tilt: float
    perspective: float


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a part lies: centre and radius in pixels, turn in radians."""

    x: float
    y: float
    radius: float
    turn: float


@dataclass(frozen=True, slots=True)
class Cutout:
    """A rendered part: its colours (h, w, 3) and cover (h, w), both 0 to 1, and its upper left corner in the frame."""

    colour: Field
    cover: Field
    left: int
    top: int


def render(part: Part, finish: Finish, pose: Pose, view: View, light: Light, rng: np.random.Generator) -> Cutout:
    """Draws one part as it lies under the light."""
    reach = math.ceil(pose.radius * REACH)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32) / np.float32(pose.radius)
    plane = _Plane(x, y, pose, view)
    u, v = plane.coordinates()
    distance = part.outline(u, v)
    colour, wall_cover = _walls(part, finish, plane, light, distance)
    cover = np.clip(0.5 - distance * pose.radius, 0, 1)
    upper = (cover > 0) & ((distance < 0) | (wall_cover == 0))
    grain = (noise(rng, 2, 9, side=x.shape[0]) - 0.5) * (0.008 * finish.roughness * finish.metal)
    normal = _normal(part.relief(u, v, distance) + grain, pose.radius, upper)
    colour[upper] = shade(finish, normal, plane.towards_camera(upper), light)
    return Cutout(colour, np.maximum(cover, wall_cover), round(pose.x) - reach, round(pose.y) - reach)


@dataclass(frozen=True, slots=True)
class _Plane:
    """The pixels about a part: their offsets from its centre in units, right (`x`) and down (`y`), both (h, w)."""

    x: Field
    y: Field
    pose: Pose
    view: View

    def coordinates(self, depth: Field | float = 0.0, at: NDArray[np.bool_] | None = None) -> tuple[Field, Field]:
        """Maps pixels to the part's own coordinates, on the plane `depth` units below its top; all, or those `at`."""
        x, y = (self.x, self.y) if at is None else (self.x[at], self.y[at])
        cos, sin, lean = math.cos(self.view.direction), math.sin(self.view.direction), math.sin(self.view.tilt)
        along, across = (x * cos + y * sin + lean * depth) / math.cos(self.view.tilt), y * cos - x * sin
        nearness = 1 + self.view.perspective * along
        along, across = along / nearness, across / nearness
        turn = self.view.direction - self.pose.turn
        cos, sin = math.cos(turn), math.sin(turn)
        return along * cos - across * sin, along * sin + across * cos

    def towards_camera(self, at: NDArray[np.bool_]) -> Vector:
        """Gives the unit vectors from the pixels `at` to the camera; they fan out a little, as from a near lens."""
        x, y, lean = self.x[at], self.y[at], math.sin(self.view.tilt)
        vx, vy = lean * math.cos(self.view.direction) - 0.16 * x, lean * math.sin(self.view.direction) - 0.16 * y
        length = np.sqrt(vx * vx + vy * vy + math.cos(self.view.tilt) ** 2)
        return vx / length, vy / length, math.cos(self.view.tilt) / length


def _normal(relief: Field, radius: float, at: NDArray[np.bool_]) -> Vector:
    slope_y, slope_x = (np.clip(np.gradient(relief, axis=axis)[at] * radius, -4, 4) for axis in (0, 1))
    length = np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    return -slope_x / length, -slope_y / length, 1 / length


def _walls(part: Part, finish: Finish, plane: _Plane, light: Light, distance: Field) -> tuple[Field, Field]:
    """Draws the upright sides that a leaning camera sees: colours (h, w, 3) and cover (h, w)."""
    colour = np.zeros((*distance.shape, 3), dtype=np.float32)
    cover = np.zeros_like(distance)
    shown = part.thickness * math.tan(plane.view.tilt)
    if shown * plane.pose.radius < 1:
        return colour, cover
    beside = (distance * plane.pose.radius > -0.5) & (distance < 1.1 * shown)
    depth = _first_meeting(part, plane, beside)
    u, v = plane.coordinates(depth, beside)
    below = part.outline(u, v)
    step = 0.01
    out_u, out_v = part.outline(u + step, v) - below, part.outline(u, v + step) - below
    length = np.maximum(np.hypot(out_u, out_v), 1e-6) / 0.97
    cos, sin = math.cos(plane.pose.turn), math.sin(plane.pose.turn)
    normal = (out_u * cos - out_v * sin) / length, (out_u * sin + out_v * cos) / length, np.full_like(u, 0.24)
    lit = shade(finish, normal, plane.towards_camera(beside), light)
    colour[beside] = lit * (0.95 - 0.5 * depth / part.thickness)[..., None]
    cover[beside] = np.clip(0.5 - below * plane.pose.radius, 0, 1)
    return colour, cover


def _first_meeting(part: Part, plane: _Plane, beside: NDArray[np.bool_]) -> Field:
    """Finds how far below the top each pixel `beside` the outline first meets the part's body; (n,), in units."""
    depth = np.full(np.count_nonzero(beside), part.thickness, dtype=np.float32)
    missing = np.ones_like(depth, dtype=np.bool_)
    for below in np.linspace(0, part.thickness, _WALL_STEPS + 1)[:-1].tolist():
        hit = missing & (part.outline(*plane.coordinates(below, beside)) <= 0)
        depth[hit] = below
        missing &= ~hit
    return depth
