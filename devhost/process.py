"""Child processes that do not outlive us: own process group, log file, and the kernel's word that they end with us.

Run as `python -m devhost.process PID COMMAND…` this module is the launcher of such a child: it asks Linux for SIGTERM
when its parent dies (`PR_SET_PDEATHSIG`, kept across exec), then becomes the command. Elsewhere a parent that is
killed with SIGKILL leaves its children running.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from devhost.errors import ServiceError

_PR_SET_PDEATHSIG: Final = 1
_MAX_LOG: Final = 10 * 1024 * 1024
ROOT: Final = Path(__file__).resolve().parent.parent


def last_lines(log: Path, *, since: int = 0, count: int = 15) -> str:
    """Returns the last lines of a log file after byte `since`, nothing when there is none."""
    try:
        content = log.read_bytes()[since:]
    except OSError:
        return ""
    return "\n".join(content.decode(errors="replace").splitlines()[-count:])


class Child:
    """One child process that can be started again with the same command.

    On Linux the kernel ties a child's life to the *thread* that started it: start it from a thread that lives as long.
    """

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        """Prepares the child; `start` runs it."""
        self.name = name
        self.log = log
        self._command = command
        self._env = env
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Starts the process; its output is appended to the log file.

        Raises:
            ServiceError: It cannot be started.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_start = os.fstat(descriptor).st_size
        launcher = [sys.executable, "-P", "-m", "devhost.process", str(os.getpid()), *self._command]
        env = {**self._env, "PYTHONPATH": str(ROOT)}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                launcher,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        except OSError as error:
            raise ServiceError(f"cannot start {self.name}: {error}") from error
        finally:
            os.close(descriptor)

    def stop(self, grace: float) -> None:
        """Asks the process to end (SIGTERM) and ends it after `grace` seconds; does nothing when it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
        self._signal(signal.SIGKILL)  # what it left behind in its group
        self._process = None

    def kill(self) -> None:
        """Ends the process and its group at once (SIGKILL)."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def exit_code(self) -> int | None:
        """Returns how it ended, None while it runs or when it was never started."""
        return None if self._process is None else self._process.poll()

    def last_words(self) -> str:
        """Returns the end of its log, of this run only."""
        return last_lines(self.log, since=self._log_start)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def launch(parent: int, command: list[str]) -> None:
    """Becomes the command; tied to the parent's life where the kernel can; only its user reads what it writes."""
    os.umask(0o077)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - our own command, no shell


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
