"""Maps of pictures in the feature cache: what is read is what was made, in half precision."""

from pathlib import Path

import numpy as np
import pytest

from engine.boxedset import StoredMaps
from engine.featurecache import FeatureCache, StoredRows
from engine.images import TRAINING, Picture, decode_picture
from engine.learn.backbone import Backbone, load_backbone
from engine.learn.detector import SIDE, picture_maps
from engine.learn.looks import look_of
from engine.learn.traits import traits_of
from engine.mapsextractor import MapsExtractor, MirroredMapsExtractor
from engine.segments import Kept
from engine.worker import EXTRACTORS
from tests.boxes_support import HEIGHT, WIDTH, draw_boxes
from tests.learn_support import write_network


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_backbone(str(write_network(tmp_path_factory.mktemp("network"))))


def decoded(seed: int) -> Picture:
    return decode_picture(draw_boxes(("nut",), seed).content, TRAINING)


def stored(extractor: MapsExtractor, pictures: list[Picture], folder: Path) -> StoredMaps:
    """Puts pictures through the cache."""
    cache = FeatureCache(folder / "features", extractor, folder)
    names = [f"{number:064x}" for number in range(len(pictures))]
    cache.keep(
        {
            name: Kept(look_of(one.pixels), traits_of(one.pixels), one.width, one.height, extractor.extract(one))
            for name, one in zip(names, pictures, strict=True)
        }
    )
    cache.refresh()
    numbers = cache.find(names)
    return StoredMaps(StoredRows(cache, numbers), cache.facts(numbers)["size"])


@pytest.mark.parametrize("kind", [MapsExtractor, MirroredMapsExtractor])
def test_maps_are_read_as_they_were_made(backbone: Backbone, kind: type[MapsExtractor], tmp_path: Path) -> None:
    pictures = [decoded(seed) for seed in range(3)]
    maps = stored(kind(backbone), pictures, tmp_path)
    assert len(maps) == 3
    for number, picture in enumerate(pictures):
        for mirrored in kind.mirrored:
            found = maps.maps(number, mirrored=mirrored)
            made = picture_maps(backbone, picture.pixels, mirrored=mirrored)
            assert (found.width, found.height) == (made.width, made.height) == (WIDTH, HEIGHT)
            assert found.maps.keys() == made.maps.keys() == {8, 16, 32}
            for stride, array in made.maps.items():
                assert found.maps[stride].shape == (3, SIDE // stride, SIDE // stride)
                assert np.array_equal(found.maps[stride], array)


def test_a_mirror_image_has_other_maps_than_its_picture(backbone: Backbone, tmp_path: Path) -> None:
    maps = stored(MirroredMapsExtractor(backbone), [decoded(1)], tmp_path)
    plain, mirrored = (maps.maps(0, mirrored=side).maps[8] for side in (False, True))
    assert not np.array_equal(plain, mirrored)
    assert np.allclose(plain[:, :39, :], mirrored[:, :39, ::-1], atol=2.0)  # the rows of cells that the picture covers


def test_a_worker_can_make_both_kinds_by_name(backbone: Backbone) -> None:
    for kind in (MapsExtractor, MirroredMapsExtractor):
        made = EXTRACTORS[kind.name](backbone)
        assert (made.name, made.record) == (kind.name, kind(backbone).record)
    assert MapsExtractor.name != MirroredMapsExtractor.name
