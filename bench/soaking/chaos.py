"""What happens to the engine beside its callers: its jobs are killed, it is killed itself, its memory is read."""

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import psutil

from bench.soaking.process import EngineProcess

ENGINE_KILLS: Final = (10.0, 22.0, 34.0, 46.0)  # s after the start: in the first minute only, or growth would be hidden
_JOB_PAUSES: Final = (1.0, 5.0)  # s between two kills of jobs
_MINUTE: Final = 60.0


@dataclass
class Chaos:
    """Kills by chance, and samples the engine's memory once a second.

    Attributes:
        killing: Set while the engine is down.
        job_kills: Job processes that were killed.
        engine_kills: How often the engine was killed.
        memory: (s after the start, bytes) of the engine.
    """

    engine: EngineProcess
    rng: random.Random
    killing: threading.Event = field(default_factory=threading.Event)
    job_kills: int = 0
    engine_kills: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Goes on for so long.

        Raises:
            SystemExit: The engine ended by itself, or did not come back.
        """
        began, kills = time.monotonic(), list(ENGINE_KILLS)
        next_job, next_look = self.rng.uniform(*_JOB_PAUSES), 0.0
        while (now := time.monotonic() - began) < seconds:
            if kills and now >= kills[0]:
                kills.pop(0)
                self._kill_engine()
                continue
            self.engine.check_alive()
            if now >= next_job:
                self._kill_job()
                next_job = now + self.rng.uniform(*_JOB_PAUSES)
            if now >= next_look:
                self.memory.append((now, self.engine.rss))
                next_look = now + 1
            time.sleep(0.05)

    def memory_of_minute(self, start: float) -> float:
        """Returns the median of the engine's memory in the minute that begins `start` s after the start, in bytes."""
        return median(rss for at, rss in self.memory if start <= at < start + _MINUTE)

    def _kill_engine(self) -> None:
        self.killing.set()
        self.engine.restart()
        self.engine_kills += 1
        self.killing.clear()

    def _kill_job(self) -> None:
        with suppress(psutil.NoSuchProcess):
            if jobs := self.engine.jobs():
                self.rng.choice(jobs).kill()
                self.job_kills += 1
