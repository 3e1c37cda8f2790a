"""Several backbones as one, made of drawn networks."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.learn.backbone import Backbone, digest_of_spec, load_backbone, parts_of
from engine.learn.errors import BackboneError
from engine.learn.handmade import stored_backbone
from engine.learn.joined_backbone import JoinedBackbone
from tests.learn_support import shape_picture, write_network

PICTURE = shape_picture("disc", np.random.default_rng(0))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    one = write_network(tmp_path / "one")
    channels = {f"stride{stride}": {"channels": 3, "layout": "NCHW"} for stride in (16, 32)}
    return one, write_network(
        tmp_path / "two", layout="NCHW", dtype="float32", colours="0-1 BGR", name="other", outputs=channels
    )


@pytest.fixture
def joined(folders: tuple[Path, Path]) -> Backbone:
    return load_backbone("+".join(map(str, folders)))


def lengths(block: NDArray[np.float32]) -> float:
    """Of a block, after the head's signed square root."""
    return float(np.sqrt(np.sum(np.abs(block))))


def test_a_joined_backbone_has_the_features_of_all_and_names_them(joined: Backbone, folders: tuple[Path, Path]) -> None:
    one, two = map(load_backbone, folders)
    assert (joined.name, joined.width) == ("averages+other", one.width + two.width)
    features = joined.embed(PICTURE)
    assert features.shape == (joined.width,)
    for block, part in ((features[: one.width], one), (features[one.width :], two)):
        alone = part.embed(PICTURE)
        np.testing.assert_allclose(block / np.sum(np.abs(block)), alone / np.sum(np.abs(alone)), rtol=1e-5)
        assert lengths(block) == pytest.approx(1, rel=1e-5)


def test_weights_say_how_long_the_block_of_each_is(folders: tuple[Path, Path]) -> None:
    parts = [load_backbone(folder) for folder in folders]
    weighted = JoinedBackbone(parts, (1, 0.5))
    features = weighted.embed(PICTURE)
    assert lengths(features[parts[0].width :]) == pytest.approx(0.5, rel=1e-5)
    assert weighted.digest != JoinedBackbone(parts).digest
    for wrong in ((1.0,), (1.0, 0.0)):
        with pytest.raises(ValueError, match="weights above 0"):
            JoinedBackbone(parts, wrong)


def test_maps_have_the_channels_of_all_at_the_strides_of_all_and_none_is_louder(joined: Backbone) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (70, 130, 3), dtype=np.uint8)
    maps = joined.feature_maps(picture)
    assert {stride: levels.shape for stride, levels in maps.items()} == {16: (6, 4, 8), 32: (6, 2, 4)}
    for levels in maps.values():
        assert levels.dtype == np.float32
        loud = [float(np.mean(np.square(levels[channels]))) for channels in (slice(3), slice(3, None))]
        assert loud == pytest.approx([1, 1], rel=1e-4)


def test_a_black_picture_has_finite_features_and_maps(joined: Backbone) -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    assert np.isfinite(joined.embed(black)).all()
    assert all(np.isfinite(levels).all() for levels in joined.feature_maps(black).values())


def test_features_are_the_same_to_the_bit_on_one_thread_and_on_two(folders: tuple[Path, Path]) -> None:
    spec = "+".join(map(str, folders))
    one, two = (load_backbone(spec, threads=threads) for threads in (1, 2))
    assert one.embed(PICTURE).tobytes() == two.embed(PICTURE).tobytes()
    maps = [one.feature_maps(PICTURE), two.feature_maps(PICTURE)]
    assert maps[0][32].tobytes() == maps[1][32].tobytes()


def test_the_digest_is_known_without_the_networks_and_depends_on_every_part(folders: tuple[Path, Path]) -> None:
    one, two = map(str, folders)
    specs = [None, "handmade", one, two, f"{one}+{two}", f"{two}+{one}", f"builtin+{one}"]
    digests = [load_backbone(spec).digest for spec in specs]
    os.truncate(folders[0] / "model.onnx", 0)
    assert [digest_of_spec(spec) for spec in specs] == digests
    assert len(set(digests)) == len(specs)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        (None, ("builtin",)),
        ("", ("builtin",)),
        ("builtin", ("builtin",)),
        ("handmade", ("handmade",)),
        ("/a/b + c", ("/a/b", "c")),
        (Path("a+b"), ("a+b",)),
    ],
)
def test_a_spec_names_its_parts(spec: str | Path | None, parts: tuple[str, ...]) -> None:
    assert parts_of(spec) == parts


def test_a_name_alone_opens_what_is_built_in() -> None:
    assert load_backbone("handmade") is stored_backbone()
    assert load_backbone("builtin") is load_backbone(None)


@pytest.mark.parametrize(("spec", "message"), [("a+", "on one side"), ("+", "on one side"), ("a+b+a", "twice")])
def test_a_spec_that_cannot_be_read_is_told(spec: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(spec)


def test_one_backbone_under_two_names_is_told(tmp_path: Path) -> None:
    same = [str(write_network(tmp_path / name)) for name in "ab"]
    for opens in (load_backbone, digest_of_spec):
        with pytest.raises(BackboneError, match="only once"):
            opens("+".join(same))
