"""Applies one change to the leaves it touches, and says which blocks the file is made of then (design §3 hop 4).

Leaves are gone through once, from the first to the last. Those that are not touched keep their blocks; of those that
are, only the sections whose content changed are staged. Leaves split and merge at size on the way.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Final

import msgspec

from shared import blocks
from shared.ahead import map_ahead
from shared.blocks import JOINTS, SECTIONS, Block, Head, Leaf, LeafSizes, StagedBlock, new_head
from shared.coco import Claim, Records, Seen
from shared.livefile import LiveFile
from shared.neighbours import Neighbours
from shared.shelf import Dropped, Ledger, Shelf

READS_AHEAD: Final = 6
STAGED_AT_ONCE: Final = 8


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be folded into the file.

    Attributes:
        seen: Path → what lies there now, or None when nothing does.
        imports: What imported files say of pictures.
        dropped: Claims of an imported file that are forgotten.
        traceparent: Trace context to keep with the change.
    """

    seen: Mapping[str, Seen | None] = {}
    imports: tuple[Claim, ...] = ()
    dropped: Dropped | None = None
    traceparent: str = ""


class Rewrite:
    """One attempt to change one state of the file."""

    def __init__(
        self,
        live: LiveFile | None,
        pool: Executor,
        *,
        dataset: str,
        stage: Callable[[StagedBlock], None],
        url_of: Callable[[str], str],
        sizes: LeafSizes,
        whole: bool = False,
    ) -> None:
        """Take what it works on.

        Args:
            live: The state to change, or None when there is no file yet.
            pool: Reads and stages run on it.
            dataset: Whose file it is.
            stage: Uploads a block.
            url_of: Gives a path's absolute URL.
            sizes: How large leaves are to be.
            whole: Stage every block: the blob is a copy that somebody put there, and has none that could be kept.
        """
        self._pool = pool
        self._live = live
        self._head = live.head if live else new_head(dataset)
        self._leaves = self._head.info.leaves or (Leaf(""),)
        self._neighbours = Neighbours(live, self._leaves)
        self._stage_block = stage
        self._whole = whole
        info = self._head.info
        self._ledger = Ledger(
            next_ids=info.next_ids,
            categories=self._head.categories,
            totals=info.totals,
            tallies=info.tallies,
            class_lists=info.class_lists,
            url_of=url_of,
        )
        self._least = sizes.least
        self._target = sizes.target_for(sum(leaf.size for leaf in self._leaves))
        self._staging: deque[Future[None]] = deque()
        self._began = [_first_with(section, self._leaves) for section in range(len(SECTIONS))]
        self._has_begun = [False] * len(SECTIONS)  # whether a block of the section was put down already

    def apply(self, change: Change) -> list[str] | None:
        """Stage what the change makes new; return the ids of all blocks of the file, or None when nothing changed."""
        leaves = list(self._new_leaves(change))
        lists = tuple(self._ledger.class_lists[path] for path in sorted(self._ledger.class_lists))
        info = self._head.info
        if leaves == list(self._leaves) and lists == info.class_lists:
            return None
        if leaves:
            leaves[0] = Leaf("", leaves[0].blocks)
        head = Head(
            info=msgspec.structs.replace(
                info,
                changes=info.changes + self._ledger.changes,
                next_ids=self._ledger.next_ids,
                traceparent=change.traceparent or info.traceparent,
                totals=self._ledger.counter.totals,
                tallies=self._ledger.counter.tallies,
                class_lists=lists,
                leaves=tuple(leaves),
            ),
            categories=self._ledger.categories,
        )
        encoded = blocks.encode_head(head)
        for block in (encoded, *(() if self._live and not self._whole else JOINTS)):
            self._stage(block)
        while self._staging:
            self._staging.popleft().result()
        return blocks.block_ids(encoded, leaves)

    def _new_leaves(self, change: Change) -> Iterator[Leaf]:
        """Go through the leaves, and give each as it is after the change."""
        prefixes = [prefix for path, seen in change.seen.items() if (prefix := self._ledger.put_class_list(path, seen))]
        units = self._units(change, prefixes)
        touched = {number for unit in units for number in unit}
        waiting = map_ahead(self._pool, self._read_unit, units, ahead=READS_AHEAD)
        unread = iter(units)
        apply = _Applier(change, prefixes, self._ledger, self._neighbours.leaf_of)
        done: dict[int, Records | None] = {}  # None: nothing changed
        swallowed = -1  # a leaf that was merged into the one before it
        for number, leaf in enumerate(self._leaves):
            if number == swallowed:
                continue
            if number in touched and number not in done:
                unit = next(unread)
                done.update(apply(unit, next(waiting), self._neighbours.lows))
            records = done.pop(number, None)
            if records is None:
                yield self._kept(number, leaf)
                continue
            encoded = self._encoded(records)
            follower = number + 1
            if _size(encoded) < self._least and follower < len(self._leaves) and follower not in touched:
                swallowed = follower
                records = _joined(records, self._read_unit((follower,)))
                encoded = self._encoded(records)
            if _size(encoded) <= 3 * self._target // 2:
                yield from self._put_down(leaf.low, leaf, encoded)
                continue
            for low, part in blocks.split(records, leaf.low, _size(encoded), self._target):
                yield from self._put_down(low, leaf, self._encoded(part))

    def _encoded(self, records: Records) -> list[StagedBlock | None]:
        contents = zip(blocks.sections_of(records), self._has_begun, strict=True)
        return [blocks.encode_section(content, first=not begun) for content, begun in contents]

    def _put_down(self, low: str, before: Leaf, encoded: Sequence[StagedBlock | None]) -> Iterator[Leaf]:
        """Stage the blocks of a leaf that are new; give no leaf when it is empty."""
        for section, block in enumerate(encoded):
            if block is not None:
                self._has_begun[section] = True
                if self._whole or block.block not in before.blocks:
                    self._stage(block)
        if any(encoded):
            yield _leaf(low, [block.block if block else None for block in encoded])

    def _kept(self, number: int, leaf: Leaf) -> Leaf:
        """Keep a leaf's blocks, but for one that begins its section now and did not, or the other way round."""
        kept = list(leaf.blocks)
        for section, block in enumerate(leaf.blocks):
            if block is None:
                continue
            begins, self._has_begun[section] = not self._has_begun[section], True
            if self._whole or begins != (self._began[section] == number):
                data = self._live.read_blocks(section, number, number) if self._live else b""
                encoded = blocks.block_of((b" " if begins else b",") + data[1:])
                self._stage(encoded)
                kept[section] = encoded.block
        return _leaf(leaf.low, kept)

    def _stage(self, block: StagedBlock) -> None:
        while len(self._staging) >= STAGED_AT_ONCE:
            self._staging.popleft().result()
        self._staging.append(self._pool.submit(self._stage_block, block))

    def _read_unit(self, unit: tuple[int, ...]) -> Records:
        records = Records([], [], [], [])
        if self._live is not None and self._head.info.leaves:
            for first, last in _runs_of(unit):
                records = _joined(records, self._live.read(first, last))
        return records

    # Which leaves are touched

    def _units(self, change: Change, prefixes: Iterable[str]) -> list[tuple[int, ...]]:
        """Return the leaves to be changed, in groups that must be changed together, in order of their first leaf."""
        paths = [*change.seen, *(claim.path for claim in change.imports)]
        if change.dropped is not None:
            paths += [claim.path for claim in self._neighbours.claims("") if change.dropped.covers(claim)]
        for prefix in prefixes:
            paths += [claim.path for claim in self._neighbours.claims(prefix) if claim.numbered]
        return self._neighbours.units(paths)


