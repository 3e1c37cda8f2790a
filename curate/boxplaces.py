"""Names the annotation that a box of a COCO file comes from, where a finding knows only the picture it lies on.

Boxes are fitted picture by picture, long after the file was read; a file of a million annotations is gone through once
more for the few boxes that do not fit.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from shared.formats import Box, Finding, Parsed
from shared.formats.cocoboxes import Annotation
from shared.formats.jsonarrays import find_array, pieces
from shared.formats.lines import Lines

_BOX: Final = re.compile(r"(?P<where>image (?P<image>-?\d+)), box (?P<number>\d+)")


class _Keys(msgspec.Struct, frozen=True):
    annotations: msgspec.Raw


def place_boxes(findings: Sequence[Finding], parsed: Parsed, data: bytes) -> tuple[Finding, ...]:
    """Give findings about boxes the id and the line of their annotation; order all by line.

    Args:
        findings: What was found in a COCO file.
        parsed: What was read of it.
        data: The file.
    """
    matches = {finding: match for finding in findings if (match := _BOX.fullmatch(finding.where))}
    if not matches:
        return tuple(findings)
    regions = {labelling.where: labelling.regions for labelling in parsed.labellings}
    wanted = {
        finding: (int(match["image"]), regions[match["where"]][int(match["number"]) - 1].box)
        for finding, match in matches.items()
    }
    places = _annotations(data.removeprefix(b"\xef\xbb\xbf"), set(wanted.values()))
    placed = [_placed(finding, places.get(wanted[finding]) if finding in wanted else None) for finding in findings]
    return tuple(sorted(placed, key=lambda finding: (finding.line == 0, finding.line)))


def _placed(finding: Finding, place: tuple[str, int] | None) -> Finding:
    if place is None:
        return finding
    image = finding.where.partition(",")[0]
    return msgspec.structs.replace(finding, where=f"{place[0]} of {image}", line=place[1])


type _Place = tuple[int, Box | None]


def _annotations(data: bytes, wanted: set[_Place]) -> dict[_Place, tuple[str, int]]:
    """Return name and line of the first annotation of each image and box."""
    found: dict[_Place, tuple[str, int]] = {}
    array = find_array(data, "annotations", msgspec.json.decode(data, type=_Keys).annotations)
    lines = Lines(data)
    for piece in pieces(array, Annotation) if array else ():
        for number, record in enumerate(piece.values):
            if isinstance(record, str) or record.bbox is None or len(record.bbox) != 4:
                continue
            left, top, width, height = record.bbox
            place = (record.image_id, (left, top, width, height))
            if place in wanted and place not in found:
                name = f"annotation {record.id if record.id is not None else f'at {piece.first + number}'}"
                found[place] = name, lines.at(piece.place(number))
    return found
