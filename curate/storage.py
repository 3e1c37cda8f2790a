"""Where the datasets are: a connection that was given, or that of a running `./darkroom up`."""

import fcntl
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curate.errors import CurateError, UsageError
from shared.errors import BlobNotFoundError, StorageError
from shared.layout import is_dataset_name
from shared.storage import BlobContainer
from shared.storage.azure import Account, AzureContainer

ROOT: Final = Path(__file__).resolve().parent.parent
_REFUSALS: Final = (401, 403)
HOME: Final = ROOT / ".darkroom"
"""Where `./darkroom up` keeps its data unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset in storage: `CONTAINER/DATASET`."""

    container: str
    dataset: str

    def __str__(self) -> str:
        return f"{self.container}/{self.dataset}"


@dataclass(frozen=True, slots=True)
class Storage:
    """The two containers of an account.

    Attributes:
        training: Pictures and COCO files.
        registry: What the function app keeps of datasets.
    """

    training: BlobContainer
    registry: BlobContainer


def target_of(text: str) -> Target:
    """Take `CONTAINER/DATASET` apart.

    Raises:
        UsageError: It is something else.
    """
    container, slash, dataset = text.strip("/").partition("/")
    if not slash or "/" in dataset:
        raise UsageError(f"'{text}' is not CONTAINER/DATASET, such as training/parts")
    if not is_dataset_name(dataset):
        other = re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-")
        hint = f". Try '{other}'" if is_dataset_name(other) else ""
        raise UsageError(
            f"'{dataset}' is not a dataset name. Use lower-case letters, digits and '-', at most 63 characters, "
            f"and begin with a letter or a digit{hint}"
        )
    return Target(container, dataset)


def open_storage(
    container: str, *, connection: str | None, home: Path = HOME, environment: Mapping[str, str] = os.environ
) -> Storage:
    """Open the containers of an account.

    Args:
        container: The name of the training container.
        connection: The account's connection string, if it was given.
        home: The data folder of a `./darkroom up` that may run.
        environment: `TRAINING_STORAGE` is the connection string when none was given; `REGISTRY_CONTAINER` is the name
            of the other container.

    Raises:
        CurateError: It is not known where storage is, or there is no such container.
        StorageError: Storage refuses, or does not answer.
    """
    string = connection or environment.get("TRAINING_STORAGE") or _running(home)
    try:
        service = Account(string).blob_service()
    except ValueError as error:
        raise CurateError(
            "the connection string is malformed. It looks like "
            "DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net"
        ) from error
    training = AzureContainer(service, container)
    _require(training)
    return Storage(training, AzureContainer(service, environment.get("REGISTRY_CONTAINER") or "registry"))


def _running(home: Path) -> str:
    """Return the connection string of the services that run with their data in a folder."""
    try:
        state: Any = json.loads((home / "up.json").read_text(encoding="utf-8")) if _is_held(home / "up.lock") else {}
        string = state.get("storageConnectionString")
    except FileNotFoundError:
        string = None  # it is just starting or ending
    except (OSError, ValueError, AttributeError) as error:
        raise CurateError(f"cannot read {home / 'up.json'}. Stop the services with ./darkroom down") from error
    if not isinstance(string, str):
        raise CurateError(
            "where is storage? Give --connection STRING, set TRAINING_STORAGE, or start it with ./darkroom up"
        )
    return string


def _is_held(lock: Path) -> bool:
    """Tell whether a process holds the lock that `up` holds while it runs."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _require(container: BlobContainer) -> None:
    try:
        next(iter(container.pages("", size=1)), None)
    except BlobNotFoundError as error:
        raise CurateError(
            f"there is no container '{container.name}'. Check the name before the slash, or make the container"
        ) from error
    except StorageError as error:
        if getattr(error.__cause__, "status_code", None) in _REFUSALS:
            raise CurateError("storage refuses the key: check AccountName and AccountKey of the connection") from error
        raise
    except ValueError as error:  # what the client library raises on a key that is not base64, or an impossible name
        raise CurateError(f"container '{container.name}' cannot be reached: check the name and the key") from error
