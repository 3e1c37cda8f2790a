"""Backbones that are networks: an ONNX file with a manifest, run by onnxruntime on the CPU."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors  # type: ignore[import-untyped]  # it ships no types

from engine.learn.errors import BackboneError
from engine.learn.groups import joined
from engine.learn.manifest import Manifest, read_manifest
from engine.learn.pictures import at_most, multiple_of, resized, sides_of_area

VERSION = 3  # of the preparation and pooling below; part of the digest
STEP = 32
SIDE = 224
LONGEST_ASPECT = 3.0
REDUCING_GAP = 1.0  # pictures are averaged to above the wanted size before they are resized
# Stride -> weight in the embedding. Measured over eight sets: the last map is best with few pictures, the one before
# with many; with twice the weight, which evens out its smaller spread, both together are about as good as the better.
POOLED = {16: 2.0, 32: 1.0}
LONGEST_SIDE = 2048

RUN_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    ValueError,
)


class NetworkBackbone:
    """A convolutional network without its classifier; see `engine.learn.backbone.Backbone`."""

    default_head = "lda"

    def __init__(self, folder: Path, manifest: Manifest, session: onnxruntime.InferenceSession) -> None:
        """Takes a session that answers as the folder's manifest says; `open` makes sure of that."""
        self.name = manifest.name
        self.folder = folder
        self._manifest = manifest
        self._session = session
        self.digest = digest_of(manifest)
        self._pooled = {stride: weight for stride, weight in POOLED.items() if stride in manifest.channels}
        self.width = sum(manifest.channels[stride] for stride in self._pooled)

    @classmethod
    def open(cls, folder: Path, *, threads: int = 1) -> "NetworkBackbone":
        """Opens a folder with META.json and model.onnx.

        Args:
            folder: Where the two files are.
            threads: CPU threads for one picture.

        Raises:
            BackboneError: A file is missing or damaged, or the network is not what the manifest says.
        """
        manifest = read_manifest(folder)
        path = folder / "model.onnx"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BackboneError(f"cannot read {path} ({error}); put the network beside its META.json") from error
        found = hashlib.sha256(content).hexdigest()
        if found != manifest.sha256:
            raise BackboneError(f"{path} has sha256 {found}, its manifest says {manifest.sha256}; fetch it again")
        try:
            backbone = cls(folder, manifest, _session(content, threads))
            maps = backbone._run(np.zeros((STEP, 2 * STEP, 3), np.uint8))
        except RUN_ERRORS as error:
            raise BackboneError(f"{path} does not run as its manifest says ({error}); correct one of them") from error
        for stride, channels in manifest.channels.items():
            wanted = (channels, STEP // stride, 2 * STEP // stride)
            if maps[stride].shape != wanted:
                raise BackboneError(
                    f"{path}: output stride{stride} is {maps[stride].shape}, the manifest says {wanted}"
                )
        return backbone

    @property
    def channels(self) -> dict[int, int]:
        """Stride -> number of channels of the map."""
        return self._manifest.channels

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps a picture (H, W, 3) in RGB to the averages of its last maps (D,)."""
        maps = self.maps_of_area(picture)
        averages = [maps[stride].mean(axis=(1, 2), dtype=np.float64).astype(np.float32) for stride in self._pooled]
        return joined(averages, list(self._pooled.values()))

    def maps_of_area(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        """Maps a picture (H, W, 3) in RGB, resized to about SIDE² pixels of its own aspect, to stride -> (C, h, w)."""
        sides = sides_of_area(picture, SIDE, step=STEP, longest_aspect=LONGEST_ASPECT)
        return self._run(resized(picture, *sides, reducing_gap=REDUCING_GAP))

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        """Maps a picture (H, W, 3) in RGB to stride -> (C, h, w).

        The picture is stretched to the nearest multiples of 32, at most 2048 a side.
        """
        width, height = at_most(LONGEST_SIDE, picture)
        return self._run(resized(picture, multiple_of(STEP, width), multiple_of(STEP, height)))

    def _run(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        manifest = self._manifest
        prepared = picture[..., ::-1] if manifest.order == "BGR" else picture
        if manifest.dtype == "float32":
            scale = (manifest.high - manifest.low) / 255.0
            mapped = prepared * scale + manifest.low
            if manifest.mean is not None and manifest.std is not None:
                mapped = (mapped - np.array(manifest.mean)) / np.array(manifest.std)
            prepared = mapped.astype(np.float32)
        if manifest.layout == "NCHW":
            prepared = prepared.transpose(2, 0, 1)
        strides = sorted(manifest.channels)
        outputs = self._session.run(
            [f"stride{stride}" for stride in strides], {manifest.input_name: np.ascontiguousarray(prepared[None])}
        )
        return {stride: np.asarray(output[0]) for stride, output in zip(strides, outputs, strict=True)}


def digest_of(manifest: Manifest) -> str:
    """Returns the hex digest of the backbone that a manifest describes, weights and preparation included."""
    said = {key: value for key, value in asdict(manifest).items() if value is not None}
    described = json.dumps({"version": VERSION, "side": SIDE, "pooled": POOLED, **said}, sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def _session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.use_deterministic_compute = True
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