class _Applier:
    """Applies a change to the records of some leaves at a time."""

    def __init__(self, change: Change, prefixes: Sequence[str], ledger: Ledger, leaf_of: Callable[[str], int]) -> None:
        self._change = change
        self._prefixes = prefixes
        self._ledger = ledger
        self._paths: dict[int, list[str]] = defaultdict(list)
        for path in sorted(change.seen):
            self._paths[leaf_of(path)].append(path)
        self._imports: dict[int, list[Claim]] = defaultdict(list)
        for claim in change.imports:
            self._imports[leaf_of(claim.path)].append(claim)

    def __call__(self, unit: tuple[int, ...], records: Records, lows: Sequence[str]) -> Mapping[int, Records | None]:
        """Change the records of some leaves together; return those of each leaf, or None when nothing changed."""
        shelf = Shelf(records, self._ledger)
        for path in (path for number in unit for path in self._paths.get(number, ())):
            shelf.put(path, self._change.seen[path])
        for claim in (claim for number in unit for claim in self._imports.get(number, ())):
            shelf.put_import(claim)
        if self._change.dropped is not None:
            shelf.drop_imports(self._change.dropped)
        for prefix in self._prefixes:
            shelf.name_again(prefix)
        shelf.settle()
        if not shelf.touched:
            return dict.fromkeys(unit)
        parts = blocks.cut(shelf.records(), [lows[number] for number in unit])
        return {number: part for number, (_, part) in zip(unit, parts, strict=True)}


def _first_with(section: int, leaves: Iterable[Leaf]) -> int | None:
    return next((number for number, leaf in enumerate(leaves) if leaf.blocks[section] is not None), None)


def _leaf(low: str, found: Sequence[Block | None]) -> Leaf:
    images, annotations, problems, claims = found
    return Leaf(low, (images, annotations, problems, claims))


def _size(encoded: Iterable[StagedBlock | None]) -> int:
    return sum(block.block.size for block in encoded if block)


def _runs_of(unit: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Return first and last number of each run of leaves that follow each other."""
    first = unit[0]
    for number, follower in zip(unit, (*unit[1:], None), strict=True):
        if follower != number + 1:
            yield first, number
            first = follower or 0


def _joined(one: Records, other: Records) -> Records:
    return Records(
        one.images + other.images,
        one.annotations + other.annotations,
        one.problems + other.problems,
        one.claims + other.claims,
    )
