"""Which pictures a model was trained on: kept with it, so that later test sets can be searched for them.

training.npz            sha256 (n, 32) uint8 and looks (n, 4) uint64 of n pictures
training.jsonl .npy     their names, a line each; where each line begins
training.json           how many of them have each label
"""

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from engine.boxedset import BoxedSet
from engine.features import EmbeddedSet
from engine.learn.near_duplicates import Fingerprints
from engine.lines import read_lines, write_lines


class Taught(msgspec.Struct, frozen=True, kw_only=True):
    """The content of training.json."""

    schema: int = 1
    labels: dict[str, int]


def fingerprints_of(pictures: EmbeddedSet | BoxedSet) -> Fingerprints:
    """Returns by what the pictures of a data set are known again."""
    return Fingerprints.of(pictures.sha256, pictures.looks)


def taught(pictures: EmbeddedSet | BoxedSet) -> dict[str, int]:
    """Counts the pictures of each label."""
    return dict(Counter(label for labels in pictures.labels for label in labels))


def digest_of(pictures: EmbeddedSet | BoxedSet) -> str:
    """Returns the hex sha256 of a data set's content: a JSON line of each picture, sorted.

    A line is `[sha256, [labels]]`; for detection `[sha256, [[label, [left, top, width, height]], …]]`.
    """
    content = pictures.content if isinstance(pictures, BoxedSet) else pictures.labels
    lines = sorted(msgspec.json.encode(pair) for pair in zip(pictures.sha256, content, strict=True))
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


def write_training_pictures(folder: Path, pictures: EmbeddedSet | BoxedSet) -> None:
    """Writes what is known of the training pictures into a model's folder."""
    prints, buffer = fingerprints_of(pictures), io.BytesIO()
    np.savez(buffer, allow_pickle=False, sha256=prints.sha256, looks=prints.looks)
    (folder / "training.npz").write_bytes(buffer.getvalue())
    write_lines(folder / "training.jsonl", (msgspec.json.encode(name) for name in pictures.names))
    (folder / "training.json").write_bytes(msgspec.json.encode(Taught(labels=taught(pictures)), order="sorted") + b"\n")


def read_taught(folder: Path) -> dict[str, int] | None:
    """Reads how many training pictures each label has; None when that was not kept, as by older engines, or is torn."""
    try:
        return msgspec.json.decode((folder / "training.json").read_bytes(), type=Taught).labels
    except (OSError, msgspec.MsgspecError):
        return None


def read_fingerprints(folder: Path) -> Fingerprints | None:
    """Reads the fingerprints from a model's folder; None when it has none, as models of older engines, or torn ones."""
    try:
        with np.load(folder / "training.npz", allow_pickle=False) as stored:
            prints = Fingerprints(stored["sha256"], stored["looks"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = prints.sha256.shape == (len(prints.looks), 32) and prints.looks.shape == (len(prints.looks), 4)
    return prints if fits and len(prints.looks) else None


def read_training_names(folder: Path, numbers: Sequence[int]) -> list[str]:
    """Reads the names of some training pictures by their numbers."""
    return [
        msgspec.json.decode(line, type=str) for n in numbers for line in read_lines(folder / "training.jsonl", n, 1)
    ]
