"""Blob events for an emulator that emits none: hints from its access log, a full listing as the net below them."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from devhost.accesslog import Change, Hint, LogTail, parse_line
from devhost.blobtrigger import BlobTrigger
from devhost.deliveries import Deliveries
from devhost.errors import StorageError
from devhost.storage import Storage
from devhost.tracing import new_trace

POLL: Final = 0.05
_BATCH: Final = 1000
_REST: Final = 2.0
_log: Final = logging.getLogger(__name__)


class BlobEvents:
    """Turns what happens in the watched containers into pending deliveries.

    A written blob that matches a trigger's pattern is delivered to that function. A deleted one is delivered as Event
    Grid event `Microsoft.Storage.BlobDeleted` to every Event Grid function, if a pattern matches it: in Azure the
    subject filter of a subscription says which deletions a function hears of. Nothing is stored of other blobs.
    """

    def __init__(
        self,
        triggers: tuple[BlobTrigger, ...],
        listeners: tuple[str, ...],
        deliveries: Deliveries,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        """Takes the blob triggers, and the names of the Event Grid functions, which hear of deletions."""
        self._triggers = triggers
        self._listeners = listeners
        self._deliveries = deliveries
        self._now = now
        self._new_id = new_id
        self._sweep_wanted = asyncio.Event()
        self.arrived = asyncio.Event()

    def written(self, paths: Iterable[str], *, function: str | None = None, again: bool = False) -> int:
        """Notes that blobs were written, and returns how many deliveries that asks for.

        Args:
            paths: `container/blob` each.
            function: Only this function is to hear of it; None for every one whose pattern matches.
            again: Deliver even a version that was delivered before.
        """
        wanted = [
            (trigger.function.name, path, new_trace())
            for path in paths
            for trigger in self._triggers
            if function in (None, trigger.function.name) and trigger.path.match(path) is not None
        ]
        if wanted:
            self._deliveries.expect_blobs(wanted, again=again)
            self.arrived.set()
        return len(wanted)

    def deleted(self, path: str) -> None:
        """Notes that `container/blob` was deleted."""
        trigger = next((one for one in self._triggers if one.path.match(path) is not None), None)
        if trigger is not None:
            event = _deleted_event(path, now=self._now(), event_id=self._new_id())
            self._deliveries.expect_event(self._listeners, path, json.dumps(event), new_trace())
            self.arrived.set()

    async def follow(self, log: LogTail) -> None:
        """Takes hints from the access log until cancelled."""
        while True:
            lines, lost = log.read()
            for hint in filter(None, map(parse_line, lines)):
                self._take(hint)
            if lost:
                self._sweep_wanted.set()
            await asyncio.sleep(POLL)

    def _take(self, hint: Hint) -> None:
        match hint.change:
            case Change.WRITTEN:
                self.written([hint.path])
            case Change.DELETED:
                self.deleted(hint.path)
            case Change.UNCLEAR:
                self._sweep_wanted.set()

    async def sweep_regularly(self, interval: float) -> None:
        """Lists at once, then every `interval` seconds and whenever hints may have been missed; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._sweep_wanted.clear()
            began, rest = loop.time(), _REST
            try:
                await self.sweep()
            except StorageError as error:
                _log.warning("cannot compare the containers with what was delivered, trying again: %s", error)
                self._sweep_wanted.set()
            else:
                rest = max(_REST, 5 * (loop.time() - began))  # listing may take a sixth of the time, at most
            await asyncio.sleep(rest)
            try:
                async with asyncio.timeout(max(interval - rest, 0)):
                    await self._sweep_wanted.wait()
            except TimeoutError:
                continue

    async def sweep(self) -> None:
        """Compares the containers with what was delivered and notes what was missed.

        Raises:
            StorageError: Storage did not answer, or refused.
        """
        for storage, container, prefix in {(t.storage, t.path.container, t.path.prefix) for t in self._triggers}:
            listed = await asyncio.to_thread(storage.listing, container, prefix)
            for trigger in self._triggers:
                if (trigger.storage, trigger.path.container, trigger.path.prefix) == (storage, container, prefix):
                    await self._compare(trigger, listed)

    async def _compare(self, trigger: BlobTrigger, listed: dict[str, str]) -> None:
        known = self._deliveries.known(trigger.function.name)
        missed = [path for path, etag in listed.items() if known.get(path) not in ("", etag)]
        for start in range(0, len(missed), _BATCH):
            self.written(missed[start : start + _BATCH], function=trigger.function.name)
            await asyncio.sleep(0)
        for path, etag in known.items():
            if etag and path not in listed:
                await self._confirm_deleted(trigger.storage, path)

    async def _confirm_deleted(self, storage: Storage, path: str) -> None:
        """Asks for a blob that a listing lacks: the listing may be older than the blob."""
        if await asyncio.to_thread(storage.facts, path) is None:
            self.deleted(path)


def _deleted_event(path: str, *, now: datetime, event_id: str) -> dict[str, object]:
    container, _, name = path.partition("/")
    return {
        "topic": "/subscriptions/local/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/local",
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": "Microsoft.Storage.BlobDeleted",
        "id": event_id,
        "eventTime": now.isoformat().replace("+00:00", "Z"),
        "data": {
            "api": "DeleteBlob",
            "blobType": "BlockBlob",
            "url": f"https://local.blob.core.windows.net/{path}",
            "requestId": event_id,
            "sequencer": f"{int(now.timestamp() * 1_000_000):032x}",
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }
