"""How the live COCO file lies in its blob: a head, and leaves that can be replaced one by one (design §3 hop 4).

The blob is one valid JSON document made of blocks, in this order:

    {"info":{…},"categories":[…],"images":[     the head: one block; `info.leaves` says what follows
     {…},{…}                                    images of leaf 0: one block
    ,{…},{…}                                    images of leaf 1, …
    ],"annotations":[                           a joint, then annotations of leaf 0, 1, …
    ],"problems":[                              a joint, then problems; likewise claims
    ]}                                          the end

A leaf is a contiguous range of paths. A section of a leaf that is empty has no block. A block begins with a comma, or
with a space when it is the first of its section. Its id is made from its content, so that a block staged by somebody
who then lost the race is the same block to everybody. Pure: no I/O.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec

from shared.coco import REMEDY, SCHEMA, Annotation, Category, Claim, ClassList, Image, Problem, Records, stem_of
from shared.errors import BrokenFileError
from shared.shelf import NextIds
from shared.tallies import Tally, Totals

SECTIONS: Final = ("images", "annotations", "problems", "claims")
_KINDS: Final[tuple[type[Any], ...]] = (list[Image], list[Annotation], list[Problem], list[Claim])
_LENGTH_DIGITS: Final = 9
_OPENING: Final = b'{"info":{"head":'
PREFIX_BYTES: Final = len(_OPENING) + _LENGTH_DIGITS


class LeafSizes(msgspec.Struct, frozen=True, kw_only=True):
    """How large the leaves of a file are.

    Attributes:
        target: Bytes that a leaf is split into.
        least: Bytes below which a leaf is merged with its neighbour.
        most: Number of leaves beyond which they grow. Each has up to four blocks, and a commit, which lists them all,
            takes as long as they are many (half of a fold of a million pictures); 50,000 are allowed.
    """

    target: int = 256 * 1024
    least: int = 64 * 1024
    most: int = 800

    def target_for(self, total: int) -> int:
        """Return the bytes to split leaves into in a file whose leaves have so many in all."""
        return max(self.target, total // self.most)


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A block of the blob: its id, and its size in bytes."""

    id: str
    size: int


class Leaf(msgspec.Struct, frozen=True, array_like=True):
    """A range of paths, from `low` to the next leaf's, and its blocks: one a section, or None."""

    low: str
    blocks: tuple[Block | None, Block | None, Block | None, Block | None] = (None, None, None, None)

    @property
    def size(self) -> int:
        """Bytes of all its blocks."""
        return sum(block.size for block in self.blocks if block)


