"""Decodes a big JSON array piece by piece, so that a bad record costs itself only and hostile ones no memory."""

import re
from collections.abc import Iterator

import msgspec

PIECE = 64 * 1024  # bytes
LONGEST_RECORD = 4 * 1024 * 1024  # bytes

_BETWEEN = re.compile(rb"\}[ \t\r\n]*+,[ \t\r\n]*+(?=\{)")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LongRecordError(Exception):
    """A record has more than LONGEST_RECORD bytes, or there are none where they should be."""


def records[Record](array: memoryview, kind: type[Record]) -> Iterator[Record | tuple[msgspec.Raw, str]]:
    """Yields each record of an array, or its bytes and why they are none.

    Args:
        array: A JSON array, brackets included, that was found to be JSON.
        kind: What each record should be.

    Raises:
        LongRecordError: The array does not consist of records; those before were yielded.
    """
    many = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]  # a type that is a value
    one = msgspec.json.Decoder(kind)
    start, end, size = 1, len(array) - 1, PIECE
    while start < end:
        between = _BETWEEN.search(array, min(start + size, end), min(start + 2 * LONGEST_RECORD, end))
        stop = between.start() + 1 if between else end
        if size > LONGEST_RECORD or stop - start > 2 * LONGEST_RECORD:
            raise LongRecordError
        piece = b"[" + array[start:stop] + b"]"
        try:
            yield from many.decode(piece)
        except _BROKEN:
            try:
                raws = _RAWS.decode(piece)
            except _BROKEN:  # `},{` was inside a record or a text: go on to the next one
                size = 2 * (stop - start)
                continue
            for raw in raws:
                decoded = _decoded(one, raw)
                yield decoded
        start, size = between.end() if between else end, PIECE


def _decoded[Record](one: msgspec.json.Decoder[Record], raw: msgspec.Raw) -> Record | tuple[msgspec.Raw, str]:
    try:
        return one.decode(raw)
    except RecursionError:
        return raw, "is nested too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        return raw, str(exc)
