"""The local Azure Functions host, one process: `python -m devhost.host --app DIR --data DIR --port N`.

Its settings are its environment, as in Azure.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from devhost.admin import Admin
from devhost.endpoints import HttpFunctions
from devhost.errors import DevhostError
from devhost.hostfile import read_hostfile
from devhost.keys import load_keys
from devhost.worker import Worker

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Where the host finds things.

    Attributes:
        app: The function app's folder.
        data: What the host keeps: keys, timers, deliveries.
        port: Where it listens, on 127.0.0.1.
        storage_log: Azurite's access log, the source of blob events; None: only listings find changes.
    """

    app: Path
    data: Path
    port: int
    storage_log: Path | None = None


async def build(options: HostOptions, settings: Mapping[str, str]) -> Starlette:
    """Returns the ASGI application of a function app: everything that runs hangs on its lifespan.

    Raises:
        DevhostError: The app cannot be run as it is.
    """
    hostfile = read_hostfile(options.app / "host.json")
    worker = Worker(options.app, timeout=hostfile.function_timeout)
    functions = await worker.start(settings)
    keys = load_keys(options.data / "keys.json", [function.name for function in functions])

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup():
            _log.info("running %d functions: %s", len(functions), ", ".join(function.name for function in functions))
            yield

    http = HttpFunctions(functions, prefix=hostfile.route_prefix, keys=keys, invoke=worker.invoke)
    admin = Admin(functions, keys=keys, runners={})
    return Starlette(routes=[*admin.routes(), Mount("/", app=http)], lifespan=lifespan)


async def serve(options: HostOptions, settings: Mapping[str, str]) -> None:
    """Runs the host until it is told to end."""
    app = await build(options, settings)
    config = uvicorn.Config(app, host="127.0.0.1", port=options.port, log_config=None, access_log=False)
    await uvicorn.Server(config).serve()


def main(arguments: list[str]) -> int:
    """Runs the host; returns 1, with the reason on stderr, when the app cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m devhost.host", description=__doc__)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--storage-log", type=Path)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("azure", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    options = HostOptions(given.app.resolve(), given.data.resolve(), given.port, given.storage_log)
    os.chdir(options.app)
    try:
        asyncio.run(serve(options, os.environ))
    except DevhostError as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
