"""Delivers pending events to functions: at least once, some at a time, again after a while when it fails."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from devhost.blobtrigger import BlobTrigger
from devhost.deliveries import Deliveries, Delivery
from devhost.endpoints import Invoke
from devhost.errors import StorageError
from devhost.events import BlobEvents
from devhost.functions import Function
from devhost.protos import TypedData
from devhost.storage import BlobFacts
from devhost.worker import Call

# Event Grid itself gives up after thirty attempts.
_EVENT_ATTEMPTS: Final = 30
_MAX_DELAY: Final = 600.0
_OUTAGE_DELAY: Final = 1.0
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """How deliveries are tried.

    Attributes:
        parallelism: How many are worked on at once.
        attempts: How many attempts a blob version gets before it is poison.
        delay: Seconds before the second attempt; each later wait is four times as long, at most ten minutes.
    """

    parallelism: int
    attempts: int
    delay: float

    def wait(self, attempts: int) -> float:
        """Returns the seconds to wait after so many failed attempts."""
        return float(min(self.delay * 4 ** min(attempts - 1, 10), _MAX_DELAY))


class Dispatcher:
    """Works on the pending deliveries of one host."""

    def __init__(
        self,
        functions: tuple[Function, ...],
        triggers: tuple[BlobTrigger, ...],
        *,
        deliveries: Deliveries,
        events: BlobEvents,
        invoke: Invoke,
        rules: DispatchRules,
        time: Callable[[], float],
    ) -> None:
        """Takes what it works with; `time` gives the seconds since 1970."""
        self._functions: Mapping[str, Function] = {function.name: function for function in functions}
        self._triggers: Mapping[str, BlobTrigger] = {trigger.function.name: trigger for trigger in triggers}
        self._deliveries = deliveries
        self._events = events
        self._invoke = invoke
        self._rules = rules
        self._time = time
        self._running = 0
        self._stopping = False

    async def run(self) -> None:
        """Delivers until cancelled; what is running then is delivered again by the next host."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._events.arrived.clear()
                free = 0 if self._stopping else self._rules.parallelism - self._running
                for delivery in self._deliveries.claim(free, self._time()) if free else ():
                    self._running += 1
                    group.create_task(self._work_on(delivery))
                await self._something_to_do()

    async def drain(self, grace: float) -> None:
        """Begins nothing new and returns when nothing runs, or after `grace` seconds."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._running:
                    await asyncio.sleep(0.05)

    async def _something_to_do(self) -> None:
        """Returns when a delivery arrived or ended, or when one that waits is due."""
        full = self._stopping or self._running >= self._rules.parallelism
        due = None if full else self._deliveries.next_due()
        wait = None if due is None else max(due - self._time(), 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._events.arrived.wait()

    async def _work_on(self, delivery: Delivery) -> None:
        try:
            if delivery.kind == "event":
                await self._deliver_event(delivery)
            else:
                await self._deliver_blob(delivery)
        except StorageError as error:
            # Not the function's failure: it counts as no attempt.
            _log.warning("%s waits for storage: %s", delivery.function, error)
            self._postpone(delivery, _OUTAGE_DELAY, etag=delivery.etag, attempts=delivery.attempts)
        finally:
            self._running -= 1
            self._events.arrived.set()

    async def _deliver_blob(self, delivery: Delivery) -> None:
        trigger = self._triggers[delivery.function]
        facts = await asyncio.to_thread(trigger.storage.facts, delivery.blob)
        if facts is None:
            # An earlier attempt may have delivered it and died before saying so; its deletion is news then.
            self._events.deleted(delivery.blob)
            self._deliveries.done(delivery)
            return
        if not delivery.again and self._deliveries.etag(delivery.function, delivery.blob) == facts.etag:
            self._deliveries.done(delivery)
            return
        failures = delivery.attempts if delivery.etag == facts.etag else 0
        value = await asyncio.to_thread(trigger.value, delivery.blob)
        call = Call(
            value=value,
            metadata=trigger.metadata(delivery.blob, facts),
            trace_parent=delivery.trace,
            retry=failures,
            max_retries=self._rules.attempts - 1,
        )
        outcome = await self._invoke(trigger.function, call)
        if outcome.ok:
            self._deliveries.done(delivery, facts.etag)
        elif failures + 1 < self._rules.attempts:
            self._postpone(delivery, self._rules.wait(failures + 1), etag=facts.etag, attempts=failures + 1)
        else:
            await self._give_up(trigger, delivery, facts)

    async def _give_up(self, trigger: BlobTrigger, delivery: Delivery, facts: BlobFacts) -> None:
        _log.error("%s failed %d times with %s: poison", delivery.function, self._rules.attempts, delivery.blob)
        await asyncio.to_thread(trigger.storage.poison, delivery.function, delivery.blob, facts.etag)
        self._deliveries.done(delivery, facts.etag)

    async def _deliver_event(self, delivery: Delivery) -> None:
        function = self._functions[delivery.function]
        call = Call(
            value=TypedData(json=delivery.event),
            trace_parent=delivery.trace,
            retry=delivery.attempts,
            max_retries=_EVENT_ATTEMPTS - 1,
        )
        outcome = await self._invoke(function, call)
        failures = delivery.attempts + 1
        if outcome.ok:
            self._deliveries.done(delivery)
        elif failures < _EVENT_ATTEMPTS:
            self._postpone(delivery, self._rules.wait(failures), etag="", attempts=failures)
        else:
            _log.error("%s failed %d times with an event of %s: dropped", function.name, failures, delivery.blob)
            self._deliveries.done(delivery)

    def _postpone(self, delivery: Delivery, wait: float, *, etag: str, attempts: int) -> None:
        self._deliveries.postpone(delivery, due=self._time() + wait, etag=etag, attempts=attempts)
