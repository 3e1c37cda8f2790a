"""Tells on which line a byte of a file is, and whether the file is text at all."""

import codecs
from typing import Final

from shared.formats import Finding

_PIECE: Final = 32_768  # bytes


class Lines:
    """Line numbers of one file; linear when places are asked for in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._line = 1

    def at(self, place: int) -> int:
        """Return the line, from 1, of the byte at a place; a line ends with LF or CR LF."""
        if place >= self._place:
            self._line += self._data.count(b"\n", self._place, place)
        else:
            self._line -= self._data.count(b"\n", place, self._place)
        self._place = place
        return self._line


def not_utf8(data: bytes) -> Finding | None:
    """Return a finding with the line of the first byte that is not UTF-8, or None; holds no copy of the text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Finding(line=1, reason="the file is UTF-16. Save it as UTF-8.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, final=start + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            place = max(start - pending + error.start, 0)
            return Finding(line=Lines(data).at(place), reason="not UTF-8 text. Save the file as UTF-8.")
    return None
