"""The seam to whatever turns a picture into features."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.learn.builtin import builtin_backbone
from engine.learn.errors import BackboneError
from engine.learn.handmade import stored_backbone
from engine.learn.joined_backbone import JoinedBackbone, joined_digest
from engine.learn.manifest import read_manifest
from engine.learn.network import NetworkBackbone, digest_of

ALWAYS_THERE = BUILTIN, HANDMADE = "builtin", "handmade"  # what needs no folder


class Backbone(Protocol):
    """Turns pictures into features; the same picture gives the same features.

    Attributes:
        name: For people, such as "mobilenet_v2".
        digest: Hex sha256 of all that shapes the features (weights, preparation, code version); the key of caches.
        width: D, the length of an embedding.
        default_head: Name of the head that was measured best on these features.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def default_head(self) -> str: ...

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps a picture (H, W, 3) in RGB, of any size, to its embedding (D,)."""
        ...

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        """Maps a picture (H, W, 3) in RGB, of any size, to stride -> (C, h, w); each map covers the whole picture."""
        ...


def load_backbone(spec: str | Path | None, *, threads: int = 1) -> Backbone:
    """Opens a backbone.

    Args:
        spec: What `parts_of` takes.
        threads: CPU threads a network may use for one picture.

    Raises:
        BackboneError: A folder is missing, damaged or not what its manifest says, or the spec cannot be read.
    """
    parts = [_opened(part, threads) for part in parts_of(spec)]
    return parts[0] if len(parts) == 1 else JoinedBackbone(parts)


def digest_of_spec(spec: str | Path | None) -> str:
    """Returns the digest that the backbone of a spec will have, of the manifests alone; only built-in ones are opened.

    Raises:
        BackboneError: A manifest cannot be read, or the spec.
    """
    digests = [
        _opened(part, 1).digest if part in ALWAYS_THERE else digest_of(read_manifest(Path(part)))
        for part in parts_of(spec)
    ]
    return digests[0] if len(digests) == 1 else joined_digest(digests)


def parts_of(spec: str | Path | None) -> tuple[str, ...]:
    """Takes apart what names a backbone: `engine.settings`, requests for jobs and commands all write it so.

    Args:
        spec: A folder with META.json and model.onnx, "builtin", "handmade" (the part of the built-in one that is no
            network, with more of its kind), or several of them joined with "+"; None and "" are "builtin". A
            `Path` is one folder, whatever its name.

    Raises:
        BackboneError: There is nothing before or after a "+", or the same twice.
    """
    if spec is None or spec == "":
        return (BUILTIN,)
    text = str(spec)
    parts = (text,) if isinstance(spec, Path) else tuple(part.strip() for part in text.split("+"))
    if not all(parts):
        raise BackboneError(f"'{text}' names no backbone on one side of a '+'; write NAME+NAME")
    if len(set(parts)) != len(parts):
        raise BackboneError(f"'{text}' names a backbone twice; name each only once")
    return parts


def _opened(part: str, threads: int) -> Backbone:
    if part == BUILTIN:
        return builtin_backbone(threads)
    if part == HANDMADE:
        return stored_backbone()
    return NetworkBackbone.open(Path(part), threads=threads)
