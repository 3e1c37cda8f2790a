"""Foresees whether a training can end within its budget. Pure: whoever asks says how late it is.

Only pictures whose features are not kept from earlier trainings are counted: the others take no time to speak of.
"""

from engine.messages import Progress
from engine.outcomes import OutOfTime

EMBEDDING = "embed_training_pictures"
SAMPLE_PICTURES = 64
SAMPLE_HOURS = 1 / 120  # 30 s; a fair sample has at least so many pictures and takes at least so long
HOPELESS = 2.0  # times what is left: the figure foreseen is rough


class Forecast:
    """One attempt at a job, and what it will take at least: embedding the rest of its pictures at the pace so far.

    Args:
        seconds: What the attempt may take.
        hour_seconds: Length of an hour of budget; shorter in tests.
    """

    def __init__(self, seconds: float, hour_seconds: float = 3600.0) -> None:
        self._seconds = seconds
        self._hour = hour_seconds
        self._began = 0.0
        self._share = 0.0
        self._made = 0
        self._left = 0
        self._needed: float | None = None  # seconds

    def note(self, progress: Progress, elapsed: float) -> None:
        """Takes a line of progress.

        Args:
            progress: From the job's process.
            elapsed: Seconds since the attempt began.
        """
        if progress.stage != EMBEDDING:
            return
        self._share, self._made, self._left = progress.share, progress.made, progress.to_make - progress.made
        if progress.made == 0:
            self._began = elapsed
        else:
            self._needed = self._began + (elapsed - self._began) * progress.to_make / progress.made

    def is_hopeless(self, elapsed: float) -> bool:
        """Whether a fair sample says that the attempt would take more than twice what it may."""
        if self._needed is None or self._left == 0 or self._made < SAMPLE_PICTURES:
            return False
        return elapsed - self._began >= SAMPLE_HOURS * self._hour and self._needed > HOPELESS * self._seconds

    def out_of_time(self, *, early: bool) -> OutOfTime:
        """Returns the outcome of an attempt that is ended for its budget: `early`, or when that was used up."""
        needed = None if self._needed is None else max(self._needed, self._seconds) / self._hour
        return OutOfTime(self._share, needed, early=early)
