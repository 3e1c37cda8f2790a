"""Reads the arrays of a big JSON document piece by piece, so that its records never are all objects at once.

A piece is decoded as a whole, which is fast. Only where that fails it is taken apart record by record, so that a bad
record costs nothing but itself. The document must have been checked to be JSON before.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

PIECE: Final = 8_192  # bytes; decoding it may take 28 times as much

_BETWEEN: Final = re.compile(rb"\}[ \t\r\n]*+,[ \t\r\n]*+(?=\{)")
_FLAT: Final = re.compile(rb'\{(?:[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+"|\[[^\[\]{}"]*+\])*+\}', re.DOTALL)
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
_GAP: Final = re.compile(rb"[ \t\r\n]*+")


class Array(msgspec.Struct, frozen=True):
    """The place of an array in a document: what lies between its brackets."""

    data: bytes
    start: int
    end: int


class Piece[T]:
    """Some successive records of an array.

    Attributes:
        first: The number of the first one in the array, from 0.
        values: Each record, or why it cannot be decoded.
    """

    def __init__(self, first: int, values: Sequence[T | str], places: Iterator[int]) -> None:
        self.first = first
        self.values = values
        self._places = places
        self._asked = 0

    def place(self, number: int) -> int:
        """Return where the record of a number (from 0, in `values`) begins in the document; ask in rising order."""
        place = next(islice(self._places, number - self._asked, None), 0)
        self._asked = number + 1
        return place


def find_array(data: bytes, key: str, raw: msgspec.Raw) -> Array | None:
    """Find the array that a document has under a key of its top level, or None when it is none.

    Args:
        data: The document.
        key: The key.
        raw: The value that was decoded under it.
    """
    text = bytes(raw)
    if not text.startswith(b"["):
        return None
    for match in re.finditer(rb'"%b"[ \t\r\n]*+:[ \t\r\n]*+' % key.encode(), data):
        if data.startswith(text, match.end()):
            return Array(data, match.end() + 1, match.end() + len(text) - 1)
    start = data.find(text)  # the key is written with escapes
    return Array(data, start + 1, start + len(text) - 1)


def pieces[T](array: Array, type_: type[T]) -> Iterator[Piece[T]]:
    """Decode an array's records, in pieces; numbers may be written as text."""
    many = msgspec.json.Decoder(list[type_], strict=False)  # type: ignore[valid-type]  # a type that is a value
    one = msgspec.json.Decoder(type_, strict=False)
    start, first = array.start, 0
    while start < array.end:
        found = _BETWEEN.search(array.data, min(start + PIECE, array.end), array.end)
        end = found.start() + 1 if found else array.end
        try:
            # `},{` may lie inside a record or a text; then this is not JSON, and the records are looked at one by one.
            values = many.decode(b"[" + array.data[start:end] + b"]")
        except (msgspec.DecodeError, RecursionError):
            for begin, ending in _records(array, start, end):
                value = _decode(one, array.data[begin:ending])
                yield Piece[T](first, [value], iter([begin]))
                first, start = first + 1, ending
            start = _next(array, start)
        else:
            if not values:
                return
            yield Piece[T](first, values, (begin for begin, _ in _records(array, start, end)))
            first, start = first + len(values), found.end() if found else array.end


def _decode[T](decoder: msgspec.json.Decoder[T], record: bytes) -> T | str:
    try:
        value: T = decoder.decode(record)
    except msgspec.DecodeError as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"
    return value


def _records(array: Array, start: int, until: int) -> Iterator[tuple[int, int]]:
    """Walk over the records from the one that begins at `start` to the first that ends at `until` or later."""
    while start < array.end:
        begin = _skip(array, start)
        flat = _FLAT.match(array.data, begin, array.end)
        end = flat.end() if flat else _end(array, begin)
        yield begin, end
        if end >= until:
            return
        start = _next(array, end)


def _end(array: Array, start: int) -> int:
    """Return where the record that begins at a place ends."""
    depth = 0
    for token in _TOKEN.finditer(array.data, start, array.end):
        match array.data[token.start()]:
            case 0x5B | 0x7B:  # [ {
                depth += 1
            case 0x5D | 0x7D:  # ] }
                depth -= 1
                if not depth:
                    return token.end()
            case 0x2C if not depth:  # a comma
                return token.start()
    return array.end


def _next(array: Array, end: int) -> int:
    """Return the place after the comma that follows a record."""
    comma = _skip(array, end)
    return comma + 1 if comma < array.end else array.end


def _skip(array: Array, place: int) -> int:
    gap = _GAP.match(array.data, place, array.end)
    return gap.end() if gap else place
