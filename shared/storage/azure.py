"""Azure Blob Storage and Queue Storage (or Azurite) behind the protocols of this package.

The client libraries are imported where they are first used, so that importing the function app stays quick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from shared.errors import (
    BlobArchivedError,
    BlobChangedError,
    BlobNotFoundError,
    BlobRefusedError,
    BlobTooLargeError,
    StorageError,
)
from shared.storage import JSON, Blob, BlobProperties, Page, QueueMessage

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import (
        BlobClient,
        BlobLeaseClient,
        BlobServiceClient,
        ContainerClient,
        StorageStreamDownloader,
    )
    from azure.storage.blob import BlobProperties as AzureBlobProperties
    from azure.storage.queue import QueueClient

# The libraries' own defaults wait 15 s before the first retry; a function should not.
RETRIES: Final[dict[str, Any]] = {"initial_backoff": 1, "increment_base": 2, "retry_total": 4}
EMULATED_ACCOUNT: Final = "devstoreaccount1"  # Azurite's
_ARCHIVED: Final = ("BlobArchived", "BlobBeingRehydrated")
_REFUSED: Final = (400, 405, 409)  # to a read these speak of the blob, and not of a key, a load or a race


@dataclass(frozen=True, slots=True)
class Account:
    """How to reach a storage account: a connection string, or service URIs with managed identity.

    Attributes:
        connection_string: Wins when set.
        blob_uri: ``https://{account}.blob.core.windows.net``.
        queue_uri: ``https://{account}.queue.core.windows.net``.
        client_id: Of a user-assigned identity; None for the system-assigned one, or whoever is logged in.
    """

    connection_string: str | None = None
    blob_uri: str | None = None
    queue_uri: str | None = None
    client_id: str | None = None

    def blob_service(self) -> BlobServiceClient:
        """Return a client of the account's blobs."""
        from azure.storage.blob import BlobServiceClient

        if self.connection_string:
            return BlobServiceClient.from_connection_string(self.connection_string, **RETRIES)
        return BlobServiceClient(self.blob_uri or "", credential=_identity(self.client_id), **RETRIES)

    def queue(self, name: str) -> QueueClient:
        """Return a client of one of the account's queues."""
        from azure.storage.queue import QueueClient

        if self.connection_string:
            return QueueClient.from_connection_string(self.connection_string, name, **RETRIES)
        return QueueClient(self.queue_uri or "", name, credential=_identity(self.client_id), **RETRIES)


def _identity(client_id: str | None) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id)


@contextmanager
def _translated(what: str, *, reads: bool = False) -> Iterator[None]:
    """Turn the client library's errors into ours; nothing that only reads a blob can come too late for it (409)."""
    from azure.core.exceptions import (
        AzureError,
        HttpResponseError,
        ResourceExistsError,
        ResourceModifiedError,
        ResourceNotFoundError,
    )

    try:
        yield
    except ResourceNotFoundError as error:
        raise BlobNotFoundError(f"{what} does not exist") from error
    except HttpResponseError as error:
        if reads and error.status_code in _REFUSED:
            raise BlobRefusedError(
                f"{what} is refused: {_first_line(error)}. See to the blob, or delete it."
            ) from error
        if isinstance(error, ResourceExistsError | ResourceModifiedError):
            raise BlobChangedError(f"{what} was changed by somebody else in the meantime") from error
        raise StorageError(_failed(what, error)) from error
    except AzureError as error:
        raise StorageError(_failed(what, error)) from error


def _failed(what: str, error: Exception) -> str:
    return f"storage failed on {what}: {_first_line(error)}. Check the connection and try again."


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _properties(path: str, found: AzureBlobProperties) -> BlobProperties:
    metadata = {name.lower(): value for name, value in (found.metadata or {}).items()}
    md5 = bytes(found.content_settings.content_md5 or b"").hex()
    return BlobProperties(path, (found.etag or "").strip('"'), found.size or 0, found.last_modified, metadata, md5)


def _listed(found: Iterable[AzureBlobProperties]) -> Iterator[BlobProperties]:
    """Give what a listing tells of blobs, without their metadata, but not of those that stand for folders."""
    for blob in found:
        properties = _properties(blob.name, blob)
        if not properties.is_folder:
            yield replace(properties, metadata={})


def _condition(if_match: str | None) -> dict[str, Any]:
    from azure.core import MatchConditions

    if if_match is None:
        return {}
    return {"etag": f'"{if_match}"', "match_condition": MatchConditions.IfNotModified}


class AzureLease:
    """A lease on a blob."""

    def __init__(self, client: BlobLeaseClient, what: str) -> None:
        self._client = client
        self._what = what
        self._released = False

    def renew(self) -> bool:
        """Start its time anew; return False when it was lost."""
        if self._released:
            return False
        try:
            with _translated(self._what):
                self._client.renew()
        except (BlobChangedError, BlobNotFoundError):
            return False
        return True

    def release(self) -> None:
        """Give it back; a no-op when it was lost."""
        if self._released:
            return
        self._released = True
        try:
            with _translated(self._what):
                self._client.release()
        except (BlobChangedError, BlobNotFoundError):
            return


