"""Timer schedules: NCRONTAB with seconds first, or a TimeSpan."""

from datetime import UTC, datetime

import pytest

from devhost.errors import AppError
from devhost.schedule import parse_schedule

START = datetime(2026, 11, 23, 11, 32, 21, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("*/15 * * * * *", "2026-11-23T11:32:30+00:00"),
        ("0 * * * * *", "2026-11-23T11:33:00+00:00"),
        ("0 30 9-17 * * MON-FRI", "2026-11-23T12:30:00+00:00"),
        ("0 0 0 1 jan *", "2027-01-01T00:00:00+00:00"),
        ("*/5 * * * *", "2026-11-23T11:35:00+00:00"),
        ("0 0 0 13 * FRI", "2027-08-13T00:00:00+00:00"),  # day and day of week, both
        ("00:05:00", "2026-11-23T11:37:21+00:00"),
        ("1.00:00:00", "2026-11-24T11:32:21+00:00"),
    ],
)
def test_a_schedule_gives_the_next_time(expression: str, due: str):
    assert parse_schedule(expression).next(START).isoformat() == due


@pytest.mark.parametrize(
    "expression",
    ["", "* * *", "@hourly", "0 0 0 L * *", "61 * * * * *", "0 0 0 30 2 *", "R * * * * *", "00:00:00", "x"],
)
def test_a_schedule_that_the_host_would_not_know_is_refused(expression: str):
    with pytest.raises(AppError, match="write six fields"):
        parse_schedule(expression)
