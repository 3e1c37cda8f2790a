import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.learn.backbone import load_backbone
from engine.learn.errors import BackboneError
from engine.learn.heads import HEADS
from engine.learn.manifest import read_manifest
from engine.learn.network import POOLED, SIDE, VERSION, digest_of
from tests.learn_support import averaging_network, shape_picture, write_network

WAYS = [
    ("NHWC", "uint8", "0-255 RGB"),
    ("NCHW", "uint8", "0-255 BGR"),
    ("NHWC", "float32", "0-255 BGR"),
    ("NCHW", "float32", "0-1 RGB"),
    ("NCHW", "float32", "-1-1 RGB"),
]


@pytest.mark.parametrize(("layout", "dtype", "colours"), WAYS)
def test_a_picture_reaches_the_network_as_the_manifest_says(
    tmp_path: Path, layout: str, dtype: str, colours: str
) -> None:
    backbone = load_backbone(write_network(tmp_path, layout=layout, dtype=dtype, colours=colours))
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    maps = backbone.feature_maps(picture)
    assert {stride: plane.shape for stride, plane in maps.items()} == {8: (3, 8, 12), 16: (3, 4, 6), 32: (3, 2, 3)}
    seen = picture.astype(np.float64)
    if colours.startswith("0-1 "):
        seen /= 255
    elif colours.startswith("-1-1"):
        seen = seen / 127.5 - 1
    if colours.endswith("BGR"):
        seen = seen[..., ::-1]
    expected = seen.reshape(2, 32, 3, 32, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(maps[32], expected, rtol=1e-4, atol=1e-4)


def test_each_colour_is_normalised_by_its_own_mean_and_deviation_in_the_networks_order(tmp_path: Path) -> None:
    normalised = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 2.0]}
    wanted = {"name": "input", "layout": "NCHW", "dtype": "float32", "range": "0-1 BGR"} | normalised
    backbone = load_backbone(write_network(tmp_path, layout="NCHW", dtype="float32", input=wanted))
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[...] = (255, 51, 0)
    planes = backbone.feature_maps(picture)[32][:, 0, 0]
    np.testing.assert_allclose(planes, [(0 - 0.1) / 0.5, (0.2 - 0.2) / 0.25, (1 - 0.3) / 2], atol=1e-6)
    other = load_backbone(write_network(tmp_path / "other", layout="NCHW", dtype="float32", colours="0-1 BGR"))
    assert backbone.digest != other.digest


def test_what_a_manifest_does_not_say_is_no_part_of_the_digest(tmp_path: Path) -> None:
    manifest = read_manifest(write_network(tmp_path))
    said = {name: value for name, value in asdict(manifest).items() if name not in ("mean", "std")}
    facts = json.dumps({"version": VERSION, "side": SIDE, "pooled": POOLED, **said}, sort_keys=True)
    assert digest_of(manifest) == hashlib.sha256(facts.encode()).hexdigest()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (700, 20), (224, 224), (3000, 50)])