class AzureContainer:
    """One container; see `shared.storage.BlobContainer` for what each method promises."""

    def __init__(self, service: BlobServiceClient, name: str) -> None:
        self._service = service
        self._client: ContainerClient = service.get_container_client(name)
        self._url = self._client.url
        self.name = name

    def _what(self, path: str) -> str:
        return f"blob '{self.name}/{path}'"

    def _blob(self, path: str) -> BlobClient:
        return self._client.get_blob_client(path)

    def read(self, path: str, *, max_bytes: int | None = None) -> Blob:
        """Read a blob whole, in one version; of one that is too large no more than the first 32 MB are fetched."""
        from azure.core.exceptions import ResourceExistsError

        with _translated(self._what(path), reads=True):
            try:
                download = self._download(path)
            except ResourceExistsError as error:
                if getattr(error, "error_code", None) not in _ARCHIVED:
                    raise
                etag = str(self._blob(path).get_blob_properties().etag).strip('"')
                raise BlobArchivedError(f"{self._what(path)} is in the archive tier", etag=etag) from error
            found = _properties(path, download.properties)
            if max_bytes is None or download.size <= max_bytes:
                return Blob(download.readall(), found)
        message = f"{self._what(path)} is larger than {max_bytes:,} bytes"
        raise BlobTooLargeError(message, etag=found.etag, size=download.size)

    def properties(self, path: str) -> BlobProperties | None:
        """Return what a HEAD tells, or None."""
        try:
            with _translated(self._what(path), reads=True):
                return _properties(path, self._blob(path).get_blob_properties())
        except BlobNotFoundError:
            return None

    def write(
        self,
        path: str,
        data: bytes,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        content_type: str = JSON,
    ) -> str:
        """Write a blob whole; return its ETag."""
        from azure.storage.blob import ContentSettings

        with _translated(self._what(path)):
            written = self._blob(path).upload_blob(
                data,
                overwrite=not create_only,
                content_settings=ContentSettings(
                    content_type=content_type,
                    content_md5=bytearray(hashlib.md5(data, usedforsecurity=False).digest()),
                ),
                **_condition(if_match),
            )
        return str(written["etag"]).strip('"')

    def read_range(self, path: str, start: int, size: int, *, if_match: str | None = None) -> Blob:
        """Read a range of a blob's bytes, in one version."""
        from azure.core.exceptions import HttpResponseError

        with _translated(self._what(path)):
            try:
                download = self._download(path, start, size, if_match=if_match)
            except HttpResponseError as error:
                if error.status_code != 416:  # the blob ends before the range begins
                    raise
                return Blob(b"", _properties(path, self._blob(path).get_blob_properties(**_condition(if_match))))
            found = download.properties
            whole = str(found.content_range).rpartition("/")[2]  # `size` is the range's
            return Blob(download.readall(), replace(_properties(path, found), size=int(whole)))

    def _download(
        self, path: str, start: int | None = None, size: int | None = None, *, if_match: str | None = None
    ) -> StorageStreamDownloader[bytes]:
        """Begin a download whose ETag is that of its bytes.

        Azurite answers a read that a write overtakes with the old bytes under the new ETag, and who writes back what
        they read would undo that write. Asked for one version it is found out by the ETag, so there we always ask.
        """
        from azure.core.exceptions import ResourceModifiedError

        while True:
            wanted = if_match
            if wanted is None and self._service.account_name == EMULATED_ACCOUNT:
                now = self.properties(path)
                wanted = now.etag if now else None
            try:
                download = self._blob(path).download_blob(start, size, **_condition(wanted))
            except ResourceModifiedError:
                if if_match is not None:
                    raise
                continue
            if wanted is None or str(download.properties.etag).strip('"') == wanted:
                return download
            if if_match is not None:
                raise BlobChangedError(f"{self._what(path)} was changed by somebody else in the meantime")

    def stage_block(self, path: str, block_id: str, data: bytes) -> None:
        """Upload a block."""
        with _translated(self._what(path)):
            self._blob(path).stage_block(block_id, data)

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Make a blob of blocks."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import BlobBlock, ContentSettings

        condition = {"match_condition": MatchConditions.IfMissing} if create_only else _condition(if_match)
        with _translated(self._what(path)):
            try:
                written = self._blob(path).commit_block_list(
                    [BlobBlock(block_id) for block_id in block_ids],
                    content_settings=ContentSettings(content_type=JSON),
                    **condition,
                )
            except HttpResponseError as error:
                if (
                    getattr(error, "error_code", None) == "InvalidBlockList"
                ):  # another commit dropped what we had staged
                    raise BlobChangedError(
                        f"{self._what(path)} was changed by somebody else in the meantime"
                    ) from error
                raise
        return str(written["etag"]).strip('"')

    def delete(self, path: str) -> None:
        """Delete a blob."""
        try:
            with _translated(self._what(path)):
                self._blob(path).delete_blob()
        except BlobNotFoundError:
            return

    def list(self, prefix: str) -> Iterator[BlobProperties]:
        """List blobs by prefix."""
        with _translated(f"container '{self.name}'"):
            yield from _listed(self._client.list_blobs(name_starts_with=prefix, include=["metadata"]))

    def pages(self, prefix: str, *, token: str | None = None, size: int = 5000) -> Iterator[Page]:
        """List blobs by prefix, in the service's own pages (5,000 blobs)."""
        with _translated(f"container '{self.name}'"):
            listing = self._client.list_blobs(name_starts_with=prefix, include=["metadata"], results_per_page=size)
            pages = listing.by_page(token)
            for page in pages:
                yield Page(tuple(_listed(page)), pages.continuation_token or None)  # type: ignore[attr-defined]  # undeclared

    def folders(self) -> Iterator[str]:
        """List the first path segments."""
        from azure.storage.blob import BlobPrefix

        with _translated(f"container '{self.name}'"):
            for found in self._client.walk_blobs(delimiter="/"):
                if isinstance(found, BlobPrefix):
                    yield found.name.rstrip("/")

    def loose(self) -> Iterator[BlobProperties]:
        """List the blobs that lie in no folder."""
        from azure.storage.blob import BlobPrefix

        with _translated(f"container '{self.name}'"):
            found = self._client.walk_blobs(include=["metadata"], delimiter="/")
            yield from _listed(blob for blob in found if not isinstance(blob, BlobPrefix))

    def lease(self, path: str, duration: timedelta) -> AzureLease | None:
        """Take a lease; `duration` is between 15 s and 60 s, as the service asks."""
        try:
            return self._acquire(path, duration)
        except BlobNotFoundError:
            with suppress(BlobChangedError):  # somebody else made it in the meantime, which is all that was wanted
                self.write(path, b"", create_only=True)
            return self._acquire(path, duration)

    def _acquire(self, path: str, duration: timedelta) -> AzureLease | None:
        try:
            with _translated(self._what(path)):
                client = self._blob(path).acquire_lease(lease_duration=int(duration.total_seconds()))
        except BlobChangedError:
            return None
        return AzureLease(client, self._what(path))

    def url(self, path: str) -> str:
        """Return the blob's URL, as a client of the blob has it: making one takes 0.3 ms, a file has a million."""
        return f"{self._url}/{quote(path, safe='~/')}"

    def read_signature(self, *, now: datetime, until: datetime) -> str | None:
        """Sign with the account's key, or with a user delegation key under managed identity."""
        from azure.storage.blob import ContainerSasPermissions, UserDelegationKey, generate_container_sas

        account_key: str | None = getattr(self._service.credential, "account_key", None)
        start = now - timedelta(minutes=5)  # clocks differ
        delegation: UserDelegationKey | None = None
        with _translated(f"container '{self.name}'"):
            if account_key is None:
                delegation = self._service.get_user_delegation_key(start, until)
            return generate_container_sas(
                self._service.account_name or "",
                self.name,
                account_key=account_key,
                user_delegation_key=delegation,
                permission=ContainerSasPermissions(read=True),
                start=start,
                expiry=until,
            )


