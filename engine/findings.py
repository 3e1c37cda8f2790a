"""Collects what is wrong with a data set, so that one look at a failed job is enough to mend it."""

import re
from collections import Counter
from enum import StrEnum

from engine.access import shown
from engine.errors import JobError
from engine.records import Finding

MOST_NAMED = 20
CORRUPT = "datasetCorrupt"
_LONGEST_NAME = 100
_LONGEST_MESSAGE = 500


class Reason(StrEnum):
    """Why something cannot be used: the `code` of a finding, also the word under which findings are counted."""

    FILE_UNREADABLE = "annotationFileUnreadable"
    FILE_INVALID = "annotationFileInvalid"  # not JSON, or not COCO
    RECORD_INVALID = "recordInvalid"
    ID_REPEATED = "idRepeated"
    IMAGE_UNKNOWN = "imageUnknown"  # an annotation's
    CATEGORY_UNKNOWN = "categoryUnknown"
    SECOND_LABEL = "secondLabel"
    BOX_INVALID = "boxInvalid"
    URL_MISSING = "imageUrlMissing"
    EMPTY = "datasetEmpty"
    TOO_MANY = "tooMany"
    TOO_FEW = "tooFew"
    IMAGE_MISSING = "imageMissing"
    IMAGE_CHANGED = "imageChanged"
    IMAGE_INVALID = "imageInvalid"  # not a picture, or too small or large
    ADDRESS_REFUSED = "addressRefused"
    # The store's doing, which another try or another SAS may mend; the rest is the data's.
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"


OF_THE_STORE = frozenset({Reason.FORBIDDEN, Reason.UNREACHABLE})


class Findings:
    """Keeps the first findings and counts the rest by reason; small, however much is wrong.

    Args:
        dataset: Name of the data set.
    """

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._named: list[Finding] = []
        self._rest: Counter[Reason] = Counter()
        self._reasons: set[Reason] = set()
        self._end: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._named)

    def add(self, reason: Reason, target: str, message: str) -> None:
        """Notes one thing.

        Args:
            reason: Under which it is counted.
            target: The file's URL without query, and the record in it.
            message: What is wrong, and what to do.
        """
        self._reasons.add(reason)
        if len(self._named) >= MOST_NAMED:
            self._rest[reason] += 1
        else:
            self._named.append(Finding(reason, one_line(message, _LONGEST_MESSAGE), one_line(target, _LONGEST_MESSAGE)))

    def conclude(self, words: str) -> None:
        """Notes why no more was looked at; it is told last, however many findings there are."""
        self._end.append(words)

    def raise_any(self) -> None:
        """Ends the job when there is a finding.

        Raises:
            JobError: `datasetCorrupt`; `unknown` when only the store is to blame. Its message has a line for each of
                the first findings, in the order they were added, and one that counts the rest.
        """
        if not self._named:
            return
        count = len(self._named) + self._rest.total()
        lines = [f"Data set '{self._dataset}' cannot be used ({count} {'finding' if count == 1 else 'findings'}):"]
        lines += [f"{finding.target}: {finding.message}" for finding in self._named]
        if self._rest:
            reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(self._rest.items()))
            lines.append(f"And {self._rest.total()} more: {reasons}.")
        raise JobError(
            "unknown" if self._reasons <= OF_THE_STORE else CORRUPT, "\n".join(lines + self._end), self._named
        )


def quoted(name: str) -> str:
    """Returns a name from a file as messages show it: quoted, on one line, not too long, never with a signature."""
    return f"'{one_line(without_query(name), _LONGEST_NAME)}'"


def without_query(name: str) -> str:
    """Returns a file_name without what may be a signature; people put URLs there."""
    return shown(name) if "://" in name or "sig=" in name else name


def one_line(text: str, longest: int) -> str:
    """Returns the text with what is not printable as spaces, cut to a length."""
    line = re.sub(r"\s+", " ", "".join(char if char.isprintable() else " " for char in text[: longest + 1]))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
