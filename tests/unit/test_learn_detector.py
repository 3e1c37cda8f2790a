"""The parts of the detector, each against plain arithmetic."""

import numpy as np
import pytest

from engine.learn.detector.boxes import Boxes, Detections, cut, inside, overlaps
from engine.learn.detector.calibration import Curves, fit_curves, hits
from engine.learn.detector.compression import fit_compression
from engine.learn.detector.descriptors import BINS, FORM, LEAST, PARTS, Ground, described, surround
from engine.learn.detector.lbfgs import minimum
from engine.learn.detector.maps import GRID, extent, letterboxed
from engine.learn.detector.offsets import fit_offsets, moved, offsets_between
from engine.learn.detector.rule import MOVES, Rule, scan
from engine.learn.detector.shapes import SHAPES, common_shapes
from engine.learn.detector.softmax import Examples, Layer, fit_softmax, softmax_loss
from engine.learn.detector.suppression import suppressed
from engine.learn.detector.views import dealt, mirrored, seed_of, spread

RNG = np.random.default_rng


def test_the_minimum_of_a_quadratic_is_found() -> None:
    scales, wanted = np.array([1.0, 50.0, 1000.0]), np.array([3.0, -2.0, 0.5])

    found = minimum(
        lambda point: (float(scales @ (point - wanted) ** 2), 2 * scales * (point - wanted)),
        np.zeros(3),
        tolerance=1e-9,
    )

    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_the_minimum_of_rosenbrocks_valley_is_found() -> None:
    def valley(point: np.ndarray) -> tuple[float, np.ndarray]:
        x, y = point
        slope = [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)]
        return 100 * (y - x * x) ** 2 + (1 - x) ** 2, np.array(slope)

    np.testing.assert_allclose(minimum(valley, np.array([-1.2, 1.0]), tolerance=1e-8), [1, 1], atol=1e-6)


