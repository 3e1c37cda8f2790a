"""One round over all datasets, in which what is wrong with one holds up no other."""

import logging
from collections.abc import Callable, Iterable

from shared.errors import DarkroomError

_log = logging.getLogger("darkroom.rounds")


def for_each[T](datasets: Iterable[str], action: Callable[[str], T]) -> dict[str, T]:
    """Do something for every dataset, and return what came of it.

    Raises:
        DarkroomError: The first failure, after all datasets had their turn; the others are logged.
    """
    done: dict[str, T] = {}
    failures: list[DarkroomError] = []
    for dataset in datasets:
        try:
            done[dataset] = action(dataset)
        except DarkroomError as error:
            _log.error("dataset '%s': %s", dataset, error)
            failures.append(error)
    if failures:
        raise failures[0]
    return done
