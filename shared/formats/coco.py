"""COCO files of every dialect (contract §7): Azure ML and Custom Vision exports, and the standard itself.

**Pixels or shares.** COCO's boxes are pixels, the Vision service's are shares, and no file says which. It is decided
once for a whole file: a box that lies within 0 … 1 + `EPSILON` speaks for shares, one that reaches 2 or further for
pixels, and one between the two for neither. The majority decides (pixels, when even). When not all boxes speak for the
same unit, a finding says so and each box that does not agree is left out with a finding of its own, because read in the
other unit it would silently become a box of at most a pixel, or one far beyond the border. A file in pixels none of
whose boxes reaches the second pixel cannot be told from shares.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import msgspec

from shared.formats import EPSILON, Finding, Labelling, Parsed, Unit, label_problem, quoted
from shared.formats.cocoboxes import Annotation, Id, Reading
from shared.formats.cocowriter import Exported, write_coco
from shared.formats.findings import Findings
from shared.formats.jsonarrays import Array, find_array, pieces
from shared.formats.lines import Lines, not_utf8
from shared.layout import normalise_label

__all__ = ["EPSILON", "Exported", "parse_coco", "path_of_url", "write_coco"]

_GIVE_UP: Final = 10_000  # records of another form; what has so many is no data set, and each takes long
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_LARGEST_SIDE: Final = 1e9


class _Document(msgspec.Struct, frozen=True):
    images: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()
    categories: msgspec.Raw = msgspec.Raw()


class _Image(msgspec.Struct, frozen=True, gc=False):
    """An image's record, as far as it matters; dates, licences and the like do not."""

    id: Id
    file_name: str | None = None
    absolute_url: str | None = None
    coco_url: str | None = None
    width: float | None = None
    height: float | None = None


class _Reference(msgspec.Struct, frozen=True, gc=False):
    """As much of an annotation as says which image it is of."""

    image_id: Id


class _Category(msgspec.Struct, frozen=True, gc=False):
    id: Id
    name: str | Id


class _File(msgspec.Struct, frozen=True):
    """A file while it is read."""

    lines: Lines
    findings: Findings

    def each[T](
        self, array: Array, type_: type[T], name: str, accept: Callable[[T, int], str | None], *, locate: bool = False
    ) -> int:
        """Hand each record to `accept`, which returns what is wrong with it; note that and what cannot be decoded.

        Args:
            array: The records.
            type_: What each of them should be.
            name: What one is called in messages.
            accept: Takes a record and its line, which is 0 unless `locate`: looking it up costs more than decoding.
            locate: See above.

        Returns:
            How many cannot be decoded, up to where it gave up.
        """
        findings, lines, unreadable = self.findings, self.lines, 0
        for piece in pieces(array, type_):
            for number, value in enumerate(piece.values):
                line = lines.at(piece.place(number)) if locate else 0
                if isinstance(value, str):
                    unreadable += 1
                    reason: str | None = f"{value}. Correct the record."
                else:
                    reason = accept(value, line)
                if reason is not None:
                    line = line if locate or findings.is_full else lines.at(piece.place(number))
                    identity = getattr(value, "id", None)
                    where = f"{name} {identity}" if identity is not None else f"{name} at {piece.first + number}"
                    findings.add(reason, where=where, line=line)
            if unreadable > _GIVE_UP:
                reason = f"more than {_GIVE_UP:,} records of '{name}' have another form; the rest of them was not read."
                findings.give_up(f"{reason} Export the data set as COCO.")
                break
        return unreadable


def parse_coco(data: bytes) -> Parsed:
    """Read all pictures of a COCO file.

    Ids may begin anywhere, have gaps or be written as text. A picture is named by `file_name`, or else by the path of
    its URL. An ``absolute_url`` is preferred to a ``coco_url``, which Azure ML fills with ``AmlDatastore://``; only
    http and https are kept. An annotation without ``bbox`` labels the whole picture; a picture without annotations
    shows nothing, but one none of whose annotations can be used is left out: it would teach the wrong thing.

    Returns:
        A labelling for each other usable record of ``images``.
    """
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    data = data[start:] if start else data
    if bad := not_utf8(data):
        return Parsed(findings=(bad,))
    arrays = _arrays(data)
    if isinstance(arrays, Finding):
        return Parsed(findings=(arrays,))
    images, annotations, categories = arrays
    file = _File(Lines(data), Findings())
    labels = _categories(file, categories)
    pictures = _pictures(file, images)
    reading = _annotations(file, annotations, Reading(pictures, labels))
    return Parsed(
        labellings=tuple(_joined(file, pictures, reading)),
        labels=tuple(dict.fromkeys(labels.values())),
        findings=file.findings.all(),
    )


