"""Lines of text on disk, any of which can be read without those before it."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Writes lines to `path`, and where each begins to `path` with .npy in place of its suffix; syncs neither.

    Args:
        path: Of the file of lines.
        lines: Without line ends, neither at their end nor within.
    """
    starts = [0]
    with path.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            starts.append(starts[-1] + len(line) + 1)
    np.save(path.with_suffix(".npy"), np.array(starts, dtype=np.int64), allow_pickle=False)


def count_lines(path: Path) -> int:
    """Returns how many lines there are.

    Raises:
        OSError: The file that says where they begin cannot be read.
        ValueError: It is torn.
    """
    return len(np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)) - 1


def read_lines(path: Path, first: int, count: int) -> list[bytes]:
    """Reads up to `count` lines from number `first` on, and nothing else of the file.

    Raises:
        OSError: The files cannot be read.
        ValueError: They do not fit each other.
    """
    starts = np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
    last = min(first + count, len(starts) - 1)
    if first >= last:
        return []
    begin, end = int(starts[first]), int(starts[last])
    with path.open("rb") as file:
        file.seek(begin, os.SEEK_SET)
        content = file.read(end - begin)
    lines = content.split(b"\n")[:-1]
    if len(lines) != last - first:
        raise ValueError(f"{path.name} has other lines than it should")
    return lines
