"""The live COCO file in storage: two writers lose nothing, a reader sees one state, leaves split and merge."""

import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.blocks import LeafSizes, head_length
from shared.coco import Claim, Seen
from shared.cocofile import MOST_TRIES, CocoFile
from shared.errors import BlobChangedError, BrokenFileError
from shared.formats import Region
from shared.livefile import READ_AHEAD, LiveFile
from shared.pictures import Facts
from shared.storage import BlobContainer
from shared.storage.azure import Account
from shared.storage.memory import MemoryContainer
from tests.coco_commits import Commits
from tests.storage_support import azurite, new_container

__all__ = ["azurite"]
TINY = LeafSizes(target=700, least=250)
LIVE = "parts/coco/live.json"


class Container(MemoryContainer):
    """A memory container that checks each commit, and counts what is staged, read and committed."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = Commits()
        self.staged: list[bytes] = []
        self.read_bytes = 0
        self.before_commit: Callable[[], None] = lambda: None

    def read_range(self, path: str, start: int, size: int, *, if_match: str | None = None) -> Any:
        """Read, and count."""
        blob = super().read_range(path, start, size, if_match=if_match)
        self.read_bytes += len(blob.data)
        return blob

    def stage_block(self, path: str, block_id: str, data: bytes) -> None:
        """Stage, and note."""
        self.staged.append(data)
        super().stage_block(path, block_id, data)

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Commit, and check."""
        self.before_commit()
        with self._lock:
            etag = super().commit_blocks(path, block_ids, if_match=if_match, create_only=create_only)
            self.commits.check(self.blobs[path].data, {id_: len(data) for id_, data in self._blocks[path].items()})
        return etag


def seen(path: str, *, version: int = 1) -> Seen:
    sha256 = hashlib.sha256(f"{path} {version}".encode()).hexdigest()
    return Seen(etag=str(version), facts=Facts(etag=str(version), sha256=sha256, width=60, height=60, light=9))


def paths(numbers: Iterable[int], label: str = "nut") -> list[str]:
    return [f"parts/images/{label}/{number:04}.png" for number in numbers]


def fold(file: CocoFile, some: Iterable[str], *, version: int = 1, batch: int = 1000) -> None:
    for group in itertools.batched(some, batch, strict=False):
        file.fold({path: seen(path, version=version) for path in group})


def read(file: CocoFile) -> LiveFile:
    live = file.read()
    assert live is not None
    return live


def known(file: CocoFile) -> list[str]:
    return [image.file_name for records in read(file).records() for image in records.images]


@pytest.fixture
def container() -> Container:
    return Container()


@pytest.fixture
def file(container: Container) -> CocoFile:
    return CocoFile(container, "parts", sizes=TINY)


@pytest.fixture(params=["memory", "azurite"])
def any_container(request: pytest.FixtureRequest) -> BlobContainer:
    if request.param == "memory":
        return Container()
    account: Account = request.getfixturevalue("azurite")
    return new_container(account, "cocofile")


# Leaves


def test_a_file_of_many_pictures_has_many_leaves_and_a_change_touches_one(container: Container, file: CocoFile) -> None:
    fold(file, paths(range(100)))
    leaves = read(file).head.info.leaves
    assert len(leaves) > 30
    container.staged.clear()
    fold(file, paths([50]), version=2)
    records = [data for data in container.staged if not data.startswith(b'{"info"')]
    assert len(records) == 1, "the annotations are what they were"
    assert len(records[0]) < 1000
    kept = set(leaves) & set(read(file).head.info.leaves)
    assert len(kept) == len(leaves) - 1


def test_leaves_are_of_the_size_that_was_asked_for(file: CocoFile) -> None:
    fold(file, paths(range(200)), batch=7)
    sizes = [leaf.size for leaf in read(file).head.info.leaves]
    assert max(sizes) <= 3 * TINY.target // 2
    assert sum(size < TINY.least for size in sizes) <= len(sizes) // 10