def test_the_minimum_stays_where_it_starts_when_the_gradient_is_zero() -> None:
    assert minimum(lambda point: (0.0, np.zeros(2)), np.array([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_a_function_that_lies_about_its_gradient_ends_the_search_with_the_best_point() -> None:
    assert minimum(lambda point: (float(point @ point), -2 * point), np.array([1.0])).tolist() == [1.0]


def test_the_softmax_loss_has_the_gradient_that_it_says() -> None:
    rng = RNG(0)
    examples = _examples(rng, rows=20, width=4, classes=3)
    point, step = rng.normal(size=15), 1e-2

    _, slope = softmax_loss(point, examples, 0.1)

    for place in range(len(point)):
        more, less = point.copy(), point.copy()
        more[place] += step
        less[place] -= step
        rise = softmax_loss(more, examples, 0.1)[0] - softmax_loss(less, examples, 0.1)[0]
        assert slope[place] == pytest.approx(rise / (2 * step), abs=1e-4)


def test_a_softmax_layer_gives_the_shares_that_are_wanted() -> None:
    rows = np.repeat(np.eye(2, dtype=np.float32), 50, axis=0)
    wanted = np.repeat(np.array([[0.8, 0.2], [0.3, 0.7]], dtype=np.float32), 50, axis=0)

    layer = fit_softmax(Examples(rows, wanted, np.full(100, 0.01, dtype=np.float32)), 1e-6)

    scores = np.eye(2) @ layer.weights + layer.bias
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, [[0.8, 0.2], [0.3, 0.7]], atol=0.01)


def test_a_described_box_is_averages_of_the_cells_that_it_covers() -> None:
    ground = _ground(RNG(1), width=40.0, height=GRID)
    box = np.array([[3.0, 6.0, 15.0, 12.0]])

    row = described(ground, box)[0][:-FORM].reshape(PARTS, -1)

    first = ground.grid[6:8, 3:7].mean(axis=(0, 1))
    last = ground.grid[10:12, 11:15].mean(axis=(0, 1))
    whole = ground.grid[6:12, 3:15].mean(axis=(0, 1))
    np.testing.assert_allclose(row[0], first, atol=1e-4)
    np.testing.assert_allclose(row[BINS**2 - 1], last, atol=1e-4)
    np.testing.assert_allclose(row[-2], whole, atol=1e-4)


def test_a_part_of_a_cell_counts_by_its_share() -> None:
    ground = _ground(RNG(2), width=GRID, height=GRID)

    row = described(ground, np.array([[4.25, 7.0, 5.5, 8.0]]))[0][:-FORM].reshape(PARTS, -1)

    wanted = (0.75 * ground.grid[7, 4] + 0.5 * ground.grid[7, 5]) / 1.25
    np.testing.assert_allclose(row[-2], wanted, atol=1e-3)


def test_scanning_gives_each_place_what_describing_its_box_would() -> None:
    rng = RNG(3)
    ground = _ground(rng, width=GRID, height=31.5)
    width = PARTS * ground.grid.shape[2] + FORM
    rule = Rule(*(rng.normal(size=shape).astype(np.float32) for shape in ((width, 3 + MOVES), (3 + MOVES,))))

    corners, answers = scan(ground, np.array([[2.0, 2.5], [7.0, 30.0], [60.0, 12.0]]), rule)

    some = rng.choice(len(corners), 300, replace=False)
    np.testing.assert_allclose(answers[some], rule(described(ground, corners[some])), atol=0.05)
    assert corners.min() >= 0
    assert corners[:, 2].max() <= GRID
    assert corners[:, 3].max() <= 31.5


def test_boxes_are_cut_to_the_picture_and_keep_a_least_side() -> None:
    boxes = np.array([[-2.0, -2.0, 3.0, 3.0], [9.9, 5.0, 14.0, 5.1], [4.0, 4.0, 4.0, 4.0], [-5.0, 11.0, -4.0, 12.0]])

    result = inside(boxes, 10.0, 8.0, least=1.0)

    np.testing.assert_allclose(
        result, [[0, 0, 3, 3], [9, 4.55, 10, 5.55], [3.5, 3.5, 4.5, 4.5], [0, 7, 1, 8]], atol=1e-9
    )


def test_a_picture_narrower_than_the_least_side_is_covered_whole() -> None:
    near, far = cut(np.array([0.2]), np.array([0.3]), 0.5, 1.0)

    assert (near.tolist(), far.tolist()) == ([0.0], [0.5])


def test_a_surround_is_about_the_box_and_within_the_picture() -> None:
    wide = surround(np.array([[10.0, 10.0, 20.0, 20.0], [0.0, 0.0, 10.0, 10.0]]), 50.0, 50.0)

    np.testing.assert_allclose(wide, [[6, 6, 24, 24], [0, 0, 14, 14]])


def test_overlaps_are_shared_area_by_area_of_both() -> None:
    shares = overlaps(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))

    np.testing.assert_allclose(shares, [[1 / 3, 0.0]])


def test_offsets_move_a_box_onto_what_is_wanted() -> None:
    boxes, wanted = np.array([[0.0, 0.0, 10.0, 4.0]]), np.array([[2.0, 1.0, 9.0, 6.0]])

    np.testing.assert_allclose(moved(boxes, offsets_between(boxes, wanted).astype(np.float32)), wanted, atol=1e-5)


def test_offsets_are_learnt_from_linear_descriptors() -> None:
    rng = RNG(4)
    rows, slope = rng.normal(size=(400, 6)).astype(np.float32), rng.normal(size=(6, 4))

    layer = fit_offsets(rows, rows @ slope + 0.5, 1e-9)

    np.testing.assert_allclose(layer.weights, slope, atol=1e-4)
    np.testing.assert_allclose(layer.bias, 0.5, atol=1e-4)


def test_without_boxes_nothing_moves() -> None:
    layer = fit_offsets(np.empty((0, 3), dtype=np.float32), np.empty((0, 4)), 1.0)

    assert not layer.weights.any()
    assert not layer.bias.any()


def test_of_boxes_that_overlap_the_best_is_kept_and_the_others_vote() -> None:
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [50.0, 50.0, 60.0, 60.0]])

    corners, which = suppressed(boxes, np.array([0.6, 0.3, 0.9]))

    assert which.tolist() == [2, 0]
    np.testing.assert_allclose(corners, [[50, 50, 60, 60], [1 / 3, 0, 10 + 1 / 3, 10]])


