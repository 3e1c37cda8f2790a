"""Pascal VOC XML: one file describes one picture. Read as a stream, so that no file can make it grow.

Corners are taken as 0-based edges: left is xmin and the width is xmax - xmin, as labelling tools write them today. (The
challenge of 2007 counted pixels from 1 and meant the last pixel; that is at most one pixel off.)
"""

import io
import re
from collections.abc import Sequence
from typing import Final
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import escape
from xml.sax.xmlreader import AttributesImpl, Locator

import defusedxml.sax
from defusedxml.common import DefusedXmlException

from shared.formats import MOST_REGIONS, Box, Finding, Labelling, Parsed, Region, finite, label_problem, quoted
from shared.formats.findings import Findings
from shared.layout import normalise_label

CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")
_SIZE: Final = ("width", "height")
_MOST_FINDINGS: Final = 100
_MOST_NAMES: Final = 200  # expat keeps every name it has seen
_MOST_ELEMENTS: Final = 100_000
_DEEPEST: Final = 32
_LONGEST_TEXT: Final = 1_024  # characters, of those that matter
_LONG_TAG: Final = re.compile(rb"<[^<!?][^<]{4096}")  # expat holds all attributes of a tag before it tells of one


class _RefusedError(SAXException):
    """The document is no annotation of a picture; the message says why."""


def parse_voc(data: bytes) -> Parsed:
    """Read the labels of one picture.

    Args:
        data: The XML, in any encoding that it declares.

    Returns:
        One labelling in pixels, with the size that the file states; none when the file cannot be read, or holds objects
        of which none can be used.
    """
    if _LONG_TAG.search(data):
        return _refused(Finding(reason="4,096 bytes without a tag are no Pascal VOC. Export the annotation again."))
    reader = _Reader()
    try:
        defusedxml.sax.parse(io.BytesIO(data), reader, forbid_dtd=True)
    except DefusedXmlException:
        reason = "document types and entities are not read. Remove the <!DOCTYPE> and save the file again."
        return _refused(Finding(line=reader.line, reason=reason))
    except _RefusedError as error:
        return _refused(Finding(line=reader.line, reason=error.getMessage()))
    except SAXParseException as error:
        reason = f"not well-formed XML ({error.getMessage()}). Mend the line or export the annotation again."
        return _refused(Finding(line=error.getLineNumber() or 0, reason=reason))
    except (LookupError, ValueError):
        return _refused(Finding(line=1, reason="the declared encoding is unknown. Save the file as UTF-8."))
    return reader.parsed()


def write_voc(*, filename: str, size: tuple[int, int], regions: Sequence[Region]) -> bytes:
    """Write the labels of one picture; a label without a box gets the whole picture as its box, because VOC needs one.

    Args:
        filename: The picture's bare name.
        size: Its width and height in pixels.
        regions: Its labels; boxes are shares.

    Returns:
        UTF-8 XML whose corners are whole pixels, or have two decimals.
    """
    width, height = size
    lines = [
        "<annotation>",
        f"  <filename>{escape(filename)}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        "  <segmented>0</segmented>",
        *(_object(region, size) for region in regions),
        "</annotation>",
        "",
    ]
    return "\n".join(lines).encode()


def _object(region: Region, size: tuple[int, int]) -> str:
    left, top, width, height = region.box or (0.0, 0.0, 1.0, 1.0)
    values = (left * size[0], top * size[1], (left + width) * size[0], (top + height) * size[1])
    corners = "".join(f"<{name}>{_number(value)}</{name}>" for name, value in zip(CORNERS, values, strict=True))
    flags = "<pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    return f"  <object><name>{escape(region.label)}</name>{flags}<bndbox>{corners}</bndbox></object>"


def _number(value: float) -> str:
    whole = round(value)
    return str(whole) if abs(value - whole) <= 1e-6 else f"{value:.2f}"


def _refused(finding: Finding) -> Parsed:
    return Parsed(findings=(finding,))


