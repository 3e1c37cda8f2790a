"""A real Azurite for one run of the suite, containers that count what goes through them, and the files of pictures."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from azure.storage.blob import BlobServiceClient

from bench.cocofile.pictures import DATASET, fill
from devhost.azurite import azurite_child
from devhost.ports import Ports
from shared.cocofile import CocoFile
from shared.storage import Blob
from shared.storage.azure import RETRIES, Account, AzureContainer, AzureQueue

ROOT: Final = Path(__file__).resolve().parents[2]
SMALL: Final = 10_000
_LISTED_BYTES: Final = 45  # of one block in the body of a commit: `<Latest>` and 28 characters


@dataclass
class Traffic:
    """What went through a container: calls by name, bytes each way, and the calls themselves."""

    calls: Counter[str] = field(default_factory=Counter)
    read: int = 0
    written: int = 0
    repeat: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Bytes both ways."""
        return self.read + self.written


class Metered(AzureContainer):
    """A container that counts the calls a fold makes."""

    def __init__(self, service: BlobServiceClient, name: str) -> None:
        super().__init__(service, name)
        self.traffic = Traffic()
        self._counting = threading.Lock()

    def count(self) -> Traffic:
        """Begin to count anew; return what is counted from now on."""
        self.traffic = Traffic()
        return self.traffic

    def read_range(self, path: str, start: int, size: int, *, if_match: str | None = None) -> Blob:
        """Read a range."""
        found = super().read_range(path, start, size, if_match=if_match)
        self._note("read", lambda: self._read_again(path, start, size, if_match), read=len(found.data))
        return found

    def stage_block(self, path: str, block_id: str, data: bytes) -> None:
        """Upload a block."""
        super().stage_block(path, block_id, data)
        self._note("stage", lambda: AzureContainer.stage_block(self, path, block_id, data), written=len(data))

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Make a blob of blocks."""
        etag = super().commit_blocks(path, block_ids, if_match=if_match, create_only=create_only)
        body = _LISTED_BYTES * len(block_ids)
        self._note("commit", lambda: AzureContainer.commit_blocks(self, path, block_ids), written=body)
        return etag

    def _read_again(self, path: str, start: int, size: int, if_match: str | None) -> bytes:
        if if_match is None:
            return AzureContainer.read_range(self, path, start, size).data
        return self._blob(path).download_blob(start, size).readall()  # its version is gone

    def _note(self, call: str, again: Callable[[], object], *, read: int = 0, written: int = 0) -> None:
        with self._counting:
            self.traffic.calls[call] += 1
            self.traffic.read += read
            self.traffic.written += written
            self.traffic.repeat.append((call, again))


class Home:
    """Storage for one run.

    Attributes:
        account: How to reach it.
        folder: For files on the local disk; gone after the run.
        pictures: Pictures in the large file.
    """

    def __init__(self, account: Account, folder: Path, pictures: int) -> None:
        self.account = account
        self.folder = folder
        self.pictures = pictures
        self._service = BlobServiceClient.from_connection_string(account.connection_string or "", **RETRIES)
        self._names = 0

    def container(self) -> Metered:
        """Make a container of its own."""
        self._names += 1
        name = f"bench{self._names}"
        self._service.create_container(name)
        return Metered(self._service, name)

    def queue(self) -> AzureQueue:
        """Make a queue of its own."""
        self._names += 1
        client = self.account.queue(f"bench{self._names}")
        client.create_queue()
        return AzureQueue(client)

    @cached_property
    def large(self) -> Metered:
        """The container of the large file, which is made when first asked for."""
        return self.filled(self.pictures)

    @cached_property
    def small(self) -> Metered:
        """The container of a file of 10,000 pictures."""
        return self.filled(SMALL)

    def filled(self, pictures: int) -> Metered:
        """Make a container with a file of so many pictures."""
        container = self.container()
        started = time.perf_counter()
        fill(CocoFile(container, DATASET), pictures)
        say(f"a file of {pictures:,} pictures was made in {time.perf_counter() - started:.1f} s")
        return container

    def probe(self, *arguments: str) -> str:
        """Run a measurement in a fresh process; return what it prints."""
        command = [sys.executable, "-m", "bench.cocofile.probe", *arguments]
        env = {**os.environ, "PROBE_STORAGE": self.account.connection_string or ""}
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own module
        return done.stdout


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def open_home(pictures: int) -> Iterator[Home]:
    """Start Azurite in a temporary folder; stop it and remove the folder at the end."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ports = Ports.free().storage
        child = azurite_child(data=folder / "data", log=folder / "azurite.log", ports=ports, env=os.environ)
        child.start()
        try:
            until = time.monotonic() + 60
            while "Queue service is successfully listening" not in child.log.read_text():
                if time.monotonic() > until or child.exit_code() is not None:
                    raise SystemExit(f"Azurite does not start:\n{child.last_words()}")
                time.sleep(0.1)
            yield Home(Account(ports.connection_string), folder, pictures)
        finally:
            child.stop(5)