def test_a_box_that_overlaps_only_a_suppressed_one_is_kept() -> None:
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0], [8.0, 0.0, 18.0, 10.0]])

    _, which = suppressed(boxes, np.array([0.9, 0.8, 0.7]))

    assert which.tolist() == [0, 2]


def test_no_boxes_are_suppressed_to_none() -> None:
    corners, which = suppressed(np.empty((0, 4)), np.empty(0))

    assert corners.shape == (0, 4)
    assert len(which) == 0


def test_shapes_stand_for_groups_of_boxes() -> None:
    rng = RNG(5)
    groups = np.array([[2.0, 2.0], [20.0, 5.0], [6.0, 30.0]])
    sides = np.repeat(groups, 60, axis=0) * np.exp(rng.normal(scale=0.02, size=(180, 2)))

    shapes = common_shapes(sides, rng)

    assert len(shapes) == SHAPES
    assert all(np.abs(np.log(shapes / group)).max(axis=1).min() < 0.1 for group in groups)


def test_few_distinct_boxes_are_their_own_shapes() -> None:
    shapes = common_shapes(np.array([[4.0, 2.0], [4.0, 2.0], [1.0, 1.0]]), RNG(6))

    np.testing.assert_allclose(shapes, [[1, 1], [4, 2]], rtol=1e-5)


def test_a_layer_over_compressed_rows_is_one_over_whole_ones() -> None:
    rng = RNG(7)
    rows = rng.normal(size=(60, 30 + FORM)).astype(np.float32)
    compression = fit_compression(rows, FORM)
    short = compression(rows)
    layer = Layer(rng.normal(size=(short.shape[1], 2)), rng.normal(size=2))

    weights, bias = compression.unfolded(layer)

    np.testing.assert_allclose(rows @ weights + bias, short @ layer.weights + layer.bias, atol=1e-4)
    assert np.mean(np.sum(short**2, axis=1)) == pytest.approx(1.0, abs=0.01)


def test_a_found_box_is_right_once_for_each_true_one() -> None:
    truth = _boxes([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]], [0, 1])
    found = _found([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.45], [0.5, 0.5, 1, 1], [0.5, 0.5, 1, 0.9]], [0, 0, 0, 1])

    assert hits(found, truth).tolist() == [True, False, False, True]


def test_in_a_picture_without_boxes_nothing_is_right() -> None:
    assert hits(_found([[0, 0, 1, 1]], [0]), _boxes([], [])).tolist() == [False]


def test_curves_make_precision_of_shares() -> None:
    rng = RNG(8)
    found, truth = [], []
    for _ in range(400):  # label 0 is right half as often as its share says, label 1 as often
        target, share = int(rng.integers(2)), float(rng.uniform(0.05, 0.95))
        right = rng.uniform() < share * (0.5 if target == 0 else 1.0)
        found.append(Detections(np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([target]), np.array([share])))
        truth.append(_boxes([[0.0, 0.0, 0.5, 0.5]] if right else [], [target] if right else []))

    curves = fit_curves(found, truth, 2)

    said = np.array([curves.applied(one).confidences[0] for one in found])
    right = np.array([len(one.targets) for one in truth])
    for target in (0, 1):
        of_label = np.array([one.targets[0] == target for one in found])
        assert said[of_label].mean() == pytest.approx(right[of_label].mean(), abs=0.06)