def test_a_picture_of_any_size_is_embedded_and_mapped(tmp_path: Path, height: int, width: int) -> None:
    backbone = load_backbone(write_network(tmp_path))
    picture = np.full((height, width, 3), 100, np.uint8)
    features = backbone.embed(picture)
    assert features.shape == (backbone.width,) == (6,)
    assert features.dtype == np.float32
    assert all(max(plane.shape) <= 2048 // stride for stride, plane in backbone.feature_maps(picture).items())


def test_the_embedding_is_the_average_of_the_last_two_maps_the_earlier_at_twice_the_weight(tmp_path: Path) -> None:
    backbone = load_backbone(write_network(tmp_path))
    picture = np.zeros((224, 224, 3), np.uint8)
    picture[...] = (30, 60, 90)
    np.testing.assert_allclose(backbone.embed(picture), np.array([4, 8, 12, 1, 2, 3]) / 6, rtol=1e-5)


def test_features_are_the_same_to_the_bit_on_one_thread_and_on_two(tmp_path: Path) -> None:
    write_network(tmp_path)
    picture = shape_picture("disc", np.random.default_rng(0))
    one, again, two = (load_backbone(tmp_path, threads=threads).embed(picture).tobytes() for threads in (1, 1, 2))
    assert one == again == two


def test_the_digest_names_weights_and_preparation(tmp_path: Path) -> None:
    plain = load_backbone(write_network(tmp_path / "a"))
    assert len(plain.digest) == 64
    assert plain.digest == load_backbone(write_network(tmp_path / "b")).digest
    other = load_backbone(write_network(tmp_path / "c", colours="0-255 BGR", dtype="uint8"))
    assert other.digest != plain.digest
    assert plain.digest != load_backbone(None).digest
    assert plain.default_head in HEADS


def outputs(**channels: int) -> dict[str, Any]:
    return {"outputs": {name: {"channels": count, "layout": "NCHW"} for name, count in channels.items()}}


INPUT = {"name": "input", "layout": "NHWC", "dtype": "uint8", "range": "0-255 RGB"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "fetch it again"),
        ({"sha256": "abc"}, r"\$\.sha256"),
        ({"name": 3}, r"got `int` - at `\$\.name`"),
        ({"input": {}}, "missing required field `name`"),
        ({"input": None}, r"\$\.input"),
        ({"input": INPUT | {"layout": "HWC"}}, r"\$\.input\.layout"),
        ({"input": INPUT | {"dtype": "float16"}}, r"\$\.input\.dtype"),
        ({"input": INPUT | {"range": "0-255"}}, r"\$\.input\.range"),
        ({"input": INPUT | {"range": "1-0 RGB"}}, "input.range"),
        ({"input": INPUT | {"range": "0-1 RGB"}}, "0-255 for uint8"),
        ({"input": INPUT | {"name": "picture"}}, "does not run"),
        ({"input": INPUT | {"dtype": "float32"}}, "does not run"),
        ({"input": INPUT | {"layout": "NCHW"}}, "does not run"),
        ({"input": INPUT | {"mean": [0.5, 0.5, 0.5]}}, "come together"),
        ({"input": INPUT | {"mean": [0, 0, 0], "std": [1, 1, 1]}}, "for float32"),
        ({"input": INPUT | {"mean": [0, 0, 0], "std": [1, 0, 1]}}, r"\$\.input\.std"),
        ({"input": INPUT | {"mean": [0, 0]}}, r"\$\.input\.mean"),
        ({"outputs": {}}, "stride32"),
        (outputs(stride8=3), "stride32"),
        (outputs(stride32=3, stride0=3), "divide 32"),
        (outputs(stride32=3, stride64=3), "divide 32"),
        (outputs(stride32=3, features=3), r"\$\.outputs"),
        (outputs(stride32=3, stride4=3), "does not run"),
        (outputs(stride32=5), "stride32 is \\(3, 1, 2\\)"),
        ({"outputs": {"stride32": {"channels": "many", "layout": "NCHW"}}}, "got `str`"),
        (outputs(stride32=0), ">= 1"),
    ],
)
def test_a_manifest_that_does_not_fit_is_told(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(write_network(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b'{"name": "x"}'])
def test_a_manifest_that_is_no_manifest_is_told(tmp_path: Path, content: bytes) -> None:
    write_network(tmp_path)
    (tmp_path / "META.json").write_bytes(content)
    with pytest.raises(BackboneError, match=r"META\.json"):
        load_backbone(tmp_path)


@pytest.mark.parametrize("missing", ["META.json", "model.onnx"])
def test_a_missing_file_is_told(tmp_path: Path, missing: str) -> None:
    write_network(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(BackboneError, match=missing):
        load_backbone(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="nowhere"):
        load_backbone(tmp_path / "nowhere")


@pytest.mark.parametrize("network", [b"", b"not a network", averaging_network("NHWC", "uint8")[:-40]])
def test_a_damaged_network_is_told_even_when_its_digest_fits(tmp_path: Path, network: bytes) -> None:
    write_network(tmp_path)
    (tmp_path / "model.onnx").write_bytes(network)
    manifest = json.loads((tmp_path / "META.json").read_text())
    manifest["sha256"] = hashlib.sha256(network).hexdigest()
    (tmp_path / "META.json").write_text(json.dumps(manifest))
    with pytest.raises(BackboneError, match="does not run"):
        load_backbone(tmp_path)