def test_leaves_merge_when_most_of_their_pictures_go(container: Container) -> None:
    file = CocoFile(container, "parts", sizes=LeafSizes(target=1500, least=500))
    everything = paths(range(200))
    fold(file, everything)
    before = len(read(file).head.info.leaves)
    for path in everything[::2] + everything[1::4]:
        file.fold({path: None})
    after = read(file).head.info.leaves
    assert len(after) < 0.6 * before
    assert known(file) == everything[3::4]


def test_the_last_picture_gone_leaves_an_empty_file_that_is_valid(container: Container, file: CocoFile) -> None:
    fold(file, paths(range(9)))
    file.fold(dict.fromkeys(paths(range(9))))
    document = json.loads(container.read(LIVE).data)
    assert [document[name] for name in ("images", "annotations", "categories", "problems", "claims")] == [[]] * 5
    fold(file, paths([3]))
    assert json.loads(container.read(LIVE).data)["images"][0]["id"] == 10, "no id is given out twice"


def test_a_huge_file_has_larger_leaves_rather_than_more_blocks_than_allowed(container: Container) -> None:
    few = CocoFile(container, "parts", sizes=LeafSizes(target=700, least=250, most=8))
    for number in range(20):
        fold(few, paths(range(number * 20, number * 20 + 20)))
    assert len(read(few).head.info.leaves) < 50, "about 170 without the bound; older leaves stay small"


def test_a_picture_and_what_lies_beside_it_meet_though_leaves_part_them(container: Container, file: CocoFile) -> None:
    bare = "parts/images/nut/0050"
    fold(file, [*paths(range(100)), bare])
    claim = Claim(path=f"{bare}.xml", etag="1", regions=(Region("gear"),))
    file.fold({claim.path: Seen(etag="1", claim=claim)})
    labelled = {image.file_name: image.labelled_by for records in read(file).records() for image in records.images}
    assert [path for path, by in labelled.items() if by == "side-car"] == [bare, f"{bare}.png"]


def test_pictures_without_extension_find_side_cars_that_a_leaf_begins_with(file: CocoFile) -> None:
    bare = [path.removesuffix(".png") for path in paths(range(60))]
    claims = {f"{path}.xml": Claim(path=f"{path}.xml", etag="1", regions=(Region("gear"),)) for path in bare}
    fold(file, paths(range(60)))
    file.fold({path: Seen(etag="1", claim=claim) for path, claim in claims.items()})
    assert {leaf.low.removesuffix(".") for leaf in read(file).head.info.leaves} & set(bare)
    for path in bare:
        file.fold({path: seen(path)})
    file.fold({f"{path}.xml": None for path in bare[::2]})
    live = read(file)
    by = {image.file_name: image.labelled_by for records in live.records() for image in records.images}
    assert by == {f"{path}{end}": ("folder", "side-car")[n % 2] for n, path in enumerate(bare) for end in ("", ".png")}


def side_car(stem: str, suffix: str = ".xml") -> dict[str, Seen | None]:
    claim = Claim(path=stem + suffix, etag="1", regions=(Region("gear"),))
    return {claim.path: Seen(etag="1", claim=claim)}


def test_pictures_whose_names_begin_like_its_stem_are_not_read_with_a_picture(
    container: Container, file: CocoFile
) -> None:
    stem = "parts/images/nut/img"
    fold(file, [f"{stem}.jpg", *(f"{stem}.{number:06}.jpg" for number in range(4000))], batch=5000)
    assert read(file).size > 2 * READ_AHEAD
    container.read_bytes = 0
    fold(file, [f"{stem}.jpg"], version=2)
    assert container.read_bytes < READ_AHEAD + 10_000


FAR = ("img.jpg", "img.000500.zzz", "img.zzz", "img", "img.0-")


