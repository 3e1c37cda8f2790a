import hashlib

import numpy as np
import pytest

from engine.learn.backbone import Backbone, load_backbone
from engine.learn.builtin import STORED, builtin_backbone
from engine.learn.classifier import fit_classifier
from engine.learn.handmade import stored_backbone
from engine.learn.manifest import read_manifest, read_origin
from tests.learn_support import shape_picture


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(None)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (10, 10), (50, 3), (2, 700), (333, 257), (2000, 40)])
def test_a_picture_of_any_size_has_finite_features_and_maps(backbone: Backbone, height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    features = backbone.embed(picture)
    assert features.shape == (backbone.width,)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert {stride: levels.shape[0] for stride, levels in backbone.feature_maps(picture).items()} == {
        8: 80,
        16: 160,
        32: 384,
    }


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_finite_features(backbone: Backbone, level: int) -> None:
    assert np.isfinite(backbone.embed(np.full((60, 60, 3), level, np.uint8))).all()


def test_features_are_the_same_with_one_and_two_threads() -> None:
    picture = shape_picture("ring", np.random.default_rng(0))
    assert builtin_backbone(1).embed(picture).tobytes() == builtin_backbone(2).embed(picture).tobytes()


def test_shapes_are_told_apart_from_ten_pictures_each(backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    labels = ("bar", "disc", "ring")
    features = np.stack([backbone.embed(shape_picture(label, rng)) for label in labels for _ in range(40)])
    targets = np.repeat(np.arange(3), 40)
    train = np.arange(120) % 40 < 10
    fitted = fit_classifier(features[train], targets[train], labels, backbone=backbone)
    answers = np.argmax(fitted.classifier.predict(features[~train]), axis=1)
    assert np.mean(answers == targets[~train]) >= 0.95


def test_it_is_another_backbone_than_the_hand_made_one(backbone: Backbone) -> None:
    assert backbone.digest != stored_backbone().digest


def test_the_network_is_small_and_says_where_it_comes_from() -> None:
    network = STORED / "model.onnx"
    assert network.stat().st_size <= 8_000_000
    assert read_manifest(STORED).sha256 == hashlib.sha256(network.read_bytes()).hexdigest()
    assert read_origin(STORED).licence == "MIT"
    card = (STORED / "MODEL_CARD.md").read_text()
    for teacher in ("mobilenet_v1", "mobilenet_v2", "yolox_nano", "Apache-2.0"):
        assert teacher in card
