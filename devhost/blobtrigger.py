"""Blob triggers: which blobs a function wants, and what it is given for one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from devhost.blobpath import BlobPath, parse_blob_path
from devhost.errors import AppError
from devhost.functions import Function
from devhost.protos import ModelBindingData, TypedData
from devhost.storage import BlobFacts, Storage

DEFAULT_CONNECTION: Final = "AzureWebJobsStorage"


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    """A function that wants the blobs of a path pattern in one storage account."""

    function: Function
    path: BlobPath
    connection: str
    storage: Storage

    def metadata(self, blob: str, facts: BlobFacts) -> dict[str, TypedData]:
        """Returns what the host tells beside the blob: its address, its properties, and what the pattern captured."""
        captured = {name: TypedData(string=text) for name, text in (self.path.match(blob) or {}).items()}
        return {
            "BlobTrigger": TypedData(string=blob),
            "Uri": TypedData(string=facts.uri),
            "Properties": TypedData(json=json.dumps(facts.properties)),
            "Metadata": TypedData(json=json.dumps(facts.metadata)),
            **captured,
        }

    def value(self, blob: str) -> TypedData:
        """Returns the trigger's value: where the blob is for an SDK type, else its content (which is read now).

        Raises:
            StorageError: The content cannot be read.
        """
        if not self.function.deferred:
            return TypedData(bytes=self.storage.read(blob))
        container, _, name = blob.partition("/")
        content = {"Connection": self.connection, "ContainerName": container, "BlobName": name}
        return TypedData(
            model_binding_data=ModelBindingData(
                version="1.0",
                source="AzureStorageBlobs",
                content_type="application/json",
                content=json.dumps(content).encode(),
            )
        )


def open_blob_triggers(functions: tuple[Function, ...], settings: Mapping[str, str]) -> tuple[BlobTrigger, ...]:
    """Returns the blob triggers of an app, with one open storage account per connection.

    Raises:
        AppError: A path pattern is malformed, a connection is not set, or a trigger polls instead of taking events.
    """
    accounts: dict[str, Storage] = {}
    triggers = []
    for function in functions:
        options = function.trigger.options
        if function.trigger.type != "blobTrigger":
            continue
        if options.get("source") != "EventGrid":
            raise AppError(f"function {function.name!r} polls for blobs: give its trigger source=BlobSource.EVENT_GRID")
        connection = str(options.get("connection") or DEFAULT_CONNECTION)
        if connection not in accounts:
            accounts[connection] = Storage.from_setting(connection, settings)
        path = parse_blob_path(str(options.get("path", "")))
        triggers.append(BlobTrigger(function, path, connection, accounts[connection]))
    return tuple(triggers)
