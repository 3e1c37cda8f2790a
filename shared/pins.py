"""Remembers which pictures a snapshot moved to the test side: a side never changes (design §2)."""

from collections.abc import Iterable

import msgspec

from shared.storage import BlobContainer
from shared.storage.documents import read_document, write_document


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """The sha256 of each such picture, sorted."""

    test: tuple[str, ...] = ()
    schema: int = 1


class PinnedPictures:
    """The pins of each dataset, in the registry container."""

    def __init__(self, container: BlobContainer) -> None:
        self._container = container

    def of(self, dataset: str) -> frozenset[str]:
        """Return the sha256 of the pictures that are on the test side for good."""
        found = read_document(self._container, _path(dataset), Pins)
        return frozenset(found[0].test) if found else frozenset()

    def pin(self, dataset: str, digests: Iterable[str]) -> None:
        """Move pictures to the test side for good.

        Raises:
            BlobChangedError: Somebody else pinned at the same time; both look again at the next timer.
        """
        found = read_document(self._container, _path(dataset), Pins)
        pinned = tuple(sorted({*(found[0].test if found else ()), *digests}))
        write_document(self._container, _path(dataset), Pins(test=pinned), over=found[1] if found else None)


def _path(dataset: str) -> str:
    return f"{dataset}/pins.json"
