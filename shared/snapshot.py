"""What of a dataset can be trained on, and the immutable snapshot that a version is trained and judged on. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from shared.coco import Annotation, Category, Image, Picture

type Side = Literal["train", "test"]

TEST_SHARE: Final = 5  # one picture in five
PIN_FROM: Final = 5  # a label with this many pictures gets a test picture even if chance gave it none


@dataclass(frozen=True, slots=True)
class Sides:
    """How many distinct pictures of a label lie on each side."""

    train: int = 0
    test: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A picture that stays out of training, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stock:
    """What a dataset holds that can be trained on.

    Attributes:
        pictures: One per content: copies under the same label count once. In the order of their paths.
        labels: Per label, the pictures on each side.
        findings: Pictures left out: without a label, or the same bytes under different labels.
    """

    pictures: tuple[Picture, ...]
    labels: dict[str, Sides]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both sides of a snapshot as COCO files.

    Attributes:
        digest: Twelve hex digits over paths, contents, sizes, labels and sides; never URLs (design §2).
        train: COCO JSON with dense ids from 1.
        test: Likewise; the same categories.
        labels: The labels in it, sorted; a category's id is its place here, from 1.
        train_pictures: Number of pictures in `train`.
        test_pictures: Number of pictures in `test`.
    """

    digest: str
    train: bytes
    test: bytes
    labels: tuple[str, ...]
    train_pictures: int
    test_pictures: int


class _SnapshotInfo(msgspec.Struct, frozen=True, kw_only=True):
    description: str
    digest: str
    side: Side
    schema: int = 1


class SnapshotFile(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a snapshot, as it is stored."""

    info: _SnapshotInfo
    images: tuple[Image, ...]
    annotations: tuple[Annotation, ...]
    categories: tuple[Category, ...]


def side_of(sha256: str, pinned_test: Collection[str]) -> Side:
    """Return the side of a content: a pure function of its digest, about 20 % test, unless it was pinned to test."""
    return "test" if sha256 in pinned_test or int(sha256[:8], 16) % TEST_SHARE == 0 else "train"


def take_stock(pictures: Iterable[Picture], pinned_test: Collection[str]) -> Stock:
    """Sort out what can be trained on.

    Args:
        pictures: All usable pictures, in the order of their paths.
        pinned_test: sha256 of pictures that are on the test side whatever their digest says.
    """
    copies: dict[str, list[Picture]] = defaultdict(list)
    findings = []
    for picture in pictures:
        if picture.labels:
            copies[picture.sha256].append(picture)
        else:
            findings.append(
                Finding(picture.path, "has no label. Put it into a folder named after its label, below images/.")
            )
    kept = []
    for same in copies.values():
        if len({picture.labels for picture in same}) == 1:
            kept.append(same[0])
        else:
            findings.extend(_conflicts(same))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for picture in kept:
        for label in picture.labels:
            counts[label][side_of(picture.sha256, pinned_test) == "test"] += 1
    labels = {label: Sides(*counts[label]) for label in sorted(counts)}
    return Stock(tuple(kept), labels, tuple(sorted(findings, key=lambda finding: finding.path)))


def _conflicts(same: Sequence[Picture]) -> Iterable[Finding]:
    for picture in same:
        other = next(o for o in same if o.labels != picture.labels)
        yield Finding(
            picture.path,
            f"has the same bytes as '{other.path}', which is labelled {', '.join(other.labels)}. "
            "All copies stay out of training until one label is left.",
        )


def pins_needed(
    stock: Stock, labels: Collection[str], pinned_test: Collection[str], trained: Callable[[], Collection[str]]
) -> tuple[str, ...]:
    """Choose a test picture for each label that has enough pictures and none on the test side.

    Args:
        stock: What can be trained on.
        labels: The labels of the coming snapshot.
        pinned_test: What was pinned before.
        trained: Gives the sha256 of every picture of an earlier train snapshot; asked only when a pin is needed.

    Returns:
        sha256 of the pictures to pin: the smallest digest of each such label that was never trained on.
    """
    bare = [
        label for label in sorted(labels) if stock.labels[label].test == 0 and stock.labels[label].train >= PIN_FROM
    ]
    if not bare:
        return ()
    used = {*trained(), *pinned_test}
    pins = []
    for label in bare:
        fresh = sorted(p.sha256 for p in stock.pictures if label in p.labels and p.sha256 not in used)
        pins.extend(fresh[:1])
    return tuple(pins)


def snapshot_digest(stock: Stock, labels: Collection[str], pinned_test: Collection[str]) -> str:
    """Return the digest that a snapshot of these labels has: equal digests mean that nothing new can be trained on."""
    content = [
        (p.path, p.sha256, p.width, p.height, p.labels, (), side_of(p.sha256, pinned_test))
        for p in _chosen(stock, labels)
    ]  # the empty tuple is where boxes go
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:12]


def _chosen(stock: Stock, labels: Collection[str]) -> list[Picture]:
    return [picture for picture in stock.pictures if set(picture.labels) <= set(labels)]


def make_snapshot(
    stock: Stock, labels: Collection[str], pinned_test: Collection[str], *, url_of: Callable[[str], str]
) -> Snapshot:
    """Freeze the pictures of some labels.

    Args:
        stock: What can be trained on.
        labels: The labels to hold; pictures of others are left out.
        pinned_test: sha256 of pictures pinned to the test side.
        url_of: Gives a path's absolute URL, without a signature.
    """
    names = tuple(sorted(labels))
    chosen = _chosen(stock, names)
    sides = [side_of(picture.sha256, pinned_test) for picture in chosen]
    digest = snapshot_digest(stock, names, pinned_test)

    def file(side: Side) -> bytes:
        pictures = [picture for picture, its in zip(chosen, sides, strict=True) if its == side]
        return msgspec.json.encode(_snapshot_file(pictures, names, digest, side, url_of), order="sorted")

    return Snapshot(digest, file("train"), file("test"), names, sides.count("train"), sides.count("test"))


def _snapshot_file(
    pictures: Sequence[Picture], names: Sequence[str], digest: str, side: Side, url_of: Callable[[str], str]
) -> SnapshotFile:
    images = tuple(
        Image(
            id=number,
            file_name=picture.path,
            width=picture.width,
            height=picture.height,
            absolute_url=url_of(picture.path),
            etag=picture.etag,
            sha256=picture.sha256,
        )
        for number, picture in enumerate(pictures, 1)
    )
    pairs = [(number, names.index(label) + 1) for number, p in enumerate(pictures, 1) for label in p.labels]
    return SnapshotFile(
        info=_SnapshotInfo(description="Darkroom snapshot", digest=digest, side=side),
        images=images,
        annotations=tuple(
            Annotation(id=id_, image_id=image_id, category_id=category_id)
            for id_, (image_id, category_id) in enumerate(pairs, 1)
        ),
        categories=tuple(Category(id=id_, name=name) for id_, name in enumerate(names, 1)),
    )


def digests_in(snapshot_file: bytes) -> set[str]:
    """Return the sha256 of every picture in one stored side of a snapshot."""
    return {image.sha256 for image in msgspec.json.decode(snapshot_file, type=SnapshotFile).images}
