"""When a timer runs: six-field NCRONTAB expressions, or a TimeSpan between runs. Times are UTC, as in Azure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from croniter import CroniterError, croniter  # type: ignore[import-untyped] # ships no type information

from devhost.errors import AppError
from devhost.hostfile import parse_timespan

# croniter knows more (L, #, @hourly, hashes, years) than the host; what passes here means the same to both.
_FIELDS: Final = re.compile(r"[\d*,/A-Za-z-]+(\s+[\d*,/A-Za-z-]+){4,5}")
_NAMES: Final = re.compile(
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat", re.IGNORECASE
)


class Schedule(Protocol):
    """Tells when a timer is due next."""

    def next(self, after: datetime) -> datetime:
        """Returns the first time later than `after`."""


@dataclass(frozen=True, slots=True)
class Cron:
    """An NCRONTAB expression: second, minute, hour, day, month, day of week; five fields start at the minute."""

    expression: str

    def next(self, after: datetime) -> datetime:
        """Returns the first matching second later than `after`; a day must match day *and* day of week."""
        found: datetime = croniter(self.expression, after, datetime, day_or=False, second_at_beginning=True).get_next()
        return found


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed time between runs."""

    interval: timedelta

    def next(self, after: datetime) -> datetime:
        """Returns `after` plus the interval."""
        return after + self.interval


def parse_schedule(text: str) -> Schedule:
    """Returns the schedule that a timer trigger names.

    Raises:
        AppError: It is neither an NCRONTAB expression nor a TimeSpan.
    """
    seconds = parse_timespan(text)
    if seconds:
        return Every(timedelta(seconds=seconds))
    words = re.findall(r"[A-Za-z]+", text)
    problem = AppError(
        f'schedule {text!r} is not understood: write six fields, "0 */5 * * * *" is every five minutes, or "hh:mm:ss"'
    )
    if _FIELDS.fullmatch(text.strip()) is None or not all(map(_NAMES.fullmatch, words)):
        raise problem
    cron = Cron(text.strip() if len(text.split()) == 6 else f"0 {text.strip()}")
    try:
        cron.next(datetime(2024, 1, 1))  # noqa: DTZ001 - any time does: only whether there is a next one matters
    except CroniterError as error:
        raise problem from error
    return cron
