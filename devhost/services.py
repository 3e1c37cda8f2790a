"""The local home as one object: Azurite, the engine and the function host, started, watched, restarted, stopped."""

import contextlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from devhost.azurite import INSTALLED, StoragePorts, azurite_child
from devhost.errors import PortBusyError, ServiceError
from devhost.keys import Keys, load_keys
from devhost.process import ROOT, Child
from devhost.settings import (
    CHANGES_QUEUE,
    REGISTRY_CONTAINER,
    TRAINING_CONTAINER,
    base_environment,
    engine_settings,
    host_settings,
    load_secrets,
)

START_TIMEOUT: Final = 60.0
_GRACE: Final = 15.0
_MIN_BACKOFF: Final = 0.25
_MAX_BACKOFF: Final = 10.0
_STEADY_AFTER: Final = 10.0
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on 127.0.0.1."""

    host: int = 7071
    engine: int = 7080
    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    @classmethod
    def free(cls) -> Self:
        """Returns five ports that nothing uses now."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(5)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return cls(*(one.getsockname()[1] for one in sockets))

    @property
    def storage(self) -> StoragePorts:
        """Azurite's part of them."""
        return StoragePorts(self.blob, self.queue, self.table)

    def named(self) -> Iterator[tuple[str, int]]:
        """Yields each port with the name of its option."""
        yield from (("host", self.host), ("engine", self.engine))
        yield from (("blob", self.blob), ("queue", self.queue), ("table", self.table))


@dataclass(slots=True)
class _Watched:
    """A child and how its restarts go."""

    child: Child
    backoff: float = _MIN_BACKOFF
    started: float = 0.0
    due: float | None = None


