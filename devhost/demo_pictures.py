"""The demo's pictures: a folder of `label/picture`, checked before anything starts, and the part that is held out."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from PIL import Image, UnidentifiedImageError

from devhost.errors import DevhostError

MIN_PICTURES: Final = 5
MIN_LABELS: Final = 2
HELD_OUT_SHARE: Final = 0.2
SUFFIXES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_DATASET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PicturesError(DevhostError):
    """The pictures, or the name they are to have, cannot be used for a demo."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where something is: its label, and pixels of the picture from its upper left corner."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture on disk.

    Attributes:
        path: The file.
        label: Its folder; "" where labels come with boxes.
        name: `label/picture`, below the folder of all.
        sha256: Of its bytes, in hex.
        readable: Whether its beginning is a picture's. One that is not is uploaded all the same, and reported by the
            product; it is no example of its label.
        side_car: The file beside it that says its boxes, if they are what is learnt.
        boxes: What that file says.
    """

    path: Path
    label: str
    name: str
    sha256: str
    readable: bool = True
    side_car: Path | None = None
    boxes: tuple[Box, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Its folder, or the labels of its boxes, sorted, each once."""
        return (self.label,) if self.side_car is None else tuple(sorted({box.label for box in self.boxes}))

    @property
    def files(self) -> list[tuple[str, Path]]:
        """What is uploaded of it, by name: the side-car first, so that the picture never lacks its boxes."""
        paths = [path for path in (self.side_car, self.path) if path is not None]
        return [(PurePosixPath(self.name).with_suffix(path.suffix).as_posix(), path) for path in paths]


@dataclass(frozen=True, slots=True)
class Collection:
    """Pictures to upload and pictures to ask about.

    Attributes:
        uploaded: What the dataset is made of.
        held_out: Never uploaded; their labels are what predictions are judged by.
        too_small: Labels that cannot be trained, with how many pictures they have.
    """

    uploaded: tuple[LabelledPicture, ...]
    held_out: tuple[LabelledPicture, ...]
    too_small: dict[str, int]

    @property
    def labels(self) -> dict[str, int]:
        """How many pictures each label has in all."""
        return dict(
            sorted(Counter(label for picture in self.uploaded + self.held_out for label in picture.labels).items())
        )


def read_pictures(folder: Path) -> list[LabelledPicture]:
    """Finds the pictures in a folder of label folders, by their names' endings; hidden files are left alone.

    Raises:
        PicturesError: The folder is missing, or cannot be read.
    """
    return pictures_below(folder, "*/**/*")


def pictures_below(folder: Path, *patterns: str) -> list[LabelledPicture]:
    """Finds the pictures that patterns match in a folder; see `read_pictures`.

    Raises:
        PicturesError: The folder is missing, or cannot be read.
    """
    if not folder.is_dir():
        raise PicturesError(f"{folder} is not a folder. Give --images a folder of pictures.")
    try:
        names = [
            path.relative_to(folder) for path in sorted({path for pattern in patterns for path in folder.glob(pattern)})
        ]
        return [
            _labelled(folder, name)
            for name in names
            if name.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in name.parts)
            and (folder / name).is_file()
        ]
    except OSError as error:
        raise PicturesError(f"{folder} cannot be read: {error}") from error


def split(folder: Path, pictures: Sequence[LabelledPicture]) -> Collection:
    """Holds out about a fifth of each label, at least one picture, chosen by the pictures' bytes alone.

    Copies of one picture go the same way, a picture that lies under two labels is never held out, and at least
    `MIN_PICTURES` different ones of a label are left to train on. Labels with fewer are uploaded whole.

    Raises:
        PicturesError: Fewer than two labels can be trained.
    """
    if not pictures:
        endings = ", ".join(sorted(SUFFIXES))
        raise PicturesError(f"{folder} holds no pictures. Put them in it as label/picture ({endings}).")
    labels_of: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        labels_of[picture.sha256].add(picture.label)
    for picture in pictures:
        good = picture.readable and len(labels_of[picture.sha256]) == 1
        digests[picture.label] |= {picture.sha256} if good else set()
    too_small = {label: len(own) for label, own in sorted(digests.items()) if len(own) <= MIN_PICTURES}
    if len(digests) - len(too_small) < MIN_LABELS:
        found = ", ".join(f"{label} {len(own)}" for label, own in sorted(digests.items()))
        raise PicturesError(
            f"{folder} holds too few pictures to learn from: {found}. A demo needs {MIN_LABELS} labels with at least "
            f"{MIN_PICTURES + 1} different, readable pictures each ({MIN_PICTURES} to train on, 1 to ask about)."
        )
    held_out = {digest for label, own in digests.items() if label not in too_small for digest in _chosen(own)}
    return Collection(
        uploaded=tuple(picture for picture in pictures if picture.sha256 not in held_out),
        held_out=tuple({p.sha256: p for p in reversed(pictures) if p.sha256 in held_out}.values())[::-1],
        too_small=too_small,
    )


def dataset_name(wanted: str | None, folder: Path | None, *, drawn: str = "parts") -> str:
    """Returns the dataset's name: the one that is wanted, else the folder's, made valid, else that of drawn pictures.

    Raises:
        PicturesError: The wanted name is not a dataset's.
    """
    if wanted is not None:
        if not _DATASET_NAME.fullmatch(wanted):
            raise PicturesError(
                f"{wanted!r} cannot be a dataset's name. Use lower-case letters, digits and '-', at most 63 "
                "characters, and begin with a letter or a digit."
            )
        return wanted
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") if folder is not None else ""
    return name[:63] or drawn


def in_order(digests: Iterable[str]) -> list[str]:
    """Sorts by another hash: the system takes its own test pictures by the digest itself."""
    return sorted(digests, key=lambda digest: hashlib.sha256(f"held out {digest}".encode()).digest())


def _chosen(digests: set[str]) -> list[str]:
    count = min(max(1, round(HELD_OUT_SHARE * len(digests))), len(digests) - MIN_PICTURES)
    return in_order(digests)[:count]


def _labelled(folder: Path, name: Path) -> LabelledPicture:
    path = folder / name
    return LabelledPicture(path, name.parts[0], name.as_posix(), _sha256(path), _is_readable(path))


def _is_readable(path: Path) -> bool:
    try:
        with Image.open(path):
            return True
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
