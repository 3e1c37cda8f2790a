"""What the host itself asks of Blob and Queue Storage: a blob's facts, listings, and a place for poisoned events."""

import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobServiceClient
from azure.storage.queue import QueueServiceClient

from devhost.errors import AppError, StorageError

POISON_QUEUE: Final = "webjobs-blobtrigger-poison"
_TIMEOUT: Final = 5


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What is known of a blob without reading it; `properties` are named as in Azure's trigger metadata."""

    etag: str
    uri: str
    properties: Mapping[str, Any]
    metadata: Mapping[str, str]


class Storage:
    """One storage account, by connection string. Calls block; the clients are safe to use from several threads."""

    def __init__(self, connection_string: str) -> None:
        """Opens the clients; nothing is asked yet.

        Raises:
            ValueError: The connection string is malformed.
        """
        # We ask again ourselves, later; the SDK's own retries would hold a thread for a minute.
        options: dict[str, Any] = {"retry_total": 0, "connection_timeout": _TIMEOUT, "read_timeout": 60}
        self._blobs = BlobServiceClient.from_connection_string(connection_string, **options)
        self._queues = QueueServiceClient.from_connection_string(connection_string, **options)

    @classmethod
    def from_setting(cls, name: str, settings: Mapping[str, str]) -> Self:
        """Opens the account that a binding's `connection` names.

        Raises:
            AppError: The setting is absent or no connection string.
        """
        value = settings.get(name) or settings.get(f"AzureWebJobs{name}")
        if not value:
            raise AppError(f"the setting {name} is not set: it names the storage account of a blob trigger")
        try:
            return cls(value)
        except ValueError as error:
            raise AppError(f"the setting {name} is no storage connection string: {error}") from error

    def close(self) -> None:
        """Closes the connections."""
        self._blobs.close()
        self._queues.close()

    def facts(self, path: str) -> BlobFacts | None:
        """Returns the facts of `container/blob`, None when it does not or cannot exist.

        Raises:
            StorageError: Storage did not answer, or refused.
        """
        container, _, name = path.partition("/")
        client = self._blobs.get_blob_client(container, name)
        try:
            properties = client.get_blob_properties()
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.BAD_REQUEST:  # a name that no blob can have
                return None
            raise StorageError(f"cannot ask for blob {path!r}: {error}") from error
        except AzureError as error:
            raise StorageError(f"cannot ask for blob {path!r}: {error}") from error
        return BlobFacts(
            etag=properties.etag.strip('"'),
            uri=client.url,
            properties=_properties(properties),
            metadata=dict(properties.metadata or {}),
        )

    def read(self, path: str) -> bytes:
        """Returns the content of `container/blob`.

        Raises:
            StorageError: Storage did not answer, refused, or has no such blob.
        """
        container, _, name = path.partition("/")
        try:
            return self._blobs.get_blob_client(container, name).download_blob().readall()
        except AzureError as error:
            raise StorageError(f"cannot read blob {path!r}: {error}") from error

    def listing(self, container: str, prefix: str) -> dict[str, str]:
        """Returns the ETag of each blob whose name starts with `prefix`, by `container/blob`.

        Raises:
            StorageError: Storage did not answer, or refused.
        """
        try:
            found = self._blobs.get_container_client(container).list_blobs(name_starts_with=prefix or None)
            return {f"{container}/{blob.name}": str(blob.etag).strip('"') for blob in found}
        except ResourceNotFoundError:
            return {}
        except AzureError as error:
            raise StorageError(f"cannot list container {container!r}: {error}") from error

    def poison(self, function: str, path: str, etag: str) -> None:
        """Puts a message about a blob version that was given up into the poison queue, as Azure's host writes it.

        Raises:
            StorageError: Storage did not answer, or refused.
        """
        container, _, name = path.partition("/")
        message = {
            "Type": "BlobTrigger",
            "FunctionId": f"Host.Functions.{function}",
            "BlobType": "BlockBlob",
            "ContainerName": container,
            "BlobName": name,
            "ETag": f'"{etag}"',
        }
        queue = self._queues.get_queue_client(POISON_QUEUE)
        content = base64.b64encode(json.dumps(message).encode()).decode()
        try:
            try:
                queue.send_message(content, time_to_live=-1)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):
                    queue.create_queue()
                queue.send_message(content, time_to_live=-1)
        except AzureError as error:
            raise StorageError(f"cannot put a message into queue {POISON_QUEUE}: {error}") from error


def _properties(properties: BlobProperties) -> dict[str, Any]:
    return {
        "ETag": properties.etag,
        "BlobType": "Block" if properties.blob_type == "BlockBlob" else str(properties.blob_type),
        "ContentLength": properties.size,
        "ContentType": properties.content_settings.content_type,
        "ContentEncoding": properties.content_settings.content_encoding,
        "ContentHash": base64.b64encode(properties.content_settings.content_md5 or b"").decode(),
        "LastModified": properties.last_modified.isoformat(),
        "CreatedOn": properties.creation_time.isoformat() if properties.creation_time else None,
    }
