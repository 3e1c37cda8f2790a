"""Typed JSON documents in blobs: read with their ETag, written with a condition."""

from collections.abc import Callable
from typing import Final

import msgspec

from shared.errors import BlobChangedError, BlobNotFoundError, BrokenFileError
from shared.storage import BlobContainer

MOST_TRIES: Final = 20  # lost races before giving up; each loss should mean that somebody else's write stands


def read_document[T](container: BlobContainer, path: str, kind: type[T]) -> tuple[T, str] | None:
    """Return a document and its ETag, or None when it does not exist.

    Raises:
        BrokenFileError: It is not a `kind`.
    """
    try:
        blob = container.read(path)
    except BlobNotFoundError:
        return None
    try:
        return msgspec.json.decode(blob.data, type=kind), blob.properties.etag
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BrokenFileError(f"'{container.name}/{path}' is not valid: {error}. Restore or delete it.") from error


def write_document(container: BlobContainer, path: str, document: msgspec.Struct, *, over: str | None) -> str:
    """Write a document over the version that was read, or as a new one (`over` None); return its ETag.

    Raises:
        BlobChangedError: Somebody else was first.
    """
    data = msgspec.json.encode(document, order="sorted")
    return container.write(path, data, if_match=over, create_only=over is None)


def try_write_document(container: BlobContainer, path: str, document: msgspec.Struct, *, over: str | None) -> bool:
    """Like `write_document`, but return whether it was written: for callers to whom losing is an outcome."""
    try:
        write_document(container, path, document, over=over)
    except BlobChangedError:
        return False
    return True


def change_document[T: msgspec.Struct](
    container: BlobContainer, path: str, kind: type[T], change: Callable[[T | None], T | None]
) -> None:
    """Write what is made of a document, and begin anew when somebody else was first.

    Args:
        container: Where it is.
        path: Its path.
        kind: What it is.
        change: Takes the document as it is now, None when there is none; returns the new one, or None to leave it.

    Raises:
        BlobChangedError: Every try was lost, to others or to something that keeps the blob from being written.
    """
    for _ in range(MOST_TRIES):
        found = read_document(container, path, kind)
        after = change(found[0] if found else None)
        if after is None or try_write_document(container, path, after, over=found[1] if found else None):
            return
    raise BlobChangedError(
        f"'{container.name}/{path}' could not be written {MOST_TRIES} times in a row: others write it all the time, or "
        "it is leased, archived or no block blob. See what keeps it, or delete it; the next timer tries again."
    )