class AzureQueue:
    """One queue; see `shared.storage.Queue`."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client
        self._what = f"queue '{client.queue_name}'"

    def send(self, body: str) -> None:
        """Add a message that does not expire."""
        with _translated(self._what):
            self._client.send_message(body, time_to_live=-1)

    def receive(self, limit: int, *, hidden_for: timedelta) -> list[QueueMessage]:
        """Take up to `limit` messages (the service gives at most 32 a call)."""
        with _translated(self._what):
            found = self._client.receive_messages(
                messages_per_page=min(limit, 32), visibility_timeout=int(hidden_for.total_seconds()), max_messages=limit
            )
            return [QueueMessage(message.id, message.pop_receipt or "", message.content) for message in found]

    def is_empty(self) -> bool:
        """Tell whether no message is visible."""
        with _translated(self._what):
            return not self._client.peek_messages(max_messages=1)

    def delete(self, message: QueueMessage) -> None:
        """Delete a message."""
        from azure.core.exceptions import HttpResponseError

        try:
            with _translated(self._what):
                self._client.delete_message(message.id, message.receipt)
        except (BlobNotFoundError, BlobChangedError):
            return
        except StorageError as error:
            cause = error.__cause__
            code = getattr(cause, "error_code", None) if isinstance(cause, HttpResponseError) else None
            if code != "PopReceiptMismatch":  # somebody else received it after us, and deletes it
                raise
