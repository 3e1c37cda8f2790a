"""Finds the minimum of a smooth function of many variables."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

MEMORY = 10  # steps that are remembered of the curvature
ENOUGH = 1e-4  # share of the predicted decrease that a step must bring (Armijo)
CURVE = 0.9  # share of the slope that may be left after a step (strong Wolfe)
TRIALS = 25


def minimum(
    function: Callable[[Vector], tuple[float, Vector]], start: Vector, *, steps: int = 100, tolerance: float = 1e-5
) -> Vector:
    """Descends by L-BFGS until the gradient is small, a step brings nothing, or the steps are used up.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4 and 7.5; the line search brackets and
    halves until the Wolfe conditions hold.

    Args:
        function: Returns the value at a point (d,) and its gradient (d,).
        start: (d,).
        steps: At most so many.
        tolerance: Largest entry of the gradient at which to stop.

    Returns:
        The point (d,) with the least value that was found.
    """
    point = start
    value, gradient = function(point)
    pairs = deque[tuple[Vector, Vector, float]](maxlen=MEMORY)
    for _ in range(steps):
        if float(np.max(np.abs(gradient), initial=0.0)) <= tolerance:
            break
        direction = _direction(gradient, pairs)
        if direction @ gradient >= 0:  # rounding has spoilt the memory
            pairs.clear()
            direction = -gradient
        first = 1.0 if pairs else 1.0 / max(float(np.linalg.norm(gradient)), 1e-12)
        found = _search(function, point, value, gradient, direction, first)
        if found is None:
            break
        moved, value, following = found
        step, change = moved - point, following - gradient
        curvature = float(step @ change)
        if curvature > 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            pairs.append((step, change, 1.0 / curvature))
        point, gradient = moved, following
    return point


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector, float]]) -> Vector:
    """Multiplies the gradient by what the remembered steps say of the inverse curvature (two-loop recursion)."""
    result, shares = gradient.copy(), []
    for step, change, scale in reversed(pairs):
        shares.append(scale * float(step @ result))
        result -= shares[-1] * change
    if pairs:
        step, change, scale = pairs[-1]
        result /= scale * float(change @ change)
    for step, change, scale in pairs:
        result += (shares.pop() - scale * float(change @ result)) * step
    return -result


def _search(
    function: Callable[[Vector], tuple[float, Vector]],
    point: Vector,
    value: float,
    gradient: Vector,
    direction: Vector,
    length: float,
) -> tuple[Vector, float, Vector] | None:
    """Finds a step along a direction that keeps the Wolfe conditions; None if none brings a decrease."""
    slope, low, high = float(gradient @ direction), 0.0, np.inf
    best = None
    for _ in range(TRIALS):
        moved = point + length * direction
        reached, following = function(moved)
        if not reached <= value + ENOUGH * length * slope:
            high = length
        else:
            best = (moved, reached, following)
            left = float(following @ direction)
            if abs(left) <= -CURVE * slope:
                return best
            low, high = (length, high) if left < 0 else (low, length)
        length = (low + high) / 2 if np.isfinite(high) else 2 * length
    return best
