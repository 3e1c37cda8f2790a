"""The live COCO file as a value: its records, and the pure fold of what was seen into it. No I/O, no clock.

The file is ordinary COCO (`images`, `annotations`, `categories`) that pycocotools loads; `info` and `problems` carry
what Darkroom keeps beside it. Ids are unique, stable while a path lives, and never used twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from shared.errors import BrokenFileError
from shared.pictures import Facts

SCHEMA: Final = 1
REMEDY: Final = "Delete the file; `reconcile` builds it anew."


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A usable picture. `file_name` is its path in the training container; sizes are pixels after the EXIF turn."""

    id: int
    file_name: str
    width: int
    height: int
    absolute_url: str
    etag: str
    sha256: str


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """A picture's label."""

    id: int
    image_id: int
    category_id: int


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A label's record; `name` is the label."""

    id: int
    name: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A blob under ``images/`` that cannot be used, and why."""

    path: str
    etag: str
    reason: str


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What Darkroom keeps beside the records.

    Attributes:
        description: For people.
        schema: Version of this layout.
        changes: How often a picture was added, replaced, relabelled or removed, ever; the policy compares it.
        next_image_id: The next id to give out; likewise for annotations and categories.
        next_annotation_id: See above.
        next_category_id: See above.
        pinned_test: sha256 of pictures that a snapshot moved to the test side; a side never changes.
        traceparent: Trace context of the newest change, which a training continues.
    """

    description: str = "Darkroom live dataset"
    schema: int = SCHEMA
    changes: int = 0
    next_image_id: int = 1
    next_annotation_id: int = 1
    next_category_id: int = 1
    pinned_test: tuple[str, ...] = ()
    traceparent: str = ""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file; `images` and `problems` are in the order of their paths."""

    info: Info = Info()
    images: tuple[Image, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    categories: tuple[Category, ...] = ()
    problems: tuple[Problem, ...] = ()


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A usable picture with its labels: what the policy counts and a snapshot holds."""

    path: str
    etag: str
    sha256: str
    width: int
    height: int
    labels: tuple[str, ...]


class Entry(msgspec.Struct, frozen=True):
    """What was seen at a path: the facts of its bytes, and its labels."""

    facts: Facts
    labels: tuple[str, ...]


def decode(data: bytes) -> Document:
    """Decode a live file.

    Raises:
        BrokenFileError: It is not what `encode` wrote.
    """
    try:
        document = msgspec.json.decode(data, type=Document)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BrokenFileError(f"the live COCO file is not valid: {error}. {REMEDY}") from error
    if document.info.schema != SCHEMA:
        raise BrokenFileError(
            f"the live COCO file has schema {document.info.schema}; this version reads {SCHEMA}. Update Darkroom."
        )
    return document


def encode(document: Document) -> bytes:
    """Encode a live file; equal documents give equal bytes."""
    return msgspec.json.encode(document, order="sorted")


def pictures_of(document: Document) -> list[Picture]:
    """Join images with their labels, in the order of their paths.

    Raises:
        BrokenFileError: A label's category is missing.
    """
    names = {category.id: category.name for category in document.categories}
    labels = defaultdict(list)
    for annotation in document.annotations:
        if annotation.category_id not in names:
            raise BrokenFileError(f"annotation {annotation.id} of the live COCO file names no category. {REMEDY}")
        labels[annotation.image_id].append(names[annotation.category_id])
    return [
        Picture(
            path=image.file_name,
            etag=image.etag,
            sha256=image.sha256,
            width=image.width,
            height=image.height,
            labels=tuple(sorted(labels[image.id])),
        )
        for image in document.images
    ]


def etags_of(document: Document) -> dict[str, str]:
    """Return path → ETag of all that the file knows: pictures and problems."""
    known = {image.file_name: image.etag for image in document.images}
    known.update((problem.path, problem.etag) for problem in document.problems)
    return known


def pin_to_test(document: Document, digests: Iterable[str]) -> Document:
    """Move pictures, by sha256, to the test side for good."""
    pinned = tuple(sorted({*document.info.pinned_test, *digests}))
    return msgspec.structs.replace(document, info=msgspec.structs.replace(document.info, pinned_test=pinned))


