"""Maps of pictures, kept on disk so that no run makes them twice."""

import time
from collections.abc import Sequence
from pathlib import Path

from bench.learning.datasets import Photo
from engine.learn.backbone import Backbone
from engine.learn.detector import PictureMaps, picture_maps


class KeptMaps:
    """The maps of some pictures by one backbone; see `engine.learn.detector.MapSource`.

    Attributes:
        making: Processor seconds that were spent on maps that were not kept yet.
        asked: The (number, mirrored) of those that were asked for.
    """

    def __init__(self, photos: Sequence[Photo], backbone: Backbone, folder: Path) -> None:
        """Reads and writes maps below a folder, in one of the backbone."""
        self._photos = photos
        self._backbone = backbone
        self._folder = folder / backbone.digest[:16]
        self.making = 0.0
        self.asked = set[tuple[int, bool]]()

    def __len__(self) -> int:
        """Returns the number of pictures."""
        return len(self._photos)

    def maps(self, number: int, *, mirrored: bool) -> PictureMaps:
        """Returns the maps of a picture, or of its mirror image."""
        self.asked.add((number, mirrored))
        photo = self._photos[number]
        path = self._folder / f"{photo.digest}{'.mirrored' if mirrored else ''}.npz"
        if path.exists():
            return PictureMaps.load(path)
        began = time.process_time()
        made = picture_maps(self._backbone, photo.pixels(), mirrored=mirrored)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save(path)
        self.making += time.process_time() - began
        return made
