"""Digests of the teachers' tensors, by which a copy is found: `python -m pretrain.teacher_tensors DIR…` writes them.

A tensor is recognised when all its values are a teacher's: as they are, in any other order or shape (a transposed
or permuted copy), or rounded to float16. A tensor that was scaled, cut or changed otherwise is not. Tensors of
fewer than 32 values, and tensors of one repeated value, say nothing and are not compared.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

RECORDED = Path(__file__).with_name("teacher_tensors.json")
FEWEST = 32
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}


def float_tensors(network: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yields name and values of each tensor of an ONNX file that can be compared, initialisers and constants alike."""
    graph = onnx.load(network).graph
    constants = [(node.output[0], one.t) for node in graph.node for one in node.attribute if one.HasField("t")]
    for name, tensor in [*((one.name, one) for one in graph.initializer), *constants]:
        if tensor.data_type in FLOATS:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            if values.size >= FEWEST and np.ptp(values) > 0:
                yield name, values


def digests(values: NDArray[np.float32]) -> dict[str, str]:
    """Digests a tensor of any shape: its bytes, its values in order, and those rounded to float16."""
    ordered = np.sort(values, axis=None) + np.float32(0)  # + 0: no negative zero
    with np.errstate(over="ignore"):
        rounded = ordered.astype(np.float16) + np.float16(0)
    found = {"bytes": values, "sorted": ordered}
    if rounded[0] != rounded[-1]:
        found["sorted_float16"] = rounded
    return {kind: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for kind, array in found.items()}


def record(folders: Sequence[Path]) -> dict[str, Any]:
    """Digests the teachers in folders with META.json and model.onnx, with what META.json says of their origin."""
    teachers = []
    for folder in folders:
        meta = json.loads((folder / "META.json").read_text())
        network = folder / "model.onnx"
        origin = {key: meta[key] for key in ("name", "licence", "source")}
        tensors = [{"name": name, "values": t.size, **digests(t)} for name, t in float_tensors(network)]
        sha256 = hashlib.sha256(network.read_bytes()).hexdigest()
        teachers.append({**origin, "sha256": sha256, "tensors": tensors})
    return {"schema": 1, "fewest_values": FEWEST, "teachers": teachers}


def copied(network: Path, recorded: dict[str, Any]) -> list[str]:
    """Lists, a line each, the tensors of an ONNX file that are a teacher's; compares with what `record` gave."""
    known = {
        tensor[kind]: f"{tensor['name']} of {teacher['name']}"
        for teacher in recorded["teachers"]
        for tensor in teacher["tensors"]
        for kind in ("bytes", "sorted", "sorted_float16")
        if kind in tensor
    }
    return [
        f"{network.name}: {name} is {known[digest]} ({kind})"
        for name, values in float_tensors(network)
        for kind, digest in digests(values).items()
        if digest in known
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the digests of the teachers in the folders named."""
    parser = argparse.ArgumentParser(
        prog="python -m pretrain.teacher_tensors", description="Digests teachers' tensors."
    )
    parser.add_argument("folders", nargs="+", type=Path, help="with META.json and model.onnx")
    parser.add_argument("--out", type=Path, default=RECORDED, help="file to write (%(default)s)")
    options = parser.parse_args(arguments)
    options.out.write_text(json.dumps(record(options.folders), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
