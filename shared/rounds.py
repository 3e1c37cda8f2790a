"""One round over all datasets, in which what is wrong with one holds up no other."""

import logging
from collections.abc import Callable, Iterable

_log = logging.getLogger("darkroom.rounds")


def for_each[T](datasets: Iterable[str], action: Callable[[str], T]) -> dict[str, T]:
    """Do something for every dataset, and return what came of it.

    Raises:
        Exception: The first failure, whatever it is, after all datasets had their turn; each is logged.
    """
    done: dict[str, T] = {}
    failures: list[Exception] = []
    for dataset in datasets:
        try:
            done[dataset] = action(dataset)
        except Exception as error:  # noqa: BLE001 - a fault of our own must not take the other datasets' turn either
            _log.error("dataset '%s': %s", dataset, error, exc_info=error)
            failures.append(error)
    if failures:
        raise failures[0]
    return done
