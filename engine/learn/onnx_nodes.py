"""Writes pieces of an ONNX graph: a value in, a value out, each with a name of its own.

Only operators and signatures that hold from operator set 13 on are used, so that a piece fits any newer network.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PILLOW_BITS = 22  # of the whole numbers in which Pillow keeps the weights of a resize: 32 - 8 - 2

type Value = str  # the name of a value in the graph
type Constant = NDArray[Any] | np.generic


@dataclass(frozen=True, slots=True)
class RawPicture:
    """The picture that is given to a graph.

    Attributes:
        planes: int32 (3, H, W).
        height: float64 scalar.
        width: float64 scalar.
    """

    planes: Value
    height: Value
    width: Value


class Nodes:
    """Collects the nodes and constants of a graph, in the order in which they run.

    Args:
        prefix: Begins the names that are made up, so that the nodes of two collections fit in one graph.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: Value | Constant, name: str | None = None, **attributes: Any) -> Value:
        """Adds a node of one output and returns the output's name.

        Args:
            operator: Of ONNX, such as "Mul".
            inputs: Names of values, or constants.
            name: Of the output; without it one is made up.
            attributes: Of the operator.
        """
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        output = name or f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], name=output, **attributes))
        return output

    def cast(self, value: Value, kind: type[np.generic], name: str | None = None) -> Value:
        """Adds a conversion to a NumPy type."""
        return self.add("Cast", value, name=name, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def _constant(self, value: Constant) -> Value:
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def add_side(nodes: Nodes, picture: Value, axis: int) -> Value:
    """Adds the length of an axis, as a float64 scalar."""
    shape = nodes.add("Shape", picture)
    return nodes.cast(nodes.add("Gather", shape, np.int64(axis)), np.float64)


def add_sides_of_area(
    nodes: Nodes, height: Value, width: Value, side: int, *, step: int, longest_aspect: float
) -> tuple[Value, Value]:
    """Adds what `engine.learn.pictures.sides_of_area` computes; returns (width, height), float64 scalars."""
    aspect = nodes.add("Max", nodes.add("Div", width, height), np.float64(1 / longest_aspect))
    stretch = nodes.add("Sqrt", nodes.add("Min", aspect, np.float64(longest_aspect)))

    def multiple(length: Value) -> Value:
        steps = nodes.add("Round", nodes.add("Div", length, np.float64(step)))  # half to even, as Python's round
        return nodes.add("Max", nodes.add("Mul", steps, np.float64(step)), np.float64(step))

    wide = multiple(nodes.add("Mul", np.float64(side), stretch))
    return wide, multiple(nodes.add("Div", np.float64(side), stretch))


def add_resized(
    nodes: Nodes, planes: Value, *, height: Value, width: Value, new_height: Value, new_width: Value
) -> Value:
    """Adds what `engine.learn.pictures.resized` does with a reducing gap of 1 to planes (3, H, W).

    The planes are int32, all else is float64.

    ONNX's own Resize works with float32 weights and differs by up to 23 of 255 levels. Pillow averages whole blocks,
    then resizes one axis after the other, with whole-numbered weights, and rounds to whole levels after each step; such
    sums are exact in float64. Source: Pillow, Image.resize, src/libImaging/Reduce.c and Resample.c; which axis comes
    first was measured (Pillow 13).
    """
    fit_rows, fit_columns = _add_factor(nodes, height, new_height), _add_factor(nodes, width, new_width)
    sums, wides = _add_block_sums(nodes, planes, 2, width, fit_columns)
    sums, highs = _add_block_sums(nodes, nodes.cast(sums, np.float64), 1, height, fit_rows)
    areas = nodes.add("Mul", nodes.add("Unsqueeze", highs, np.array([1])), wides)
    rounding = nodes.add("Floor", nodes.add("Mul", areas, np.float64(0.5)))
    inverses = nodes.cast(nodes.add("Div", np.float64(2**24), areas), np.float32)  # as Pillow divides, a little low
    shares = nodes.add("Mul", nodes.add("Floor", nodes.cast(inverses, np.float64)), np.float64(2**-24))
    reduced = nodes.add("Floor", nodes.add("Mul", nodes.add("Add", sums, rounding), shares))
    across_weights = _add_weights(nodes, wides, width, fit_columns, new_width)
    down_weights = nodes.add("Transpose", _add_weights(nodes, highs, height, fit_rows, new_height), perm=[1, 0])
    wide = _add_levels(nodes, nodes.add("MatMul", reduced, across_weights))
    width_first = _add_levels(nodes, nodes.add("MatMul", down_weights, wide))
    low = _add_levels(nodes, nodes.add("MatMul", down_weights, reduced))
    height_first = _add_levels(nodes, nodes.add("MatMul", low, across_weights))
    narrowed = nodes.add("Sub", add_side(nodes, wides, 0), new_width)
    lowered = nodes.add("Sub", add_side(nodes, highs, 0), new_height)
    least = nodes.add("Max", nodes.add("Mul", narrowed, np.float64(2)), np.float64(0))
    return nodes.add("Where", nodes.add("Greater", lowered, least), height_first, width_first)


def _add_factor(nodes: Nodes, old: Value, new: Value) -> Value:
    """Adds the side of the blocks that are averaged, in pixels."""
    return nodes.add("Max", nodes.add("Floor", nodes.add("Div", old, new)), np.float64(1))


def _add_block_sums(nodes: Nodes, planes: Value, axis: int, old: Value, factor: Value) -> tuple[Value, Value]:
    """Adds the sums of planes (3, H, W) over blocks along an axis, and how many pixels each block has (blocks,).

    The last block may be smaller.
    """
    starts = nodes.add("Range", np.float64(0), old, factor)
    ends = nodes.add("Min", nodes.add("Add", starts, factor), old)
    first, last = nodes.cast(starts, np.int64), nodes.cast(nodes.add("Sub", ends, np.float64(1)), np.int64)
    totals = nodes.add("CumSum", planes, np.int64(axis))
    grown = nodes.add(
        "Sub", nodes.add("Gather", totals, last, axis=axis), nodes.add("Gather", totals, first, axis=axis)
    )
    sums = nodes.add("Add", grown, nodes.add("Gather", planes, first, axis=axis))
    return sums, nodes.add("Sub", ends, starts)


def _add_weights(nodes: Nodes, blocks: Value, old: Value, factor: Value, new: Value) -> Value:
    """Adds the matrix (blocks, new) of a triangle about each new pixel's centre, in units of 2 ** -PILLOW_BITS.

    Args:
        nodes: Take it.
        blocks: An array (blocks,).
        old: Pixels of the side before blocks were averaged.
        factor: Pixels of a block's side.
        new: Pixels of the side that is wanted.
    """
    half, one = np.float64(0.5), np.float64(1)
    extent = nodes.cast(nodes.cast(nodes.add("Div", old, factor), np.float32), np.float64)  # Pillow's box is float32
    scale = nodes.add("Div", extent, new)
    sharpness = nodes.add("Div", one, nodes.add("Max", scale, one))
    centres = nodes.add("Mul", nodes.add("Add", nodes.add("Range", np.float64(0), new, one), half), scale)
    places = nodes.add("Range", np.float64(0), add_side(nodes, blocks, 0), one)
    offsets = nodes.add("Sub", nodes.add("Unsqueeze", places, np.array([1])), centres)
    distances = nodes.add("Mul", nodes.add("Add", offsets, half), sharpness)
    heights = nodes.add("Max", nodes.add("Sub", one, nodes.add("Abs", distances)), np.float64(0))
    # The last of the running sums: added one after the other as Pillow does, so that no tie is rounded another way.
    total = nodes.add("Gather", nodes.add("CumSum", heights, np.int64(0)), np.int64(-1), axis=0)
    shares = nodes.add("Div", heights, total)
    return nodes.add("Floor", nodes.add("Add", nodes.add("Mul", shares, np.float64(2**PILLOW_BITS)), half))


def _add_levels(nodes: Nodes, sums: Value) -> Value:
    """Adds the rounding of weighted sums to whole levels, 0 to 255."""
    levels = nodes.add("Add", nodes.add("Mul", sums, np.float64(2**-PILLOW_BITS)), np.float64(0.5))
    return nodes.add("Min", nodes.add("Max", nodes.add("Floor", levels), np.float64(0)), np.float64(255))