class Services:
    """Azurite, engine and host of one data folder; use it as a context manager, or `start` and `stop` it.

    `name` is "azurite", "engine" or "host" in `kill`, `stop_one`, `start_one` and `restart`.
    """

    def __init__(
        self,
        data: Path,
        *,
        ports: Ports | None = None,
        settings: Mapping[str, str] | None = None,
        app: Path = ROOT,
        engine: bool = True,
        revive: bool = True,
        azurite: Path = INSTALLED,
        host_arguments: tuple[str, ...] = (),
    ) -> None:
        """Prepares the services; nothing runs yet.

        Args:
            data: Everything is kept here, logs too.
            ports: Where they listen; None takes free ones.
            settings: Come before every setting of ours; those named ENGINE_… go to the engine, the others to the host.
            app: The function app's folder.
            engine: Whether the engine runs too.
            revive: Whether a child that dies is started again.
            azurite: The folder whose node_modules holds Azurite.
            host_arguments: Further options of `python -m devhost.host`.

        Raises:
            ServiceError: Azurite is not installed, or a kept file cannot be read.
        """
        self.data = data.resolve()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # logs and stores hold keys and signed URLs
        self.ports = ports or Ports.free()
        self._secrets = load_secrets(self.data / "secrets.json")
        self._children = self._prepare(dict(settings or {}), app.resolve(), engine, azurite, host_arguments)
        self._revive = revive
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def _prepare(
        self, overrides: Mapping[str, str], app: Path, engine: bool, azurite: Path, host_arguments: tuple[str, ...]
    ) -> dict[str, _Watched]:
        logs, storage, base = self.data / "logs", self.ports.storage, base_environment()
        access_log = logs / "azurite.log"
        children = [
            azurite_child(data=self.data / "azurite", log=access_log, ports=storage, env=base, installed=azurite)
        ]
        if engine:
            settings = engine_settings(
                self.data / "engine", storage=storage, secrets_=self._secrets, overrides=overrides
            )
            command = [sys.executable, "-m", "engine", "--host", "127.0.0.1", "--port", str(self.ports.engine)]
            children.append(Child("engine", command, env={**base, **settings}, log=logs / "engine.log"))
        settings = host_settings(
            app, storage=storage, engine_url=self.engine, secrets_=self._secrets, overrides=overrides
        )
        command = [sys.executable, "-m", "devhost.host", "--app", str(app), "--data", str(self.data / "host")]
        command += ["--port", str(self.ports.host), "--storage-log", str(access_log), *host_arguments]
        foreign = [name for name in base if name.startswith("ENGINE_")]
        env = {name: value for name, value in base.items() if name not in foreign}
        children.append(Child("host", command, env={**env, **settings}, log=logs / "host.log"))
        return {child.name: _Watched(child) for child in children}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The function host's URL, without a path."""
        return f"http://127.0.0.1:{self.ports.host}"

    @property
    def engine(self) -> str:
        """The engine's URL, without a path."""
        return f"http://127.0.0.1:{self.ports.engine}"

    @property
    def key(self) -> str:
        """Opens `predict` (Ocp-Apim-Subscription-Key)."""
        return self._secrets.prediction_key

    @property
    def engine_key(self) -> str:
        """Opens the engine."""
        return self._secrets.engine_key

    @property
    def function_key(self) -> str:
        """Opens every function of level "function" (x-functions-key)."""
        return self.keys.host

    @property
    def master_key(self) -> str:
        """Opens everything on the function host."""
        return self.keys.master

    @property
    def keys(self) -> Keys:
        """All keys of the function host."""
        return load_keys(self.data / "host" / "keys.json")

    @property
    def storage_connection_string(self) -> str:
        """What a storage SDK needs."""
        return self.ports.storage.connection_string

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each child that runs, by name."""
        running = {name: watched.child.pid for name, watched in self._children.items()}
        return {name: pid for name, pid in running.items() if pid is not None}

    def start(self) -> None:
        """Starts everything and returns when everything answers; stops it all again when one does not.

        Raises:
            PortBusyError: A port is in use.
            ServiceError: A process ended, or did not answer in time; the message has its last words.
        """
        self._check_ports()
        load_keys(self.data / "host" / "keys.json")  # before the host runs, so that both read the same
        try:
            for name in ("azurite", "engine"):
                if name in self._children:
                    self._spawn(self._children[name])
            self.wait("azurite")
            self._create_storage()
            self._spawn(self._children["host"])
            for name in self._children:
                self.wait(name)
        except BaseException:
            self.stop()
            raise
        self._ended.clear()
        if self._revive:
            self._watcher = threading.Thread(target=self._watch, name="watch services", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """Stops everything: the host first, Azurite last."""
        self._ended.set()
        with self._lock:
            for name in reversed(self._children):
                self.stop_one(name)
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def start_one(self, name: str) -> None:
        """Starts one child and returns when it answers.

        Raises:
            ServiceError: It ended, or did not answer in time.
        """
        watched = self._children[name]
        with self._lock:
            self._spawn(watched)
        self.wait(name)

    def stop_one(self, name: str) -> None:
        """Stops one child (SIGTERM); it is not revived."""
        with self._lock:
            watched = self._children[name]
            watched.started, watched.due = 0.0, None
            watched.child.stop(_GRACE)

    def kill(self, name: str) -> None:
        """Kills one child and what it started (SIGKILL); it is revived if that was asked for."""
        self._children[name].child.kill()

    def restart(self, name: str) -> None:
        """Stops one child if it runs and starts it; returns when it answers.

        Raises:
            ServiceError: It ended, or did not answer in time.
        """
        self.stop_one(name)
        self.start_one(name)

    def wait(self, name: str, timeout: float = START_TIMEOUT) -> None:
        """Returns when a child answers.

        Raises:
            ServiceError: It ended and is not revived, or did not answer in time.
        """
        watched = self._children[name]
        deadline = time.monotonic() + timeout
        while not self._answers(name):
            child = watched.child
            if child.exit_code() is not None and watched.due is None and (not self._revive or self._watcher is None):
                raise ServiceError(f"{name} ended with {child.exit_code()}. Its last words:\n{child.last_words()}")
            if time.monotonic() > deadline:
                raise ServiceError(f"{name} did not answer within {timeout:g} s. Its last words:\n{child.last_words()}")
            self._ended.wait(0.05)

    def _spawn(self, watched: _Watched) -> None:
        watched.child.start()
        watched.started, watched.due = time.monotonic(), None

    def _answers(self, name: str) -> bool:
        if self._children[name].child.pid is None:
            return False
        urls = {
            "azurite": [f"http://127.0.0.1:{port}/" for port in (self.ports.blob, self.ports.queue)],
            "engine": [f"{self.engine}/healthz"],
            "host": [f"{self.endpoint}/admin/host/status"],
        }[name]
        headers = {"x-functions-key": self.master_key} if name == "host" else {}
        try:
            # Azurite answers its root with 400; that it answers is enough.
            answers = [httpx.get(url, headers=headers, timeout=2.0, trust_env=False).status_code for url in urls]
        except httpx.HTTPError:
            return False
        return name == "azurite" or answers == [200]

    def _watch(self) -> None:
        """Starts again what died, at growing intervals; runs in a thread until `stop`."""
        while not self._ended.wait(0.1):
            with self._lock:
                for watched in self._children.values():
                    self._look_after(watched)

    def _look_after(self, watched: _Watched) -> None:
        now = time.monotonic()
        if self._ended.is_set() or watched.started == 0.0 or watched.child.exit_code() is None:
            return
        if watched.due is None:
            steady = now - watched.started > _STEADY_AFTER
            watched.backoff = _MIN_BACKOFF if steady else min(watched.backoff * 2, _MAX_BACKOFF)
            watched.due = now + watched.backoff
            name, code = watched.child.name, watched.child.exit_code()
            _log.warning("%s ended with %s; starting it again in %g s", name, code, watched.backoff)
        if now >= watched.due:
            self._spawn(watched)

    def _check_ports(self) -> None:
        for name, port in self.ports.named():
            if name == "engine" and "engine" not in self._children:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise PortBusyError(
                        f"port {port} ({name}) is in use: stop what listens there, or choose another with --{name}-port"
                    ) from error

    def _create_storage(self) -> None:
        blobs = BlobServiceClient.from_connection_string(self.storage_connection_string)
        queues = QueueServiceClient.from_connection_string(self.storage_connection_string)
        with blobs, queues:
            for container in (TRAINING_CONTAINER, REGISTRY_CONTAINER):
                with contextlib.suppress(ResourceExistsError):
                    blobs.create_container(container)
            with contextlib.suppress(ResourceExistsError):
                queues.create_queue(CHANGES_QUEUE)