@pytest.mark.parametrize("suffix", [".xml", ".TXT"])
@pytest.mark.parametrize("first", FAR)
def test_far_apart_pictures_of_a_stem_still_share_their_side_car(file: CocoFile, suffix: str, first: str) -> None:
    """A file of one leaf says what is right."""
    whole = CocoFile(Container(), "parts")
    folder, stem = "parts/images/nut/", "parts/images/nut/img"
    crowd = [f"{stem}.{number:06}.jpg" for number in range(60)]
    others = [name for name in FAR if name != first]
    steps: list[dict[str, Seen | None]] = [
        {path: seen(path) for path in crowd},
        {folder + first: seen(folder + first)},
        side_car(stem, suffix),
        {folder + name: seen(folder + name) for name in others},
        {folder + first: None},
        {folder + name: None for name in others},  # now the side-car has no picture
        {folder + first: seen(folder + first)},
        {**side_car(stem, ".xml"), folder + others[0]: seen(folder + others[0])},
        {stem + suffix: None},
        {f"{stem}.xml": None},
    ]
    for step in steps:
        for one in (file, whole):
            one.fold(step)
        assert _content(file) == _content(whole)
    assert len(read(file).head.info.leaves) > 10


def _content(file: CocoFile) -> Any:
    live = read(file)
    kept = list(live.records())
    labels = {image.file_name: (image.labelled_by, image.note) for records in kept for image in records.images}
    return labels, [claim for records in kept for claim in records.claims], live.head.info.totals


def test_a_change_of_nothing_writes_nothing(container: Container, file: CocoFile) -> None:
    fold(file, paths(range(20)))
    before, _ = container.digest(), container.staged.clear()
    fold(file, paths(range(20)))
    file.fold({"parts/images/nut/none.png": None})
    file.drop_imports("parts/annotations/none.json")
    assert file.put_imports([]) is False
    assert (container.digest(), container.staged) == (before, [])


def test_nothing_is_written_where_nothing_was_and_nothing_is(container: Container, file: CocoFile) -> None:
    assert file.read() is None
    assert file.fold({"parts/images/nut/none.png": None}) is False
    assert container.blobs == {}


# Reading


def test_records_go_on_from_a_path(file: CocoFile) -> None:
    fold(file, paths(range(100)))
    found = [image.file_name for records in read(file).records(after=paths([70])[0]) for image in records.images]
    assert found[-1] == paths([99])[0]
    assert set(paths(range(71, 100))) <= set(found)
    assert len(found) < 100 or len(read(file).head.info.leaves) == 1


def test_a_head_longer_than_the_first_read_is_read_whole() -> None:
    unwatched = MemoryContainer()
    minute = CocoFile(unwatched, "parts", sizes=LeafSizes(target=60, least=20, most=100_000))
    some = paths(range(2000), label="long" * 60)
    fold(minute, some, batch=2000)
    assert head_length(unwatched.read(LIVE).data) > READ_AHEAD
    assert known(minute) == some


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"images": []}',
        b'{"info":{"head":      999,',
        b'{"info":{"head":       30,"schema":2}     [',
    ],
    ids=str,
)
def test_what_darkroom_did_not_write_is_told_with_the_remedy(container: Container, file: CocoFile, data: bytes) -> None:
    container.write(LIVE, data)
    with pytest.raises(BrokenFileError, match="Delete the file"):
        file.read()
    with pytest.raises(BrokenFileError):
        fold(file, paths([1]))


def test_a_file_that_was_edited_is_told(container: Container, file: CocoFile) -> None:
    fold(file, paths(range(5)))
    data = container.read(LIVE).data
    container.write(LIVE, data.replace(b'"light":9', b'"light":99'))
    with pytest.raises(BrokenFileError, match="was edited"):
        file.read()
    container.write(LIVE, data.replace(b'"light":9', b'"light":x'))
    with pytest.raises(BrokenFileError, match="not valid"):
        known(file)
    container.write(LIVE, data.replace(b'"schema":2', b'"schema":9'))
    with pytest.raises(BrokenFileError, match="schema 9"):
        file.read()


def test_a_file_put_back_from_a_backup_is_written_anew(any_container: BlobContainer) -> None:
    file = CocoFile(any_container, "parts", sizes=TINY)
    fold(file, paths(range(30)))
    backup = any_container.read(LIVE).data
    fold(file, paths(range(30, 40)))
    if isinstance(any_container, Container):
        any_container.commits = Commits()  # ids go back, too
    any_container.write(LIVE, backup)  # the same bytes, but made of no blocks that could be kept
    fold(file, paths(range(30)))
    assert any_container.read(LIVE).data == backup
    fold(file, paths(range(28, 33)), version=2)
    assert known(file) == paths(range(33))
    fold(file, paths(range(33, 36)))
    assert known(file) == paths(range(36))


