"""The demo's pictures for detection: each with a Pascal VOC side-car beside it, and the part that is held out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from devhost.demo_pictures import (
    HELD_OUT_SHARE,
    MIN_LABELS,
    MIN_PICTURES,
    Box,
    Collection,
    LabelledPicture,
    PicturesError,
    in_order,
    pictures_below,
)

_CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")
_SIDE_CAR: Final = ".xml"


def read_boxed_pictures(folder: Path) -> list[LabelledPicture]:
    """Finds the pictures in a folder that have a side-car, of the same name but for its ending `.xml`.

    Raises:
        PicturesError: The folder is missing, or it or a side-car cannot be read.
    """
    return [
        LabelledPicture(one.path, "", one.name, one.sha256, one.readable, side_car, read_side_car(side_car))
        for one in pictures_below(folder, "*", "*/**/*")
        if (side_car := one.path.with_suffix(_SIDE_CAR)).is_file()
    ]


def read_side_car(path: Path) -> tuple[Box, ...]:
    """Reads the boxes of a picture.

    Raises:
        PicturesError: The file is no Pascal VOC.
    """
    try:
        return tuple(_box(found) for found in fromstring(path.read_bytes(), forbid_dtd=True).iter("object"))
    except (OSError, ParseError, DefusedXmlException, ValueError, TypeError) as error:
        raise PicturesError(f"{path} is no Pascal VOC side-car ({error}). Export it again.") from error


def split_boxed(folder: Path, pictures: Sequence[LabelledPicture]) -> Collection:
    """Holds out about a fifth of the pictures, at least one, chosen by their bytes alone.

    Of copies one is taken. At least `MIN_PICTURES` pictures of a label are left to train on; pictures that show a label
    with fewer are left out, because what they show could not be learnt.

    Raises:
        PicturesError: Fewer than two labels can be trained, or no picture can be held out.
    """
    if not pictures:
        raise PicturesError(f"{folder} holds no picture with a side-car. Put a Pascal VOC file (.xml) beside each one.")
    usable = list({picture.sha256: picture for picture in reversed(pictures) if picture.readable}.values())[::-1]
    found = _counts(usable)
    too_small: dict[str, int] = {}
    while fresh := {label: n for label, n in _counts(usable).items() if n < MIN_PICTURES and label not in too_small}:
        too_small |= {label: found[label] for label in fresh}
        usable = [picture for picture in usable if not too_small.keys() & picture.labels]
    held_out = _held_out(usable)
    if len(found) - len(too_small) < MIN_LABELS or not held_out:
        counts = ", ".join(f"{label} {count}" for label, count in sorted(found.items())) or "no boxes"
        raise PicturesError(
            f"{folder} holds too few pictures to learn from: {counts}. A demo needs {MIN_LABELS} labels that are shown "
            f"by at least {MIN_PICTURES} different, readable pictures each, and one more to ask about."
        )
    return Collection(
        uploaded=tuple(picture for picture in usable if picture.sha256 not in held_out),
        held_out=tuple(picture for picture in usable if picture.sha256 in held_out),
        too_small=dict(sorted(too_small.items())),
    )


def _held_out(pictures: Sequence[LabelledPicture]) -> set[str]:
    wanted = max(1, round(HELD_OUT_SHARE * len(pictures)))
    left = _counts(pictures)
    by_digest = {picture.sha256: picture for picture in pictures}
    chosen: set[str] = set()
    for digest in in_order(by_digest):
        labels = by_digest[digest].labels
        if len(chosen) < wanted and labels and all(left[label] > MIN_PICTURES for label in labels):
            chosen.add(digest)
            left.subtract(labels)
    return chosen


def _counts(pictures: Iterable[LabelledPicture]) -> Counter[str]:
    return Counter(label for picture in pictures for label in picture.labels)


def _box(found: Element) -> Box:
    label, place = (found.findtext("name") or "").strip(), found.find("bndbox")
    if not label or place is None:
        raise ValueError("an object has no name or no bndbox")
    left, top, right, bottom = (float(place.findtext(corner) or "") for corner in _CORNERS)
    if not (left < right and top < bottom):
        raise ValueError(f"the corners of a {label} are reversed or equal")
    return Box(label, left, top, right - left, bottom - top)
