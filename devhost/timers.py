"""Timer functions: run on schedule, never overlapping themselves, and made up for when a run was missed."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from devhost.endpoints import Invoke
from devhost.functions import Function
from devhost.keys import read_private, write_private
from devhost.protos import TypedData
from devhost.schedule import Schedule, parse_schedule
from devhost.tracing import new_trace
from devhost.worker import Call

_NEVER: Final = "0001-01-01T00:00:00+00:00"
_MAX_SLEEP: Final = 60.0
_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Timer:
    function: Function
    schedule: Schedule
    expression: str
    run_on_startup: bool
    running: asyncio.Lock = field(default_factory=asyncio.Lock)


class Timers:
    """All timer functions of an app; when each ran last and is due next is kept in one file."""

    def __init__(
        self, functions: tuple[Function, ...], *, kept: Path, invoke: Invoke, now: Callable[[], datetime]
    ) -> None:
        """Reads the schedules.

        Raises:
            AppError: A schedule is not understood.
        """
        self._timers = {f.name: _timer(f) for f in functions if f.trigger.type == "timerTrigger"}
        self._path = kept
        self._kept: dict[str, Any] = read_private(kept)
        self._invoke = invoke
        self._now = now

    async def run(self) -> None:
        """Runs all timers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for timer in self._timers.values():
                group.create_task(self._keep_running(timer))
            group.create_task(asyncio.Event().wait())  # no timers, or all ended: still "until cancelled"

    async def run_once(self, function: Function) -> None:
        """Runs a timer function now, after the run in progress if there is one; its schedule is not changed."""
        timer = self._timers[function.name]
        async with timer.running:
            await self._invoke(function, self._call(timer, past_due=False))

    async def _keep_running(self, timer: _Timer) -> None:
        kept = self._kept.get(timer.function.name)
        due = None
        if kept is not None and kept["schedule"] == timer.expression:
            due = datetime.fromisoformat(kept["next"])
        past_due = due is not None and due <= self._now()
        if past_due or timer.run_on_startup:
            await self._fire(timer, past_due=past_due)
        elif due is None:
            self._keep(timer, last=_NEVER if kept is None else kept["last"])
        while True:
            due = datetime.fromisoformat(self._kept[timer.function.name]["next"])
            while (wait := (due - self._now()).total_seconds()) > 0:
                await asyncio.sleep(min(wait, _MAX_SLEEP))  # in steps, because a clock may be set
            await self._fire(timer, past_due=False)

    async def _fire(self, timer: _Timer, *, past_due: bool) -> None:
        """Runs a timer and then notes it: a run that a crash cut short is made up for as past due."""
        async with timer.running:
            started = self._now()
            await self._invoke(timer.function, self._call(timer, past_due=past_due))
            self._keep(timer, last=started.isoformat())

    def _keep(self, timer: _Timer, *, last: str) -> None:
        now = self._now()
        self._kept[timer.function.name] = {
            "schedule": timer.expression,
            "last": last,
            "next": timer.schedule.next(now).isoformat(),
            "lastUpdated": now.isoformat(),
        }
        write_private(self._path, json.dumps(self._kept, indent=2, sort_keys=True) + "\n")

    def _call(self, timer: _Timer, *, past_due: bool) -> Call:
        kept: Mapping[str, str] = self._kept.get(timer.function.name, {})
        names = {"Last": "last", "Next": "next", "LastUpdated": "lastUpdated"}
        request = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {name: kept.get(key, _NEVER) for name, key in names.items()},
            "IsPastDue": past_due,
        }
        return Call(value=TypedData(json=json.dumps(request)), trace_parent=new_trace())


def _timer(function: Function) -> _Timer:
    options = function.trigger.options
    expression = str(options.get("schedule", ""))
    startup = bool(options.get("runOnStartup", False))
    return _Timer(function, parse_schedule(expression), expression, run_on_startup=startup)
