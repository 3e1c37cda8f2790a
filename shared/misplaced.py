"""Remembers blobs that no dataset can own, such as those under an invalid dataset name, so that `status` can say so."""

from collections.abc import Mapping
from typing import Final

import msgspec

from shared.storage import BlobContainer
from shared.storage.documents import change_document, read_document

PATH: Final = "misplaced.json"
MOST: Final = 200  # the first by path; more would make every fold pay for them


class Misplaced(msgspec.Struct, frozen=True, kw_only=True):
    """Path → ETag and reason of each blob."""

    problems: dict[str, tuple[str, str]] = {}
    schema: int = 1


class MisplacedBlobs:
    """The list, in the registry container."""

    def __init__(self, container: BlobContainer) -> None:
        self._container = container

    def all(self) -> dict[str, tuple[str, str]]:
        """Return path → (ETag, reason)."""
        found = read_document(self._container, PATH, Misplaced)
        return found[0].problems if found else {}

    def update(self, seen: Mapping[str, tuple[str, str] | None]) -> None:
        """Record blobs with their reasons, and forget those (None) that are gone.

        Raises:
            BlobChangedError: The list could not be written, again and again.
        """

        def merge(found: Misplaced | None) -> Misplaced | None:
            before = found.problems if found else {}
            merged = {path: reason for path, reason in {**before, **seen}.items() if reason is not None}
            after = dict(sorted(merged.items())[:MOST])
            return None if after == before else Misplaced(problems=after)

        change_document(self._container, PATH, Misplaced, merge)
