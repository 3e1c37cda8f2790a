"""What label files say of pictures, whatever their format: one result type for every parser of this package.

A parser is a pure function from bytes to `Parsed`. It raises nothing for bad input: what cannot be used is a `Finding`
that names the line or id, what is wrong, and the remedy; what can be used is kept. A file of one picture none of whose
records can be used speaks of no picture at all: taking it for one that shows nothing would teach the wrong thing.
Memory is bounded by ten times the file's length, so counts are: `MOST_REGIONS`, `MOST_LABELS`.
"""

import math
import re
from typing import Final, Literal

import msgspec

from shared import limits

type Box = tuple[float, float, float, float]
"""Left, top, width, height."""

type Unit = Literal["share", "pixel"]
"""What a box is measured in: shares (0 to 1) of the picture's width and height, or pixels."""

EPSILON: Final = 0.01
"""How far a box may stand over the picture's border, as a share of its side, and be cut; beyond it is a finding."""

MOST_REGIONS: Final = 1_000
"""Labels of one picture that are read (contract §3.1); more is a finding."""

MOST_LABELS: Final = 2_500
"""Names that a list of classes may hold (contract §3.1); more is a finding."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_LONGEST_NUMBER: Final = 64  # characters


class Region(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A label of a picture; with `box` None it holds for the whole picture."""

    label: str
    box: Box | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something in a file that cannot be used.

    Attributes:
        where: The record, such as ``annotation 7`` or ``object 2``; empty when the file as a whole is meant.
        line: Its line in the file, from 1; 0 when there is none.
        reason: What is wrong, and what to do next.
    """

    where: str = ""
    line: int = 0
    reason: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.where) if part)
        return f"{place}: {self.reason}" if place else self.reason


class Labelling(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a file says of one picture.

    Attributes:
        picture: How the file names it: a path or a bare name; empty in a side-car, which speaks of the one beside it.
        url: Where the file says it lies (http or https); empty when it does not.
        regions: Its labels, in the file's order; empty for a picture that shows none of them.
        unit: What the boxes are measured in.
        size: The picture's width and height in pixels as the file states them, or None.
        where: The record that says so, for messages.
        line: Its line in the file, from 1; 0 when there is none.
    """

    picture: str = ""
    url: str = ""
    regions: tuple[Region, ...] = ()
    unit: Unit = "share"
    size: tuple[int, int] | None = None
    where: str = ""
    line: int = 0


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a parser got out of a file.

    Attributes:
        labellings: One for each picture that the file speaks of.
        labels: Every label the file declares, used or not, in its order.
        findings: What could not be used.
    """

    labellings: tuple[Labelling, ...] = ()
    labels: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def label_problem(label: str) -> str | None:
    """Tell why a (normalised) text cannot be a label, or None when it can."""
    if label and len(label) <= limits.LABEL_CHARACTERS and label.isprintable():
        return None
    return f"{quoted(label)} cannot be a label: 1 to {limits.LABEL_CHARACTERS} printable characters, please"


def finite(text: str) -> float | None:
    """Read a plain decimal number; None for all else, such as ``nan``, ``1_000``, ``0,5`` or ``1e999``."""
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def quoted(text: str) -> str:
    """Return a stranger's text as a message may show it: quoted, escaped, short."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
