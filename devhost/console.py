"""Progress for people: lines with the seconds since the start, and one that is rewritten where there is a terminal."""

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Final, TextIO

_LOG_INTERVAL: Final = 2.0


class Console:
    """Writes to one stream; a log gets whole lines, and of a count one when two seconds passed without a line."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts counting the seconds now."""
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._start = clock()
        self._shown = ""
        self._written_at = self._start

    def say(self, text: str) -> None:
        """Writes a line that stays."""
        self._write(f"{self._stamp()}{text}", stays=True)

    def plain(self, text: str = "") -> None:
        """Writes a line that stays, without the seconds."""
        self._write(text, stays=True)

    def progress(self, text: str) -> None:
        """Shows how far something is; the next line replaces it on a terminal."""
        if text == self._shown:
            return
        if self._terminal:
            self._write(f"{self._stamp()}{text}"[: shutil.get_terminal_size().columns - 1], stays=False)
        elif self._clock() - self._written_at >= _LOG_INTERVAL:
            self._write(f"{self._stamp()}{text}", stays=True)
        self._shown = text

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Writes a table whose columns are as wide as what they hold."""
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
        for row in (head, *rows):
            self.plain("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def _stamp(self) -> str:
        return f"{self._clock() - self._start:6.1f} s  "

    def _write(self, line: str, *, stays: bool) -> None:
        erase = "\r\x1b[K" if self._terminal else ""
        self._stream.write(f"{erase}{line}{'\n' if stays else ''}")
        self._stream.flush()
        self._written_at = self._clock()
