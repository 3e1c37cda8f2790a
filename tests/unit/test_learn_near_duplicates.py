import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.learn.looks import NEAR
from engine.learn.near_duplicates import CROWD, Fingerprints, NearDuplicate, find_near_duplicates


def digest(name: object) -> str:
    return hashlib.sha256(repr(name).encode()).hexdigest()


def flipped(look: np.ndarray, bits: np.ndarray) -> np.ndarray:
    changed = np.unpackbits(look.view(np.uint8))
    changed[bits] ^= 1
    return np.packbits(changed).view("<u8").astype(np.uint64)


def random_looks(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(1, 2**64, (count, 4), dtype=np.uint64)


def fingerprints(side: str, looks: np.ndarray) -> Fingerprints:
    return Fingerprints.of([digest((side, number)) for number in range(len(looks))], looks)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 60), st.sampled_from([3, 1 << 20]))
@settings(max_examples=60, deadline=None)
def test_all_pictures_are_found_that_comparing_each_with_each_finds(
    seed: int, tests: int, trainings: int, at_once: int
) -> None:
    rng = np.random.default_rng(seed)
    training = random_looks(rng, trainings)
    test = random_looks(rng, tests)
    for row in np.flatnonzero(rng.random(tests) < 0.7):  # copies with up to a few bits too many
        test[row] = flipped(
            training[rng.integers(trainings)], rng.choice(256, rng.integers(0, NEAR + 4), replace=False)
        )
    test[rng.random(tests) < 0.1] = 0
    training[rng.random(trainings) < 0.1] = 0
    found = find_near_duplicates(fingerprints("test", test), fingerprints("training", training), pairs_at_once=at_once)
    distances = np.bitwise_count(test[:, None] ^ training[None]).sum(axis=2, dtype=np.int64)
    distances[~test.any(axis=1)] = distances[:, ~training.any(axis=1)] = 999
    assert [pair.test for pair in found] == np.flatnonzero(distances.min(axis=1) <= NEAR).tolist()
    for pair in found:
        assert distances[pair.test, pair.training] == pair.distance <= NEAR


def test_equal_bytes_are_found_whatever_they_look_like_and_before_near_looks() -> None:
    looks = random_looks(np.random.default_rng(0), 3)
    training = Fingerprints.of([digest("a"), digest("b"), digest("c")], np.stack([looks[0], looks[1], looks[0] * 0]))
    test = Fingerprints.of([digest("c"), digest("b"), digest("new")], np.stack([looks[0] * 0, looks[0], looks[2]]))
    assert find_near_duplicates(test, training) == [NearDuplicate(0, 2, 0), NearDuplicate(1, 1, 0)]


def test_pictures_without_a_look_never_match_by_it() -> None:
    nothing = np.zeros((5, 4), np.uint64)
    assert find_near_duplicates(fingerprints("test", nothing), fingerprints("training", nothing)) == []


def test_a_crowd_of_one_look_is_looked_through_only_so_far() -> None:
    looks = np.tile(random_looks(np.random.default_rng(0), 1), (3 * CROWD, 1))
    found = find_near_duplicates(fingerprints("test", looks[:50]), fingerprints("training", looks))
    assert found == [NearDuplicate(number, 0, 0) for number in range(50)]
