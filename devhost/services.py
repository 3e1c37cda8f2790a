"""The local home as one object: Azurite, the engine and the function host, started, watched, restarted, stopped."""

import contextlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import httpx
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from devhost.azurite import INSTALLED, azurite_child
from devhost.errors import ServiceError
from devhost.keys import Keys, load_keys
from devhost.ports import Ports
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
from devhost.supervisor import Supervisor

_log: Final = logging.getLogger(__name__)
START_TIMEOUT: Final = 60.0


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
        children = self._prepare(dict(settings or {}), app.resolve(), engine, azurite, host_arguments)
        self._supervisor = Supervisor(children, revive=revive, revived=self._make_ready)

    def _prepare(
        self, overrides: Mapping[str, str], app: Path, engine: bool, azurite: Path, host_arguments: tuple[str, ...]
    ) -> list[Child]:
        logs, storage, base = self.data / "logs", self.ports.storage, base_environment()
        access_log = logs / "azurite.log"
        children = [
            azurite_child(data=self.data / "azurite", log=access_log, ports=storage, env=base, installed=azurite)
        ]
        if engine:
            callers = {"ENGINE_ALLOWED_HOSTS": base.get("ENGINE_ALLOWED_HOSTS", ""), **overrides}
            settings = engine_settings(self.data / "engine", storage=storage, secrets_=self._secrets, overrides=callers)
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
        return children

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
        return self._supervisor.pids

    def start(self) -> None:
        """Starts everything and returns when everything answers; stops it all again when one does not.

        Raises:
            PortBusyError: A port is in use.
            ServiceError: A process ended, or did not answer in time; the message has its last words.
        """
        self.ports.check_free(without=frozenset({"engine"}) - set(self._supervisor.names))
        load_keys(self.data / "host" / "keys.json")  # before the host runs, so that both read the same
        try:
            self._supervisor.start(name for name in self._supervisor.names if name != "host")
            self.wait("azurite")
            self._create_storage()
            self._supervisor.start(["host"])
            for name in self._supervisor.names:
                self.wait(name)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops everything: the host first, Azurite last."""
        self._supervisor.stop(reversed(self._supervisor.names))
        self._supervisor.close()

    def start_one(self, name: str) -> None:
        """Starts one child and returns when it answers.

        Raises:
            ServiceError: It ended, or did not answer in time.
        """
        self._supervisor.start([name])
        self.wait(name)
        if name == "azurite":
            self._create_storage()

    def stop_one(self, name: str) -> None:
        """Stops one child (SIGTERM); it is not revived."""
        self._supervisor.stop([name])

    def kill(self, name: str) -> None:
        """Kills one child and what it started (SIGKILL); it is revived if that was asked for."""
        self._supervisor.kill(name)

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
            ServiceError: It ended by itself, or did not answer in time.
        """
        self._supervisor.wait(name, self._answers, timeout)

    def _answers(self, name: str) -> bool:
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

    def _make_ready(self, name: str) -> None:
        """Gives an Azurite that died its containers back: it loses what it acknowledged in its last seconds."""
        if name != "azurite":
            return
        try:
            self.wait(name)
            self._create_storage()
        except (ServiceError, AzureError) as error:
            _log.warning("azurite was started again, but its containers could not be made: %s", error)

    def _create_storage(self) -> None:
        blobs = BlobServiceClient.from_connection_string(self.storage_connection_string)
        queues = QueueServiceClient.from_connection_string(self.storage_connection_string)
        with blobs, queues:
            for container in (TRAINING_CONTAINER, REGISTRY_CONTAINER):
                with contextlib.suppress(ResourceExistsError):
                    blobs.create_container(container)
            with contextlib.suppress(ResourceExistsError):
                queues.create_queue(CHANGES_QUEUE)
