"""What Darkroom asks of storage: two protocols, implemented by `azure` and, for tests, by `memory`.

One contract suite (tests/contract) runs against both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BlobProperties:
    """What a listing or a HEAD tells of one version of a blob. `etag` carries no quotes; `size` is in bytes."""

    path: str
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Blob:
    """One version of a blob, read whole."""

    data: bytes
    properties: BlobProperties


class Lease(Protocol):
    """A held lease. Losing it is no error: it only saves work."""

    def renew(self) -> bool:
        """Start its time anew; return False when it was lost."""

    def release(self) -> None:
        """Give it back; a no-op when it was lost."""


class BlobContainer(Protocol):
    """One container of blobs, addressed by path."""

    @property
    def name(self) -> str:
        """The container's name."""

    def read(self, path: str, *, max_bytes: int | None = None) -> Blob:
        """Read a blob whole.

        Raises:
            BlobNotFoundError: It does not exist.
            BlobTooLargeError: It is larger than `max_bytes`.
        """

    def properties(self, path: str) -> BlobProperties | None:
        """Return what a HEAD tells, or None when the blob does not exist."""

    def write(self, path: str, data: bytes, *, if_match: str | None = None, create_only: bool = False) -> str:
        """Write a JSON blob whole and return its new ETag.

        Args:
            path: The blob's path.
            data: Its new content.
            if_match: Replace only this version.
            create_only: Write only when nothing is there.

        Raises:
            BlobChangedError: The condition did not hold.
        """

    def delete(self, path: str) -> None:
        """Delete a blob; a no-op when it does not exist."""

    def list(self, prefix: str) -> Iterator[BlobProperties]:
        """List the blobs under a prefix, in the order of their paths."""

    def folders(self) -> Iterator[str]:
        """List the first path segments that have something below them."""

    def lease(self, path: str, duration: timedelta) -> Lease | None:
        """Take a lease on a blob, made if need be; None when somebody else holds it."""

    def url(self, path: str) -> str:
        """Return the blob's absolute URL, without a signature."""

    def read_signature(self, *, now: datetime, until: datetime) -> str | None:
        """Return a read-only, container-wide SAS query string, or None when readers need no signature."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A received message; `receipt` is what deleting it takes."""

    id: str
    receipt: str
    body: str


class Queue(Protocol):
    """A queue that delivers at least once."""

    def send(self, body: str) -> None:
        """Add a message that does not expire."""

    def receive(self, limit: int, *, hidden_for: timedelta) -> list[QueueMessage]:
        """Take up to `limit` messages; each comes back after `hidden_for` unless it is deleted."""

    def is_empty(self) -> bool:
        """Tell whether a call to `receive` would find nothing now."""

    def delete(self, message: QueueMessage) -> None:
        """Delete a message; a no-op when it was deleted, or received again by somebody else."""
