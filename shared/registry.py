"""Versions and the single-flight token, kept in the `registry` container (design §2, §3 hops 7 to 9).

Every write is conditional or write-once, so each may happen twice and none is lost.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from shared import layout
from shared.kinds import Kind
from shared.storage import BlobContainer
from shared.storage.documents import read_document, try_write_document, write_document

type State = Literal[
    "registered", "submitted", "training", "evaluating", "promoted", "rejected", "failed", "timedOut", "cancelled"
]

LAST_STATES: Final[frozenset[State]] = frozenset({"promoted", "rejected", "failed", "timedOut", "cancelled"})

FAILED_STATES: Final[frozenset[State]] = frozenset({"failed", "timedOut"})


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One attempt to train one snapshot, from registration to its last state.

    Attributes:
        name: ``{dataset}.{digest}.{attempt}``; the model's name at the engine.
        dataset: The dataset.
        digest: The snapshot's digest.
        attempt: From 1.
        state: Where it is.
        reason: Why it came to that state, for people.
        created_at: When it was registered.
        updated_at: When the state was last written.
        deadline: When training is given up.
        next_check_at: The poller leaves it alone until then.
        failures: Calls that failed in a row.
        kind: What the dataset taught when it was registered; without a declared kind it stays that.
        labels: What it can tell apart.
        train_pictures: Pictures it is trained on.
        test_pictures: Pictures it is judged on.
        changes: The dataset's count of changes at its snapshot.
        metric: Name of `value`: ``accuracy``, of several labels a picture ``averagePrecision``, of boxes
            ``meanAveragePrecision50``; without test pictures ``crossValidatedAccuracy`` and so on.
        value: The figure it was judged by, 0…1.
        champion: The champion it was compared with, if any.
        champion_value: The champion's figure on the same test pictures.
        announced: Whether its promotion was published, or needs no publishing.
        traceparent: Trace context of the change that led to it.
        history: Earlier states and when they began.
    """

    name: str
    dataset: str
    digest: str
    attempt: int
    state: State = "registered"
    reason: str = ""
    created_at: datetime
    updated_at: datetime
    deadline: datetime
    next_check_at: datetime | None = None
    failures: int = 0
    kind: Kind = "classification"
    labels: tuple[str, ...]
    train_pictures: int
    test_pictures: int
    changes: int
    metric: str | None = None
    value: float | None = None
    champion: str | None = None
    champion_value: float | None = None
    announced: bool = False
    traceparent: str = ""
    history: tuple[tuple[State, datetime], ...] = ()
    schema: int = 1


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The single-flight token: the version in training, or None."""

    version: str | None = None
    since: datetime | None = None
    schema: int = 1


class Registry:
    """The versions of all datasets."""

    def __init__(self, container: BlobContainer) -> None:
        self._container = container
        self._read: dict[str, tuple[str, Version]] = {}  # path → ETag and version, of those that were read

    def datasets(self) -> list[str]:
        """Return the names of all datasets, sorted."""
        return sorted(name for name in self._container.folders() if layout.is_dataset_name(name))

    def ensure(self, dataset: str) -> None:
        """Make a dataset known; a no-op when it is."""
        if self._container.properties(_token_path(dataset)) is None:
            try_write_document(self._container, _token_path(dataset), Token(), over=None)

    def version(self, dataset: str, name: str) -> tuple[Version, str] | None:
        """Return a version and the ETag to save it with, or None."""
        return read_document(self._container, _version_path(dataset, name), Version)

    def versions(self, dataset: str) -> list[Version]:
        """Return all versions of a dataset, oldest first.

        Timers ask each minute, and most versions ended long ago: what the listing shows unchanged is not read again.
        """
        listed = [(entry.path, entry.etag) for entry in self._container.list(f"{dataset}/versions/")]
        found = [version for path, etag in listed if (version := self._version(path, etag)) is not None]
        return sorted(found, key=lambda version: (version.created_at, version.name))

    def _version(self, path: str, etag: str) -> Version | None:
        known = self._read.get(path)
        if known is not None and known[0] == etag:
            return known[1]
        found = read_document(self._container, path, Version)
        if found is None:
            return None
        self._read[path] = found[1], found[0]
        return found[0]

    def create(self, version: Version) -> bool:
        """Register a version; False when its name is taken."""
        return try_write_document(self._container, _version_path(version.dataset, version.name), version, over=None)

    def save(self, version: Version, etag: str) -> str:
        """Write a version's new state over the one that was read; return the new ETag.

        Raises:
            BlobChangedError: Somebody else moved it in the meantime.
        """
        return write_document(self._container, _version_path(version.dataset, version.name), version, over=etag)

    def in_flight(self, dataset: str) -> Token:
        """Return the single-flight token."""
        return self._token(dataset)[0]

    def acquire(self, dataset: str, version: str, *, now: datetime) -> bool:
        """Take the token for a version; False when another holds it. Taking it again for the same version is fine."""
        token, etag = self._token(dataset)
        if token.version is not None:
            return token.version == version
        taken = Token(version=version, since=now)
        return try_write_document(self._container, _token_path(dataset), taken, over=etag)

    def release(self, dataset: str, version: str) -> None:
        """Give the token back; a no-op when another version holds it."""
        token, etag = self._token(dataset)
        if token.version == version:
            try_write_document(self._container, _token_path(dataset), Token(), over=etag)

    def _token(self, dataset: str) -> tuple[Token, str | None]:
        return read_document(self._container, _token_path(dataset), Token) or (Token(), None)


def _version_path(dataset: str, name: str) -> str:
    return f"{dataset}/versions/{name}.json"


def _token_path(dataset: str) -> str:
    return f"{dataset}/training.json"
