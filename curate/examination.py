"""Looks hard at what a file says of pictures: labels, boxes, sizes, what the dataset would teach. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from shared import limits
from shared.coco import Annotation, Image
from shared.formats import Finding, Labelling, Parsed, Region, Unit
from shared.formats.boxes import fit_boxes
from shared.formats.jsonarrays import Array, find_array, pieces
from shared.kinds import Kind, infer_kind, why_unclear
from shared.tallies import Totals, sort_of

_NOTHING_LEFT: Final = (
    "none of its labels can be used, so it is left out: without them it would be taken to show nothing."
)
_NAMED: Final = Image(  # a picture of which a file speaks
    id=1, file_name="", width=1, height=1, absolute_url="", etag="", sha256="", labelled_by="import"
)
_HUGE: Final = (limits.TRAINING_SIDE[1], limits.TRAINING_SIDE[1])


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture whose labels can be used.

    Attributes:
        name: As the file names it; empty in a side-car.
        url: Where the file says it lies; empty when it does not.
        size: Width and height in pixels: the real ones, else those that the file states; None when nobody knows.
        regions: Its labels; boxes are shares, inside the picture.
        where: The record that says so, for messages.
        records: How many records name it.
        repeated: Labels that say what another says, and were dropped for that.
    """

    name: str
    url: str
    size: tuple[int, int] | None
    regions: tuple[Region, ...]
    where: str = ""
    records: int = 1
    repeated: int = 0


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        pictures: Those that can be used, each once.
        labels: Every label that is declared or used.
        findings: What cannot be used, or is odd.
        unit: What the boxes are measured in; None when there are none.
        stated: How many pictures and labels the file has records of, usable or not; None when that is not known.
    """

    pictures: tuple[Picture, ...]
    labels: tuple[str, ...]
    findings: tuple[Finding, ...]
    unit: Unit | None
    stated: tuple[int, int] | None = None

    @property
    def kind(self) -> Kind | None:
        """What a dataset of these pictures would teach, or None when that is not clear."""
        return infer_kind(totals_of(picture.regions for picture in self.pictures))

    def counts(self) -> dict[str, int]:
        """Return the number of pictures of each label, in the order of `labels`."""
        found = Counter(label for p in self.pictures for label in {region.label for region in p.regions})
        return {label: found[label] for label in self.labels}

    @property
    def boxes(self) -> int:
        """How many boxes there are."""
        return sum(region.box is not None for picture in self.pictures for region in picture.regions)

    @property
    def kept(self) -> int:
        """How many labels can be used."""
        return sum(len(picture.regions) for picture in self.pictures)

    @property
    def lost(self) -> tuple[int, int]:
        """How many of the file's pictures and labels cannot be used; what is told twice is not lost."""
        if self.stated is None:
            return 0, 0
        repeated = sum(picture.repeated for picture in self.pictures)
        records = sum(picture.records for picture in self.pictures)
        return max(0, self.stated[0] - records), max(0, self.stated[1] - self.kept - repeated)

    def facts(self) -> dict[str, Any]:
        """Return what is to be known of it, as JSON values."""
        return {
            "pictures": len(self.pictures),
            "labels": self.counts(),
            "boxes": self.boxes,
            "kind": self.kind,
            "unit": self.unit,
        }


type Measured = Mapping[str, tuple[int, int] | str]
"""Record of a picture (`Labelling.where`) → its real size, or why there is none; a record may be left out."""

ABSENT: Final = "is not among the pictures. Add it, or remove the record."


