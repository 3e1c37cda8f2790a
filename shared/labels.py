"""Decides which labels a picture has when several sources speak of it: side-car > metadata > import > folder.

Pure. A source that loses is told in the picture's note, and so is one that cannot be used. What was meant to have boxes
gets boxes from a weaker source, or nothing: the folder of such a picture may be no label at all, such as ``train``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from shared.coco import Claim, ClassList, Image, Source
from shared.formats import Finding, Labelling, Region
from shared.formats.boxes import fit_boxes
from shared.formats.yolo import name_classes
from shared.layout import PicturePath, parse_picture_path

MOST_NOTES: Final = 3
_WORDS: Final[Mapping[Source, str]] = {
    "side-car": "the side-car",
    "metadata": "the blob's metadata",
    "import": "the imported file",
    "folder": "the folder",
}


type _Said = tuple[Source, tuple[Region, ...] | None]


class Resolved(msgspec.Struct, frozen=True):
    """A picture's labels, who gave them, and what is odd about them."""

    regions: tuple[Region, ...]
    by: Source
    note: str


def resolve(
    image: Image, side_cars: Iterable[Claim], imported: Iterable[Claim], class_lists: Sequence[ClassList]
) -> Resolved:
    """Choose among what the sources say of one picture.

    Args:
        image: The picture; its labels, if any, are not looked at.
        side_cars: The claims of side-cars that lie beside it.
        imported: The claims of data-set files that name it.
        class_lists: All class lists of the dataset.
    """
    notes: list[str] = []
    said: list[_Said] = []
    for claim in sorted(side_cars, key=lambda c: c.path, reverse=True):  # .xml says more than .txt
        said.append(("side-car", _regions(claim, image, class_lists, notes)))
    if image.metadata_labels:
        said.append(("metadata", tuple(Region(label) for label in image.metadata_labels)))
    for claim in sorted(imported, key=lambda c: c.source):
        said.append(("import", _regions(claim, image, class_lists, notes)))
    where = parse_picture_path(image.file_name)
    if isinstance(where, PicturePath) and where.label:
        said.append(("folder", (Region(where.label),)))
    if not said:
        return Resolved((), "", " ".join(notes[:MOST_NOTES]))
    unusable = next((number for number, (_, regions) in enumerate(said) if regions is None), len(said))
    usable = said[:unusable] or [entry for entry in said if any(region.box for region in entry[1] or ())]
    if not usable:
        return Resolved((), "", " ".join(notes[:MOST_NOTES]))
    by, regions = usable[0]
    notes += _disagreements(by, regions or (), usable[1:] + said[unusable:])
    return Resolved(regions or (), by, " ".join(notes[:MOST_NOTES]))


def _regions(
    claim: Claim, image: Image, class_lists: Sequence[ClassList], notes: list[str]
) -> tuple[Region, ...] | None:
    """Return the claim's regions as shares of the picture, or None when none of them can be used."""
    file = claim.source or claim.path
    if claim.unusable:
        notes.append(f"'{file}': nothing in it can be used. Correct it, or delete it.")
        return None
    regions = claim.regions
    findings: list[Finding] = []
    if claim.numbered:
        regions, unnamed = name_classes(regions, names_for(claim.path, class_lists))
        findings += unnamed
    labelling = Labelling(regions=regions, unit=claim.unit, size=claim.size)
    fitted, unfit = fit_boxes(labelling, (image.width, image.height))
    findings += unfit
    if any(region.box for region in fitted):
        fitted = tuple(region for region in fitted if region.box)  # a picture has boxes, or labels, never both
    notes += [f"'{file}': {finding}" for finding in findings]
    return fitted if fitted or not findings else None


def names_for(path: str, class_lists: Iterable[ClassList]) -> tuple[str, ...]:
    """Return the class names that hold for a side-car: the nearest list's, in its folder or above."""
    above = [entry for entry in class_lists if path.startswith(scope_of(entry))]
    nearest = max(above, key=lambda entry: (len(scope_of(entry)), entry.path), default=None)
    return nearest.names if nearest else ()


def scope_of(class_list: ClassList) -> str:
    """Return the prefix of all paths for which a class list holds; one in ``annotations/`` holds for the dataset."""
    folder = class_list.path.rpartition("/")[0]
    dataset, _, rest = folder.partition("/")
    return f"{dataset}/images/" if rest.partition("/")[0] == "annotations" else f"{folder}/"


def _disagreements(by: Source, regions: tuple[Region, ...], others: Iterable[_Said]) -> Iterable[str]:
    """Tell of sources that speak of the same thing (boxes, or the whole picture) and say something else."""
    boxed = any(region.box for region in regions)
    own = {region.label for region in regions}
    for other, theirs in others:
        labels = {region.label for region in theirs or ()}
        if own and theirs and boxed == any(region.box for region in theirs) and labels != own:
            yield (
                f"{_WORDS[other]} says {_listed(labels)}, {_WORDS[by]} says {_listed(own)}; {_WORDS[by]} holds. "
                "Correct one of them."
            )


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(f"'{label}'" for label in sorted(labels)[:5]) or "nothing"
