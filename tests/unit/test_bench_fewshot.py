"""What `./darkroom bench fewshot` draws, averages, bounds and keeps."""

import math
from pathlib import Path

import numpy as np
import pytest

from bench.fewshot import figures
from bench.learning.cells import Cell, Shelf, together
from bench.learning.datasets import DataSet, Photo, cut_out
from bench.learning.features import Example
from bench.learning.intervals import Estimate, mean_of, over_draws, over_pictures, student
from bench.learning.references import logistic, logistic_standardised, nearest_mean
from bench.learning.shots import Embedded, balanced, drawn

EXACT = Estimate(50.0, 0.0, 0.0)


def known(*, counts: tuple[int, ...], tested: tuple[int, ...] = (), files: int | None = None) -> Embedded:
    """Pictures of labels 0, 1, …: so many to draw from, so many kept for scoring, in so many files."""
    sides = [(number, False) for number, count in enumerate(counts) for _ in range(count)]
    sides += [(number, True) for number, count in enumerate(tested) for _ in range(count)]
    whole, one = np.array([[0.0, 0.0, 1.0, 1.0]]), np.zeros(1, dtype=np.bool_)
    photos = tuple(
        Photo(Path(), f"{place % (files or len(sides)):03}", whole, np.array([number]), one, test)
        for place, (number, test) in enumerate(sides)
    )
    data = DataSet("drawn", tuple("abcdef"[: len(counts)]), photos, files is not None, "")
    examples = [Example(photo, None, int(photo.targets[0])) for photo in photos]
    return Embedded(
        data,
        examples,
        np.zeros((len(sides), 2), dtype=np.float32),
        np.array([number for number, _ in sides]),
        np.array([photo.digest for photo in photos]),
        np.array([test for _, test in sides]),
    )


def cell(data: str, size: str, top1: float, *, logistic_top1: float = 50.0, ece: float = 0.05) -> Cell:
    scores = {
        "top1": Estimate(top1, 3.0, 4.0),
        "logistic_top1": Estimate(logistic_top1, 0.0, 0.0),
        "logistic_standardised_top1": Estimate(logistic_top1 - 1.0, 0.0, 0.0),
        "nearest_top1": EXACT,
        "ece": Estimate(ece, 0.01, 0.0),
    }
    return Cell(data, size, "mobilenet_v2", scores, {"train_seconds": 2.0, "predict_ms": 10.0}, {"top1": [top1]})


def test_with_a_split_shots_are_drawn_from_the_train_part_and_the_whole_test_part_is_scored() -> None:
    data = known(counts=(6, 8), tested=(2, 3))
    draw = drawn(data, 5, seed=1)
    assert draw is not None
    support, asked = draw
    assert not data.test[support].any()
    assert np.bincount(data.targets[support]).tolist() == [5, 5]
    assert asked.tolist() == np.flatnonzero(data.test).tolist()


def test_without_a_split_what_is_not_drawn_is_scored() -> None:
    draw = drawn(known(counts=(6, 8)), 2, seed=0)
    assert draw is not None
    assert sorted([*draw[0].tolist(), *draw[1].tolist()]) == list(range(14))


def test_boxes_of_a_file_that_was_drawn_from_are_not_scored() -> None:
    data = known(counts=(6, 6), files=4)
    draw = drawn(data, 1, seed=0)
    assert draw is not None
    assert not set(data.groups[draw[0]]) & set(data.groups[draw[1]])


def test_few_shots_are_a_part_of_more_and_other_seeds_draw_others() -> None:
    data = known(counts=(20, 20))
    draws = [drawn(data, shots, seed) for shots, seed in ((2, 0), (5, 0), (5, 1), (5, 0))]
    two, five, other, again = (set(draw[0].tolist()) for draw in draws if draw is not None)
    assert two < five == again != other


@pytest.mark.parametrize(("counts", "shots"), [((4, 20), 5), ((5, 5), 5)])
def test_a_data_set_with_too_few_pictures_to_draw_or_to_score_is_left_out(counts: tuple[int, ...], shots: int) -> None:
    assert drawn(known(counts=counts), shots, seed=0) is None


def test_accuracy_gives_labels_equal_weight() -> None:
    truth = np.array([0, 0, 0, 0, 2])
    assert balanced(np.array([0, 0, 0, 0, 1]), truth)[0] == 0.5  # label 1 does not occur in the truth


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 12.706), (4, 2.776), (9, 2.262), (12, 2.179), (29, 2.045), (99, 1.984)]
)
def test_quantiles_are_students(degrees: int, expected: float) -> None:
    assert student(degrees) == pytest.approx(expected, rel=1e-3)


