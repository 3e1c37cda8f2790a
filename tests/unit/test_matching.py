"""Which picture a file means: by URL, by path, by bare name."""

import pytest

from shared.formats import Labelling, Region
from shared.matching import Matches, match_pictures

PICTURES = ["parts/images/bolt/1.jpg", "parts/images/nut/1.jpg", "parts/images/nut/2.png", "parts/images/raw/3"]


def match(*names: str, pictures: list[str] = PICTURES, urls: tuple[str, ...] = ()) -> Matches:
    labellings = [Labelling(picture=name, regions=(Region(name),), where=f"image {n}") for n, name in enumerate(names)]
    labellings += [Labelling(url=url, regions=(Region(url),)) for url in urls]
    return match_pictures(labellings, pictures, "parts")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("parts/images/nut/1.jpg", "parts/images/nut/1.jpg"),
        ("training/parts/images/nut/1.jpg", "parts/images/nut/1.jpg"),
        ("./nut/1.jpg", "parts/images/nut/1.jpg"),
        ("elsewhere\\nut\\1.jpg", "parts/images/nut/1.jpg"),
        ("2.png", "parts/images/nut/2.png"),
        ("2", "parts/images/nut/2.png"),
        ("3.jpg", "parts/images/raw/3"),
    ],
)
def test_a_name_fits_the_picture_that_shares_most_of_its_end(name: str, path: str) -> None:
    assert list(match(name).found) == [path]
    assert match(name).missing == 0


def test_a_url_is_unquoted_and_its_query_is_none_of_its_name() -> None:
    found = match(urls=("https://x/training/parts/images/nut/Schl%C3%BCssel%201.jpg?sig=%2F",), pictures=[])
    assert list(found.found) == ["parts/images/nut/Schlüssel 1.jpg"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.jpg", "parts/images/a.jpg"),
        ("sub/a.jpg", "parts/images/sub/a.jpg"),
        ("x/images/sub/a.jpg", "parts/images/sub/a.jpg"),
        ("other/images/images/a.jpg", "parts/images/a.jpg"),
    ],
)
def test_a_picture_that_is_not_there_is_expected_at_the_likeliest_path(name: str, path: str) -> None:
    found = match(name)
    assert (list(found.found), found.missing) == ([path], 1)


def test_a_name_in_another_folder_fits_no_picture() -> None:
    found = match("export/2.png")
    assert (list(found.found), found.missing) == (["parts/images/export/2.png"], 1)


def test_what_follows_images_in_a_url_is_a_name_too() -> None:
    pictures = ["parts/images/nut/7f3a.jpg", "parts/images/7f3b"]
    urls = tuple(f"https://x/container/project_1/images/{name}" for name in ("7f3a", "7f3b"))
    assert sorted(match(urls=urls, pictures=pictures).found) == sorted(pictures)


def test_a_whole_path_fits_no_other_picture() -> None:
    found = match("parts/images/gear/1.jpg", pictures=["parts/images/nut/1.jpg"])
    assert (list(found.found), found.missing, found.loose) == (["parts/images/gear/1.jpg"], 1, 0)


def test_a_picture_goes_to_the_name_that_shares_most_with_it() -> None:
    for names in (("gear/1.jpg", "nut/1.jpg"), ("nut/1.jpg", "gear/1.jpg")):
        found = match(*names, pictures=["parts/images/nut/1.jpg"])
        assert found.found["parts/images/nut/1.jpg"].picture == "nut/1.jpg"
        assert found.found["parts/images/gear/1.jpg"].picture == "gear/1.jpg"
        assert (found.missing, found.findings) == (1, ())


def test_an_exact_name_is_preferred_to_one_without_extension() -> None:
    pictures = ["parts/images/1", "parts/images/1.jpg", "parts/images/1.png"]
    for name in ("1", "1.jpg", "1.png"):
        assert list(match(name, pictures=pictures).found) == [f"parts/images/{name}"]


def test_a_name_that_fits_two_pictures_is_told_and_means_none() -> None:
    found = match("1.jpg")
    assert (found.found, found.missing, found.loose) == ({}, 0, 1)
    assert "'1.jpg' may be 'parts/images/bolt/1.jpg' or 'parts/images/nut/1.jpg'" in str(found.findings[0])


def test_a_picture_that_is_named_twice_keeps_the_first() -> None:
    found = match("nut/2.png", "nut/2.png")
    assert len(found.found) == 1
    assert "a second time" in str(found.findings[0])
    assert str(found.findings[0]).startswith("image 1")


def test_a_name_of_nothing_is_told() -> None:
    assert "names no picture" in str(match("./..").findings[0])


def test_loose_are_those_that_were_found_by_a_part_of_their_name() -> None:
    assert match("parts/images/nut/2.png").loose == 0
    assert match("nut/2.png").loose == 0
    assert match("2.png").loose == 1
    assert match("x/nut/2.png").loose == 1
    assert match("parts/images/nut/2").loose == 1


def test_pictures_of_the_same_name_in_many_folders_are_told_apart() -> None:
    pictures = [f"parts/images/{label}/{number}.jpg" for label in range(30) for number in range(20)]
    for names in (pictures, [path.removeprefix("parts/images/") for path in pictures]):
        found = match(*names, pictures=pictures)
        assert {path: labelling.picture for path, labelling in found.found.items()} == dict(
            zip(pictures, names, strict=True)
        )
