"""What a detector reads of a picture, as the feature cache keeps it: maps of one size, in half precision.

A record holds the maps of one square of pixels, or of that and of its mirror image; with the built-in backbone each
takes 0.8 MB.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.images import Picture
from engine.learn.backbone import Backbone
from engine.learn.detector import SIDE, PictureMaps, picture_maps

_STRIDE: Final = "stride"  # a field's name is this, and the stride


class MapsExtractor:
    """The maps of a picture: a record with a field a stride, each (V, C, SIDE / stride, SIDE / stride) float16.

    V is 1, or 2 where mirror images are kept as well, the picture first.
    """

    name = f"maps-{SIDE}-1"
    mirrored: tuple[bool, ...] = (False,)

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.digest = backbone.digest
        blank = picture_maps(backbone, np.zeros((SIDE, SIDE, 3), dtype=np.uint8)).maps  # the only way to learn shapes
        views = len(self.mirrored)
        self.record = np.dtype([(f"{_STRIDE}{s}", "<f2", (views, *blank[s].shape)) for s in sorted(blank)])

    def extract(self, picture: Picture) -> NDArray[Any]:
        """Makes the maps of a picture."""
        views = [picture_maps(self._backbone, picture.pixels, mirrored=mirrored).maps for mirrored in self.mirrored]
        record = np.empty((), dtype=self.record)
        for stride in views[0]:
            record[f"{_STRIDE}{stride}"] = np.stack([maps[stride] for maps in views])
        return record


class MirroredMapsExtractor(MapsExtractor):
    """The maps of a picture and of its mirror image."""

    name = f"mirrored-maps-{SIDE}-1"
    mirrored = (False, True)


def maps_in(record: NDArray[Any], width: int, height: int, *, mirrored: bool) -> PictureMaps:
    """Returns the maps in a record of a picture of so many pixels, or those of its mirror image, which must be kept."""
    names = record.dtype.names or ()
    return PictureMaps({int(name.removeprefix(_STRIDE)): record[name][int(mirrored)] for name in names}, width, height)