def test_an_interval_over_drawings_is_students_and_a_single_drawing_has_none() -> None:
    assert over_draws([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=1e-3)
    assert over_draws([7.0]) == 0.0


def test_an_interval_over_pictures_shrinks_with_their_number_and_a_few_right_answers_are_no_certainty() -> None:
    widths = [over_pictures(np.array([1.0, 1.0]), np.array([count, count])) for count in (1, 10, 1000)]
    assert widths[0] > 0.3
    assert sorted(widths, reverse=True) == widths


def test_a_mean_over_sets_is_surer_than_each() -> None:
    mean = mean_of([Estimate(40.0, 3.0, 4.0), Estimate(60.0, 4.0, 3.0)])
    assert (mean.mean, mean.draws95, mean.pictures95) == (50.0, 2.5, 2.5)
    assert mean.half == pytest.approx(2.5 * math.sqrt(2))


def test_references_tell_well_separated_labels_apart() -> None:
    rows = np.array([[1, 0.1], [2, 0.1], [0.1, 1], [0.1, 3]], dtype=np.float32)
    asked, targets = np.array([[5, 1], [1, 5]], dtype=np.float32), np.array([0, 0, 1, 1])
    assert nearest_mean(rows, targets, asked).tolist() == [0, 1]
    assert logistic(rows, targets, asked).tolist() == [0, 1]
    assert logistic_standardised(rows, targets, asked).tolist() == [0, 1]


def test_a_box_is_cut_out_a_little_widened_and_not_beyond_the_picture() -> None:
    pixels = np.zeros((100, 200, 3), dtype=np.uint8)
    assert cut_out(pixels, np.array([0.25, 0.5, 0.75, 1.0])).shape == (53, 110, 3)


def test_figures_are_averaged_over_sets_and_bounded_for_mobilenet() -> None:
    cells = [cell("coins", "5shot", 60.0), cell("fruit", "5shot", 80.0, logistic_top1=89.0, ece=0.2)]
    shown = {each.name: each for each in figures({"mobilenet_v2": cells})}
    assert shown["coins_5shot_top1"].value == 60.0
    assert shown["mean_5shot_top1"].value == 70.0
    assert (shown["mean_5shot_over_logistic"].value, shown["mean_5shot_over_logistic"].ok) == (0.5, False)
    assert (shown["mean_5shot_ece"].value, shown["mean_5shot_ece"].ok) == (0.125, False)
    assert shown["predict_ms"].value == 10.0


def test_names_begin_with_the_backbone_where_there_are_several_and_the_margin_is_bounded_for_mobilenet_alone() -> None:
    shown = {each.name: each for each in figures({name: [cell("coins", "2shot", 40.0)] for name in ("own", "a+b")})}
    assert {"own_coins_2shot_top1", "a_b_mean_2shot_top1"} <= set(shown)
    assert shown["own_mean_2shot_over_logistic"].ok


def test_the_built_in_backbone_is_bounded_by_the_hand_made_features_when_both_are_measured() -> None:
    by_backbone = {"ours": [cell("coins", "5shot", 62.9)], "handmade-1": [cell("coins", "5shot", 60.0)]}
    last = figures(by_backbone, ("ours", "handmade-1"))[-1]
    assert (last.name, last.value, last.ok) == ("builtin_5shot_over_handmade", 2.9, False)


CONFIG = {"data": "coins", "size": "2shot", "backbone": "a+b", "code": "1"}


def of_drawings(values: list[float]) -> Cell:
    """A cell of some drawings; each takes a millisecond and misses half a point over pictures."""
    scores = {"top1": Estimate(float(np.mean(values)), over_draws(values), 0.5)}
    return Cell("coins", "2shot", "a+b", scores, {"predict_ms": 1.0}, {"top1": values})


def test_a_cell_is_measured_again_only_when_it_is_another_or_lacks_drawings(tmp_path: Path) -> None:
    asked: list[range] = []

    def measure(seeds: range) -> Cell:
        asked.append(seeds)
        return of_drawings([10.0 * seed for seed in seeds])

    shelf = Shelf(tmp_path, "revision", write=True, again=False)
    assert shelf.filled(CONFIG, 2, (), measure) == (of_drawings([0.0, 10.0]), False)
    assert shelf.filled(CONFIG, 2, (), measure) == (of_drawings([0.0, 10.0]), True)
    assert shelf.filled(CONFIG, 5, (), measure) == (of_drawings([0.0, 10.0, 20.0, 30.0, 40.0]), False)
    assert shelf.filled(CONFIG, 3, (), measure) == (of_drawings([0.0, 10.0, 20.0, 30.0, 40.0]), True)
    assert asked == [range(2), range(2, 5)]
    shelf.filled(CONFIG | {"code": "2"}, 3, (), measure)
    Shelf(tmp_path, "revision", write=True, again=True).filled(CONFIG | {"code": "2"}, 3, (), measure)
    assert asked[2:] == [range(3), range(3)]


def test_where_there_is_nothing_more_to_draw_the_cell_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "revision", write=True, again=False)
    shelf.filled(CONFIG, 1, (), lambda _: of_drawings([7.0]))
    assert shelf.filled(CONFIG, 3, (), lambda _: None) == (of_drawings([7.0]), False)
    assert shelf.filled(CONFIG, 3, (), lambda _: None) == (of_drawings([7.0]), True)


def test_cells_together_weigh_each_drawing_alike() -> None:
    first, more = of_drawings([10.0, 20.0, 30.0]), of_drawings([40.0])
    joined = together(first, Cell("coins", "2shot", "a+b", more.scores, {"predict_ms": 5.0}, more.values))
    assert joined.scores["top1"].mean == 25.0
    assert joined.costs == {"predict_ms": 2.0}


def test_a_cell_is_not_kept_unasked(tmp_path: Path) -> None:
    Shelf(tmp_path, "revision", write=False, again=False).filled(CONFIG, 1, (), lambda _: of_drawings([1.0]))
    assert not list(tmp_path.iterdir())
