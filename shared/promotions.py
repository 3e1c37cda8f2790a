"""The promotion log, which **is** the pointer: its highest number names the champion (design §2).

``champion.json`` only caches the newest entry; it may be old, broken or missing.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from shared.errors import BlobChangedError, BrokenFileError
from shared.registry import Version
from shared.storage import BlobContainer
from shared.storage.documents import read_document, try_write_document


class Promotion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One entry of the log.

    Attributes:
        seq: Its number, from 1.
        version: The champion from here on.
        previous: The champion before, or None.
        digest: Digest of the snapshot that made the version.
        reason: Why.
        who: Who decided: ``gate``, or a person who rolled back.
        at: When.
        metric: Name of `value`.
        value: The figure it was promoted on.
    """

    seq: int
    version: str
    previous: str | None
    digest: str
    reason: str
    who: str
    at: datetime
    metric: str | None
    value: float | None
    schema: int = 1


class PromotionLog:
    """The promotion logs of all datasets."""

    def __init__(self, container: BlobContainer) -> None:
        self._container = container

    def champion(self, dataset: str) -> Promotion | None:
        """Return the newest promotion: the cache's, and whatever the log has beyond it."""
        newest = self._cached(dataset) or self._newest_listed(dataset)
        while (entry := self._entry(dataset, newest.seq + 1 if newest else 1)) is not None:
            newest = entry
        return newest

    def entries(self, dataset: str) -> Iterator[Promotion]:
        """Return the whole log, oldest first."""
        for found in self._container.list(f"{dataset}/log/"):
            entry = read_document(self._container, found.path, Promotion)
            if entry is not None:
                yield entry[0]

    def promote(self, version: Version, *, after: Promotion | None, reason: str, who: str, now: datetime) -> Promotion:
        """Append to the log, which makes the version the champion. Rolling back is the same write.

        Args:
            version: The new champion.
            after: The champion that the decision was made against.
            reason: Why.
            who: Who decided.
            now: The time.

        Returns:
            The entry; the one of an earlier call when that had already written it.

        Raises:
            BlobChangedError: Another version was promoted in the meantime.
        """
        entry = Promotion(
            seq=after.seq + 1 if after else 1,
            version=version.name,
            previous=after.version if after else None,
            digest=version.digest,
            reason=reason,
            who=who,
            at=now,
            metric=version.metric,
            value=version.value,
        )
        if not try_write_document(self._container, _entry_path(version.dataset, entry.seq), entry, over=None):
            found = self._entry(version.dataset, entry.seq)
            if found is None or found.version != version.name:
                raise BlobChangedError(
                    f"another version of '{version.dataset}' was promoted first; judge {version.name} again"
                )
            entry = found
        self._container.write(_cache_path(version.dataset), msgspec.json.encode(entry, order="sorted"))
        return entry

    def _cached(self, dataset: str) -> Promotion | None:
        try:
            found = read_document(self._container, _cache_path(dataset), Promotion)
        except BrokenFileError:
            return None  # the log knows, and the next promotion writes the cache anew
        return found[0] if found else None

    def _newest_listed(self, dataset: str) -> Promotion | None:
        return max(self.entries(dataset), key=lambda entry: entry.seq, default=None)

    def _entry(self, dataset: str, seq: int) -> Promotion | None:
        found = read_document(self._container, _entry_path(dataset, seq), Promotion)
        return found[0] if found else None


def _entry_path(dataset: str, seq: int) -> str:
    return f"{dataset}/log/{seq:08d}.json"


def _cache_path(dataset: str) -> str:
    return f"{dataset}/champion.json"
