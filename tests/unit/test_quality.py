import statistics

import pytest

from shared.coco import Annotation, Image
from shared.quality import FEW, advice, spread_of
from shared.stock import LabelStock
from shared.tallies import Counter, Tally, Totals


def tally(*pictures: tuple[int, int, int]) -> Tally:
    """Return the counts over pictures of (width, height, light)."""
    counter = Counter(Totals(), ())
    for number, (width, height, light) in enumerate(pictures):
        image = Image(
            id=number, file_name="", width=width, height=height, absolute_url="", etag="", sha256="1" * 64, light=light
        )
        counter.count_picture(image, [Annotation(id=1, image_id=number, category_id=1)], 1)
    return counter.tallies[0]


def test_a_spread_is_the_standard_deviation() -> None:
    lights, sides = [10, 60, 110, 200], [64, 128, 256, 512]
    spread = spread_of(tally(*((side, side, light) for side, light in zip(sides, lights, strict=True))))
    assert spread.light == pytest.approx(statistics.pstdev(lights))
    assert spread.size == pytest.approx(statistics.pstdev([6, 7, 8, 9]))
    assert spread.aspect == 0
    assert spread_of(tally((64, 64, 9), (128, 32, 9))).aspect == pytest.approx(1)
    assert spread_of(Tally(1)).light == 0


def test_pictures_that_are_all_alike_are_told() -> None:
    alike = tally(*[(64, 64, 100)] * FEW)
    (told,) = advice("nut", alike, LabelStock(train=FEW))
    assert told.startswith(f"all {FEW} pictures of 'nut' have the same size and light.")


def test_pictures_of_one_size_are_fine_when_their_light_differs() -> None:
    assert advice("nut", tally(*((64, 64, light) for light in range(0, 200, 20))), LabelStock(train=FEW)) == ()


def test_few_pictures_tell_nothing() -> None:
    assert advice("nut", tally(*[(64, 64, 100)] * (FEW - 1)), LabelStock(train=FEW - 1)) == ()


def test_many_copies_are_told() -> None:
    varied = tally(*((64, 64, light) for light in range(0, 200, 20)))
    assert advice("nut", varied, LabelStock(train=8, copies=2)) == ()
    (told,) = advice("nut", varied, LabelStock(train=6, test=1, copies=3))
    assert told == "3 of 10 pictures of 'nut' are copies of others. Add different ones."
