"""What an import will upload, worked out and checked before anything is: pictures, side-cars, class lists, COCO files.

A picture and its side-car are one group, the side-car first: a picture that lies in a folder would else have the
folder's name for a label until its side-car comes.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from curate.errors import CurateError
from curate.layouts import Layout
from curate.telling import Told
from curate.tree import PICTURE_TYPES, Tree
from shared import limits
from shared.ahead import map_ahead
from shared.formats import Labelling, Region
from shared.look import is_label_file
from shared.pictures import Facts, inspect

_LOOKS_AT_ONCE: Final = 8
_TYPES: Final = {**PICTURE_TYPES, ".xml": "application/xml", ".txt": "text/plain", ".json": "application/json"}


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A blob to be.

    Attributes:
        path: In the training container.
        file: Where its bytes are; None for what is made up.
        data: Its bytes when it is made up.
        size: In bytes.
        md5: Hex digest.
    """

    path: str
    file: Path | None = None
    data: bytes = b""
    size: int
    md5: str

    @property
    def content_type(self) -> str:
        """What it is, by its name or its file's."""
        suffixes = [Path(self.path).suffix.lower(), self.file.suffix.lower() if self.file else ""]
        return next((_TYPES[suffix] for suffix in suffixes if suffix in _TYPES), "application/octet-stream")


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """Which picture each record of a COCO file is to find.

    Attributes:
        file: The COCO file.
        labellings: Its records.
        paths: Blob → the record that speaks of it (`Labelling.where`).
    """

    file: str
    labellings: tuple[Labelling, ...]
    paths: Mapping[str, str]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a local picture was found to be."""

    size: int
    md5: str
    facts: Facts


class Plan:
    """An import that is being planned.

    Attributes:
        dataset: Where it goes.
        layout: How the source is laid out.
        first: What is uploaded before all else: class lists and COCO files.
        groups: What is uploaded then, each in its order.
        spoken: What COCO files say.
        findings: What is left out, or odd.
        others: Local files that are none of our business.
        pictures: How many are uploaded.
        labels: Label → pictures.
        boxes: How many there are.
    """

    def __init__(self, dataset: str, layout: Layout, tree: Tree) -> None:
        self.dataset = dataset
        self.layout = layout
        self.first: list[Upload] = []
        self.groups: list[tuple[Upload, ...]] = []
        self.spoken: list[Spoken] = []
        self.findings: list[Told] = []
        self.others: list[str] = []
        self.pictures = 0
        self.labels: Counter[str] = Counter()
        self.boxes = 0
        self._tree = tree
        self._taken: dict[str, Upload] = {}

    def image_path(self, place: str) -> str:
        """Return the path of a blob below the dataset's pictures."""
        return f"{self.dataset}/images/{place}"

    def tell(self, path: str, reason: str) -> None:
        """Note something odd about a local file."""
        self.findings.append(Told(place=str(self._tree.file(path)), reason=reason))

    def count(self, regions: Iterable[Region]) -> None:
        """Count a picture with its labels."""
        regions = list(regions)
        self.pictures += 1
        self.labels.update({region.label for region in regions})
        self.boxes += sum(region.box is not None for region in regions)

    def file_upload(self, path: str, local: str, look: Look | None = None) -> Upload:
        """Return the upload of a local file."""
        file = self._tree.file(local)
        if look is not None:
            return Upload(path=path, file=file, size=look.size, md5=look.md5)
        data = read_local(file)
        return Upload(path=path, file=file, size=len(data), md5=md5_of(data))

    def put(self, local: str, uploads: Iterable[Upload], *, first: bool = False) -> bool:
        """Take uploads in, unless another file goes to the same place; note that, and return False.

        Args:
            local: The file that they are about, for the message.
            uploads: In their order; what is to go to its place already is left out.
            first: Whether they come before all else.
        """
        fresh = []
        for upload in uploads:
            taken = self._taken.get(upload.path)
            if taken is not None and (taken.md5 != upload.md5 or taken.size != upload.size):
                self.tell(local, f"goes to '{upload.path}', where {taken.file} goes. Rename one of them.")
                return False
            if taken is None:
                fresh.append(upload)
        self._taken.update((upload.path, upload) for upload in fresh)
        if first:
            self.first += fresh
        elif fresh:
            self.groups.append(tuple(fresh))
        return True

    def usable(self, local: str, path: str, look: Look) -> bool:
        """Tell whether a picture can be uploaded; note why not."""
        problem = look.facts.problem
        if problem is None and not path.isprintable():
            problem = "its name has characters that cannot be printed. Rename it."
        if problem is None and is_label_file(path):
            problem = f"as '{path}' it would be taken for a file of labels. Rename it."
        if problem is not None:
            self.tell(local, problem)
        return problem is None

    def uploads(self) -> Iterator[Upload]:
        """Give everything that is to be uploaded."""
        yield from self.first
        for group in self.groups:
            yield from group


def look_at(tree: Tree, pictures: Iterable[str]) -> dict[str, Look]:
    """Look at local pictures, several at a time: are they pictures, and how large?"""
    wanted = list(dict.fromkeys(pictures))
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        found = map_ahead(pool, lambda path: _look(tree.file(path)), wanted, ahead=2 * _LOOKS_AT_ONCE)
        return dict(zip(wanted, found, strict=True))


def _look(file: Path) -> Look:
    try:
        size = file.stat().st_size
        if size > limits.TRAINING_BYTES:
            problem = f"{size:,} bytes; training takes at most {limits.TRAINING_BYTES // 2**20} MB"
            return Look(size=size, md5="", facts=Facts(etag="", problem=problem))
        data = file.read_bytes()
    except OSError as error:
        return Look(size=0, md5="", facts=Facts(etag="", problem=f"cannot be read: {error.strerror}"))
    return Look(size=len(data), md5=md5_of(data), facts=inspect(data, etag=""))


def read_local(file: Path) -> bytes:
    """Read a local file.

    Raises:
        CurateError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise CurateError(f"cannot read {file}: {error.strerror}") from error


def md5_of(data: bytes) -> str:
    """Return the digest by which storage tells whether a blob has these bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
