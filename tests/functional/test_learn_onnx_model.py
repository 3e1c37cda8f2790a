"""The exported network against the engine's own steps: `embed`, then `predict`."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from engine.learn.backbone import Backbone, load_backbone
from engine.learn.builtin import STORED, builtin_backbone
from engine.learn.classifier import Classifier, fit_classifier
from engine.learn.errors import NotExportableError
from engine.learn.manifest import read_manifest
from engine.learn.multilabel import fit_multilabel
from engine.learn.onnx_model import onnx_classifier
from tests.learn_support import shape_picture, write_network

SHAPES = ("bar", "disc", "ring")
SIZES = [(333, 517), (640, 480), (64, 80), (50, 600), (600, 40), (700, 20), (224, 224), (1, 1)]
WAYS = [("NHWC", "uint8", "0-255 RGB"), ("NCHW", "float32", "-1-1 BGR"), ("NCHW", "float32", "0-1 RGB")]
CLOSE = 1e-4


def fitted(backbone: Backbone, *, multilabel: bool = False) -> Classifier:
    rng = np.random.default_rng(0)
    names = SHAPES * 6
    features = np.stack([backbone.embed(shape_picture(name, rng)) for name in names])
    if multilabel:
        return fit_multilabel(
            features, [{name, "any"} for name in names], ("any", *SHAPES), backbone=backbone
        ).classifier
    targets = np.array([SHAPES.index(name) for name in names], dtype=np.intp)
    return fit_classifier(features, targets, SHAPES, backbone=backbone).classifier


def network_of(folder: Path, classifier: Classifier) -> bytes:
    return onnx_classifier((folder / "model.onnx").read_bytes(), read_manifest(folder), classifier)


def largest_difference(backbone: Backbone, classifier: Classifier, network: bytes) -> float:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    differences = []
    for number, (height, width) in enumerate(SIZES):
        rng = np.random.default_rng(number)
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture = noise if number % 2 else shape_picture("disc", rng, width, height)
        (found,) = session.run(None, {"picture": picture})
        expected = classifier.predict(backbone.embed(picture)[np.newaxis])[0]
        assert found.shape == expected.shape
        differences.append(np.abs(found - expected).max())
    return float(max(differences))


@pytest.mark.parametrize(("layout", "dtype", "colours"), WAYS)
def test_the_exported_network_answers_as_the_engine_does(tmp_path: Path, layout: str, dtype: str, colours: str) -> None:
    backbone = load_backbone(write_network(tmp_path, layout=layout, dtype=dtype, colours=colours))
    classifier = fitted(backbone)
    network = network_of(tmp_path, classifier)
    onnx.checker.check_model(network, full_check=True)
    assert largest_difference(backbone, classifier, network) < CLOSE


def test_the_exported_network_normalises_each_colour_as_the_engine_does(tmp_path: Path) -> None:
    ways = {"layout": "NCHW", "dtype": "float32", "range": "0-1 RGB", "mean": [0.4, 0.3, 0.2], "std": [0.2, 0.3, 0.4]}
    folder = write_network(tmp_path, layout="NCHW", dtype="float32", input={"name": "input"} | ways)
    backbone = load_backbone(folder)
    classifier = fitted(backbone)
    assert largest_difference(backbone, classifier, network_of(folder, classifier)) < CLOSE


def test_the_exported_network_of_a_multilabel_classifier_answers_as_the_engine_does(tmp_path: Path) -> None:
    backbone = load_backbone(write_network(tmp_path))
    classifier = fitted(backbone, multilabel=True)
    assert classifier.multilabel
    assert largest_difference(backbone, classifier, network_of(tmp_path, classifier)) < CLOSE


def test_the_exported_network_of_the_built_in_backbone_answers_as_the_engine_does() -> None:
    backbone = builtin_backbone()
    classifier = fitted(backbone)
    network = onnx_classifier(
        (STORED / "model.onnx").read_bytes(), read_manifest(STORED), classifier, dictionary=backbone.dictionary
    )
    onnx.checker.check_model(network, full_check=True)
    assert largest_difference(backbone, classifier, network) < CLOSE


def test_a_classifier_exported_twice_is_the_same_to_the_byte_and_names_its_labels(tmp_path: Path) -> None:
    classifier = fitted(load_backbone(write_network(tmp_path)))
    network = network_of(tmp_path, classifier)
    assert network == network_of(tmp_path, classifier)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == list(SHAPES)


def test_a_network_of_an_older_operator_set_is_brought_up_to_ours(tmp_path: Path) -> None:
    backbone = load_backbone(write_network(tmp_path))
    classifier = fitted(backbone)
    old = onnx.load(tmp_path / "model.onnx")
    old.opset_import[0].version = 11
    network = onnx_classifier(old.SerializeToString(), read_manifest(tmp_path), classifier)
    assert largest_difference(backbone, classifier, network) < CLOSE


def test_a_network_that_cannot_be_brought_up_is_refused_and_named(tmp_path: Path) -> None:
    classifier = fitted(load_backbone(write_network(tmp_path)))
    old = onnx.load(tmp_path / "model.onnx")
    old.opset_import[0].version = 11
    old.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(NotExportableError, match=r"'averages' is of ONNX operator set 11"):
        onnx_classifier(old.SerializeToString(), read_manifest(tmp_path), classifier)
