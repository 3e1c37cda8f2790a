"""A real Azurite for the whole test session, and containers and queues in it that no other test uses."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from devhost.azurite import StoragePorts, azurite_child
from devhost.services import Ports
from shared.storage.azure import Account, AzureContainer, AzureQueue
from tests.waiting import wait_until

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Start Azurite on free ports; the account to reach it by."""
    folder: Path = tmp_path_factory.mktemp("azurite")
    ports: StoragePorts = Ports.free().storage
    child = azurite_child(data=folder / "data", log=folder / "azurite.log", ports=ports, env=os.environ)
    child.start()
    account = Account(ports.connection_string)
    try:
        wait_until(lambda: "Queue service is successfully listening" in child.log.read_text(), "Azurite listens")
        yield account
    finally:
        child.stop(5)


def new_container(account: Account, kind: str) -> AzureContainer:
    """Make a container of its own for one test."""
    service: BlobServiceClient = account.blob_service()
    name = f"{kind}{next(_numbers)}"
    service.create_container(name)
    return AzureContainer(service, name)


def new_queue(account: Account) -> AzureQueue:
    """Make a queue of its own for one test."""
    client = account.queue(f"changes{next(_numbers)}")
    client.create_queue()
    return AzureQueue(client)
