"""What `./darkroom bench detect` draws, measures and bounds, and that its sliding windows find what they should."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.detect import figures
from bench.learning.cells import Cell
from bench.learning.datasets import DataSet, Photo
from bench.learning.hog import CELL, CHANNELS, hog
from bench.learning.images import ALL, Answer, Drawing, drawn, measure_images
from bench.learning.intervals import Estimate
from bench.learning.windows import Template, fit_windows
from engine.learn.detector.boxes import Boxes, Detections, overlaps

COSTS = {"train_seconds": 1.0, "fit_seconds": 1.0, "predict_ms": 2.0}


def photo(number: int, *targets: int, test: bool = False) -> Photo:
    corners = np.array([[0.1 * place, 0.2, 0.1 * place + 0.1, 0.6] for place in range(len(targets))]).reshape(-1, 4)
    crowds = np.zeros(len(targets), dtype=np.bool_)
    return Photo(Path(), f"{number:03}", corners, np.array(targets, dtype=np.intp), crowds, test)


def dataset(photos: list[Photo]) -> DataSet:
    return DataSet("drawn", ("bar", "disc", "ring"), tuple(photos), boxed=True, digest="")


def mixed(*, tested: int = 0) -> DataSet:
    """Twenty pictures of discs for each of rings, and some kept for scoring."""
    shown = [photo(n, 1) for n in range(40)] + [photo(40 + n, 2) for n in range(2)]
    return dataset(shown + [photo(50 + n, n % 3, test=True) for n in range(tested)])


def right(data: DataSet, drawing: Drawing) -> Answer:
    """Finds just what people drew."""
    found = [Detections(p.corners, p.targets, np.ones(len(p.targets))) for p in drawing.asked]
    return Answer(found, COSTS)


def cell(data: str, size: str, map50: float, name: str = "mobilenet_v2") -> Cell:
    return Cell(data, size, name, {"map50": Estimate(map50, 1.0, 2.0)}, COSTS, {"map50": [map50]})


def test_each_beginning_of_a_drawing_gives_every_label_its_share() -> None:
    draw = drawn(mixed(), "4", seed=3)
    assert draw is not None
    assert sorted(int(p.targets[0]) for p in draw.train) == [1, 1, 2, 2]
    more = drawn(mixed(), "10", seed=3)
    assert more is not None
    assert {p.digest for p in draw.train} < {p.digest for p in more.train}


def test_without_a_split_what_is_not_drawn_is_scored_and_all_leaves_a_fifth() -> None:
    few, most = drawn(mixed(), "10", seed=0), drawn(mixed(), ALL, seed=0)
    assert few is not None
    assert most is not None
    assert (len(few.train), len(few.asked)) == (10, 32)
    assert (len(most.train), len(most.asked)) == (34, 8)


def test_with_a_split_the_test_part_is_scored_whatever_is_drawn() -> None:
    for images, count in (("5", 5), (ALL, 42)):
        draw = drawn(mixed(tested=6), images, seed=0)
        assert draw is not None
        assert len(draw.train) == count
        assert [p.test for p in draw.asked] == [True] * 6


def test_more_pictures_than_there_are_cannot_be_drawn() -> None:
    assert drawn(mixed(), "40", seed=0) is None
    assert measure_images(mixed(), "40", range(2), "right", right) is None


def test_one_who_finds_everything_scores_a_hundred_in_every_drawing() -> None:
    measured = measure_images(mixed(tested=6), "5", range(3), "right", right)
    assert measured is not None
    assert measured.values["map50"] == pytest.approx([100.0] * 3)
    assert measured.scores["map50"].draws95 == 0.0
    assert measured.costs["scored_pictures"] == 6


def test_where_all_drawings_are_the_same_only_one_is_made() -> None:
    measured = measure_images(mixed(tested=6), ALL, range(3), "right", right)
    assert measured is not None
    assert len(measured.values["map50"]) == 1
    assert measure_images(mixed(tested=6), ALL, range(1, 3), "right", right) is None


def test_figures_are_bounded_by_the_reference_on_every_set_and_by_numbers_where_there_are() -> None:
    ours = [cell("cards6", "5img", 20.0), cell("cards6", "30img", 51.0), cell("fruit", "5img", 30.0)]
    theirs = [cell("cards6", "5img", 10.0, "hog_svm"), cell("cards6", "30img", 20.0, "hog_svm")]
    theirs.append(cell("fruit", "5img", 30.0, "hog_svm"))
    shown = {each.name: each for each in figures({"mobilenet_v2": ours}, theirs)}
    assert (shown["cards6_30img_map50"].bound, shown["cards6_30img_map50"].ok) == (">= 52.0", False)
    assert (shown["cards6_over_hog_svm"].value, shown["cards6_over_hog_svm"].ok) == (10.0, True)
    assert not shown["fruit_over_hog_svm"].ok
    assert shown["cards6_5img_hog_svm_map50"].value == 10.0
    assert (shown["mean_5img_map50"].value, shown["mean_5img_hog_svm_map50"].value) == (25.0, 20.0)


@pytest.mark.parametrize(("across", "expected"), [(True, 0), (False, 4)])
def test_gradients_vote_for_their_orientation(across: bool, expected: int) -> None:
    ramp = np.tile(np.arange(0, 128, 4, dtype=np.uint8), (32, 1))
    pixels = np.repeat((ramp if across else ramp.T)[..., None], 3, axis=2)
    cells = hog(pixels)
    assert cells.shape == (32 // CELL, 32 // CELL, CHANNELS)
    assert int(np.argmax(cells[1, 1, : CHANNELS // 4])) == expected


def test_a_template_scores_windows_as_the_plain_sum_does() -> None:
    rng = np.random.default_rng(0)
    cells, weights = rng.normal(size=(7, 9, CHANNELS)), rng.normal(size=(3, 2, CHANNELS))
    template = Template(0, weights.astype(np.float32), 0.5)
    scores = template.scores(cells.astype(np.float32))
    assert scores.shape == (5, 8)
    assert scores[4, 7] == pytest.approx(np.sum(cells[4:7, 7:9] * weights) + 0.5, rel=1e-4)


def stage(rng: np.random.Generator) -> tuple[NDArray[np.uint8], Boxes]:
    """A frame of 48 px on noise."""
    pixels = rng.integers(90, 120, size=(120, 160, 3), dtype=np.uint8)
    left, top = int(rng.integers(4, 108)), int(rng.integers(4, 68))
    pixels[top : top + 48, left : left + 48] = 230
    pixels[top + 12 : top + 36, left + 12 : left + 36] = 20
    corners = np.array([[left / 160, top / 120, (left + 48) / 160, (top + 48) / 120]])
    return pixels, Boxes(corners, np.zeros(1, dtype=np.intp))


def test_sliding_windows_find_what_they_were_shown_and_never_a_label_without_a_box() -> None:
    rng = np.random.default_rng(0)
    scenes = [stage(rng) for _ in range(5)]
    detector = fit_windows([pixels for pixels, _ in scenes[:4]], [boxes for _, boxes in scenes[:4]], labels=2)
    for pixels, boxes in scenes[4:]:
        found = detector.detect(pixels)
        assert float(overlaps(found.corners[:1], boxes.corners)[0, 0]) > 0.5
        assert set(found.targets.tolist()) == {0}