class Info(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the head says beside the categories.

    Attributes:
        description: For people.
        dataset: Whose file it is: a copy in another dataset's folder is not that dataset's.
        schema: Version of this layout.
        changes: How often a picture was added, replaced, relabelled or removed, ever; the policy compares it.
        next_ids: The ids to give out next.
        traceparent: Trace context of the newest change, which a training continues.
        totals: Pictures by sort.
        tallies: Counts per label.
        class_lists: Names of class numbers.
        leaves: Where the records are.
    """

    description: str = ""
    dataset: str = ""
    schema: int = 0
    changes: int = 0
    next_ids: NextIds = NextIds()
    traceparent: str = ""
    totals: Totals = Totals()
    tallies: tuple[Tally, ...] = ()
    class_lists: tuple[ClassList, ...] = ()
    leaves: tuple[Leaf, ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The head: what is known without reading the records."""

    info: Info
    categories: tuple[Category, ...] = ()


def new_head(dataset: str) -> Head:
    """Return the head of a file without records."""
    return Head(info=Info(description="Darkroom live dataset", dataset=dataset, schema=SCHEMA))


def tallies_of(head: Head) -> dict[str, Tally]:
    """Return the counts of each label that some picture has, sorted by label."""
    names = {category.id: category.name for category in head.categories}
    return dict(sorted((names[tally.category_id], tally) for tally in head.info.tallies))


class StagedBlock(msgspec.Struct, frozen=True):
    """A block with its content."""

    block: Block
    data: bytes


def block_of(data: bytes) -> StagedBlock:
    """Name a block after its content: 20 characters, for all blocks alike."""
    return StagedBlock(Block(hashlib.sha256(data).hexdigest()[:20], len(data)), data)


JOINTS: Final = tuple(
    block_of(data) for data in (b'],"annotations":[', b'],"problems":[', b'],"claims":[', b"]}\n")
)  # what follows each section


def encode_head(head: Head) -> StagedBlock:
    """Encode the head block; it begins with its own length."""
    info = msgspec.json.encode(head.info)
    rest = b"," + info[1:] + b',"categories":' + msgspec.json.encode(head.categories) + b',"images":['
    return block_of(_OPENING + f"{PREFIX_BYTES + len(rest):{_LENGTH_DIGITS}d}".encode() + rest)


def head_length(beginning: bytes) -> int:
    """Return the length of the head block in bytes, read from the blob's first bytes.

    Raises:
        BrokenFileError: This is no live COCO file, or an older one.
    """
    length = beginning[len(_OPENING) : PREFIX_BYTES].strip()
    if not beginning.startswith(_OPENING) or not length.isdigit():
        raise BrokenFileError(f"the live COCO file does not begin as this version writes it. {REMEDY}")
    return int(length)


def decode_head(data: bytes) -> Head:
    """Decode a whole head block.

    Raises:
        BrokenFileError: It is not what `encode_head` wrote.
    """
    try:
        head = msgspec.json.decode(data + b"]}", type=Head)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BrokenFileError(f"the head of the live COCO file is not valid: {error}. {REMEDY}") from error
    if head.info.schema != SCHEMA:
        raise BrokenFileError(
            f"the live COCO file has schema {head.info.schema}; this version reads {SCHEMA}. {REMEDY}"
        )
    return head


def encode_section(records: Sequence[msgspec.Struct], *, first: bool) -> StagedBlock | None:
    """Encode a leaf's part of a section; None when it is empty."""
    if not records:
        return None
    return block_of((b" " if first else b",") + msgspec.json.encode(records)[1:-1])


def decode_section(section: int, data: bytes) -> list[Any]:
    """Decode blocks of one section that follow each other.

    Raises:
        BrokenFileError: They are not what `encode_section` wrote.
    """
    try:
        found: list[Any] = msgspec.json.decode(b"[" + data[1:] + b"]", type=_KINDS[section])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BrokenFileError(f"{SECTIONS[section]} of the live COCO file are not valid: {error}. {REMEDY}") from error
    return found


def sections_of(records: Records) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Return the records by section."""
    return records.images, records.annotations, records.problems, records.claims


class Map:
    """Where each block of a committed file lies."""

    def __init__(self, head: Head, head_size: int) -> None:
        self.leaves = head.info.leaves
        self._starts: list[list[int]] = []
        start = head_size
        for section in range(len(SECTIONS)):
            sizes = (leaf.blocks[section] for leaf in self.leaves)
            starts = list(accumulate((block.size if block else 0 for block in sizes), initial=start))
            self._starts.append(starts)
            start = starts[-1] + JOINTS[section].block.size
        self.size = start

    def span(self, section: int, first: int, last: int) -> tuple[int, int]:
        """Return start and size in bytes of a section's blocks of the leaves `first` to `last`, which lie together."""
        starts = self._starts[section]
        return starts[first], starts[last + 1] - starts[first]


def block_ids(head: StagedBlock, leaves: Sequence[Leaf]) -> list[str]:
    """Return the ids of all blocks of the file, in order."""
    ids = [head.block.id]
    for section, joint in enumerate(JOINTS):
        ids += [block.id for leaf in leaves if (block := leaf.blocks[section])]
        ids.append(joint.block.id)
    return ids


def split(records: Records, low: str, size: int, target: int) -> Iterator[tuple[str, Records]]:
    """Cut records, which take about `size` bytes, into ranges of about `target` bytes, by path."""
    parts = max(1, round(size / target))
    paths = sorted(
        {i.file_name for i in records.images} | {p.path for p in records.problems} | {c.path for c in records.claims}
    )
    lows = {_beside(paths[len(paths) * part // parts]) for part in range(1, parts)}
    yield from cut(records, [low, *sorted(one for one in lows if one > low)])


def _beside(path: str) -> str:
    """Return the least path that may lie beside this one, so that a picture and its side-cars stay in one leaf."""
    stem = stem_of(path)
    return path if stem == path else f"{stem}."


def cut(records: Records, lows: Sequence[str]) -> Iterable[tuple[str, Records]]:
    """Give each range, from one of `lows` to the next, its records."""
    if len(lows) == 1:
        return [(lows[0], records)]
    owners = dict[int, int]()
    parts = [Records([], [], [], []) for _ in lows]
    last = len(lows) - 1

    def place(path: str, at: int) -> int:
        while at < last and path >= lows[at + 1]:
            at += 1
        return at

    at = 0
    for image in records.images:
        at = place(image.file_name, at)
        parts[at].images.append(image)
        owners[image.id] = at
    for annotation in records.annotations:
        parts[owners[annotation.image_id]].annotations.append(annotation)
    at = 0
    for problem in records.problems:
        at = place(problem.path, at)
        parts[at].problems.append(problem)
    at = 0
    for claim in records.claims:
        at = place(claim.path, at)
        parts[at].claims.append(claim)
    return list(zip(lows, parts, strict=True))