# Two writers


def test_two_writers_at_once_lose_nothing(any_container: BlobContainer) -> None:
    files = [CocoFile(any_container, "parts", sizes=TINY) for _ in range(2)]
    start = threading.Barrier(2)

    def write(number: int) -> None:
        start.wait()
        for path in paths(range(number, 24, 2)):
            files[number].fold({path: seen(path)})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    assert known(files[0]) == paths(range(24))
    live = json.loads(any_container.read(LIVE).data)
    assert sorted(image["id"] for image in live["images"]) == list(range(1, 25))
    assert live["info"]["totals"]["pictures"] == 24


def test_a_writer_that_lost_the_race_looks_again(container: Container, file: CocoFile) -> None:
    fold(file, paths(range(10)))
    others = iter(paths(range(20, 25)))

    def somebody_is_faster() -> None:
        if (path := next(others, None)) is not None:
            container.before_commit = lambda: None
            CocoFile(container, "parts", sizes=TINY).fold({path: seen(path), paths([5])[0]: None})
            container.before_commit = somebody_is_faster

    container.before_commit = somebody_is_faster
    fold(file, paths([5, 11]), version=2)
    assert known(file) == paths([*range(10), 11, *range(20, 25)])


def test_a_writer_that_always_loses_says_so(container: Container, file: CocoFile) -> None:
    versions = itertools.count(2)

    def somebody_is_faster() -> None:
        container.before_commit = lambda: None
        fold(CocoFile(container, "parts", sizes=TINY), paths([1]), version=next(versions))
        container.before_commit = somebody_is_faster

    container.before_commit = somebody_is_faster
    with pytest.raises(BlobChangedError):
        fold(file, paths([2]))
    assert next(versions) == 2 + MOST_TRIES


def test_a_writer_that_creates_the_file_while_another_does_loses_nothing(container: Container, file: CocoFile) -> None:
    def somebody_is_faster() -> None:
        container.before_commit = lambda: None
        fold(CocoFile(container, "parts", sizes=TINY), paths([1]))

    container.before_commit = somebody_is_faster
    fold(file, paths([2]))
    assert known(file) == paths([1, 2])


# A reader and a writer


def test_a_reader_under_way_while_a_writer_commits_sees_one_state_or_is_told(any_container: BlobContainer) -> None:
    file = CocoFile(any_container, "parts", sizes=LeafSizes(target=64 * 1024, least=16 * 1024))
    fold(file, paths(range(22_000)), batch=22_000)  # more than one step of `records`
    live = read(file)
    assert live.size > 6 * 2**20
    runs = live.records()
    first = next(runs)
    assert first.images[0].etag == "1"
    fold(file, paths(range(5)), version=2)
    with pytest.raises(BlobChangedError):
        list(live.records())
    with contextlib.suppress(BlobChangedError):  # what was read ahead is of the old state
        assert {image.etag for records in runs for image in records.images} == {"1"}
    assert [image.etag for image in read(file).read(0, 0).images[:6]] == ["2"] * 5 + ["1"]


def test_readers_during_many_commits_never_see_a_torn_file(any_container: BlobContainer) -> None:
    file = CocoFile(any_container, "parts", sizes=TINY)
    versions = 12
    everything = paths(range(12))
    fold(file, everything)
    done = threading.Event()
    states: list[set[str]] = []

    def watch() -> None:
        while not done.is_set():
            try:
                live = read(CocoFile(any_container, "parts", sizes=TINY))
                states.append({image.etag for records in live.records() for image in records.images})
            except BlobChangedError:
                continue
            json.loads(any_container.read(LIVE).data)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            for version in range(2, versions):
                fold(file, everything, version=version)
        finally:
            done.set()
        watching.result()
    assert all(len(state) == 1 for state in states), "all pictures are of the same commit"
    assert states
