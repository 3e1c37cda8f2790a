"""Pictures and a tiny network for the tests of engine/learn; nothing is read from outside."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FLOAT, UINT8 = 1, 2  # ONNX element types


def shape_picture(shape: str, rng: np.random.Generator, width: int = 80, height: int = 64) -> NDArray[np.uint8]:
    """Draws a disc, a bar or a ring in any colours, somewhere on a plain ground: (height, width, 3)."""
    ground, colour = (tuple(rng.integers(low, low + 90, 3).tolist()) for low in rng.permutation((20, 160)))
    image = Image.new("RGB", (width, height), ground)
    brush = ImageDraw.Draw(image)
    x, y, radius = rng.uniform(0.4, 0.6) * width, rng.uniform(0.4, 0.6) * height, rng.uniform(0.2, 0.3) * height
    if shape == "disc":
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    elif shape == "ring":
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=4)
    else:
        brush.rectangle((x - 2 * radius, y - radius / 3, x + 2 * radius, y + radius / 3), fill=colour)
    return np.asarray(image)


def clouds(
    labels: int, each: int, width: int, seed: int = 0, distance: float = 2.0
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Draws features (labels · each, width) around one positive centre a label, and their targets."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, distance, (labels, width)) + 2
    targets = np.repeat(np.arange(labels), each)
    return np.abs(centres[targets] + rng.normal(0, 0.5, (labels * each, width))).astype(np.float32), targets


class FlatBackbone:
    """Stands for the backbone that made the features; is only asked for its facts."""

    name = "flat"
    digest = "d" * 64
    default_head = "lda"

    def __init__(self, width: int) -> None:
        self.width = width

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        raise NotImplementedError


def write_network(
    folder: Path, *, layout: str = "NHWC", dtype: str = "uint8", colours: str = "0-255 RGB", **changes: Any
) -> Path:
    """Writes META.json and model.onnx of a network whose maps are averages of the picture's cells; returns folder."""
    folder.mkdir(parents=True, exist_ok=True)
    network = averaging_network(layout, dtype)
    (folder / "model.onnx").write_bytes(network)
    manifest = {
        "name": "averages",
        "sha256": hashlib.sha256(network).hexdigest(),
        "input": {"name": "input", "layout": layout, "dtype": dtype, "range": colours},
        "outputs": {f"stride{stride}": {"channels": 3, "layout": "NCHW"} for stride in (8, 16, 32)},
    }
    (folder / "META.json").write_text(json.dumps(manifest | changes))
    return folder


def averaging_network(layout: str, dtype: str) -> bytes:
    """Builds the ONNX file; the format is written here by hand because the tests need no other package for it."""
    nodes, last = [], "input"
    if dtype == "uint8":
        nodes.append(_node("Cast", last, "floats", _attribute("to", FLOAT)))
        last = "floats"
    if layout == "NHWC":
        nodes.append(_node("Transpose", last, "planes", _attribute("perm", (0, 3, 1, 2))))
        last = "planes"
    for stride, window in ((8, 8), (16, 2), (32, 2)):
        attributes = _attribute("kernel_shape", (window, window)) + _attribute("strides", (window, window))
        nodes.append(_node("AveragePool", last, f"stride{stride}", attributes))
        last = f"stride{stride}"
    sides: tuple[int | str, ...] = ("n", "h", "w", 3) if layout == "NHWC" else ("n", 3, "h", "w")
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"averages")
    graph += _field(11, _value("input", UINT8 if dtype == "uint8" else FLOAT, sides))
    for stride in (8, 16, 32):
        graph += _field(12, _value(f"stride{stride}", FLOAT, ("n", 3, f"h{stride}", f"w{stride}")))
    return _number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        content = _number(3, value) + _number(20, 2)
    else:
        content = b"".join(_number(8, item) for item in value) + _number(20, 7)
    return _field(5, _field(1, name.encode()) + content)


def _node(kind: str, source: str, result: str, attributes: bytes) -> bytes:
    return _field(1, source.encode()) + _field(2, result.encode()) + _field(4, kind.encode()) + attributes


def _value(name: str, kind: int, sides: Sequence[int | str]) -> bytes:
    shape = b"".join(
        _field(1, _number(1, side) if isinstance(side, int) else _field(2, side.encode())) for side in sides
    )
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, kind) + _field(2, shape)))
