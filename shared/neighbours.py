"""Finds the leaves of a live COCO file that one change concerns: a picture's own, and those of what lies beside it."""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from shared.blocks import SECTIONS, Leaf
from shared.coco import Claim, Image, stem_of
from shared.livefile import LiveFile
from shared.look import is_label_file

LAST: Final = "\U0010ffff"
FEW: Final = 3  # leaves that are read together without a look at what is in them
_SUFFIXES: Final = tuple(
    "." + "".join(letters)
    for suffix in ("xml", "txt")  # those of side-cars that say something of a picture
    for letters in itertools.product(*((letter, letter.upper()) for letter in suffix))
)


class Neighbours:
    """Which leaves of one state of the file belong together."""

    def __init__(self, live: LiveFile | None, leaves: Sequence[Leaf]) -> None:
        """Take the state, None when there is no file yet, and its leaves, at least one."""
        self._live = live
        self._leaves = leaves
        self.lows = [leaf.low for leaf in leaves]

    def leaf_of(self, path: str) -> int:
        """Return the leaf that a path belongs to."""
        return max(0, bisect.bisect_right(self.lows, path) - 1)

    def claims(self, prefix: str) -> Iterator[Claim]:
        """Read the claims below a prefix; nothing but claims is read."""
        for number in range(self.leaf_of(prefix), self.leaf_of(prefix + LAST) + 1):
            yield from (claim for claim in self._claims_in(number) if claim.path.startswith(prefix))

    def units(self, paths: Iterable[str]) -> list[tuple[int, ...]]:
        """Return the leaves to be changed, in groups that must be changed together, in order of their first leaf."""
        return _united(map(self._beside, paths))

    def _beside(self, path: str) -> set[int]:
        """Return the leaves of a path and of all that lies beside it: the picture's side-cars, or the reverse.

        Other pictures' names may begin like its stem: between ``a.jpg`` and ``a.xml`` lie ``a.000001.jpg`` and as many
        as somebody likes. Of so many leaves only those are taken that hold something of the stem.
        """
        stem = stem_of(path)
        own = {self.leaf_of(path), self.leaf_of(stem)}
        between = range(self.leaf_of(stem + "."), self.leaf_of(stem + "/") + 1)
        if len(between) <= FEW:
            return own.union(between)
        if not is_label_file(path):
            own.update(self.leaf_of(stem + suffix) for suffix in _SUFFIXES)
            if not any(_is_of(stem, claim) for number in own for claim in self._claims_in(number)):
                return own  # without a side-car no other picture of the stem matters
        return own.union(number for number in between if self._holds(number, stem))

    def _holds(self, number: int, stem: str) -> bool:
        """Tell whether a leaf has a picture or a side-car of a stem."""
        pictures = (image.file_name for image in self._images_in(number))
        return any(stem_of(path) == stem for path in pictures) or any(
            _is_of(stem, claim) for claim in self._claims_in(number)
        )

    def _images_in(self, number: int) -> list[Image]:
        return self._section(SECTIONS.index("images"), number)

    def _claims_in(self, number: int) -> list[Claim]:
        return self._section(SECTIONS.index("claims"), number)

    def _section(self, section: int, number: int) -> list[Any]:
        if self._live is None or self._leaves[number].blocks[section] is None:
            return []
        return self._live.read_section(section, number, number)


def _is_of(stem: str, claim: Claim) -> bool:
    return not claim.source and stem_of(claim.path) == stem


def _united(groups: Iterable[set[int]]) -> list[tuple[int, ...]]:
    """Unite groups that share a leaf."""
    owner: dict[int, set[int]] = {}
    for group in groups:
        whole = set(group).union(*(owner[number] for number in group if number in owner))
        owner.update(dict.fromkeys(whole, whole))
    return sorted({tuple(sorted(group)) for group in owner.values()})
