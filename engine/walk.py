"""Looks at every picture of a data set, in several threads and in bounded memory; one that fails stops no other."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Self

from engine.access import Access
from engine.coco import Example
from engine.errors import (
    ChangedError,
    EngineError,
    FetchError,
    ForbiddenError,
    PictureError,
    RefusedUrlError,
    TooLargeError,
    UnreachableError,
)
from engine.fetch import Fetcher
from engine.findings import OF_THE_STORE, Findings, Reason
from engine.images import MAX_BYTES, Picture, SideLimits, decode_picture

FETCH_THREADS = 8
MOST_AHEAD = 64  # pictures that are worked on or done before the one whose turn it is
MOST_TROUBLE = 32  # pictures in a row that the store does not hand out; with its own retries about 15 seconds

_REPLACE = "Replace or remove it and train again."
_SNAPSHOT = "Take a new snapshot and train again."
_VERDICTS: tuple[tuple[type[EngineError], Reason, str], ...] = (
    (ChangedError, Reason.IMAGE_CHANGED, _SNAPSHOT),
    (ForbiddenError, Reason.FORBIDDEN, ""),
    (UnreachableError, Reason.UNREACHABLE, "Train again when the store answers."),
    (RefusedUrlError, Reason.ADDRESS_REFUSED, ""),
    (TooLargeError, Reason.IMAGE_INVALID, _REPLACE),
    (PictureError, Reason.IMAGE_INVALID, _REPLACE),
    (FetchError, Reason.IMAGE_MISSING, _SNAPSHOT),  # MissingError, and answers that nobody expects
)


def verdict(exc: FetchError | PictureError) -> tuple[Reason, str]:
    """Returns what an error means for a picture, and its message with what to do next."""
    for kind, reason, advice in _VERDICTS:
        if isinstance(exc, kind):
            return reason, f"{exc} {advice}".rstrip()
    raise exc


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a picture cannot be used."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where a picture lies, and what is known of its bytes.

    Attributes:
        url: An http(s) URL.
        sha256: Recorded digest, lower-case hex.
        etag: Recorded ETag.
    """

    url: str
    sha256: str | None
    etag: str | None

    @classmethod
    def of(cls, example: Example) -> Self:
        """Returns an example's address."""
        return cls(example.url, example.sha256, example.image.etag)


class PictureReader:
    """Fetches, verifies and decodes pictures. May be shared by threads.

    Args:
        fetcher: Reads URLs.
        access: How they are read.
        sides: Pixels a side that a picture may have.
        at_once: How many are decoded and made use of at the same time; without it as many as there are CPUs.
    """

    def __init__(self, fetcher: Fetcher, access: Access, sides: SideLimits, *, at_once: int | None = None) -> None:
        self.access = access
        self.sides = sides
        self._fetcher = fetcher
        self._decoding = threading.BoundedSemaphore(at_once or os.cpu_count() or 1)  # bounds memory, not only work

    def fetch(self, address: Address) -> tuple[str, bytes]:
        """Returns sha256 and bytes.

        Raises:
            FetchError: They cannot be read, or are not the recorded ones.
        """
        recorded = address.sha256
        # A recorded digest settles what the bytes must be; their ETag changes when the same bytes are uploaded again.
        etag = None if recorded is not None else address.etag
        content = self._fetcher.read(address.url, limit=MAX_BYTES, access=self.access, etag=etag)
        sha256 = hashlib.sha256(content).hexdigest()
        if recorded not in (None, sha256):
            raise ChangedError(f"Its bytes changed: sha256 is {sha256}, recorded is {recorded}.")
        return sha256, content

    def decode[Result](self, content: bytes, use: Callable[[Picture], Result]) -> Result:
        """Decodes a picture and makes use of it, some at a time.

        Raises:
            PictureError: The bytes cannot be used.
        """
        with self._decoding:
            return use(decode_picture(content, self.sides))


def attempts[Item, Result](
    items: Sequence[Item], work: Callable[[Item], Result], *, threads: int = FETCH_THREADS
) -> Iterator[Result | Refused]:
    """Yields what `work` makes of each picture, or why it cannot be used, in order.

    Args:
        items: The pictures.
        work: Called in threads; raises FetchError or PictureError for a picture that cannot be used.
        threads: How many.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")
    waiting = iter(items)
    tasks: deque[Future[Result]] = deque()
    try:
        for _ in items:
            tasks.extend(pool.submit(work, item) for item in islice(waiting, MOST_AHEAD - len(tasks)))
            try:
                yield tasks.popleft().result()
            except (FetchError, PictureError) as exc:
                yield Refused(*verdict(exc))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def sifted[Result](
    examples: Sequence[Example],
    outcomes: Iterator[Result | Refused],
    findings: Findings,
    on_progress: Callable[[int, int], None],
) -> Iterator[tuple[Example, Result]]:
    """Yields each example with what was made of it, in order, but for those that cannot be used.

    Args:
        examples: The pictures.
        outcomes: What was made of each, or why it cannot be used.
        findings: Takes the latter. When the store hands out none of MOST_TROUBLE pictures in a row, the walk ends.
        on_progress: Called with how many are done, of how many.
    """
    trouble = 0
    # Outcomes come first in the zip, so that they are exhausted, not left waiting.
    for done, (outcome, example) in enumerate(zip(outcomes, examples, strict=True), 1):
        if isinstance(outcome, Refused):
            findings.add(outcome.reason, example.title, outcome.message)
            trouble = trouble + 1 if outcome.reason in OF_THE_STORE else 0
            if trouble == MOST_TROUBLE:
                findings.conclude(_given_up(len(examples) - done))
                return
        else:
            trouble = 0
            yield example, outcome
        on_progress(done, len(examples))


def _given_up(left: int) -> str:
    return f"The store handed out none of {MOST_TROUBLE} pictures in a row; the other {left} were not tried."