class _Reader(ContentHandler):
    """Keeps the size and the objects of the document that passes by, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self._locator: Locator | None = None
        self._path: list[str] = []
        self._names: set[str] = set()
        self._elements = 0
        self._attributes = 0
        self._text: list[str] | None = None  # of the element that is open, when it matters
        self._length = 0
        self._values: dict[str, str] = {}  # of the object that is open
        self._size: dict[str, str] = {}
        self._objects = 0
        self._object_line = 0
        self._regions: list[Region] = []
        self._findings = Findings(_MOST_FINDINGS)

    @property
    def line(self) -> int:
        """The line that is being read, from 1; 0 before the first."""
        return (self._locator.getLineNumber() or 0) if self._locator else 0

    def parsed(self) -> Parsed:
        """Return what was read, after the end of the document."""
        if self._objects and not self._regions:
            return Parsed(findings=self._findings.all())
        stated = [finite(self._size.get(side, "")) or 0.0 for side in _SIZE]
        width, height = (round(value) if 0.5 <= value < 1e9 else 0 for value in stated)
        size = (width, height) if width and height else None
        labelling = Labelling(regions=tuple(self._regions), unit="pixel", size=size, line=1)
        labels = tuple(dict.fromkeys(region.label for region in self._regions))
        return Parsed(labellings=(labelling,), labels=labels, findings=self._findings.all())

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802  SAX's name
        """Take the source of line numbers."""
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802  SAX's name
        """Note where we are."""
        if not self._path and name != "annotation":
            raise _RefusedError(f"the root is <{name[:40]}>; Pascal VOC has <annotation>. Export it as Pascal VOC.")
        self._names.add(name)
        self._attributes += len(attrs)
        self._elements += 1
        if max(len(self._names), self._attributes) > _MOST_NAMES or len(self._path) >= _DEEPEST:
            raise _RefusedError("too many different or nested elements for Pascal VOC. Export the annotation again.")
        if self._elements > _MOST_ELEMENTS:
            raise _RefusedError(f"more than {_MOST_ELEMENTS:,} elements for one picture. Export the annotation again.")
        self._path.append(name)
        match self._path:
            case ["annotation", "object"]:
                self._objects += 1
                self._values, self._object_line = {}, self.line
            case ["annotation", "object", "name"] | ["annotation", "object", "bndbox", _] | ["annotation", "size", _]:
                self._text, self._length = [], 0
            case ["annotation", "object", "bndbox"]:
                self._values.setdefault("bndbox", "")

    def characters(self, content: str) -> None:
        """Keep the text of what matters, up to a length."""
        if self._text is not None and self._length <= _LONGEST_TEXT:
            self._text.append(content)
            self._length += len(content)

    def endElement(self, name: str) -> None:  # noqa: N802  SAX's name
        """Note what was read; of what is said twice, the first counts."""
        if self._text is not None:
            into = self._size if self._path[1] == "size" else self._values
            if name in CORNERS or name in _SIZE or name == "name":
                into.setdefault(name, "".join(self._text)[:_LONGEST_TEXT])
            self._text = None
        if self._path == ["annotation", "object"]:
            self._close_object()
        self._path.pop()

    def _close_object(self) -> None:
        label = normalise_label(self._values.get("name", ""))
        box = _box(self._values)
        if "name" not in self._values:
            self._reject("it has no <name>. Add the label.")
        elif problem := label_problem(label):
            self._reject(problem)
        elif isinstance(box, str):
            self._reject(box)
        elif len(self._regions) >= MOST_REGIONS:
            self._reject(f"a picture has at most {MOST_REGIONS:,} objects; this one was left out. Remove some.")
        else:
            self._regions.append(Region(label, box))

    def _reject(self, reason: str) -> None:
        self._findings.add(reason, where=f"object {self._objects}", line=self._object_line)


def _box(values: dict[str, str]) -> Box | str:
    """Return the box of an object's corners, or why it has none."""
    if "bndbox" not in values:
        return "it has no <bndbox>. Draw its box, or remove the object."
    corners: list[float] = []
    for name in CORNERS:
        if name not in values:
            return f"its <bndbox> has no <{name}>. Draw the box again."
        number = finite(values[name])
        if number is None:
            return f"{name} is {quoted(values[name].strip())}, which is not a number. Write pixels, such as 12.5."
        corners.append(number)
    left, top, right, bottom = corners
    if right <= left or bottom <= top:
        return "its corners are reversed or equal: xmin must be below xmax, ymin below ymax. Draw the box again."
    return left, top, right - left, bottom - top
