"""The engine as a process that is killed and started again, on one folder and one port."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

import httpx
import psutil

from bench.serving.children import ROOT

KEY: Final = "soak-key"
_PATIENCE: Final = 60.0  # s, for the engine to listen


class EngineProcess:
    """`python -m engine` with the built-in features and two workers; used as a context.

    Attributes:
        endpoint: Where it listens, also after a restart.
        log: What it has said.
    """

    def __init__(self, folder: Path, allowed_hosts: str) -> None:
        self.log = folder / "engine.log"
        self._port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self._port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
        self._environment = kept | {
            "ENGINE_KEYS": KEY,
            "ENGINE_DATA": str(folder / "engine"),
            "ENGINE_SECRET": "the soak's own secret",
            "ENGINE_ALLOWED_HOSTS": allowed_hosts,
            "ENGINE_WORKERS": "2",
        }
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    @property
    def rss(self) -> int:
        """Bytes of memory that the process has now."""
        return psutil.Process(self._process.pid).memory_info().rss

    def restart(self) -> None:
        """Kills the process as the kernel would, and starts it again."""
        self._kill()
        self._start()

    def jobs(self) -> list[psutil.Process]:
        """Returns its job processes."""
        return psutil.Process(self._process.pid).children()

    def check_alive(self) -> None:
        """Checks that it runs.

        Raises:
            SystemExit: It ended by itself.
        """
        if (status := self._process.poll()) is not None:
            raise SystemExit(f"the engine ended by itself with {status}; its last words:\n{self.tail()}")

    def tail(self) -> str:
        """Returns the last that it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def _start(self) -> None:
        command = [sys.executable, "-m", "engine", "--port", str(self._port)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, cwd=ROOT, env=self._environment, stdout=output, stderr=output
            )
        until = time.monotonic() + _PATIENCE
        while not self._listens():
            self.check_alive()
            if time.monotonic() > until:
                raise SystemExit(f"the engine did not listen within {_PATIENCE:g} s; its last words:\n{self.tail()}")
            time.sleep(0.1)

    def _listens(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/healthz", timeout=10, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
