"""What Darkroom asks of storage: two protocols, implemented by `azure` and, for tests, by `memory`.

One contract suite (tests/contract) runs against both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class BlobProperties:
    """What a listing or a HEAD tells of one version of a blob.

    Attributes:
        path: Its path in the container.
        etag: The version, without quotes.
        size: In bytes, of the whole blob.
        last_modified: When this version was written.
        metadata: What people attached to it, names in lower case; a listing leaves it out.
        md5: Hex digest of its bytes; empty when storage does not know it, and in what a read tells.
    """

    path: str
    etag: str
    size: int
    last_modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    md5: str = field(default="", compare=False)

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder, as accounts with a hierarchical namespace and some tools keep them."""
        return self.metadata.get("hdi_isfolder") == "true"


@dataclass(frozen=True, slots=True)
class Blob:
    """One version of a blob: all of its bytes, or a range of them."""

    data: bytes
    properties: BlobProperties


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing, in the order of paths; `token` goes on after it, and is None when it was the last."""

    blobs: tuple[BlobProperties, ...]
    token: str | None


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
            BlobArchivedError: It is in the archive tier.
            BlobRefusedError: Storage does not give it out for another reason of its own.
        """

    def read_range(self, path: str, start: int, size: int, *, if_match: str | None = None) -> Blob:
        """Read a range of a blob's bytes; it ends early where the blob does.

        Args:
            path: The blob's path.
            start: Number of the first byte, from 0.
            size: Number of bytes wanted, at least 1.
            if_match: Read only this version.

        Raises:
            BlobNotFoundError: It does not exist.
            BlobChangedError: It is another version.
        """

    def stage_block(self, path: str, block_id: str, data: bytes) -> None:
        """Upload a block of a blob, which stays invisible until `commit_blocks` names it.

        Args:
            path: The blob's path.
            block_id: Its name; all blocks of one blob have names of equal length.
            data: At least one byte.
        """

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Make a JSON blob of blocks that were staged, or are in it already, and return its new ETag.

        Staged blocks that are not named are dropped, whoever staged them.

        Raises:
            BlobChangedError: The condition did not hold, or a named block is gone because somebody else committed.
        """

    def properties(self, path: str) -> BlobProperties | None:
        """Return what a HEAD tells, or None when the blob does not exist.

        Raises:
            BlobRefusedError: Storage does not tell, for a reason of the blob's own.
        """

    def write(
        self,
        path: str,
        data: bytes,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        content_type: str = JSON,
    ) -> str:
        """Write a blob whole and return its new ETag.

        Args:
            path: The blob's path.
            data: Its new content.
            if_match: Replace only this version.
            create_only: Write only when nothing is there.
            content_type: What browsers and other tools are to take it for.

        Raises:
            BlobChangedError: The condition did not hold.
        """

    def delete(self, path: str) -> None:
        """Delete a blob; a no-op when it does not exist."""

    def list(self, prefix: str) -> Iterator[BlobProperties]:
        """List the blobs under a prefix, in the order of their paths; folders that lie there as blobs are left out."""

    def pages(self, prefix: str, *, token: str | None = None, size: int = 5000) -> Iterator[Page]:
        """List the blobs under a prefix, page by page, from the beginning or after the page that gave a token.

        A page holds `size` blobs at most, which may be up to 5,000, and may hold fewer.
        """

    def folders(self) -> Iterator[str]:
        """List the first path segments that have something below them."""

    def loose(self) -> Iterator[BlobProperties]:
        """List the blobs that lie in no folder, in the order of their paths."""

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
