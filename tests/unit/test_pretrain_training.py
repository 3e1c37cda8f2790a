"""Training repeats, goes on from a checkpoint, and exports what the student answers or nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch", reason="training needs PyTorch, of pretrain/requirements.lock")
pytest.importorskip("cv2", reason="drawing needs OpenCV, of pretrain/requirements.lock")

from pretrain import export as exporting  # noqa: E402 - needs torch
from pretrain.batches import asked  # noqa: E402 - needs cv2
from pretrain.distillation import read_checkpoint  # noqa: E402 - needs torch
from pretrain.errors import PretrainError  # noqa: E402
from pretrain.graph import to_onnx  # noqa: E402 - needs torch
from pretrain.options import parse  # noqa: E402
from pretrain.student import Student  # noqa: E402 - needs torch
from pretrain.targets import Target  # noqa: E402 - needs torch
from pretrain.teacher_tensors import record  # noqa: E402
from pretrain.train import train  # noqa: E402 - needs torch

CHANNELS = {8: 3, 16: 4, 32: 5}


def teacher(folder: Path, name: str, seed: int) -> Path:
    """Writes a teacher of three random convolutions, one for each stride."""
    rng = np.random.default_rng(seed)
    nodes = [helper.make_node("Transpose", ["input"], ["x0"], perm=[0, 3, 1, 2])]
    weights, outputs, last, inside = [], [], "x0", 3
    for number, (stride, outside) in enumerate(CHANNELS.items()):
        step = 8 if number == 0 else 2
        values = rng.normal(0, 0.1, (outside, inside, step, step)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{stride}"))
        nodes.append(helper.make_node("Conv", [last, f"w{stride}"], [f"stride{stride}"], strides=[step, step]))
        outputs.append(helper.make_tensor_value_info(f"stride{stride}", TensorProto.FLOAT, None))
        last, inside = f"stride{stride}", outside
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", "h", "w", 3])
    graph = helper.make_graph(nodes, name, [picture], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    given = {"layout": "NHWC", "dtype": "float32", "range": "0-255 RGB", "name": "input"}
    maps = {f"stride{stride}": {"channels": channels} for stride, channels in CHANNELS.items()}
    meta = {"name": name, "licence": "MIT", "source": "a test", "input": given, "outputs": maps}
    (folder / "META.json").write_text(json.dumps(meta))
    return folder


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("teachers")
    return [teacher(folder / name, name, seed) for seed, name in enumerate(["first", "second", "third"])]


def run(teachers: list[Path], out: Path, *more: str) -> dict[str, Any]:
    small = ["--side", "64", "--scenes", "2", "--views", "2", "--steps", "3", "--out", str(out), *more]
    return read_checkpoint(train(parse(["--teachers", *map(str, teachers), *small])))


def weights(state: dict[str, Any]) -> dict[str, Any]:
    return {f"{part}.{k}": v for part in ("student", "heads", "pools") for k, v in state[part].items()}


@pytest.fixture(scope="module")
def trained(teachers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    run(teachers, out, "--seed", "3")
    return out / "last.pt"


def test_the_same_options_give_the_same_weights(teachers: list[Path], trained: Path, tmp_path: Path) -> None:
    first, again = weights(read_checkpoint(trained)), weights(run(teachers, tmp_path, "--seed", "3"))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_resumed_run_goes_on_and_keeps_its_targets(teachers: list[Path], trained: Path, tmp_path: Path) -> None:
    before, after = read_checkpoint(trained), run(teachers, tmp_path, "--seed", "4", "--resume", str(trained))
    counted = "stem.1.num_batches_tracked"
    assert (int(before["student"][counted]), int(after["student"][counted])) == (3, 6)
    assert before["sums"]["first"][8][0] == after["sums"]["first"][8][0] == 3


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"student": print}, tmp_path / "last.pt")
    with pytest.raises(Exception, match="weights_only"):
        read_checkpoint(tmp_path / "last.pt")


def test_a_process_that_ends_ends_the_run_with_its_reason(teachers: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "META.json").write_text((teachers[0] / "META.json").read_text())
    with pytest.raises(PretrainError, match="the process that draws ended with 1"):
        run([broken], tmp_path / "out")


def test_every_batch_is_seen_by_the_first_teacher_and_one_of_the_others_in_turn() -> None:
    assert [asked(step, 3) for step in range(3)] == [(0, 1), (0, 2), (0, 1)]
    assert asked(5, 1) == (0,)


def test_targets_have_no_mean_and_one_deviation_and_stay_when_fixed() -> None:
    maps = {8: np.random.default_rng(0).normal(5, [[[1.0]], [[3.0]]], (64, 2, 8, 8)).astype(np.float32)}
    target = Target((8,))
    standard, _ = target(maps)[8]
    assert torch.allclose(standard.mean((0, 2, 3)), torch.zeros(2), atol=1e-3)
    assert torch.allclose(standard.std((0, 2, 3)), torch.ones(2), atol=1e-2)
    target.fix()
    target({8: maps[8] * 9})
    assert torch.equal(target(maps)[8][0], standard)


def test_an_export_answers_as_the_student_and_says_who_taught_it(
    teachers: list[Path], trained: Path, tmp_path: Path
) -> None:
    recorded = tmp_path / "recorded.json"
    recorded.write_text(json.dumps(record(teachers)))
    out = str(tmp_path / "out")
    exporting.main([str(trained), out, "--name", "small-1", "--side", "64", "--digests", str(recorded)])
    student = Student().eval()
    student.load_state_dict(read_checkpoint(trained)["student"])
    assert exporting.difference(student, (tmp_path / "out" / "model.onnx").read_bytes()) <= exporting.ALLOWED
    assert "| third | MIT | a test |" in (tmp_path / "out" / "MODEL_CARD.md").read_text()


def test_an_export_whose_teachers_are_not_recorded_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(PretrainError, match=r"lacks \['first', 'second', 'third'\]"):
        exporting.export(trained, tmp_path, "small-1", 64)


def test_an_export_that_answers_otherwise_or_holds_a_teachers_tensor_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student, other = Student().eval(), Student().eval()
    content = to_onnx(student)
    nothing: dict[str, Any] = {"teachers": []}
    exporting.check(student, content, nothing)
    with pytest.raises(PretrainError, match="differs from the student"):
        exporting.check(other, content, nothing)
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "META.json").write_text(json.dumps({"name": "sage", "licence": "MIT", "source": "a test"}))
    with pytest.raises(PretrainError, match="of sage"):
        exporting.check(student, content, record([tmp_path]))
