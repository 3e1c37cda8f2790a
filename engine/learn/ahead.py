"""Works on one thing after another in threads, a few ahead of whoever takes the results.

Every result is made by one thread, with one thread of its linear algebra, and results come in the order of the items:
what is made of them does not depend on how many threads there are. (The engine is deployed without `shared`, whose
`map_ahead` is for pools that somebody else keeps.)
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

MOST_THREADS: Final = 4  # each holds an item and its result, which may be a hundred megabytes


def worked_ahead[Item, Result](
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None
) -> Generator[Result]:
    """Yields what `work` makes of each item, in order; raises what it raises.

    Args:
        work: Called in threads.
        items: Taken one at a time, so that at most `threads` + 1 are held, or their results.
        threads: How many; without it as many as there are CPUs, but at most MOST_THREADS.
    """
    most = threads or min(os.process_cpu_count() or 1, MOST_THREADS)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(most, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for task in waiting:
                task.cancel()
