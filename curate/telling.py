"""What a command says: findings with their place, text for people, and one object for programs on the last line."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from shared.formats import Finding

MOST: Final = 1_000
"""Findings that are printed one by one."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Something odd, where it is, and what to do.

    Attributes:
        place: A local file or a blob.
        line: Its line, from 1; 0 when there is none.
        where: The record in it; empty when the file as a whole is meant.
        reason: What is wrong, and what to do next.
    """

    place: str
    line: int = 0
    where: str = ""
    reason: str

    def __str__(self) -> str:
        place = f"{self.place}:{self.line}" if self.line else self.place
        text = ": ".join(part for part in (place, self.where, self.reason) if part)
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)  # a finding is one line, always


def told_of(place: object, findings: Iterable[Finding]) -> list[Told]:
    """Return a parser's findings with the file that they are about."""
    return [Told(place=str(place), line=f.line, where=f.where, reason=f.reason) for f in findings]


def say(text: str) -> None:
    """Write a line for people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_findings(findings: Iterable[Told]) -> None:
    """Write findings, one a line, and how many more there are."""
    told = list(findings)
    for finding in told[:MOST]:
        say(str(finding))
    if len(told) > MOST:
        say(f"and {len(told) - MOST:,} more findings. Mend the ones above first.")


def say_object(facts: Mapping[str, Any]) -> None:
    """Write the object for programs, on one line."""
    say(msgspec.json.encode(facts, order="sorted").decode())


def as_values(findings: Iterable[Told]) -> list[dict[str, Any]]:
    """Return the first findings as JSON values."""
    return [msgspec.structs.asdict(finding) for finding in list(findings)[:MOST]]


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
