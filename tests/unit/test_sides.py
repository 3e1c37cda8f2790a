import hashlib

from shared.sides import side_of

SIZE = (64, 50)
DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2000)]


def test_about_a_fifth_of_all_contents_is_test() -> None:
    tested = sum(side_of(sha256, size=SIZE) == "test" for sha256 in DIGESTS)
    assert 0.17 < tested / len(DIGESTS) < 0.23


def test_a_side_is_a_function_of_the_content_alone() -> None:
    assert [side_of(sha256, size=SIZE) for sha256 in DIGESTS] == [
        side_of(sha256, size=(9999, 50)) for sha256 in DIGESTS
    ]


def test_a_pin_moves_a_content_to_the_test_side_and_never_away_from_it() -> None:
    assert {side_of(sha256, {sha256}, size=SIZE) for sha256 in DIGESTS} == {"test"}


def test_what_is_too_small_to_be_asked_about_is_never_tested() -> None:
    assert {side_of(sha256, {sha256}, size=(49, 500)) for sha256 in DIGESTS} == {"train"}
