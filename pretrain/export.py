"""Writes a checkpoint as a folder that the engine reads: `python -m pretrain.export CHECKPOINT OUT --name N --side S`.

A network that answers otherwise than the student, is too large, or holds a teacher's tensor is refused.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import torch

from pretrain.card import card, manifest
from pretrain.distillation import read_checkpoint
from pretrain.errors import PretrainError
from pretrain.graph import to_onnx
from pretrain.student import Student
from pretrain.teacher_tensors import RECORDED, copied

LICENCE = "MIT"
LARGEST = 8_000_000  # bytes
ALLOWED = 0.005  # relative, root mean square: float16 has 11 bits; a graph that is wired wrongly is far above
CHECKED = ((64, 64), (128, 96), (96, 224))  # px


def difference(student: Student, content: bytes) -> float:
    """Compares a student with its ONNX file on random pictures: the largest relative error, over maps, in RMS."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    errors = []
    for high, wide in CHECKED:
        coarse = rng.integers(0, 256, (high // 8, wide // 8, 3), dtype=np.uint8)
        picture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
        with torch.no_grad():
            wanted = student(torch.from_numpy(picture[None]).permute(0, 3, 1, 2).float())
        found = session.run([f"stride{s}" for s in wanted], {"input": picture[None]})
        for right, got in zip(wanted.values(), found, strict=True):
            truth = right.numpy()
            errors.append(np.sqrt(np.square(got - truth).mean() / np.square(truth).mean()))
    return float(np.max(errors))


def check(student: Student, content: bytes, recorded: dict[str, Any]) -> None:
    """Makes sure that a network may be shipped.

    Raises:
        PretrainError: It answers otherwise than the student, is too large, or holds a tensor of a teacher.
    """
    error = difference(student, content)
    if not error <= ALLOWED:  # also refuses what is no number
        raise PretrainError(f"the ONNX file differs from the student by {error:.2%}, above {ALLOWED:.1%}; see graph.py")
    if len(content) > LARGEST:
        raise PretrainError(f"the ONNX file has {len(content):,} bytes, above {LARGEST:,}; make the student smaller")
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(content)
        same = copied(Path(file.name), recorded)
    if same:
        raise PretrainError(f"a teacher's tensor is in the network: {'; '.join(same)}; train from random weights")


def export(checkpoint: Path, out: Path, name: str, side: int, *, digests: Path = RECORDED) -> int:
    """Writes model.onnx, META.json and MODEL_CARD.md; returns the bytes of the first.

    Raises:
        PretrainError: The network may not be shipped, or a teacher's tensors are not recorded.
    """
    state = read_checkpoint(checkpoint)
    recorded = json.loads(digests.read_text())
    teachers = [one for one in recorded["teachers"] if one["name"] in state["sums"]]
    if unknown := set(state["sums"]) - {one["name"] for one in teachers}:
        raise PretrainError(f"{digests.name} lacks {sorted(unknown)}; write it by python -m pretrain.teacher_tensors")
    student = Student().eval()
    student.load_state_dict(state["student"])
    content = to_onnx(student)
    check(student, content, recorded)
    meta = manifest(name, content, Student.CHANNELS, side, licence=LICENCE)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(content)
    (out / "META.json").write_text(meta)
    weights = sum(one.numel() for one in student.parameters())
    (out / "MODEL_CARD.md").write_text(card(json.loads(meta), weights, side, teachers))
    return len(content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports the checkpoint named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m pretrain.export", description="Writes a checkpoint as a backbone.")
    parser.add_argument("checkpoint", type=Path, help="last.pt of a run")
    parser.add_argument("out", type=Path, help="folder to write; files in it are replaced")
    parser.add_argument("--name", required=True, help="of the backbone")
    parser.add_argument("--side", type=int, required=True, help="of the drawings of the last run, px")
    parser.add_argument("--digests", type=Path, default=RECORDED, help="of the teachers' tensors (%(default)s)")
    options = parser.parse_args(arguments)
    size = export(options.checkpoint, options.out, options.name, options.side, digests=options.digests)
    sys.stdout.write(f"{options.out}: {size:,} bytes\n")


if __name__ == "__main__":
    main()
