"""Typed JSON documents in blobs: read with their ETag, written with a condition."""

import msgspec

from shared.errors import BlobChangedError, BlobNotFoundError, BrokenFileError
from shared.storage import BlobContainer


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