def test_a_label_of_which_nothing_was_found_has_the_common_curve() -> None:
    found = [_found([[0, 0, 1, 1]], [0])]

    curves = fit_curves(found, [_boxes([[0, 0, 1, 1]], [0])], 2)

    assert np.isfinite(curves.offsets).all()
    assert curves.slope > 0


def test_curves_sort_anew_when_labels_differ() -> None:
    applied = Curves(1.0, np.array([-5.0, 0.0])).applied(_found([[0, 0, 1, 1], [0, 0, 1, 1]], [0, 1], [0.9, 0.5]))

    assert applied.targets.tolist() == [1, 0]
    np.testing.assert_allclose(applied.confidences[0], 0.5)


def test_the_pictures_of_each_label_are_dealt_to_different_folds() -> None:
    truth = [_boxes([[0, 0, 1, 1]], [label]) for label in (0, 1, 0, 1, 2, 2)] + [_boxes([], [])]

    folds = dealt(truth, 3)

    for label in range(3):
        assert len({folds[number] for number, one in enumerate(truth) if label in one.targets}) == 2


def test_numbers_are_spread_evenly() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(10, 4) == [0, 2, 5, 7]


def test_a_mirrored_box_changes_sides() -> None:
    np.testing.assert_allclose(mirrored(_boxes([[0.1, 0.2, 0.4, 0.9]], [0])).corners, [[0.6, 0.2, 0.9, 0.9]])


def test_the_seed_depends_on_boxes_and_labels() -> None:
    one, other = [_boxes([[0, 0, 1, 1]], [0])], [_boxes([[0, 0, 1, 0.9]], [0])]

    assert len({seed_of(one, ["a"]), seed_of(other, ["a"]), seed_of(one, ["b"])}) == 3


@pytest.mark.parametrize(("width", "height", "covered"), [(640, 480, (52.0, 39.0)), (10, 40, (13.0, 52.0))])
def test_a_picture_covers_the_grid_by_its_longer_side(width: int, height: int, covered: tuple[float, float]) -> None:
    square = letterboxed(np.zeros((height, width, 3), dtype=np.uint8))

    assert extent(width, height) == covered
    assert (square[: int(covered[1]) * 8, : int(covered[0]) * 8] == 0).all()
    assert (square == 0).all(axis=2).sum() == covered[0] * covered[1] * 64


def test_a_line_of_pixels_is_a_picture() -> None:
    assert letterboxed(np.zeros((1, 3000, 3), dtype=np.uint8)).shape == (416, 416, 3)
    assert extent(3000, 1) == (52.0, 1 / 8)
    assert LEAST > 1 / 8


def _examples(rng: np.random.Generator, rows: int, width: int, classes: int) -> Examples:
    wanted = rng.dirichlet(np.ones(classes), rows).astype(np.float32)
    weights = rng.dirichlet(np.ones(rows)).astype(np.float32)
    return Examples(rng.normal(size=(rows, width)).astype(np.float32), wanted, weights)


def _ground(rng: np.random.Generator, width: float, height: float) -> Ground:
    grid = rng.normal(size=(GRID, GRID, 5)).astype(np.float32)
    totals = np.zeros((GRID + 1, GRID + 1, 5), dtype=np.float32)
    totals[1:, 1:] = grid.cumsum(axis=0).cumsum(axis=1)
    return Ground(grid, totals, width, height)


def _boxes(corners: list[list[float]], targets: list[int]) -> Boxes:
    return Boxes(np.array(corners, dtype=np.float64).reshape(-1, 4), np.array(targets, dtype=np.intp))


def _found(corners: list[list[float]], targets: list[int], confidences: list[float] | None = None) -> Detections:
    boxes = _boxes(corners, targets)
    shares = np.linspace(0.9, 0.5, len(targets)) if confidences is None else np.array(confidences)
    return Detections(boxes.corners, boxes.targets, shares)