def _arrays(data: bytes) -> list[Array] | Finding:
    """Check that a document is JSON and find its three arrays, or say why not."""
    try:
        document = msgspec.json.decode(data, type=_Document)
    except msgspec.ValidationError:
        return Finding(line=1, reason="not a COCO file: it holds no object. Export the data set as COCO.")
    except msgspec.DecodeError as error:
        place = _BYTE.search(str(error))
        line = Lines(data).at(int(place[1]) if place else len(data))
        return Finding(line=line, reason=f"{error}. Mend the line, or export the file again.")
    except RecursionError:
        return Finding(reason="nested too deeply for COCO. Export the data set again.")
    found: list[Array] = []
    for key, raw in (
        ("images", document.images),
        ("annotations", document.annotations),
        ("categories", document.categories),
    ):
        array = find_array(data, key, raw)
        if array is None:
            return Finding(reason=f"not a COCO file: it has no list '{key}'. Export the data set as COCO.")
        found.append(array)
    return found


def _categories(file: _File, array: Array) -> dict[int, str]:
    """Return the label of each category id."""
    labels: dict[int, str] = {}
    ids: dict[str, int] = {}

    def accept(record: _Category, _line: int) -> str | None:
        label = normalise_label(str(record.name))
        if record.id in labels:
            return f"the id is used twice; it stays {quoted(labels[record.id])}. Give each category its own."
        if problem := label_problem(label):
            return f"{problem}."
        labels[record.id] = label
        if ids.setdefault(label, record.id) != record.id:
            return f"{quoted(label)} is category {ids[label]} too; both become one label. Rename one if they differ."
        return None

    file.each(array, _Category, "category", accept)
    return labels


def _pictures(file: _File, array: Array) -> dict[int, Labelling]:
    """Return a labelling without regions for each image id."""
    pictures: dict[int, Labelling] = {}

    def accept(record: _Image, line: int) -> str | None:
        if record.id in pictures:
            return "the id is used twice; the first image keeps it. Give each image its own."
        url = next(
            (u for u in (record.absolute_url, record.coco_url) if u and u.startswith(("http://", "https://"))), ""
        )
        name = record.file_name or path_of_url(record.absolute_url) or path_of_url(record.coco_url)
        if not name:
            return "it has neither file_name nor URL. Name its file."
        if not name.isprintable() or not url.isprintable():
            return "its file_name or URL has characters that cannot be printed. Rename the file."
        pictures[record.id] = Labelling(
            picture=name.replace("\\", "/"), url=url, size=_size(record), where=f"image {record.id}", line=line
        )
        return None

    file.each(array, _Image, "image", accept, locate=True)
    return pictures


def _annotations(file: _File, array: Array, reading: Reading) -> Reading:
    """Read the annotations; once more, knowing the unit, when not all boxes speak for the same."""
    first = _File(file.lines, Findings())
    unreadable = first.each(array, Annotation, "annotation", reading.accept)
    if reading.is_mixed:
        file.findings.add(reading.verdict())
        reading = reading.again(reading.unit)
        file.each(array, Annotation, "annotation", reading.accept)
    else:
        file.findings.extend(first.findings)
    if unreadable:
        for value in (value for piece in pieces(array, _Reference) for value in piece.values):
            if isinstance(value, _Reference):
                reading.note(value.image_id)
    return reading


def _joined(file: _File, pictures: dict[int, Labelling], reading: Reading) -> list[Labelling]:
    """Give each picture its regions."""
    unit: Unit = reading.unit
    left_out = []
    for identity, labelling in pictures.items():
        regions = reading.regions.pop(identity, None)
        if regions is not None and not regions:
            reason = (
                "none of its annotations can be used, so it is left out: it would be taken to show nothing. Mend them."
            )
            file.findings.add(reason, where=labelling.where, line=labelling.line)
            left_out.append(identity)
        elif regions or unit != labelling.unit:
            pictures[identity] = msgspec.structs.replace(labelling, regions=tuple(regions or ()), unit=unit)
    for identity in left_out:
        del pictures[identity]
    return list(pictures.values())


def path_of_url(url: str | None) -> str:
    """Return the path of a URL, of any scheme, without the first slash; a URL that is none has some path too."""
    path = (url or "").partition("://")[2].partition("/")[2]
    return unquote(path.partition("?")[0].partition("#")[0])


def _size(record: _Image) -> tuple[int, int] | None:
    """Return the stated size in whole pixels; exporters write 0 or nothing when they do not know it."""
    width, height = record.width or 0.0, record.height or 0.0
    if not (0.5 <= width < _LARGEST_SIDE and 0.5 <= height < _LARGEST_SIDE):
        return None
    return round(width), round(height)
