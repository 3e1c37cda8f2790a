"""Looks at every picture of a data set, in several threads and in bounded memory; one that fails stops no other."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

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


class PictureReader:
    """Fetches, verifies and decodes pictures. May be shared by threads.

    Args:
        fetcher: Reads URLs.
        access: How they are read.
        sides: Pixels a side that a picture may have.
    """

    def __init__(self, fetcher: Fetcher, access: Access, sides: SideLimits) -> None:
        self.sides = sides
        self._fetcher = fetcher
        self._access = access
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)  # bounds memory, not only work

    def fetch(self, example: Example) -> tuple[str, bytes]:
        """Returns sha256 and bytes.

        Raises:
            FetchError: They cannot be read, or are not the recorded ones.
        """
        recorded = example.sha256
        # A recorded digest settles what the bytes must be; their ETag changes when the same bytes are uploaded again.
        etag = None if recorded is not None else example.image.etag
        content = self._fetcher.read(example.url, limit=MAX_BYTES, access=self._access, etag=etag)
        sha256 = hashlib.sha256(content).hexdigest()
        if recorded not in (None, sha256):
            raise ChangedError(f"Its bytes changed: sha256 is {sha256}, recorded is {recorded}.")
        return sha256, content

    def decode[Result](self, content: bytes, use: Callable[[Picture], Result]) -> Result:
        """Decodes a picture and makes use of it, as many at once as there are CPUs.

        Raises:
            PictureError: The bytes cannot be used.
        """
        with self._decoding:
            return use(decode_picture(content, self.sides))


def walk[Result](
    examples: Sequence[Example],
    work: Callable[[Example], Result],
    findings: Findings,
    on_progress: Callable[[int, int], None],
) -> Iterator[tuple[Example, Result]]:
    """Yields each example with what `work` makes of it, in order, but for those that cannot be used.

    Args:
        examples: The pictures.
        work: Called in threads; raises FetchError or PictureError for a picture that cannot be used.
        findings: Takes those. When the store hands out none of MOST_TROUBLE pictures in a row, the walk ends there.
        on_progress: Called with how many are done, of how many.
    """
    pool = ThreadPoolExecutor(FETCH_THREADS, thread_name_prefix="fetch")
    waiting = iter(examples)
    tasks: deque[tuple[Example, Future[Result]]] = deque()
    trouble = 0
    try:
        for done in range(len(examples)):
            for example in islice(waiting, MOST_AHEAD - len(tasks)):
                tasks.append((example, pool.submit(work, example)))
            example, task = tasks.popleft()
            try:
                result = task.result()
            except (FetchError, PictureError) as exc:
                reason, message = verdict(exc)
                findings.add(reason, example.title, message)
                trouble = trouble + 1 if reason in OF_THE_STORE else 0
                if trouble == MOST_TROUBLE:
                    findings.conclude(_given_up(len(examples) - done - 1))
                    return
            else:
                trouble = 0
                yield example, result
            on_progress(done + 1, len(examples))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _given_up(left: int) -> str:
    return f"The store handed out none of {MOST_TROUBLE} pictures in a row; the other {left} were not tried."
