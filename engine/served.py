"""The backbones of one engine: its own, which trains, and those of models that were trained with others."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from engine.artifacts import read_manifest
from engine.errors import NotReadyError
from engine.learn.backbone import ALWAYS_THERE, Backbone, digest_of_spec, load_backbone
from engine.learn.errors import BackboneError


class ServedBackbones:
    """Finds the backbone of a model by its digest. Safe to share between threads.

    A backbone other than the engine's own is opened when a model first asks for it, and stays open. What is built in
    is always there.

    Attributes:
        own: What the engine trains with.
    """

    def __init__(self, own: Backbone, further: Sequence[str] = ()) -> None:
        """Reads the manifests of further backbones, and nothing else of them.

        Args:
            own: The engine's.
            further: Specs, see `engine.learn.backbone.parts_of`.

        Raises:
            BackboneError: A manifest of a further one cannot be read.
        """
        self.own = own
        self._further = {digest_of_spec(spec): spec for spec in further}
        self._opened = {own.digest: own}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, own: str | None, further: Sequence[str] = ()) -> Self:
        """Opens the engine's own backbone, and reads the manifests of further ones.

        Raises:
            BackboneError: One of them cannot be used.
        """
        return cls(load_backbone(own), further)

    def find(self, digest: str) -> Backbone | None:
        """Returns the backbone that has a digest, None when the engine has none that does.

        Raises:
            BackboneError: Its files have changed since the engine started, or are damaged.
        """
        found = self._opened.get(digest)
        if found is not None:
            return found
        with self._lock:
            if digest not in self._opened:
                self._open(digest)
            return self._opened.get(digest)

    def _open(self, digest: str) -> None:
        spec = self._further.get(digest)
        for candidate in ALWAYS_THERE if spec is None else (spec,):
            backbone = load_backbone(candidate)
            self._opened[backbone.digest] = backbone
        if spec is not None and digest not in self._opened:
            raise BackboneError(f"the files of backbone {spec} have changed since the engine started; start it again")


def backbone_of_model(backbones: ServedBackbones, model: str, digest: str, folder: Path) -> Backbone:
    """Returns the backbone of a model.

    Args:
        backbones: The engine's.
        model: Name of the model.
        digest: Of its backbone.
        folder: Of its files; read only for the backbone's name, when there is no such backbone.

    Raises:
        NotReadyError: The engine does not have it, or its files are not what they should be; names it.
    """
    try:
        found = backbones.find(digest)
    except BackboneError as exc:
        raise NotReadyError(
            f"The backbone of model '{model}' cannot be used: {exc}.", code="ModelBackboneMismatch"
        ) from exc
    if found is None:
        raise NotReadyError(lacking(model, digest, folder, backbones.own), code="ModelBackboneMismatch")
    return found


def lacking(model: str, digest: str, folder: Path, own: Backbone) -> str:
    """Says that the engine does not have the backbone of a model, and what to do.

    Args:
        model: Name of the model.
        digest: Of its backbone.
        folder: Of its files, which know the backbone's name.
        own: What the engine has instead.
    """
    which = digest[:12]
    with suppress(OSError, msgspec.DecodeError):
        which = f"'{read_manifest(folder).backbone_name}', {which}"
    return (
        f"Model '{model}' was trained with another backbone ({which}) than the engine has now ('{own.name}', "
        f"{own.digest[:12]}). Train it again, or start the engine with its backbone among ENGINE_BACKBONES_SERVED."
    )