def fold(
    document: Document, seen: Mapping[str, Entry | None], *, url_of: Callable[[str], str], traceparent: str = ""
) -> Document:
    """Return the document with what was seen at some paths folded in; the same object when nothing changed.

    Args:
        document: The file so far.
        seen: Path → what lies there now, or None when nothing does.
        url_of: Gives a path's absolute URL.
        traceparent: Trace context to keep with the change.
    """
    draft = _Draft(document, url_of)
    changes = sum(draft.put(path, seen[path]) for path in sorted(seen))
    if draft.touched:
        return draft.finished(changes, traceparent)
    return document


class _Draft:
    """A document under change."""

    def __init__(self, document: Document, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of
        self._info = document.info
        self._images = {image.file_name: image for image in document.images}
        self._problems = {problem.path: problem for problem in document.problems}
        self._category_ids = {category.name: category.id for category in document.categories}
        self._annotations: dict[int, list[Annotation]] = defaultdict(list)  # by image id
        for annotation in document.annotations:
            self._annotations[annotation.image_id].append(annotation)
        self._next_image = document.info.next_image_id
        self._next_annotation = document.info.next_annotation_id
        self._next_category = document.info.next_category_id
        self.touched = False

    def put(self, path: str, entry: Entry | None) -> bool:
        """Make the document say what lies at a path; return whether the training pictures changed by it."""
        if entry is None:
            self._drop_problem(path)
            return self._drop_image(path)
        facts = entry.facts
        if facts.problem is not None:
            problem = Problem(path=path, etag=facts.etag, reason=facts.problem)
            if self._problems.get(path) != problem:
                self._problems[path] = problem
                self.touched = True
            return self._drop_image(path)
        self._drop_problem(path)
        replaced = self._put_image(path, facts)
        relabelled = self._put_labels(self._images[path].id, entry.labels)
        return replaced or relabelled

    def finished(self, changes: int, traceparent: str) -> Document:
        """Return the document, with categories that lost their last picture left out."""
        annotations = sorted((a for group in self._annotations.values() for a in group), key=lambda a: a.id)
        used = {annotation.category_id for annotation in annotations}
        return Document(
            info=msgspec.structs.replace(
                self._info,
                changes=self._info.changes + changes,
                next_image_id=self._next_image,
                next_annotation_id=self._next_annotation,
                next_category_id=self._next_category,
                traceparent=traceparent or self._info.traceparent,
            ),
            images=tuple(self._images[path] for path in sorted(self._images)),
            annotations=tuple(annotations),
            categories=tuple(Category(id=id_, name=name) for name, id_ in self._category_ids.items() if id_ in used),
            problems=tuple(self._problems[path] for path in sorted(self._problems)),
        )

    def _drop_problem(self, path: str) -> None:
        self.touched |= self._problems.pop(path, None) is not None

    def _drop_image(self, path: str) -> bool:
        image = self._images.pop(path, None)
        if image is None:
            return False
        self._annotations.pop(image.id, None)
        self.touched = True
        return True

    def _put_image(self, path: str, facts: Facts) -> bool:
        before = self._images.get(path)
        image = Image(
            id=before.id if before else self._next_image,
            file_name=path,
            width=facts.width,
            height=facts.height,
            absolute_url=self._url_of(path),
            etag=facts.etag,
            sha256=facts.sha256,
        )
        if image == before:
            return False
        self._images[path] = image
        self._next_image += before is None
        self.touched = True
        return before is None or before.sha256 != image.sha256

    def _put_labels(self, image_id: int, labels: tuple[str, ...]) -> bool:
        wanted = [self._category_id(label) for label in sorted(set(labels))]
        before = self._annotations[image_id]
        if [annotation.category_id for annotation in before] == wanted:
            return False
        self._annotations[image_id] = []
        for category_id in wanted:
            self._annotations[image_id].append(
                Annotation(id=self._next_annotation, image_id=image_id, category_id=category_id)
            )
            self._next_annotation += 1
        self.touched = True
        return True

    def _category_id(self, label: str) -> int:
        if label not in self._category_ids:
            self._category_ids[label] = self._next_category
            self._next_category += 1
        return self._category_ids[label]
