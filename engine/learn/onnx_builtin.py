"""The built-in backbone's embedding in ONNX: what `BuiltinBackbone.embed` does after its network has run."""

import numpy as np

from engine.learn.builtin import COLOURS, MEANS, PATCH_SIDE, PATCHES, PEAKS, POOLED
from engine.learn.colour import WHITE, XYZ
from engine.learn.dictionary import CONTRAST_FLOOR, PATCH, THRESHOLD, TINY, Dictionary
from engine.learn.handmade import COLOUR_SIDE, GRID, LONGEST_ASPECT
from engine.learn.onnx_nodes import Nodes, RawPicture, Value, add_resized, add_side, add_sides_of_area

STEP = 4


def add_builtin_groups(
    nodes: Nodes, maps: dict[int, Value], picture: RawPicture, dictionary: Dictionary
) -> list[tuple[Value, float]]:
    """Adds the groups of features, each with its weight, in the order of the embedding.

    Args:
        nodes: Take them.
        maps: Stride -> the network's map, float32 (1, C, h, w).
        picture: What the network's input was made of.
        dictionary: In which patches are written.
    """
    means = [(add_average(nodes, maps[stride]), MEANS) for stride in POOLED]
    tops = [nodes.add("Reshape", nodes.add("GlobalMaxPool", maps[stride]), np.array([-1])) for stride in POOLED]
    patches, colours = _add_patches(nodes, picture, dictionary), _add_colours(nodes, picture)
    return [*means, *((top, PEAKS) for top in tops), (patches, PATCHES), (colours, COLOURS)]


def add_average(nodes: Nodes, levels: Value) -> Value:
    """Adds the averages of a map (1, C, h, w) over the picture: float32 (C,)."""
    plane = nodes.cast(levels, np.float64)
    cells = nodes.add("Mul", add_side(nodes, plane, 2), add_side(nodes, plane, 3))
    total = nodes.add("ReduceSum", plane, np.array([0, 2, 3]), keepdims=0)
    return nodes.cast(nodes.add("Div", total, cells), np.float32)


def _add_patches(nodes: Nodes, picture: RawPicture, dictionary: Dictionary) -> Value:
    """Adds the codes of patches, averaged over a grid (`Dictionary.encode`, `grid_means`): float32 (9 · K,)."""
    length, atoms = dictionary.atoms.shape[1], len(dictionary.atoms)
    cutter = np.zeros((length, 3, PATCH, PATCH), np.float32)  # one kernel for each number of a patch
    row, column, channel = np.unravel_index(np.arange(length), (PATCH, PATCH, 3))
    cutter[np.arange(length), channel, row, column] = 1
    levels = nodes.cast(nodes.add("Unsqueeze", _add_shrunk(nodes, picture, PATCH_SIDE), np.array([0])), np.float32)
    windows = nodes.add("Transpose", nodes.add("Conv", levels, cutter), perm=[0, 2, 3, 1])
    high, wide = add_side(nodes, windows, 1), add_side(nodes, windows, 2)
    rows = nodes.add("Reshape", windows, np.array([-1, length]))
    rows = nodes.add("Sub", rows, _add_mean_of_rows(nodes, rows, length))
    contrast = nodes.add("Add", _add_mean_of_rows(nodes, nodes.add("Mul", rows, rows), length), CONTRAST_FLOOR)
    rows = nodes.add("Sub", nodes.add("Div", rows, nodes.add("Sqrt", contrast)), dictionary.mean)
    white = nodes.add("MatMul", rows, dictionary.whitening)
    squares = nodes.add("ReduceSum", nodes.add("Mul", white, white), np.array([1]), keepdims=1)
    units = nodes.add("Div", white, nodes.add("Add", nodes.add("Sqrt", squares), TINY))
    likeness = nodes.add("MatMul", units, np.ascontiguousarray(dictionary.atoms.T))
    codes = nodes.add("Relu", nodes.add("Sub", likeness, THRESHOLD))
    cells = _add_cells(nodes, nodes.cast(codes, np.float64), high, wide, atoms)
    return nodes.cast(nodes.add("Reshape", cells, np.array([-1])), np.float32)


