"""What is kept of pictures, on a real disk."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.featurecache import MISSING, FeatureCache, StoredRows
from engine.images import Picture
from engine.learn.rows import PIECE
from engine.segments import Kept, write_segment

TRAITS = np.array([0.25, 0.5, 0.75], dtype=np.float32)
MAPS = np.dtype([("stride8", "<f2", (2, 4, 4)), ("stride16", "<f2", (3, 2, 2))])


class Extractor:
    """Is only asked for its facts."""

    digest = "d" * 64

    def __init__(self, name: str = "numbers-1", record: Any = ("<f4", (3,))) -> None:
        self.name = name
        self.record = np.dtype(record)

    def extract(self, picture: Picture) -> NDArray[Any]:
        raise NotImplementedError


def key(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def kept(number: int) -> Kept:
    look = np.full(4, number, dtype=np.uint64)
    return Kept(look, TRAITS, 100 + number, 50, np.arange(3, dtype=np.float32) + number)


def cache(tmp_path: Path, extractor: Extractor | None = None) -> FeatureCache:
    return FeatureCache(tmp_path / "features", extractor or Extractor(), tmp_path)


def filled(tmp_path: Path, *segments: range) -> FeatureCache:
    found = cache(tmp_path)
    for segment in segments:
        found.keep({key(number): kept(number) for number in segment})
    found.refresh()
    return found


def test_what_is_kept_is_found_by_sha256_whatever_segment_it_is_in(tmp_path: Path) -> None:
    found = filled(tmp_path, range(5), range(5, 7), range(7, 8))
    numbers = found.find([key(6), key(99), None, key(0), key(7)])
    assert (numbers == MISSING).tolist() == [False, True, True, False, False]
    present = numbers[[0, 3, 4]]
    assert found.read(present)[:, 0].tolist() == [6, 0, 7]
    assert found.facts(present)["size"].tolist() == [[106, 50], [100, 50], [107, 50]]
    assert found.facts(present)["look"][:, 2].tolist() == [6, 0, 7]
    assert found.facts(present)["traits"].tolist() == [TRAITS.tolist()] * 3


def test_an_empty_cache_finds_nothing(tmp_path: Path) -> None:
    found = cache(tmp_path)
    found.refresh()
    found.keep({})
    assert found.find([key(1)]).tolist() == [MISSING]
    assert not (tmp_path / "features").exists()


def test_what_another_process_kept_is_found_after_a_refresh(tmp_path: Path) -> None:
    found = filled(tmp_path, range(3))
    filled(tmp_path, range(2, 5))
    assert found.find([key(4)]).tolist() == [MISSING]
    found.refresh()
    assert found.read(found.find([key(4), key(2)]))[:, 1].tolist() == [5, 3]


def test_results_of_another_extractor_or_version_are_not_found(tmp_path: Path) -> None:
    filled(tmp_path, range(3))
    other = cache(tmp_path, Extractor("numbers-2"))
    other.refresh()
    assert other.find([key(1)]).tolist() == [MISSING]


def test_records_of_several_maps_come_back_as_they_were(tmp_path: Path) -> None:
    found = cache(tmp_path, Extractor("maps-1", MAPS))
    record = np.zeros((), dtype=MAPS)
    record["stride8"], record["stride16"] = np.arange(32).reshape(2, 4, 4), 7
    found.keep({key(1): Kept(np.zeros(4, np.uint64), TRAITS, 10, 10, record)})
    found.refresh()
    one = StoredRows(found, found.find([key(1)])).one(0)
    assert np.array_equal(one["stride8"], record["stride8"])
    assert np.array_equal(one["stride16"], record["stride16"])


@pytest.mark.parametrize("damage", ["cut", "text", "other type", "empty"])
def test_a_damaged_segment_is_removed_and_its_pictures_are_missing(tmp_path: Path, damage: str) -> None:
    filled(tmp_path, range(3))
    filled(tmp_path, range(10, 12))
    folder = tmp_path / "features" / ("d" * 64) / "numbers-1"
    first = next(path for path in folder.iterdir() if len(np.load(path)["facts"]) == 3)
    if damage == "other type":
        first.unlink()
        whole = Kept(np.zeros(4, np.uint64), TRAITS, 1, 1, np.zeros(2, np.float32))
        write_segment(folder, tmp_path, {key(0): whole}, np.dtype(("<f4", (2,))))
    else:
        first.write_bytes({"cut": first.read_bytes()[:-9], "text": b"features", "empty": b""}[damage])
    found = cache(tmp_path)
    found.refresh()
    assert (found.find([key(0), key(10)]) == MISSING).tolist() == [True, False]
    assert len(list(folder.iterdir())) == 1


def test_the_same_pictures_make_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        one = cache(tmp_path / name)
        (tmp_path / name).mkdir()
        order = range(4) if name == "a" else reversed(range(4))
        one.keep({key(number): kept(number) for number in order})
    first, second = (next((tmp_path / name).rglob("*.npz")) for name in "ab")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_stored_rows_are_read_in_their_order_a_piece_at_a_time(tmp_path: Path) -> None:
    found = cache(tmp_path)
    blank = np.zeros(4, np.uint64)
    for first in (0, PIECE):
        numbers = range(first, first + PIECE)
        found.keep({key(number): Kept(blank, TRAITS, 1, 1, np.full(3, number, np.float32)) for number in numbers})
    found.refresh()
    order = np.random.default_rng(0).permutation(PIECE + 3)
    rows = StoredRows(found, found.find([key(number) for number in order.tolist()]))
    assert rows.shape == (PIECE + 3, 3)
    for _ in range(2):
        pieces = list(rows.pieces())
        assert [len(piece) for piece in pieces] == [PIECE, 3]
        assert np.array_equal(np.concatenate(pieces)[:, 0], order)


def test_a_record_that_was_cut_off_while_the_cache_was_open_is_told(tmp_path: Path) -> None:
    found = filled(tmp_path, range(3))
    path = next((tmp_path / "features").rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(OSError, match="cut short"):
        found.read(found.find([key(number) for number in range(3)]))
