"""Storage in memory, for tests only; it passes the same contract suite as `azure`."""

import bisect
import hashlib
import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.errors import BlobArchivedError, BlobChangedError, BlobNotFoundError, BlobTooLargeError, StorageError
from shared.storage import JSON, Blob, BlobProperties, Page, QueueMessage


class MemoryLease:
    """A lease that `MemoryContainer` gave."""

    def __init__(self, container: "MemoryContainer", path: str, number: int) -> None:
        self._container = container
        self._path = path
        self._number = number

    def renew(self) -> bool:
        """Tell whether it is still held."""
        return self._container.leases.get(self._path) == self._number

    def release(self) -> None:
        """Give it back."""
        if self.renew():
            del self._container.leases[self._path]


class MemoryContainer:
    """Blobs in a dict. Leases never run out by themselves; `leases.clear()` is how a test lets them."""

    def __init__(self, name: str = "training") -> None:
        self.name = name
        self.blobs: dict[str, Blob] = {}
        self.leases: dict[str, int] = {}
        self._archived: set[str] = set()
        self._staged: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._blocks: dict[str, dict[str, bytes]] = {}
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)

    def read(self, path: str, *, max_bytes: int | None = None) -> Blob:
        """Read a blob."""
        blob = self.blobs.get(path)
        if blob is None:
            raise BlobNotFoundError(f"blob '{self.name}/{path}' does not exist")
        if path in self._archived:
            raise BlobArchivedError(f"blob '{self.name}/{path}' is in the archive tier", etag=blob.properties.etag)
        if max_bytes is not None and len(blob.data) > max_bytes:
            found = blob.properties
            message = f"blob '{self.name}/{path}' is larger than {max_bytes:,} bytes"
            raise BlobTooLargeError(message, etag=found.etag, size=found.size)
        return blob

    def properties(self, path: str) -> BlobProperties | None:
        """Return a blob's properties."""
        blob = self.blobs.get(path)
        return blob.properties if blob else None

    def write(
        self,
        path: str,
        data: bytes,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        content_type: str = JSON,
    ) -> str:
        """Write a blob."""
        with self._lock:
            self._check(path, if_match, create_only=create_only)
            self._staged.pop(path, None)
            self._blocks.pop(path, None)
            return self._put(path, data)

    def read_range(self, path: str, start: int, size: int, *, if_match: str | None = None) -> Blob:
        """Read a range of a blob."""
        with self._lock:
            blob = self.read(path)
            self._check(path, if_match)
            return Blob(blob.data[start : start + size], blob.properties)

    def stage_block(self, path: str, block_id: str, data: bytes) -> None:
        """Stage a block."""
        with self._lock:
            others = {*self._staged[path], *self._blocks.get(path, ())}
            if not data or any(len(other) != len(block_id) for other in others):
                raise StorageError(f"block '{block_id}' is empty, or its name has another length than the others'")
            self._staged[path][block_id] = data

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Put a blob together from blocks."""
        with self._lock:
            self._check(path, if_match, create_only=create_only)
            known = {**self._blocks.get(path, {}), **self._staged.get(path, {})}
            if not known.keys() >= set(block_ids):
                raise BlobChangedError(f"blob '{self.name}/{path}' lacks a block: somebody else committed")
            self._staged.pop(path, None)
            self._blocks[path] = {block_id: known[block_id] for block_id in block_ids}
            return self._put(path, b"".join(known[block_id] for block_id in block_ids))

    def set_metadata(self, path: str, metadata: Mapping[str, str]) -> None:
        """Attach metadata to a blob, as people do; it makes a new version."""
        with self._lock:
            properties = replace(self.read(path).properties, etag=self._next_etag(), metadata=metadata)
            self.blobs[path] = Blob(self.blobs[path].data, properties)

    def archive(self, path: str) -> None:
        """Move a blob to the archive tier, as people do; it stays the same version."""
        self._archived.add(path)

    def _check(self, path: str, if_match: str | None, *, create_only: bool = False) -> None:
        found = self.properties(path)
        if (if_match is not None and (found is None or found.etag != if_match)) or (create_only and found):
            raise BlobChangedError(f"blob '{self.name}/{path}' was changed by somebody else in the meantime")

    def _put(self, path: str, data: bytes) -> str:
        etag = self._next_etag()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self.blobs[path] = Blob(data, BlobProperties(path, etag, len(data), datetime.now(UTC), md5=md5))
        return etag

    def _next_etag(self) -> str:
        return f"0x{next(self._numbers):X}"

    def delete(self, path: str) -> None:
        """Delete a blob."""
        with self._lock:
            self.blobs.pop(path, None)
            self._blocks.pop(path, None)
            self._archived.discard(path)

    def list(self, prefix: str) -> Iterator[BlobProperties]:
        """List blobs by prefix, in the order of their paths."""
        found = [self.blobs[path].properties for path in sorted(self.blobs) if path.startswith(prefix)]
        return iter([replace(properties, metadata={}) for properties in found if not properties.is_folder])

    def pages(self, prefix: str, *, token: str | None = None, size: int = 5000) -> Iterator[Page]:
        """List blobs page by page; a token is the last path of its page."""
        while True:
            found = list(self.list(prefix))
            start = bisect.bisect_right(found, token or "", key=lambda blob: blob.path)
            page = found[start : start + size]
            token = page[-1].path if start + len(page) < len(found) else None
            yield Page(tuple(page), token)
            if token is None:
                return

    def folders(self) -> Iterator[str]:
        """List the first path segments."""
        return iter(sorted({path.partition("/")[0] for path in self.blobs if "/" in path}))

    def loose(self) -> Iterator[BlobProperties]:
        """List the blobs that lie in no folder."""
        return (blob for blob in self.list("") if "/" not in blob.path)

    def lease(self, path: str, duration: timedelta) -> MemoryLease | None:
        """Take a lease."""
        with self._lock:
            if path not in self.blobs:
                self.write(path, b"")
            if path in self.leases:
                return None
            self.leases[path] = next(self._numbers)
            return MemoryLease(self, path, self.leases[path])

    def url(self, path: str) -> str:
        """Return a URL under a host that a test's engine may serve."""
        return f"http://memory.invalid/{self.name}/{path}"

    def read_signature(self, *, now: datetime, until: datetime) -> str | None:
        """Need no signature."""
        return None

    def digest(self) -> str:
        """Return a digest of all paths, contents and versions: equal digests mean that nothing was written."""
        state = hashlib.sha256()
        for path in sorted(self.blobs):
            state.update(repr((path, self.blobs[path].properties.etag, self.blobs[path].data)).encode())
        return state.hexdigest()


class MemoryQueue:
    """Messages in a list; a received message stays hidden until `reveal` is called."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}
        self.hidden: set[str] = set()
        self._receipts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def send(self, body: str) -> None:
        """Add a message."""
        with self._lock:
            self.messages[str(next(self._numbers))] = body

    def receive(self, limit: int, *, hidden_for: timedelta) -> list[QueueMessage]:
        """Take up to `limit` messages."""
        with self._lock:
            found = [key for key in self.messages if key not in self.hidden][:limit]
            self.hidden.update(found)
            self._receipts.update((key, str(next(self._numbers))) for key in found)
            return [QueueMessage(key, self._receipts[key], self.messages[key]) for key in found]

    def is_empty(self) -> bool:
        """Tell whether no message is visible."""
        with self._lock:
            return self.messages.keys() <= self.hidden

    def delete(self, message: QueueMessage) -> None:
        """Delete a message."""
        with self._lock:
            if self._receipts.get(message.id) == message.receipt:
                self.messages.pop(message.id, None)
                self.hidden.discard(message.id)

    def reveal(self) -> None:
        """Let every hidden message come back, as its time-out would."""
        with self._lock:
            self.hidden.clear()