def _add_colours(nodes: Nodes, picture: RawPicture) -> Value:
    """Adds the mean and deviation of L*, a*, b* in each cell of a grid (`colour_moments`): float32 (54,)."""
    planes = _add_shrunk(nodes, picture, COLOUR_SIDE)
    high, wide = add_side(nodes, planes, 1), add_side(nodes, planes, 2)
    lab = nodes.add("Reshape", _add_lab(nodes, nodes.add("Transpose", planes, perm=[1, 2, 0])), np.array([-1, 3]))
    squares = nodes.add("Mul", lab, lab)
    moments = _add_cells(nodes, nodes.add("Concat", lab, squares, axis=1), high, wide, 6)
    mean = nodes.add("Gather", moments, np.array([0, 1, 2]), axis=2)
    square = nodes.add("Gather", moments, np.array([3, 4, 5]), axis=2)
    variance = nodes.add("Max", nodes.add("Sub", square, nodes.add("Mul", mean, mean)), np.float64(0))
    both = nodes.add("Concat", mean, nodes.add("Sqrt", variance), axis=2)
    return nodes.cast(nodes.add("Reshape", both, np.array([-1])), np.float32)


def _add_lab(nodes: Nodes, levels: Value) -> Value:
    """Adds CIE L*a*b* of sRGB levels (h, w, 3), float64."""
    scaled = nodes.add("Div", levels, np.float64(255))
    raised = nodes.add("Div", nodes.add("Add", scaled, np.float64(0.055)), np.float64(1.055))
    bright = nodes.add("Greater", scaled, np.float64(0.04045))
    steep = nodes.add("Pow", raised, np.float64(2.4))
    linear = nodes.add("Where", bright, steep, nodes.add("Div", scaled, np.float64(12.92)))
    ratio = nodes.add("MatMul", linear, (XYZ.T / WHITE).astype(np.float64))
    root = nodes.add("Pow", nodes.add("Max", ratio, np.float64(1e-6)), np.float64(1 / 3))
    low = nodes.add("Add", nodes.add("Mul", ratio, np.float64(7.787)), np.float64(16 / 116))
    bent = nodes.add("Where", nodes.add("Greater", ratio, np.float64(0.008856)), root, low)
    turn = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], np.float64)
    return nodes.add("Add", nodes.add("MatMul", bent, turn), np.array([-16, 0, 0], np.float64))


def _add_shrunk(nodes: Nodes, picture: RawPicture, side: int) -> Value:
    """Adds what `engine.learn.handmade.shrunk` does with a reducing gap of 1: float64 levels (3, h, w)."""
    wide, high = add_sides_of_area(nodes, picture.height, picture.width, side, step=STEP, longest_aspect=LONGEST_ASPECT)
    return add_resized(
        nodes, picture.planes, height=picture.height, width=picture.width, new_height=high, new_width=wide
    )


def _add_mean_of_rows(nodes: Nodes, rows: Value, length: int) -> Value:
    total = nodes.add("ReduceSum", rows, np.array([1]), keepdims=1)
    return nodes.add("Div", total, np.float32(length))


def _add_cells(nodes: Nodes, rows: Value, high: Value, wide: Value, length: int) -> Value:
    """Adds the averages of rows (high · wide, length), float64, over a grid: (GRID, GRID, length)."""
    across = nodes.cast(nodes.add("Reshape", wide, np.array([1])), np.int64)
    lines = nodes.add("Concat", nodes.cast(nodes.add("Reshape", high, np.array([1])), np.int64), np.array([-1]), axis=0)
    down = nodes.add("MatMul", _add_cell_weights(nodes, high), nodes.add("Reshape", rows, lines))
    shape = nodes.add("Concat", np.array([GRID]), across, np.array([length]), axis=0)
    return nodes.add("MatMul", _add_cell_weights(nodes, wide), nodes.add("Reshape", down, shape))


def _add_cell_weights(nodes: Nodes, count: Value) -> Value:
    """Adds the matrix (GRID, count) that averages the parts into which `numpy.array_split` cuts a side."""
    numbers = np.arange(GRID, dtype=np.float64)[:, np.newaxis]
    whole = nodes.add("Floor", nodes.add("Div", count, np.float64(GRID)))
    rest = nodes.add("Sub", count, nodes.add("Mul", whole, np.float64(GRID)))
    starts, ends = (
        nodes.add("Add", nodes.add("Mul", whole, edge), nodes.add("Min", rest, edge)) for edge in (numbers, numbers + 1)
    )
    places = nodes.add("Range", np.float64(0), count, np.float64(1))
    reached = nodes.add("Not", nodes.add("Less", places, starts))
    inside = nodes.cast(nodes.add("And", reached, nodes.add("Less", places, ends)), np.float64)
    return nodes.add("Div", inside, nodes.add("Sub", ends, starts))
