"""Collects a parser's findings, so that a file with a million mistakes makes a report that somebody can read."""

from typing import Final, Self

from shared.formats import Finding

MOST: Final = 1_000


class Findings:
    """What could not be used in one file: the first `most` findings, and how many more there were."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: list[Finding] = []
        self._reasons: dict[str, str] = {}  # equal texts are kept once
        self._end: tuple[Finding, ...] = ()
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether further findings are only counted, so that the place of one need not be looked up."""
        return len(self._kept) >= self._most

    def add(self, reason: str, *, where: str = "", line: int = 0) -> None:
        """Note one thing that cannot be used."""
        self.count += 1
        if not self.is_full:
            reason = self._reasons.setdefault(reason, reason)
            self._kept.append(Finding(where=where, line=line, reason=reason))

    def extend(self, other: Self) -> None:
        """Append all that another has noted."""
        room = self._most - len(self._kept)
        self._kept.extend(other._kept[:room])
        self.count += other.count
        self._end += other._end

    def give_up(self, reason: str, *, line: int = 0) -> None:
        """Note why the rest of the file was not read; it is kept, however many findings there are."""
        self._end += (Finding(line=line, reason=reason),)

    def all(self) -> tuple[Finding, ...]:
        """Return them in the order they were found; when there are more than `most`, one at the end counts the rest."""
        rest = self.count - len(self._kept)
        more = (Finding(reason=f"and {rest:,} more findings. Mend the ones above first."),) if rest else ()
        return (*self._kept, *more, *self._end)
