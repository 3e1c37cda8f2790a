"""YOLO text files: a line is a class number and a box in shares of the picture. Names come from a list of classes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shared.formats import EPSILON, MOST_REGIONS, Box, Finding, Labelling, Parsed, Region, finite, quoted
from shared.formats.classlist import parse_class_list, write_class_list, write_data_yaml
from shared.formats.findings import Findings
from shared.formats.lines import Lines, not_utf8

__all__ = [
    "name_classes",
    "parse_class_list",
    "parse_yolo",
    "write_class_list",
    "write_data_yaml",
    "write_yolo",
]

_MOST_FINDINGS: Final = 100
_GIVE_UP: Final = 10_000  # findings; what has so many is no label file
_MOST_NUMBERS: Final = 20_000  # on a line
_LINE: Final = re.compile(rb"[^\r\n]+")
_COLUMN: Final = re.compile(rb"[^ \t]+")
_CLASS: Final = re.compile(r"([0-9]{1,9})(?:\.0*)?")


def parse_yolo(data: bytes) -> Parsed:
    """Read the labels of one picture.

    A line holds ``class cx cy w h`` in shares of the picture, perhaps a confidence, which is not looked at; or a
    polygon, ``class x1 y1 x2 y2 x3 y3 …``, of which the bounding box is taken. Blank lines and ``#`` comments mean
    nothing.

    Returns:
        One labelling in shares whose labels are class numbers (``"3"``), for `name_classes`; none when there are lines
        of which none can be used. An empty file is a picture that shows nothing.
    """
    findings = Findings(_MOST_FINDINGS)
    if bad := not_utf8(data):
        return Parsed(findings=(bad,))
    lines = Lines(data)
    regions: list[Region] = []
    for match in _LINE.finditer(data, 3 if data.startswith(b"\xef\xbb\xbf") else 0):
        region = _region(match.string, match.start(), _end(data, match))
        if region is None:
            continue
        if findings.count > _GIVE_UP:
            findings.give_up("the rest was not read. Export the labels as YOLO.", line=lines.at(match.start()))
            break
        if isinstance(region, Region) and len(regions) < MOST_REGIONS:
            regions.append(region)
        elif not isinstance(region, Region):
            findings.add(region, line=0 if findings.is_full else lines.at(match.start()))
        else:
            reason = f"a picture has at most {MOST_REGIONS:,} boxes; this one was left out. Remove some."
            findings.add(reason, line=0 if findings.is_full else lines.at(match.start()))
    if findings.count and not regions:
        return Parsed(findings=findings.all())
    labels = tuple(dict.fromkeys(region.label for region in regions))
    return Parsed(labellings=(Labelling(regions=tuple(regions), line=1),), labels=labels, findings=findings.all())


def name_classes(regions: Sequence[Region], names: Sequence[str]) -> tuple[tuple[Region, ...], tuple[Finding, ...]]:
    """Put names in the place of class numbers.

    Args:
        regions: Regions of `parse_yolo`.
        names: Names in the order of their numbers, ``""`` where there is none; `Parsed.labels` of `parse_class_list`.

    Returns:
        The regions whose class has a name, and a finding for each class that has none.
    """
    named: list[Region] = []
    nameless: dict[str, int] = {}
    for region in regions:
        number = int(region.label) if _CLASS.fullmatch(region.label) else -1
        if 0 <= number < len(names) and names[number]:
            named.append(Region(names[number], region.box))
        else:
            nameless[region.label] = nameless.get(region.label, 0) + 1
    return tuple(named), tuple(
        Finding(where=f"class {number}", reason=_nameless(count, len(names))) for number, count in nameless.items()
    )


def write_yolo(regions: Sequence[Region], names: Sequence[str]) -> bytes:
    """Write the labels of one picture; a label without a box gets the whole picture as its box, because YOLO needs one.

    Args:
        regions: Its labels; boxes are shares.
        names: All names in the order of their numbers.

    Returns:
        A line for each region, with ten decimals.

    Raises:
        KeyError: A label is not among the names.
    """
    numbers: Mapping[str, int] = {name: number for number, name in reversed(list(enumerate(names)))}
    return "".join(f"{numbers[region.label]} {_columns(region.box)}\n" for region in regions).encode()


def _columns(box: Box | None) -> str:
    left, top, width, height = box or (0.0, 0.0, 1.0, 1.0)
    return " ".join(_number(value) for value in (left + width / 2, top + height / 2, width, height))


def _number(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".")


def _nameless(count: int, names: int) -> str:
    boxes = f"{count:,} {'box has' if count == 1 else 'boxes have'}"
    if not names:
        return f"{boxes} a class number, but there is no list of names. Add classes.txt or data.yaml beside it."
    return f"{boxes} a class that has no name among the {names:,} of the list. Add its name in its place."


def _end(data: bytes, match: re.Match[bytes]) -> int:
    """Return where a line's content ends: at its comment, if it has one."""
    comment = data.find(b"#", match.start(), match.end())
    return match.end() if comment < 0 else comment


def _region(data: bytes, start: int, end: int) -> Region | str | None:
    """Return what a line says, why it cannot be used, or None when it says nothing."""
    columns = _COLUMN.finditer(data, start, end)
    head = next(columns, None)
    if head is None:
        return None
    label = _CLASS.fullmatch(_text(head))
    if label is None:
        return f"the class is {quoted(_text(head))}; YOLO has a class number first, from 0. Export the labels as YOLO."
    first: list[float] = []
    low, high = [2.0, 2.0], [-2.0, -2.0]  # of a polygon, beyond what is let through
    count = 0
    for number in _numbers(columns):
        if isinstance(number, str):
            return number
        if count < 5:
            first.append(number)
        low[count % 2] = min(low[count % 2], number)
        high[count % 2] = max(high[count % 2], number)
        count += 1
        if count > _MOST_NUMBERS:
            return f"more than {_MOST_NUMBERS:,} numbers. Simplify the polygon, or draw a box."
    box = _box(first) if count in (4, 5) else (low[0], low[1], high[0] - low[0], high[1] - low[1])
    if count not in (4, 5) and (count < 6 or count % 2):
        return f"{count + 1:,} columns. YOLO has five, `class cx cy w h`, or a class and the points of a polygon."
    if box[2] <= 0 or box[3] <= 0:
        return "the box has no width or no height. Draw it again, or remove the line."
    return Region(str(int(label[1])), box)


def _box(numbers: Sequence[float]) -> Box:
    x, y, width, height = numbers[:4]
    return x - width / 2, y - height / 2, width, height


def _numbers(columns: Iterator[re.Match[bytes]]) -> Iterator[float | str]:
    """Read numbers one by one, since a polygon may be long; say what is wrong in the place of one that is no share."""
    for column in columns:
        number = finite(_text(column))
        if number is None:
            yield f"{quoted(_text(column))} is not a number. Write shares of the picture, such as 0.5."
        elif not -EPSILON <= number <= 1 + EPSILON:
            yield (
                f"{quoted(_text(column))} is not between 0 and 1. YOLO boxes are shares of the picture, not pixels: "
                "divide x and width by the picture's width, y and height by its height."
            )
        else:
            yield number


def _text(column: re.Match[bytes]) -> str:
    return column.string[column.start() : min(column.end(), column.start() + 80)].decode(errors="replace")
