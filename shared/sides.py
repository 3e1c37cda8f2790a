"""Which side a picture is on, train or test: a pure function of its content (design §2)."""

from collections.abc import Container
from typing import Final, Literal

type Side = Literal["train", "test"]

TEST_SHARE: Final = 5  # one picture in five
PIN_FROM: Final = 5  # a label with this many pictures gets a test picture even if chance gave it none


def side_of(sha256: str, pinned_test: Container[str] = ()) -> Side:
    """Return the side of a content: by its digest, about 20 % test, unless it was pinned to test."""
    return "test" if sha256 in pinned_test or int(sha256[:8], 16) % TEST_SHARE == 0 else "train"
