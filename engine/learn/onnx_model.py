"""A classifier and its backbone as one ONNX network: a picture of any size in, a confidence of each label out."""

import json

import numpy as np
import onnx
from onnx import compose, helper, version_converter

from engine.learn.calibrate import Softmax
from engine.learn.classifier import Classifier
from engine.learn.dictionary import Dictionary
from engine.learn.errors import NotExportableError
from engine.learn.heads import LinearRule
from engine.learn.manifest import Manifest
from engine.learn.network import LONGEST_ASPECT, POOLED, SIDE, STEP
from engine.learn.onnx_builtin import add_average, add_builtin_groups
from engine.learn.onnx_nodes import Nodes, RawPicture, Value, add_resized, add_side, add_sides_of_area
from engine.learn.platt import Platt
from engine.learn.support import TINY

LEAST_OPERATORS = 13  # the operator set that `engine.learn.onnx_nodes` is written in
LEAST_FORMAT = 8  # the IR version that goes with it
PICTURE, CONFIDENCES = "picture", "confidences"
_NETWORK = "network/"  # begins the names of all that was in the backbone


def onnx_classifier(
    network: bytes, manifest: Manifest, classifier: Classifier, *, dictionary: Dictionary | None = None
) -> bytes:
    """Builds the network; equal arguments make equal bytes.

    Its input `picture` is uint8 (height, width, 3) in RGB, upright; its output `confidences` is float64 (k,), in the
    order of the classifier's labels, which are also in its metadata. It computes what the backbone's `embed` and
    `Classifier.predict` do, step by step.

    Args:
        network: The backbone's model.onnx.
        manifest: What it says of it.
        classifier: One that was trained on it.
        dictionary: Of the built-in backbone, when the network is its; without it the backbone is the network alone.

    Raises:
        NotExportableError: The network is of an operator set that cannot be brought up to ours.
    """
    backbone = compose.add_prefix(_modern(onnx.load_model_from_string(network), manifest.name), _NETWORK)
    before, after = Nodes(), Nodes("after_")
    picture = _add_preparation(before, manifest)
    maps = {stride: f"{_NETWORK}stride{stride}" for stride in manifest.channels}
    if dictionary is None:
        pooled = [(stride, weight) for stride, weight in POOLED.items() if stride in maps]
        groups = [(add_average(after, maps[stride]), weight) for stride, weight in pooled]
    else:
        groups = add_builtin_groups(after, maps, picture, dictionary)
    _add_classifier(after, _add_joined(after, groups), classifier)
    sides: list[str | int] = ["height", "width", 3]
    graph = helper.make_graph(
        [*before.nodes, *backbone.graph.node, *after.nodes],
        "classifier",
        [helper.make_tensor_value_info(PICTURE, onnx.TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info(CONFIDENCES, onnx.TensorProto.DOUBLE, [len(classifier.labels)])],
        [*before.constants, *backbone.graph.initializer, *after.constants],
        sparse_initializer=backbone.graph.sparse_initializer,
    )
    model = helper.make_model(
        graph,
        producer_name="darkroom",
        ir_version=max(backbone.ir_version, LEAST_FORMAT),
        opset_imports=list(backbone.opset_import),
        functions=list(backbone.functions),
    )
    helper.set_model_props(model, {"labels": json.dumps(classifier.labels, ensure_ascii=False)})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _modern(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Returns the model in an operator set that our nodes fit into."""
    version = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if version >= LEAST_OPERATORS:
        return model
    try:
        return version_converter.convert_version(model, LEAST_OPERATORS)
    except (RuntimeError, ValueError) as error:
        raise NotExportableError(
            f"the network of backbone '{name}' is of ONNX operator set {version}, and cannot be brought up to "
            f"{LEAST_OPERATORS} ({error}); export it from its source anew"
        ) from error


def _add_preparation(nodes: Nodes, manifest: Manifest) -> RawPicture:
    """Adds what makes the network's input of the picture: what `NetworkBackbone` does before it runs.

    Returns what it read of the picture.
    """
    planes = nodes.cast(nodes.add("Transpose", PICTURE, perm=[2, 0, 1]), np.int32)
    height, width = add_side(nodes, PICTURE, 0), add_side(nodes, PICTURE, 1)
    new_width, new_height = add_sides_of_area(nodes, height, width, SIDE, step=STEP, longest_aspect=LONGEST_ASPECT)
    levels = add_resized(nodes, planes, height=height, width=width, new_height=new_height, new_width=new_width)
    if manifest.order == "BGR":
        levels = nodes.add("Gather", levels, np.array([2, 1, 0]), axis=0)
    if manifest.dtype == "float32":
        scaled = nodes.add("Mul", levels, np.float64((manifest.high - manifest.low) / 255.0))
        mapped = nodes.add("Add", scaled, np.float64(manifest.low))
        if manifest.mean is not None and manifest.std is not None:
            centred = nodes.add("Sub", mapped, np.array(manifest.mean)[:, np.newaxis, np.newaxis])
            mapped = nodes.add("Div", centred, np.array(manifest.std)[:, np.newaxis, np.newaxis])
        values = nodes.cast(mapped, np.float32)
    else:
        values = nodes.cast(levels, np.uint8)
    if manifest.layout == "NHWC":
        values = nodes.add("Transpose", values, perm=[1, 2, 0])
    nodes.add("Unsqueeze", values, np.array([0]), name=_NETWORK + manifest.input_name)
    return RawPicture(planes, height, width)


def _add_joined(nodes: Nodes, groups: list[tuple[Value, float]]) -> Value:
    """Adds what `engine.learn.groups.joined` does with groups and their weights: float32 (D,)."""
    scaled = []
    for group, weight in groups:
        length = nodes.add("ReduceSum", nodes.cast(nodes.add("Abs", group), np.float64), keepdims=0)
        share = nodes.add("Div", np.float64(weight**2), nodes.add("Max", length, np.float64(1e-9)))
        scaled.append(nodes.add("Mul", group, nodes.cast(share, np.float32)))
    return nodes.add("Concat", *scaled, axis=0)


def _add_classifier(nodes: Nodes, features: Value, classifier: Classifier) -> None:
    """Adds what `Classifier.predict` does with features (D,)."""
    scores = _add_scores(nodes, features, classifier.rule)
    match classifier.calibration:
        case Softmax(temperature):
            nodes.add("Softmax", nodes.add("Div", scores, np.float64(temperature)), name=CONFIDENCES, axis=-1)
        case Platt(slopes, offsets):
            odds = nodes.add("Add", nodes.add("Mul", scores, slopes), offsets)
            nodes.add("Sigmoid", odds, name=CONFIDENCES)


def _add_scores(nodes: Nodes, features: Value, rule: LinearRule) -> Value:
    """Adds `LinearRule.scores` of features (D,): float64 (k,)."""
    roots = nodes.add("Mul", nodes.add("Sign", features), nodes.add("Sqrt", nodes.add("Abs", features)))
    row = _add_unit_length(nodes, roots)
    if rule.centre is not None:
        row = _add_unit_length(nodes, nodes.add("Sub", row, rule.centre.astype(np.float32)))
    return nodes.add("Add", nodes.add("MatMul", nodes.cast(row, np.float64), rule.weights), rule.bias)


def _add_unit_length(nodes: Nodes, row: Value) -> Value:
    squares = nodes.add("ReduceSum", nodes.add("Mul", row, row), keepdims=0)
    return nodes.add("Div", row, nodes.add("Max", nodes.add("Sqrt", squares), np.float32(TINY)))
