"""Recognises how a local dataset is laid out, and where each of its files belongs in storage. Pure but for a peek.

Folders that only sort files (`images`, `labels`, `JPEGImages`, `Annotations`) fall away: a side-car belongs beside its
picture. What is left of a path is kept, because names in different folders may be equal.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from curate.errors import CurateError
from curate.tree import Tree
from shared.coco import stem_of

type Layout = Literal["folders", "coco", "yolo", "voc"]
LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout.__value__)

WORDS: Final[Mapping[Layout, str]] = {
    "folders": "one folder a label",
    "coco": "COCO",
    "yolo": "YOLO",
    "voc": "Pascal VOC",
}
_SORTING: Final = frozenset({"images", "jpegimages", "labels", "annotations"})
_SPLITS: Final = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


class _CocoKeys(msgspec.Struct, frozen=True):
    images: msgspec.Raw
    annotations: msgspec.Raw


def place_of(path: str) -> str:
    """Return a path below ``images/`` of a dataset for a local one, without the folders that only sort files."""
    *folders, name = path.split("/")
    return "/".join([folder for folder in folders if folder.lower() not in _SORTING] + [name])


def pairs(tree: Tree, side_cars: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Give each picture the side-car that belongs to it: beside it, or in the folder for side-cars that mirrors its."""
    found = {_key(path): path for path in side_cars}
    for picture in tree.pictures:
        yield picture, found.get(_key(picture))


def _key(path: str) -> str:
    *folders, name = path.split("/")
    return "/".join(["*" if folder.lower() in _SORTING else folder for folder in folders] + [stem_of(name)])


def recognise(tree: Tree, coco_files: tuple[str, ...]) -> Layout:
    """Tell the layout of a folder.

    Args:
        tree: What is in it.
        coco_files: Those of its JSON files that are COCO.

    Raises:
        CurateError: There are no pictures, or it is a mixture; the message lists what was seen.
    """
    stems = {_key(picture) for picture in tree.pictures}
    voc = sum(_key(path) in stems for path in tree.xml)
    yolo = sum(_key(path) in stems for path in tree.txt)
    seen: list[tuple[Layout, str]] = []
    if coco_files:
        seen.append(("coco", f"COCO ({', '.join(coco_files[:3])})"))
    if yolo:
        seen.append(("yolo", f"YOLO ({yolo} .txt files of pictures)"))
    if voc:
        seen.append(("voc", f"Pascal VOC ({voc} .xml files of pictures)"))
    if len(seen) > 1:
        raise CurateError(
            f"{tree.root} is a mixture of {' and '.join(words for _, words in seen)}. "
            f"Say which holds: --layout {'|'.join(layout for layout, _ in seen)}"
        )
    if seen:
        return seen[0][0]
    if not tree.pictures:
        count = len(tree.xml) + len(tree.txt) + len(tree.json) + len(tree.others)
        raise CurateError(f"{tree.root} holds no pictures, only {count} other files. Name the folder that holds them")
    if all("/" not in place_of(picture) for picture in tree.pictures):
        raise CurateError(
            f"{tree.root} holds {len(tree.pictures)} pictures, none of them in a folder that gives its label, and no "
            "labels in COCO, YOLO or Pascal VOC. Make one folder a label"
        )
    return "folders"


def refuse_splits(tree: Tree) -> None:
    """Refuse folders that are splits, not labels.

    Raises:
        CurateError: All top folders are.
    """
    tops = {place.partition("/")[0] for picture in tree.pictures if "/" in (place := place_of(picture))}
    if tops and {top.lower() for top in tops} <= _SPLITS:
        one = min(tops)
        raise CurateError(
            f"the folders of {tree.root} ({', '.join(sorted(tops))}) are splits, not labels; Darkroom makes its own "
            f"split. Import each by itself: {tree.root / one}"
        )


def coco_among(tree: Tree) -> tuple[str, ...]:
    """Return which JSON files of a folder are COCO: those with lists of images and annotations."""
    return tuple(path for path in tree.json if _is_coco(tree.file(path)))


def _is_coco(file: Path) -> bool:
    try:
        data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return False
    if not data.lstrip().startswith(b"{"):
        return False
    try:
        keys = msgspec.json.decode(data, type=_CocoKeys)
    except (msgspec.DecodeError, RecursionError):  # its linter will say what is broken
        return b'"images"' in data and b'"annotations"' in data
    return bytes(keys.images).startswith(b"[") and bytes(keys.annotations).startswith(b"[")