def examine(parsed: Parsed, real: Measured, stated: tuple[int, int] | None = None) -> Examined:
    """Judge what a parser got out of a file.

    Args:
        parsed: That.
        real: The real sizes of pictures, as far as they were measured.
        stated: What `stated_in` says of a COCO file.
    """
    findings = list(parsed.findings)
    pictures: dict[str, Picture] = {}
    for labelling in parsed.labellings:
        picture = _usable(labelling, real.get(labelling.where), findings)
        if picture is None:
            continue
        key = picture.name or picture.url
        if (earlier := pictures.get(key)) is not None:
            reason = f"it names the same picture as {earlier.where}; their labels are merged. Remove one of them."
            findings.append(Finding(where=labelling.where, line=labelling.line, reason=reason))
            regions = tuple(dict.fromkeys(earlier.regions + picture.regions))
            again = len(earlier.regions) + len(picture.regions) - len(regions)
            picture = msgspec.structs.replace(
                earlier,
                size=earlier.size or picture.size,
                url=earlier.url or picture.url,
                regions=_of_one_sort(labelling, regions, findings),
                records=earlier.records + 1,
                repeated=earlier.repeated + picture.repeated + again,
            )
        pictures[key] = picture
    found = tuple(pictures.values())
    labels = tuple(dict.fromkeys([*parsed.labels, *(region.label for p in found for region in p.regions)]))
    totals = totals_of(picture.regions for picture in found)
    if infer_kind(totals) is None:
        findings.append(Finding(reason=f"{why_unclear(totals)}."))
    units = {lab.unit for lab in parsed.labellings if any(region.box for region in lab.regions)}
    findings.sort(key=lambda finding: (finding.line == 0, finding.line))
    unit = units.pop() if len(units) == 1 else None
    return Examined(pictures=found, labels=labels, findings=tuple(findings), unit=unit, stated=stated)


class _Keys(msgspec.Struct, frozen=True):
    images: msgspec.Raw
    annotations: msgspec.Raw


def stated_in(data: bytes) -> tuple[int, int] | None:
    """Return how many images and annotations a COCO file lists, usable or not; None when it is none."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        keys = msgspec.json.decode(data, type=_Keys)
    except (msgspec.DecodeError, RecursionError):
        return None
    images = find_array(data, "images", keys.images)
    annotations = find_array(data, "annotations", keys.annotations)
    return (_length(images), _length(annotations)) if images and annotations else None


def _length(array: Array) -> int:
    return sum(len(piece.values) for piece in pieces(array, msgspec.Raw))


def totals_of(each: Iterable[Sequence[Region]]) -> Totals:
    """Count pictures by sort, by their labels."""
    sorts = Counter(sort_of(_NAMED, [_annotation(region) for region in regions]) for regions in each)
    return Totals(pictures=sorts.total(), **sorts)


def _annotation(region: Region) -> Annotation:
    return Annotation(id=1, image_id=1, category_id=1, bbox=region.box)


def _usable(labelling: Labelling, real: tuple[int, int] | str | None, findings: list[Finding]) -> Picture | None:
    """Return a picture with its labels; note what is wrong, and return None when it cannot be used at all."""

    def note(reason: str) -> None:
        findings.append(Finding(where=labelling.where, line=labelling.line, reason=reason))

    if isinstance(real, str):
        note(f"'{labelling.picture or labelling.url}': {real}")
    size = real if isinstance(real, tuple) else labelling.size
    boxed = any(region.box for region in labelling.regions)
    if size is None and boxed and labelling.unit == "pixel":
        note("its boxes are pixels, and its width and height are not known. State them, or give --pictures DIR.")
        return None
    if size is None and labelling.where:
        note("its width and height are not stated. State them, or give --pictures DIR.")
    least, most = limits.TRAINING_SIDE
    if size and not least <= min(size) <= max(size) <= most:
        note(f"{size[0]:,} x {size[1]:,} px; training takes {least:,} to {most:,} px a side. Scale the picture.")
        return None
    fitted, unfit = fit_boxes(labelling, size or _HUGE)
    findings.extend(unfit)
    if (repeated := len(labelling.regions) - len(set(labelling.regions))) > 0:
        note(f"{repeated} of its labels say what another says. Remove the repetitions.")
    if labelling.regions and not fitted:
        note(_NOTHING_LEFT)
        return None
    regions = _of_one_sort(labelling, fitted, findings)
    return Picture(
        name=labelling.picture,
        url=labelling.url,
        size=size,
        regions=regions,
        where=labelling.where,
        repeated=repeated,
    )


def _of_one_sort(labelling: Labelling, regions: tuple[Region, ...], findings: list[Finding]) -> tuple[Region, ...]:
    """Leave out labels of the whole picture when there are boxes, as the fold does."""
    boxed = tuple(region for region in regions if region.box)
    if not boxed or len(boxed) == len(regions):
        return regions
    reason = "it has boxes, and labels without; those without are left out. Draw their boxes, or remove them."
    findings.append(Finding(where=labelling.where, line=labelling.line, reason=reason))
    return boxed
