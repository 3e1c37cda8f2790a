"""Waits on conditions, never on the clock alone."""

import time
from collections.abc import Callable


def wait_until[T](condition: Callable[[], T], what: str, *, timeout: float = 30, pause: float = 0.05) -> T:
    """Return the condition's value as soon as it is true; fail, saying what was waited for, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)
    return value
