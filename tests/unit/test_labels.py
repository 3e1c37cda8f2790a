"""Who gives a picture its labels when several sources speak of it."""

import pytest

from shared.coco import Claim, ClassList, Image
from shared.formats import Region
from shared.labels import MOST_NOTES, names_for, resolve, scope_of

BOX = (0.25, 0.25, 0.5, 0.5)


def image(path: str = "parts/images/nut/1.png", *metadata: str) -> Image:
    return Image(
        id=1, file_name=path, width=40, height=40, absolute_url="", etag="1", sha256="", metadata_labels=metadata
    )


def claim(*regions: Region, path: str = "parts/images/nut/1.xml", **more: object) -> Claim:
    return Claim(path=path, etag="1", regions=regions, **more)  # type: ignore[arg-type]


SIDE_CAR = claim(Region("car", BOX))
IMPORT = claim(Region("import", BOX), path="parts/images/nut/1.png", source="parts/annotations/a.json")


@pytest.mark.parametrize(
    ("side_cars", "metadata", "imports", "by", "label"),
    [
        ([SIDE_CAR], ("meta",), [IMPORT], "side-car", "car"),
        ([], ("meta",), [IMPORT], "metadata", "meta"),
        ([], (), [IMPORT], "import", "import"),
        ([], (), [], "folder", "nut"),
    ],
)
def test_side_car_beats_metadata_beats_import_beats_folder(
    side_cars: list[Claim], metadata: tuple[str, ...], imports: list[Claim], by: str, label: str
) -> None:
    found = resolve(image("parts/images/nut/1.png", *metadata), side_cars, imports, [])
    assert (found.by, [region.label for region in found.regions]) == (by, [label])


def test_a_picture_in_no_folder_of_which_nobody_speaks_has_no_label() -> None:
    found = resolve(image("parts/images/1.png"), [], [], [])
    assert (found.regions, found.by, found.note) == ((), "", "")


def test_a_folder_is_only_the_first_below_images() -> None:
    found = resolve(image("parts/images/nut/old/1.png"), [], [], [])
    assert found.regions == (Region("nut"),)


def test_a_side_car_that_says_nothing_is_there_beats_the_folder() -> None:
    found = resolve(image(), [claim()], [], [])
    assert (found.regions, found.by, found.note) == ((), "side-car", "")


def test_xml_beats_txt_and_the_first_import_beats_the_second() -> None:
    txt = claim(Region("txt", BOX), path="parts/images/nut/1.txt")
    assert resolve(image(), [txt, SIDE_CAR], [], []).regions[0].label == "car"
    other = claim(Region("other", BOX), path=IMPORT.path, source="parts/annotations/b.json")
    assert resolve(image(), [], [other, IMPORT], []).regions[0].label == "import"


def test_sources_that_disagree_on_the_same_thing_are_noted() -> None:
    note = resolve(image("parts/images/nut/1.png", "bolt"), [], [], []).note
    assert (
        note
        == "the folder says 'nut', the blob's metadata says 'bolt'; the blob's metadata holds. Correct one of them."
    )
    assert resolve(image("parts/images/nut/1.png", "nut"), [], [], []).note == ""
    assert resolve(image(), [SIDE_CAR], [], []).note == "", "boxes and a folder speak of different things"
    assert "'import'" in resolve(image(), [SIDE_CAR], [IMPORT], []).note


def test_no_more_is_noted_than_people_read() -> None:
    imports = [
        claim(Region(f"label {n}"), path="parts/images/nut/1.png", source=f"parts/annotations/{n}.json")
        for n in range(9)
    ]
    assert resolve(image(), [], imports, []).note.count("Correct one of them.") == MOST_NOTES


def test_boxes_none_of_which_fit_leave_the_word_to_the_next_source_of_boxes() -> None:
    beyond = claim(Region("car", (0.9, 0.9, 0.9, 0.9)))
    found = resolve(image(), [beyond], [], [])
    assert (found.by, found.regions) == ("", ())
    assert "'parts/images/nut/1.xml'" in found.note
    for region in (Region("van"), Region("van", BOX)):
        found = resolve(image(), [beyond], [claim(region, source="parts/annotations/a.json")], [])
        assert (found.by, found.regions) == (("import", (region,)) if region.box else ("", ()))
    mixed = claim(Region("car", (0.9, 0.9, 0.9, 0.9)), Region("car", BOX))
    found = resolve(image(), [mixed], [], [])
    assert (found.by, found.regions) == ("side-car", (Region("car", BOX),))


def test_pixels_become_shares_of_the_picture() -> None:
    pixels = claim(Region("car", (10.0, 10.0, 20.0, 20.0)), unit="pixel", size=(40, 40))
    assert resolve(image(), [pixels], [], []).regions == (Region("car", BOX),)
    scaled = claim(Region("car", (100.0, 100.0, 200.0, 200.0)), unit="pixel", size=(400, 400))
    assert resolve(image(), [scaled], [], []).regions == (Region("car", BOX),)


def test_a_picture_has_boxes_or_labels_never_both() -> None:
    both = claim(Region("whole"), Region("car", BOX))
    assert resolve(image(), [both], [], []).regions == (Region("car", BOX),)


LISTS = [
    ClassList(path="parts/annotations/classes.txt", etag="1", names=("dataset",)),
    ClassList(path="parts/images/classes.txt", etag="1", names=("images",)),
    ClassList(path="parts/images/nut/data.yaml", etag="1", names=("folder",)),
    ClassList(path="parts/images/nuts/data.yaml", etag="1", names=("another folder",)),
]


@pytest.mark.parametrize(
    ("path", "lists", "names"),
    [
        ("parts/images/nut/1.txt", LISTS, ("folder",)),
        ("parts/images/nut/deep/1.txt", LISTS, ("folder",)),
        ("parts/images/1.txt", LISTS, ("images",)),
        ("parts/images/bolt/1.txt", LISTS[:1], ("dataset",)),
        ("parts/images/bolt/1.txt", LISTS[2:], ()),
        ("parts/images/1.txt", LISTS[:2], ("images",)),
    ],
)
def test_the_nearest_class_list_holds(path: str, lists: list[ClassList], names: tuple[str, ...]) -> None:
    assert names_for(path, lists) == names
    assert names_for(path, list(reversed(lists))) == names


def test_a_class_list_holds_below_its_folder() -> None:
    assert [scope_of(entry) for entry in LISTS] == [
        "parts/images/",
        "parts/images/",
        "parts/images/nut/",
        "parts/images/nuts/",
    ]


def test_numbers_without_a_name_wait_for_it_and_the_folder_does_not_hold() -> None:
    numbered = claim(Region("0", BOX), path="parts/images/nut/1.txt", numbered=True)
    assert resolve(image(), [numbered], [], []).by == ""
    assert "no list of names" in resolve(image(), [numbered], [], []).note
    assert resolve(image(), [numbered], [], LISTS).regions == (Region("folder", BOX),)
