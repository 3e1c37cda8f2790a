"""Decides which labels a picture has when several sources speak of it: side-car > metadata > import > folder.

Pure. A source that loses, or that cannot be used, is told in the picture's note; nothing is guessed.
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
    said: list[tuple[Source, tuple[Region, ...]]] = []
    for claim in sorted(side_cars, key=lambda c: c.path, reverse=True):  # .xml says more than .txt
        said += _of_claim("side-car", claim, image, class_lists, notes)
    if image.metadata_labels:
        said.append(("metadata", tuple(Region(label) for label in image.metadata_labels)))
    for claim in sorted(imported, key=lambda c: c.source):
        said += _of_claim("import", claim, image, class_lists, notes)
    where = parse_picture_path(image.file_name)
    if isinstance(where, PicturePath) and where.label:
        said.append(("folder", (Region(where.label),)))
    if not said:
        return Resolved((), "", " ".join(notes[:MOST_NOTES]))
    by, regions = said[0]
    notes += _disagreements(by, regions, said[1:])
    return Resolved(regions, by, " ".join(notes[:MOST_NOTES]))


def _of_claim(
    by: Source, claim: Claim, image: Image, class_lists: Sequence[ClassList], notes: list[str]
) -> list[tuple[Source, tuple[Region, ...]]]:
    """Return the claim's regions as shares of the picture, in a list; an empty list when none of them can be used."""
    file = claim.source or claim.path
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
    return [(by, fitted)] if fitted or not findings else []


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


def _disagreements(
    by: Source, regions: tuple[Region, ...], others: Iterable[tuple[Source, tuple[Region, ...]]]
) -> Iterable[str]:
    """Tell of sources that speak of the same thing (boxes, or the whole picture) and say something else."""
    boxed = any(region.box for region in regions)
    own = {region.label for region in regions}
    for other, theirs in others:
        labels = {region.label for region in theirs}
        if own and theirs and boxed == any(region.box for region in theirs) and labels != own:
            yield (
                f"{_WORDS[other]} says {_listed(labels)}, {_WORDS[by]} says {_listed(own)}; {_WORDS[by]} holds. "
                "Correct one of them."
            )


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(f"'{label}'" for label in sorted(labels)[:5]) or "nothing"
