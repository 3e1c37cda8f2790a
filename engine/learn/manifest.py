"""META.json, which says how an ONNX backbone wants its pictures and names its outputs."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.learn.errors import BackboneError

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:-|\.\.|to)\s*(-?\d+(?:\.\d+)?)\s+(RGB|BGR)")
_OUTPUT = re.compile(r"stride(\d+)")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What META.json says.

    Attributes:
        name: For people.
        sha256: Hex digest of model.onnx.
        input_name: Name of the network's input.
        layout: Order of the input's axes.
        dtype: Type of the input's values.
        low: What black is mapped to.
        high: What white is mapped to.
        order: Order of the colour channels.
        channels: Stride of each output -> its number of channels.
    """

    name: str
    sha256: str
    input_name: str
    layout: Literal["NHWC", "NCHW"]
    dtype: Literal["uint8", "float32"]
    low: float
    high: float
    order: Literal["RGB", "BGR"]
    channels: dict[int, int]


def read_manifest(folder: Path) -> Manifest:
    """Reads META.json of a backbone's folder.

    Raises:
        BackboneError: The file is missing, no JSON, or lacks something; the message names it.
    """
    path = folder / "META.json"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BackboneError(
            f"cannot read {path} ({error}); a backbone's folder holds META.json and model.onnx"
        ) from error
    try:
        wanted, outputs = content["input"], content["outputs"]
        scale = _RANGE.fullmatch(wanted["range"])
        low, high, order = scale.groups() if scale else ("0", "0", "RGB")
        manifest = Manifest(
            name=content["name"],
            sha256=content["sha256"],
            input_name=wanted["name"],
            layout=wanted["layout"],
            dtype=wanted["dtype"],
            low=float(low),
            high=float(high),
            order="BGR" if order == "BGR" else "RGB",
            channels={_stride(name): output["channels"] for name, output in sorted(outputs.items())},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackboneError(f"{path} lacks or garbles a field ({error!r}); see the backbones' manifests") from error
    _check(manifest, path)
    return manifest


def _stride(name: str) -> int:
    match = _OUTPUT.fullmatch(name)
    if match is None:
        raise ValueError(f"output {name!r} is not named stride followed by a number")
    return int(match[1])


def _check(manifest: Manifest, path: Path) -> None:
    rules = {
        "input.layout must be NHWC or NCHW": manifest.layout in ("NHWC", "NCHW"),
        "input.dtype must be uint8 or float32": manifest.dtype in ("uint8", "float32"),
        "input.range must be like '0-255 RGB' or '0-1 BGR'": manifest.low < manifest.high,
        "input.range must be 0-255 for uint8": manifest.dtype != "uint8" or (manifest.low, manifest.high) == (0, 255),
        "sha256 must be 64 hex digits": re.fullmatch(r"[0-9a-f]{64}", str(manifest.sha256)) is not None,
        "outputs must name stride32, and strides that divide 32": 32 in manifest.channels
        and all(stride and 32 % stride == 0 for stride in manifest.channels),
    }
    for rule, kept in rules.items():
        if not kept:
            raise BackboneError(f"{path}: {rule}; correct the manifest")
