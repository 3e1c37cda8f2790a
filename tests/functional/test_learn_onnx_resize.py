import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from engine.learn.onnx_nodes import Nodes, add_resized, add_side, add_sides_of_area
from engine.learn.pictures import resized, sides_of_area

WIDE = [(480, 640), (50, 1200), (224, 224), (1, 1), (31, 33), (333, 517), (768, 1024)]
TALL = [(1200, 60), (700, 20), (901, 455), (640, 480), (380, 130), (2048, 1365), (300, 100)]  # some height first


@pytest.fixture(scope="module")
def resizing() -> onnxruntime.InferenceSession:
    nodes = Nodes()
    planes = nodes.cast(nodes.add("Transpose", "picture", perm=[2, 0, 1]), np.int32)
    height, width = add_side(nodes, "picture", 0), add_side(nodes, "picture", 1)
    new_width, new_height = add_sides_of_area(nodes, height, width, 224, step=32, longest_aspect=3.0)
    done = add_resized(nodes, planes, height=height, width=width, new_height=new_height, new_width=new_width)
    nodes.add("Transpose", nodes.cast(done, np.uint8), name="resized", perm=[1, 2, 0])
    picture = helper.make_tensor_value_info("picture", onnx.TensorProto.UINT8, ["height", "width", 3])
    result = helper.make_tensor_value_info("resized", onnx.TensorProto.UINT8, ["new_height", "new_width", 3])
    graph = helper.make_graph(nodes.nodes, "resize", [picture], [result], nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def levels_apart(resizing: onnxruntime.InferenceSession, height: int, width: int) -> NDArray[np.int64]:
    picture = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sides = sides_of_area(picture, 224, step=32, longest_aspect=3.0)
    expected = resized(picture, *sides, reducing_gap=1.0)
    (found,) = resizing.run(None, {"picture": picture})
    assert found.shape == expected.shape
    return np.abs(found.astype(np.int64) - expected)


@pytest.mark.parametrize(("height", "width"), WIDE + TALL)
def test_a_picture_is_resized_in_the_graph_as_the_engine_does(
    resizing: onnxruntime.InferenceSession, height: int, width: int
) -> None:
    apart = levels_apart(resizing, height, width)
    assert apart.max() <= 1
    assert np.mean(apart > 0) < 1e-4  # ties, in pictures with a partial last block
