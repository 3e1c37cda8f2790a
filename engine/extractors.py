"""What is made of a picture and kept: pure functions of its pixels, each with the key under which its results lie."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.images import Picture
from engine.learn.backbone import Backbone
from engine.learn.views import mirrored


class Extractor(Protocol):
    """Makes a record of a picture; the same picture gives the same bytes, in whatever process.

    Attributes:
        digest: Of the backbone.
        name: Its own name and version, as `engine.worker.EXTRACTORS` has it; results of another version are never read.
        record: Type of what it makes, of a fixed size.
    """

    @property
    def digest(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def record(self) -> np.dtype[Any]: ...

    def extract(self, picture: Picture) -> NDArray[Any]:
        """Returns what can be put into an array of `record`."""
        ...


class EmbeddingExtractor:
    """The backbone's embedding of a picture: (D,) float32."""

    name = "embedding-1"

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.digest = backbone.digest
        self.record = np.dtype(("<f4", (backbone.width,)))

    def extract(self, picture: Picture) -> NDArray[np.float32]:
        """Embeds a picture."""
        return self._backbone.embed(picture.pixels)


class MirroredEmbeddingExtractor(EmbeddingExtractor):
    """The backbone's embedding of a picture's mirror image: (D,) float32."""

    name = "mirrored-embedding-1"

    def extract(self, picture: Picture) -> NDArray[np.float32]:
        """Embeds the mirror image of a picture."""
        return self._backbone.embed(mirrored(picture.pixels))
