"""The services around the small app in tests/devhost_app, and what its functions noted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from azure.storage.blob import BlobServiceClient, ContainerClient

from devhost.services import Services
from tests.waiting import wait_until

APP = Path(__file__).parent / "devhost_app"
HOURLY = "0 0 * * * *"


class Home:
    """Azurite and a host that runs the small app, in one folder."""

    def __init__(self, folder: Path, *, revive: bool = True, sweep: float = 600, **settings: str) -> None:
        self.folder = folder
        self._notes = folder / "notes"
        self.services = Services(
            folder,
            app=APP,
            engine=False,
            revive=revive,
            settings={"NOTES": str(self._notes), "TICK": HOURLY, **settings},
            host_arguments=("--retry-delay", "0.02", "--sweep-interval", str(sweep)),
        )
        self._blobs = BlobServiceClient.from_connection_string(self.services.storage_connection_string)
        self.training: ContainerClient = self._blobs.get_container_client("training")

    def __enter__(self) -> "Home":
        self.services.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._blobs.close()
        self.services.stop()

    def notes(self, kind: str, **facts: object) -> list[dict[str, Any]]:
        """Return what functions noted, of one kind and with these facts."""
        if not self._notes.exists():
            return []
        lines = [json.loads(line) for line in self._notes.read_text(encoding="utf-8").splitlines()]
        return [note for note in lines if {"kind": kind, **facts}.items() <= note.items()]

    def wait_for(self, kind: str, *, count: int = 1, **facts: object) -> list[dict[str, Any]]:
        """Return the notes of one kind and with these facts as soon as there are so many."""
        what = f"{count} x {kind} {facts}; the host says: {self.services_log()[-2000:]}"
        wait_until(lambda: len(self.notes(kind, **facts)) >= count, what, pause=0.01)
        return self.notes(kind, **facts)

    def forgotten(self, path: str) -> dict[str, object]:
        """Return the facts of a note that tells of a deletion."""
        return {"subject": f"/blobServices/default/containers/training/blobs/{path}"}

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask the host."""
        return httpx.request(method, self.services.endpoint + path, timeout=10, **more)

    def services_log(self) -> str:
        """Return what the host wrote."""
        path = self.folder / "logs" / "host.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""


def home_in(folder: Path, **settings: str) -> Iterator[Home]:
    """Yield a home that runs; a fixture's body."""
    with Home(folder, **settings) as home:
        yield home
