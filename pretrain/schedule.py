"""How far a run is, and the learning rate that belongs to it."""

import time
from collections.abc import Callable

from pretrain.options import Options

LAST = 0.02  # of the rate, at the end


class Schedule:
    """Counts a run by its steps, or by the clock.

    Args:
        options: Of the run.
        clock: Seconds.
    """

    def __init__(self, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        self._options, self._clock, self._start = options, clock, clock()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def share(self, step: int) -> float:
        """Says which share of the run is done before a step; 1 or more is its end."""
        if self._options.steps is not None:
            return step / self._options.steps
        return self.seconds / ((self._options.minutes or 0) * 60 or 1e-9)

    def rate(self, step: int, share: float) -> float:
        """Rises in the first steps, stays, and falls in the last part."""
        warm, cool = min(1.0, (step + 1) / self._options.warm), self._options.cool
        cooled = 1.0 if share < 1 - cool else max(LAST, (1 - share) / max(cool, 1e-9))
        return self._options.lr * warm * cooled
