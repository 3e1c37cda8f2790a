"""Files of learnt things: facts as JSON and arrays, in one .npz without pickle."""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)  # what `read_array_file` raises


def write_array_file(path: Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes a file; equal content makes equal bytes. A reader sees the old file or the new one, never a part."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()
    buffer = io.BytesIO()
    # numpy dates its members 1980-01-01, so the bytes do not depend on the clock
    np.savez(buffer, allow_pickle=False, facts=np.frombuffer(text, dtype=np.uint8), **arrays)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_array_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Returns the facts and arrays of a file.

    Raises:
        UNREADABLE: The file is missing or torn, or has no facts.
    """
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        arrays = dict(stored)
    facts = json.loads(arrays.pop("facts").tobytes())
    if not isinstance(facts, dict):
        raise ValueError("its facts are no object")  # noqa: TRY004 - one of UNREADABLE, as other faults of content
    return facts, arrays
