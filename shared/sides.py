"""Which side a picture is on, train or test: a pure function of its content (design §2)."""

from collections.abc import Container
from typing import Final, Literal

from shared.limits import PREDICTION_SIDE

type Side = Literal["train", "test"]

TEST_SHARE: Final = 5  # one picture in five
PIN_FROM: Final = 5  # a label with this many pictures gets a test picture even if chance gave it none


def side_of(sha256: str, pinned_test: Container[str] = (), *, size: tuple[int, int]) -> Side:
    """Return the side of a content: by its digest, about 20 % test, unless it was pinned to test.

    A picture that is too small to be asked about is never on the test side, because the official check takes no such
    picture for evaluation (contract §3.1).

    Args:
        sha256: Hex digest of its bytes.
        pinned_test: Digests that are on the test side whatever they are.
        size: Its width and height in pixels.
    """
    if min(size) < PREDICTION_SIDE[0]:
        return "train"
    return "test" if sha256 in pinned_test or int(sha256[:8], 16) % TEST_SHARE == 0 else "train"
