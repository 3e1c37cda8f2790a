"""Storage in memory, for tests only; it passes the same contract suite as `azure`."""

import hashlib
import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.errors import BlobChangedError, BlobNotFoundError, BlobTooLargeError
from shared.storage import Blob, BlobProperties, QueueMessage


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
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)

    def read(self, path: str, *, max_bytes: int | None = None) -> Blob:
        """Read a blob."""
        blob = self.blobs.get(path)
        if blob is None:
            raise BlobNotFoundError(f"blob '{self.name}/{path}' does not exist")
        if max_bytes is not None and len(blob.data) > max_bytes:
            found = blob.properties
            message = f"blob '{self.name}/{path}' is larger than {max_bytes:,} bytes"
            raise BlobTooLargeError(message, etag=found.etag, size=found.size)
        return blob

    def properties(self, path: str) -> BlobProperties | None:
        """Return a blob's properties."""
        blob = self.blobs.get(path)
        return blob.properties if blob else None

    def write(self, path: str, data: bytes, *, if_match: str | None = None, create_only: bool = False) -> str:
        """Write a blob."""
        with self._lock:
            found = self.properties(path)
            lost = (if_match is not None and (found is None or found.etag != if_match)) or (create_only and found)
            if lost:
                raise BlobChangedError(f"blob '{self.name}/{path}' was changed by somebody else in the meantime")
            etag = f"0x{next(self._numbers):X}"
            self.blobs[path] = Blob(data, BlobProperties(path, etag, len(data), datetime.now(UTC)))
            return etag

    def delete(self, path: str) -> None:
        """Delete a blob."""
        with self._lock:
            self.blobs.pop(path, None)

    def list(self, prefix: str) -> Iterator[BlobProperties]:
        """List blobs by prefix, in the order of their paths."""
        return iter([self.blobs[path].properties for path in sorted(self.blobs) if path.startswith(prefix)])

    def folders(self) -> Iterator[str]:
        """List the first path segments."""
        return iter(sorted({path.partition("/")[0] for path in self.blobs if "/" in path}))

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
