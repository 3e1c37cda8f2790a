"""The local Azure Functions host, one process: `python -m devhost.host --app DIR --data DIR --port N`.

Its settings are its environment, as in Azure.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from devhost.accesslog import LogTail
from devhost.admin import Admin
from devhost.blobtrigger import open_blob_triggers
from devhost.deliveries import Deliveries
from devhost.dispatch import Dispatcher, DispatchRules
from devhost.endpoints import HttpFunctions
from devhost.errors import DevhostError
from devhost.events import BlobEvents
from devhost.functions import Function
from devhost.hostfile import HostFile, read_hostfile
from devhost.keys import load_keys
from devhost.timers import Timers
from devhost.webhooks import Webhooks
from devhost.worker import Worker

_GRACE: Final = 5
_log: Final = logging.getLogger(__name__)


def _utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Where the host finds things.

    Attributes:
        app: The function app's folder.
        data: What the host keeps: keys, timers, deliveries.
        port: Where it listens, on 127.0.0.1.
        storage_log: Azurite's access log, the source of blob events; None: only listings find changes.
        sweep_interval: Seconds between two full listings of the watched containers.
        retry_delay: Seconds between the first and the second attempt to deliver a blob event.
    """

    app: Path
    data: Path
    port: int
    storage_log: Path | None
    sweep_interval: float
    retry_delay: float


class Host:
    """A function app and everything that calls its functions."""

    def __init__(
        self,
        options: HostOptions,
        settings: Mapping[str, str],
        hostfile: HostFile,
        worker: Worker,
        functions: tuple[Function, ...],
    ) -> None:
        """Puts the parts together; nothing runs yet.

        Raises:
            DevhostError: A route, schedule, path or connection of a function makes no sense.
        """
        names = [function.name for function in functions]
        listeners = tuple(f.name for f in functions if f.trigger.type == "eventGridTrigger")
        keys = load_keys(options.data / "keys.json", names)
        self._options = options
        self._triggers = open_blob_triggers(functions, settings)
        self._deliveries = Deliveries(options.data / "deliveries.db")
        dropped = self._deliveries.keep_only(names)
        if dropped:
            _log.warning("%d waiting events were for functions that the app no longer has", dropped)
        self._events = BlobEvents(
            self._triggers, listeners, self._deliveries, now=_utcnow, new_id=lambda: str(uuid.uuid4())
        )
        self._dispatcher = Dispatcher(
            functions,
            self._triggers,
            deliveries=self._deliveries,
            events=self._events,
            invoke=worker.invoke,
            rules=DispatchRules(hostfile.blob_parallelism, hostfile.poison_threshold, options.retry_delay),
            time=time.time,
        )
        self._timers = Timers(functions, kept=options.data / "timers.json", invoke=worker.invoke, now=_utcnow)
        http = HttpFunctions(functions, prefix=hostfile.route_prefix, keys=keys, invoke=worker.invoke)
        admin = Admin(functions, keys=keys, runners={"timerTrigger": self._run_timer, "blobTrigger": self._run_blob})
        hooks = Webhooks(functions, keys=keys, events=self._events, invoke=worker.invoke)
        self._tasks = asyncio.TaskGroup()
        self.app = Starlette(routes=[*admin.routes(), *hooks.routes(), Mount("/", app=http)])

    async def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Runs timers and blob events until `serve` returns, then lets what runs end, for a while."""
        try:
            async with self._tasks as group:
                background = [group.create_task(work) for work in self._background()]
                await serve()
                await self._dispatcher.drain(_GRACE)
                for task in background:
                    task.cancel()
        finally:
            self._deliveries.close()
            for storage in {trigger.storage for trigger in self._triggers}:
                storage.close()

    def _background(self) -> Iterator[Coroutine[None, None, None]]:
        yield self._dispatcher.run()
        yield self._timers.run()
        if self._triggers and self._options.storage_log is not None:
            yield self._events.follow(LogTail(self._options.storage_log))
        if self._triggers:
            yield self._events.sweep_regularly(self._options.sweep_interval)

    async def _run_timer(self, function: Function, _: str) -> None:
        self._tasks.create_task(self._timers.run_once(function))

    async def _run_blob(self, function: Function, path: str) -> None:
        self._events.written([path], function=function.name, again=True)


async def serve(options: HostOptions, settings: Mapping[str, str]) -> None:
    """Runs the host until it is told to end.

    Raises:
        DevhostError: The app cannot be run as it is.
    """
    hostfile = read_hostfile(options.app / "host.json")
    worker = Worker(options.app, timeout=hostfile.function_timeout)
    functions = await worker.start(settings)
    host = Host(options, settings, hostfile, worker, functions)
    _log.info("running %d functions: %s", len(functions), ", ".join(function.name for function in functions))
    config = uvicorn.Config(
        host.app,
        host="127.0.0.1",
        port=options.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
    )
    # uvicorn stops at SIGTERM and then raises it once more; there is work to end first.
    signal.signal(signal.SIGTERM, lambda *_: None)
    await host.run(uvicorn.Server(config).serve)


def main(arguments: list[str]) -> int:
    """Runs the host; returns 1, with the reason on stderr, when the app cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m devhost.host", description=__doc__)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--storage-log", type=Path)
    parser.add_argument("--sweep-interval", type=float, default=180.0)
    parser.add_argument("--retry-delay", type=float, default=1.0)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("azure", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    options = HostOptions(
        given.app.resolve(),
        given.data.resolve(),
        given.port,
        given.storage_log,
        given.sweep_interval,
        given.retry_delay,
    )
    os.chdir(options.app)
    try:
        asyncio.run(serve(options, os.environ))
    except DevhostError as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    # Not sys.exit: it would wait for threads, and a function that hangs in one would keep the process for ever.
    os._exit(code)
