"""META.json, which says how an ONNX backbone wants its pictures and names its outputs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from engine.learn.errors import BackboneError

type _Positive = Annotated[float, msgspec.Meta(gt=0)]

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?) (RGB|BGR)")


class _Input(msgspec.Struct, frozen=True):
    name: str
    layout: Literal["NHWC", "NCHW"]
    dtype: Literal["uint8", "float32"]
    range: Annotated[str, msgspec.Meta(pattern=f"^{_RANGE.pattern}$")]
    mean: tuple[float, float, float] | None = None
    std: tuple[_Positive, _Positive, _Positive] | None = None


class _Output(msgspec.Struct, frozen=True):
    channels: Annotated[int, msgspec.Meta(ge=1)]
    layout: Literal["NCHW"]


class Origin(msgspec.Struct, frozen=True):
    """Where a backbone comes from: also in META.json, and no part of its digest, because features do not depend on it.

    Attributes:
        licence: Under which it may be passed on, as its authors name it.
        source: Who made it, and what was done to it since.
    """

    licence: str | None = None
    source: str | None = None


class _File(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    input: _Input
    outputs: dict[Annotated[str, msgspec.Meta(pattern="^stride[0-9]{1,2}$")], _Output]


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
        channels: Stride of each output -> its number of channels, smallest stride first.
        mean: Of each colour channel, in `order`: subtracted from what the levels were mapped to; None for nothing.
        std: Likewise, by which the difference is divided.
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
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def read_manifest(folder: Path) -> Manifest:
    """Reads META.json of a backbone's folder.

    Raises:
        BackboneError: The file is missing, no JSON, or lacks something; the message names it.
    """
    path = folder / "META.json"
    file = _read(path, _File)
    low, high, order = _RANGE.findall(file.input.range)[0]
    manifest = Manifest(
        name=file.name,
        sha256=file.sha256,
        input_name=file.input.name,
        layout=file.input.layout,
        dtype=file.input.dtype,
        low=float(low),
        high=float(high),
        order="BGR" if order == "BGR" else "RGB",
        channels=dict(sorted((int(name.removeprefix("stride")), one.channels) for name, one in file.outputs.items())),
        mean=file.input.mean,
        std=file.input.std,
    )
    _check(manifest, path)
    return manifest


def read_origin(folder: Path) -> Origin:
    """Reads from META.json of a backbone's folder where it comes from.

    Raises:
        BackboneError: The file is missing, no JSON, or has something else than text there; the message names it.
    """
    return _read(folder / "META.json", Origin)


def _read[File: msgspec.Struct](path: Path, kind: type[File]) -> File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BackboneError(
            f"cannot read {path} ({error}); a backbone's folder holds META.json and model.onnx"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackboneError(f"{path} is no manifest ({error}); correct it") from error


def _check(manifest: Manifest, path: Path) -> None:
    rules = {
        "input.range must rise": manifest.low < manifest.high,
        "input.range must be 0-255 for uint8": manifest.dtype != "uint8" or (manifest.low, manifest.high) == (0, 255),
        "input.mean and input.std must come together": (manifest.mean is None) == (manifest.std is None),
        "input.mean and input.std are for float32": manifest.mean is None or manifest.dtype == "float32",
        "outputs must name stride32, and only strides that divide 32": 32 in manifest.channels
        and all(stride and 32 % stride == 0 for stride in manifest.channels),
    }
    for rule, kept in rules.items():
        if not kept:
            raise BackboneError(f"{path}: {rule}; correct the manifest")
