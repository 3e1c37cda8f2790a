"""Timers: on time, made up for when missed, and never twice at once."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devhost.functions import Binding, Function
from devhost.timers import Timers
from devhost.worker import Call, Outcome

HOURLY = "0 0 * * * *"


class Runs:
    """Takes the calls instead of functions, and notes how many run at once."""

    def __init__(self, body: Callable[[], Awaitable[object]] | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.most_at_once = 0
        self._body = body
        self._now = 0

    async def __call__(self, function: Function, call: Call) -> Outcome:
        self.requests.append(json.loads(call.value.json))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        if self._body is not None:
            await self._body()
        self._now -= 1
        return Outcome(ok=True)


def timer(schedule: str, **options: object) -> Function:
    trigger = Binding("timer", "timerTrigger", "in", {"schedule": schedule, **options})
    return Function("tick", "1", trigger, (trigger,))


def now() -> datetime:
    return datetime.now(UTC)


async def run_until(timers: Timers, condition: Callable[[], bool]) -> None:
    task = asyncio.create_task(timers.run())
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def kept(path: Path, *, schedule: str, next_run: str) -> Path:
    status = {"schedule": schedule, "last": "2026-01-01T00:00:00+00:00", "next": next_run, "lastUpdated": next_run}
    path.write_text(json.dumps({"tick": status}))
    return path


async def _missed(tmp_path: Path, runs: Runs) -> None:
    path = kept(tmp_path / "timers.json", schedule=HOURLY, next_run="2026-01-01T01:00:00+00:00")
    await run_until(Timers((timer(HOURLY),), kept=path, invoke=runs, now=now), lambda: bool(runs.requests))


def test_a_missed_run_is_made_up_for_once_and_said_to_be_past_due(tmp_path: Path) -> None:
    runs = Runs()
    asyncio.run(_missed(tmp_path, runs))
    assert [request["IsPastDue"] for request in runs.requests] == [True]
    assert runs.requests[0]["ScheduleStatus"]["Last"] == "2026-01-01T00:00:00+00:00"
    status = json.loads((tmp_path / "timers.json").read_text())["tick"]
    assert datetime.fromisoformat(status["next"]) > now()


def test_a_first_start_runs_nothing_before_it_is_due(tmp_path: Path) -> None:
    runs, path = Runs(), tmp_path / "timers.json"
    asyncio.run(run_until(Timers((timer(HOURLY),), kept=path, invoke=runs, now=now), path.exists))
    assert runs.requests == []


def test_a_changed_schedule_counts_as_not_missed(tmp_path: Path) -> None:
    runs = Runs()
    path = kept(tmp_path / "timers.json", schedule="0 30 * * * *", next_run="2026-01-01T01:00:00+00:00")
    changed = Timers((timer(HOURLY),), kept=path, invoke=runs, now=now)
    asyncio.run(run_until(changed, lambda: json.loads(path.read_text())["tick"]["schedule"] == HOURLY))
    assert runs.requests == []


def test_run_on_startup_runs_at_once(tmp_path: Path) -> None:
    runs = Runs()
    timers = Timers((timer(HOURLY, runOnStartup=True),), kept=tmp_path / "timers.json", invoke=runs, now=now)
    asyncio.run(run_until(timers, lambda: bool(runs.requests)))
    assert [request["IsPastDue"] for request in runs.requests] == [False]


def test_a_timer_never_overlaps_itself_not_even_when_run_by_hand(tmp_path: Path) -> None:
    function = timer("* * * * * *", runOnStartup=True)
    runs = Runs(lambda: asyncio.sleep(0.3))

    async def go() -> None:
        timers = Timers((function,), kept=tmp_path / "timers.json", invoke=runs, now=now)
        by_hand = [asyncio.create_task(timers.run_once(function)) for _ in range(2)]
        await run_until(timers, lambda: len(runs.requests) >= 4)
        await asyncio.gather(*by_hand)

    asyncio.run(go())
    assert runs.most_at_once == 1
