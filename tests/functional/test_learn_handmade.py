import numpy as np
import pytest
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.classifier import fit_classifier
from engine.learn.drawings import drawings
from engine.learn.handmade import STORED, stored_backbone
from engine.learn.heads import rooted
from engine.learn.learn_handmade import learn_backbone
from tests.learn_support import shape_picture


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return stored_backbone()


def test_shapes_are_told_apart_whatever_their_colour_and_ground(backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    labels = ("bar", "disc", "ring")
    features = np.stack([backbone.embed(shape_picture(label, rng)) for label in labels for _ in range(40)])
    targets = np.repeat(np.arange(3), 40)
    train = np.arange(120) % 4 != 0
    fitted = fit_classifier(features[train], targets[train], labels, backbone=backbone)
    answers = np.argmax(fitted.classifier.predict(features[~train]), axis=1)
    assert np.mean(answers == targets[~train]) >= 0.9
    assert fitted.cross_validated().accuracy_top1 >= 0.9


def test_colours_of_noise_are_told_apart(backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    tints = np.array([[60, 0, 0], [0, 60, 0]])
    features = np.stack(
        [
            backbone.embed((rng.integers(0, 180, (40, 40, 3)) + tint).astype(np.uint8))
            for tint in tints
            for _ in range(6)
        ]
    )
    fitted = fit_classifier(features, np.repeat([0, 1], 6), ("red", "green"), backbone=backbone)
    assert fitted.cross_validated().accuracy_top1 == 1.0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (10, 10), (50, 3), (2, 700), (333, 257), (3000, 40)])
def test_a_picture_of_any_size_has_finite_features_of_the_same_width(
    backbone: Backbone, height: int, width: int
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    features = backbone.embed(picture)
    assert features.shape == (backbone.width,)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_finite_features(backbone: Backbone, level: int) -> None:
    assert np.isfinite(backbone.embed(np.full((60, 60, 3), level, np.uint8))).all()


def test_the_same_picture_has_the_same_features_to_the_bit_and_is_left_as_it_was(backbone: Backbone) -> None:
    picture = shape_picture("ring", np.random.default_rng(3))
    before = picture.tobytes()
    assert backbone.embed(picture).tobytes() == backbone.embed(picture.copy()).tobytes()
    assert picture.tobytes() == before


def test_a_mirror_image_has_the_same_features(backbone: Backbone) -> None:
    picture = shape_picture("bar", np.random.default_rng(3))
    np.testing.assert_array_equal(backbone.embed(picture), backbone.embed(picture[:, ::-1]))


@pytest.mark.parametrize(
    ("height", "width", "cells"), [(64, 96, (8, 12)), (100, 90, (12, 12)), (1, 1, (4, 4)), (5000, 100, (256, 4))]
)
def test_feature_maps_cover_the_whole_picture_at_every_stride(
    backbone: Backbone, height: int, width: int, cells: tuple[int, int]
) -> None:
    maps = backbone.feature_maps(np.zeros((height, width, 3), np.uint8))
    assert {stride: plane.shape[1:] for stride, plane in maps.items()} == {
        8: cells,
        16: (cells[0] // 2, cells[1] // 2),
        32: (cells[0] // 4, cells[1] // 4),
    }
    assert all(plane.dtype == np.float32 for plane in maps.values())


def test_feature_maps_answer_where_something_is(backbone: Backbone) -> None:
    picture = np.full((128, 128, 3), 128, np.uint8)
    picture[70:100, 64:110] = np.random.default_rng(0).integers(0, 256, (30, 46, 3), dtype=np.uint8)
    plane = backbone.feature_maps(picture)[16]
    quiet = plane[:, 0, 0]
    rows, columns = np.nonzero(np.abs(plane - quiet[:, None, None]).sum(axis=0) > 1e-3)
    # the noise lies in rows 4 to 6 and columns 4 to 6; a patch sees 48 px, so two cells around may notice it
    assert {4, 5, 6} <= set(rows) <= set(range(2, 8))
    assert {4, 5, 6} <= set(columns) <= set(range(2, 8))


def test_no_group_of_features_drowns_another() -> None:
    backbone = stored_backbone()
    pictures = list(drawings(40, 96, np.random.default_rng(7)))
    features = np.stack([backbone.embed(picture) for picture in pictures])
    widths = [len(group) for group in backbone.groups(pictures[0])]
    spreads = []
    for part in np.split(features, np.cumsum(widths)[:-1], axis=1):
        length = np.sqrt(np.abs(part)) * np.sign(part)
        spreads.append(float(np.sqrt(np.mean(np.sum((length - length.mean(axis=0)) ** 2, axis=1)))))
    assert sum(widths) == backbone.width
    assert max(spreads) < 1.6 * min(spreads)
    assert np.isfinite(rooted(features)).all()


def test_the_stored_backbone_is_what_its_program_makes_and_small() -> None:
    learnt: dict[str, NDArray[np.float32]] = learn_backbone()
    with np.load(STORED, allow_pickle=False) as stored:
        assert sorted(stored) == sorted(learnt)
        for name, array in learnt.items():
            np.testing.assert_allclose(array, stored[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert STORED.stat().st_size < 200_000


def test_drawings_depend_on_the_generator_alone() -> None:
    one, other, different = (list(drawings(2, 32, np.random.default_rng(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, different)
    assert one[0].std() > 5
