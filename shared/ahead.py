"""Maps over items with a few calls under way ahead of the consumer: `Executor.map` would start them all at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future


def map_ahead[A, B](pool: Executor, function: Callable[[A], B], items: Iterable[A], *, ahead: int) -> Iterator[B]:
    """Yield each item's result in order, with at most `ahead` calls under way or waiting to be taken."""
    running: deque[Future[B]] = deque()
    try:
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
