"""No tensor of a teacher is in a network that this repository ships, and a copy would be found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pretrain.teacher_tensors import FEWEST, RECORDED, copied, main

SHIPPED = Path(__file__).resolve().parents[2] / "engine" / "backbones"
SHAPE = (8, 3, 4, 4)
Tensor = NDArray[Any]


def own(seed: int) -> Tensor:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def network(path: Path, *tensors: Tensor, constant: bool = False) -> Path:
    """Writes an ONNX file that holds tensors, as initialisers or as constants."""
    protos = [numpy_helper.from_array(tensor, f"w{number}") for number, tensor in enumerate(tensors)]
    nodes = [helper.make_node("Constant", [], [one.name], value=one) for one in protos] if constant else []
    out = helper.make_tensor_value_info("w0", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "drawn", [], [out], [] if constant else protos)
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, Any]:
    """Digests of a teacher with one tensor, `own(1)`, one that is too small, and one of a single value."""
    folder = tmp_path / "teacher"
    folder.mkdir()
    network(folder / "model.onnx", own(1), own(1).ravel()[: FEWEST - 1], np.zeros(99, np.float32))
    (folder / "META.json").write_text(json.dumps({"name": "sage", "licence": "MIT", "source": "a test"}))
    main([str(folder), "--out", str(tmp_path / "recorded.json")])
    return json.loads((tmp_path / "recorded.json").read_text())  # type: ignore[no-any-return]


def test_no_tensor_of_a_shipped_network_is_a_teachers() -> None:
    networks = sorted(SHIPPED.rglob("*.onnx"))
    assert networks
    known = json.loads(RECORDED.read_text())
    assert [line for path in networks for line in copied(path, known)] == []


def test_all_three_teachers_are_recorded_with_licence_and_source() -> None:
    teachers = json.loads(RECORDED.read_text())["teachers"]
    assert {one["name"] for one in teachers} == {"mobilenet_v1", "mobilenet_v2", "yolox_nano"}
    assert all(one["licence"].startswith("Apache-2.0") and one["source"] for one in teachers)
    assert all(len(one["tensors"]) > 50 for one in teachers)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda t: t, "bytes"),
        (lambda t: t.reshape(4, -1), "bytes"),
        (lambda t: np.ascontiguousarray(t.transpose(2, 3, 1, 0)), "sorted"),
        (lambda t: np.random.default_rng(0).permutation(t.ravel()), "sorted"),
        (lambda t: t.astype(np.float16), "sorted_float16"),
        (lambda t: t.astype(np.float64), "bytes"),
    ],
    ids=["as it is", "reshaped", "transposed", "permuted", "rounded to float16", "as float64"],
)
@pytest.mark.parametrize("constant", [False, True], ids=["initialiser", "constant"])
def test_a_copied_tensor_is_found(
    tmp_path: Path, recorded: dict[str, Any], change: Callable[[Tensor], Tensor], how: str, constant: bool
) -> None:
    path = network(tmp_path / "model.onnx", own(2), change(own(1)), constant=constant)
    assert f"model.onnx: w1 is w0 of sage ({how})" in copied(path, recorded)


def test_a_network_of_its_own_is_not_suspected(tmp_path: Path, recorded: dict[str, Any]) -> None:
    assert copied(network(tmp_path / "model.onnx", own(2), own(3)), recorded) == []


def test_tensors_that_say_nothing_are_not_compared(tmp_path: Path, recorded: dict[str, Any]) -> None:
    assert [one["name"] for one in recorded["teachers"][0]["tensors"]] == ["w0"]
    small, zeros = own(1).ravel()[: FEWEST - 1], np.zeros(99, np.float32)
    assert copied(network(tmp_path / "model.onnx", small, zeros), recorded) == []
