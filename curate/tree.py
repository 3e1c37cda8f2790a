"""Local folders: which files in them are pictures and which speak of pictures, and what a picture measures."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from PIL import ExifTags, Image

from shared.layout import is_class_list
from shared.pictures import FORMATS

PICTURE_TYPES: Final = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".ico": "image/x-icon",
}
_SIDEWAYS: Final = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_OF_SYSTEMS: Final = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """The files below a folder, as paths relative to it with slashes, each list sorted.

    Attributes:
        root: The folder.
        pictures: By their names; a Custom Vision export's have none of the known endings and are among `others`.
        xml: Perhaps Pascal VOC.
        txt: Perhaps YOLO.
        json: Perhaps COCO.
        class_lists: By their names.
        others: All other files.
    """

    root: Path
    pictures: tuple[str, ...] = ()
    xml: tuple[str, ...] = ()
    txt: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    class_lists: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def file(self, path: str) -> Path:
        """Return the file of a relative path."""
        return self.root / path


def scan(root: Path) -> Tree:
    """List what is below a folder, but for hidden files and those that operating systems leave there."""
    sorts: dict[str, list[str]] = {name: [] for name in ("pictures", "xml", "txt", "json", "class_lists", "others")}
    for path in _walk(root):
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122  # it is a text, not a path of this system
        if is_class_list(path):
            sorts["class_lists"].append(path)
        elif suffix in PICTURE_TYPES:
            sorts["pictures"].append(path)
        else:
            sorts[suffix[1:] if suffix in (".xml", ".txt", ".json") else "others"].append(path)
    return Tree(root=root, **{name: tuple(sorted(paths)) for name, paths in sorts.items()})


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _OF_SYSTEMS]
        for name in files:
            if not name.startswith(".") and name not in _OF_SYSTEMS:
                yield (Path(folder) / name).relative_to(root).as_posix()


def size_of(file: Path) -> tuple[int, int] | None:
    """Return a picture's width and height in pixels after the EXIF turn, as its header says; None when it has none."""
    try:
        with Image.open(file, formats=FORMATS) as picture:
            width, height = picture.size
            sideways = picture.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return None  # what Pillow raises on files that are no pictures
    return (height, width) if sideways else (width, height)
