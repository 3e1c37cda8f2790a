"""The student as ONNX: batch norms folded into convolutions, weights stored as float16, computed as float32."""

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from pretrain.student import Block, Student

GRAPH_NAME = "darkroom_small"
OPSET, IR_VERSION = 17, 9


def to_onnx(student: Student) -> bytes:
    """Writes the student: `input` uint8 (1, h, w, 3) in RGB to `stride8`, `stride16`, `stride32` (1, C, h/s, w/s).

    Sides must be multiples of 32: the averages of the shortcuts drop an odd row, where the student keeps it.
    """
    graph = _Graph()
    x = graph.node("Cast", ["input"], to=TensorProto.FLOAT)
    x = graph.node("Transpose", [x], perm=[0, 3, 1, 2])
    x = graph.node("Sub", [x, graph.constant(np.array(Student.MEAN))])
    x = graph.node("Mul", [x, graph.constant(np.array(Student.SCALE))])
    x = graph.node("Relu", [graph.convolution(x, student.stem[0], student.stem[1])])
    x = graph.block(x, student.s4)
    x = graph.block(graph.block(x, student.s8[0]), student.s8[1], "stride8")
    x = graph.block(graph.block(x, student.s16[0]), student.s16[1], "stride16")
    graph.block(x, student.s32, "stride32")
    return graph.model().SerializeToString()


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Folds a batch norm, as it is when not training, into a convolution: weights (out, in, k, k) and bias (out,)."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weights = convolution.weight * scale[:, None, None, None]
    bias = norm.bias - norm.running_mean * scale
    return weights.detach().numpy(), bias.detach().numpy()


class _Graph:
    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        output = output or f"t{len(self._nodes) + 1}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: NDArray[np.floating]) -> str:
        """Stores values as float16; returns the name of their cast to float32."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(value.astype(np.float16), name))
        return self.node("Cast", [name], to=TensorProto.FLOAT)

    def convolution(self, x: str, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> str:
        weights, bias = folded(convolution, norm)
        shape: dict[str, Any] = {"strides": list(convolution.stride), "kernel_shape": list(weights.shape[2:])}
        pads = [int(convolution.padding[0])] * 4
        return self.node("Conv", [x, self.constant(weights), self.constant(bias)], pads=pads, **shape)

    def block(self, x: str, block: Block, output: str | None = None) -> str:
        y = self.node("Relu", [self.convolution(x, block.a, block.na)])
        y = self.convolution(y, block.b, block.nb)
        if block.short is not None:
            average, mixed, norm = block.short
            if isinstance(average, nn.AvgPool2d):
                x = self.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            x = self.convolution(x, mixed, norm)
        return self.node("Relu", [self.node("Add", [y, x])], output)

    def model(self) -> onnx.ModelProto:
        picture = helper.make_tensor_value_info("input", TensorProto.UINT8, [1, "h", "w", 3])
        outputs = [
            helper.make_tensor_value_info(f"stride{s}", TensorProto.FLOAT, [1, c, f"h{s}", f"w{s}"])
            for s, c in Student.CHANNELS.items()
        ]
        graph = helper.make_graph(self._nodes, GRAPH_NAME, [picture], outputs, self._weights)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model
