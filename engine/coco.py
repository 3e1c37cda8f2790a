"""Reads the contract's COCO dialects (§7, §7.1) into labelled pictures; what cannot be used becomes a finding.

We read more than the official check does: ids need not be dense, two categories of one name are one, boxes may reach
out of their picture by a rounding error, and a file may be UTF-8 with a byte order mark or UTF-16.
"""

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from engine.access import shown
from engine.cocorecords import AnnotationRecord, Box, CategoryRecord, ImageRecord, RegionRecord, checked_box
from engine.findings import Findings, Reason, without_query
from engine.jsonarrays import LONGEST_RECORD, LongRecordError, records
from engine.limits import MAX_ANNOTATIONS, MAX_REGIONS
from engine.records import AnnotationKind

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _Document(msgspec.Struct):
    images: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()
    categories: msgspec.Raw = msgspec.Raw()


class _Identified(msgspec.Struct):
    id: int


class Region(msgspec.Struct, frozen=True, gc=False):
    """What an annotation says: a label, of a part of the picture or, without box, of all of it."""

    label: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with what is known of it.

    Attributes:
        source: What messages call the file that names it.
        image: Its record.
        url: Where it lies.
        regions: One without box for classification, any number without boxes for multi-label, any number with boxes
            for detection; in the file's order.
        labels: Those of its regions, sorted and distinct.
    """

    source: str
    image: ImageRecord
    url: str
    regions: tuple[Region, ...]
    labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(sorted({region.label for region in self.regions})))

    @property
    def name(self) -> str:
        """Its file_name, else its URL; never with a query."""
        return without_query(self.image.file_name) if self.image.file_name else shown(self.url)

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.source}: {self.image.title}"

    @property
    def sha256(self) -> str | None:
        """Of its bytes, lower-case hex, when the file says so."""
        return self.image.sha256.lower() if self.image.sha256 else None


class CocoReader:
    """Reads the COCO files of one data set; ids count per file, across files a category is its name.

    Args:
        kind: What the annotations are.
        most_images: After so many image records it stops.
        findings: Takes what cannot be used.
    """

    def __init__(self, kind: AnnotationKind, most_images: int, findings: Findings) -> None:
        self.kind = kind
        self.findings = findings
        self.images_left = most_images
        self.annotations_left = MAX_ANNOTATIONS

    def read(self, content: bytes, source: str) -> list[Example]:
        """Returns a file's pictures in its order; for classification only those that have an annotation.

        Memory beside the file, measured: twice its size for a million labelled images (442 MiB), 3.4 times for
        detection with 20 boxes an image (393 MiB).

        Args:
            content: The file.
            source: What messages call the file.
        """
        try:
            document = msgspec.json.decode(_utf8(content), type=_Document)
        except RecursionError:
            self._refuse(source, "it is nested too deeply")
        except (msgspec.DecodeError, UnicodeError) as exc:
            self._refuse(source, str(exc))
        else:
            return _FileReading(self, source, document).examples()
        return []

    def _refuse(self, source: str, why: str) -> None:
        self.findings.add(Reason.FILE_INVALID, source, f"is not a COCO file: {why}. Correct it and train again.")


def _utf8(content: bytes) -> bytes | memoryview:
    if content.startswith(_UTF16):
        return content.decode("utf-16").encode()
    return memoryview(content)[len(codecs.BOM_UTF8) :] if content.startswith(codecs.BOM_UTF8) else content


class _FileReading:
    """One file while it is read.

    A record that refers to a record with a finding has none of its own: `_broken` holds the ids of the latter, and None
    for one whose id cannot be read.
    """

    def __init__(self, reader: CocoReader, source: str, document: _Document) -> None:
        self._reader = reader
        self._source = source
        self._document = document
        self._broken: dict[str, set[int | None]] = {"image": set(), "category": set()}
        self._regions: dict[int, list[Region]] = {}

    def examples(self) -> list[Example]:
        images, categories = self._images(), self._categories()
        self._place_annotations(images, {id_: Region(category.name) for id_, category in categories.items()})
        classification = self._reader.kind is AnnotationKind.CLASSIFICATION
        found = []
        for image in images.values():
            regions = self._regions.pop(image.id, ())
            if classification and not regions:
                continue
            if image.url is None:
                self._add(Reason.URL_MISSING, image.title, "has no http(s) URL in absolute_url or coco_url. Add one.")
            else:
                found.append(Example(self._source, image, image.url, tuple(regions)))
        return found

    def _images(self) -> dict[int, ImageRecord]:
        found: dict[int, ImageRecord] = {}
        for image in self._each("images", self._document.images, ImageRecord):
            if self._reader.images_left == 0:
                self._add(Reason.TOO_MANY, "images", "are too many for a data set; the rest was not read. Split it.")
                self._broken["image"].add(None)
                break
            self._reader.images_left -= 1
            self._keep("image", image, found)
        return found

    def _categories(self) -> dict[int, CategoryRecord]:
        found: dict[int, CategoryRecord] = {}
        for category in self._each("categories", self._document.categories, CategoryRecord):
            self._keep("category", category, found)
        return found

    def _keep[Record: (ImageRecord, CategoryRecord)](self, word: str, record: Record, found: dict[int, Record]) -> None:
        problem = record.problem()
        if record.id in found:
            self._add(Reason.ID_REPEATED, record.title, "has an id that another one has. Give each its own.")
        elif problem is not None:
            self._add(Reason.RECORD_INVALID, record.title, problem)
            self._broken[word].add(record.id)
        else:
            found[record.id] = record

    def _place_annotations(self, images: Mapping[int, ImageRecord], labels: Mapping[int, Region]) -> None:
        kind = RegionRecord if self._reader.kind is AnnotationKind.DETECTION else AnnotationRecord
        seen: set[int] = set()
        for annotation in self._each("annotations", self._document.annotations, kind):
            if self._reader.annotations_left == 0:
                words = f"are more than {MAX_ANNOTATIONS:,} in the data set; the rest was not read. Split it."
                self._add(Reason.TOO_MANY, "annotations", words)
                return
            self._reader.annotations_left -= 1
            if annotation.id in seen:
                self._add(Reason.ID_REPEATED, annotation.title, "has an id that another one has. Give each its own.")
            elif self._refers(annotation, "image", annotation.image_id, images, Reason.IMAGE_UNKNOWN) and self._refers(
                annotation, "category", annotation.category_id, labels, Reason.CATEGORY_UNKNOWN
            ):
                self._place(annotation, images[annotation.image_id], labels[annotation.category_id])
            seen.add(annotation.id)

    def _place(self, annotation: AnnotationRecord, image: ImageRecord, region: Region) -> None:
        regions = self._regions.setdefault(image.id, [])
        if isinstance(annotation, RegionRecord):
            box = checked_box(annotation.bbox)
            if isinstance(box, str):
                self._add(Reason.BOX_INVALID, annotation.title, box)
                return
            region = Region(region.label, box)
        elif region in regions and self._reader.kind is AnnotationKind.MULTILABEL:
            return
        if regions and self._reader.kind is AnnotationKind.CLASSIFICATION:
            words = f"is the second one of {image.title}. Classification takes one label per picture; remove one."
            self._add(Reason.SECOND_LABEL, annotation.title, words)
        elif len(regions) < MAX_REGIONS:
            regions.append(region)
        else:
            words = f"is one more than the {MAX_REGIONS:,} that {image.title} may have. Remove some."
            self._add(Reason.TOO_MANY, annotation.title, words)

    def _refers(
        self, annotation: AnnotationRecord, word: str, id_: int, known: Mapping[int, object], reason: Reason
    ) -> bool:
        if id_ in known:
            return True
        if not self._broken[word] & {id_, None}:
            self._add(reason, annotation.title, f"belongs to {word} {id_}, which the file does not have. Correct it.")
        return False

    def _each[Record](self, key: str, raw: msgspec.Raw, kind: type[Record]) -> Iterator[Record]:
        """Yields the records of one of the file's arrays; those that cannot be decoded become findings."""
        array = memoryview(raw)
        broken = self._broken.get("image" if key == "images" else "category", set())
        if bytes(array[:1]) != b"[":
            why = f"is not a COCO file: it has no array '{key}'. Correct it and train again."
            self._reader.findings.add(Reason.FILE_INVALID, self._source, why)
            broken.add(None)
            return
        number = -1
        try:
            for number, record in enumerate(records(array, kind)):
                if isinstance(record, tuple):
                    broken.add(_id_of(record[0]))
                    words = record[1].replace("`$", f"`$.{key}[{number}]")
                    self._add(Reason.RECORD_INVALID, f"{key}[{number}]", f"{words}. Correct the record.")
                else:
                    yield record
        except LongRecordError:
            words = f"is no object, or longer than {LONGEST_RECORD:,} bytes; the rest was not read. Correct it."
            self._add(Reason.RECORD_INVALID, f"{key}[{number + 1}]", words)
            broken.add(None)

    def _add(self, reason: Reason, record: str, message: str) -> None:
        self._reader.findings.add(reason, f"{self._source}: {record}", message)


def _id_of(record: msgspec.Raw) -> int | None:
    try:
        return msgspec.json.decode(record, type=_Identified).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
