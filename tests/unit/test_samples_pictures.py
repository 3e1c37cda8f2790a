"""The drawn pictures: what is in them, and that shape tells the labels apart while colour does not."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import samples
from samples.__main__ import main
from samples.mixed import Table
from samples.parts import PARTS
from samples.rendering import Cutout
from samples.shading import Light
from samples.surfaces import SIDE, TEXTURES
from shared.formats.voc import parse_voc

TRAINING, HELD_OUT = range(10), range(500, 506)


@pytest.mark.parametrize("label", samples.LABELS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_bytes(label: str) -> None:
    assert samples.draw(label, 7).jpeg() == samples.draw(label, 7).jpeg()
    assert samples.draw(label, 7).jpeg() != samples.draw(label, 8).jpeg()


@pytest.mark.parametrize("label", samples.LABELS)
def test_boxes_lie_in_the_frame_apart_from_each_other_and_are_of_a_useful_size(label: str) -> None:
    for seed in range(12):
        drawn = samples.draw(label, seed)
        assert drawn.picture.size == (samples.WIDTH, samples.HEIGHT)
        assert 1 <= len(drawn.boxes) <= 3
        for box in drawn.boxes:
            assert box.label == label
            assert 0 <= box.left < box.left + box.width <= samples.WIDTH
            assert 0 <= box.top < box.top + box.height <= samples.HEIGHT
            assert box.width * box.height > 40 * 80


def test_a_part_lies_within_its_unit_circle() -> None:
    for label, part in PARTS.items():
        v, u = np.mgrid[-1.5:1.5:300j, -1.5:1.5:300j].astype(np.float32)
        inside = part(np.random.default_rng(3)).outline(u, v) < 0
        assert inside.any()
        assert np.hypot(u, v)[inside].max() < 1.1, f"{label} reaches beyond its unit circle"


def test_some_pictures_show_more_than_one_part() -> None:
    counts = {len(samples.draw("nut", seed).boxes) for seed in range(30)}
    assert counts > {1}


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_is_a_tile_with_colours_that_vary(name: str) -> None:
    tile = TEXTURES[name](np.random.default_rng(5))
    assert tile.shape == (SIDE, SIDE, 4)
    assert np.isfinite(tile).all()
    assert tile[..., :3].std() > 0.01


def test_an_unknown_label_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="draw one of bolt, nut, spring, washer, wing-nut"):
        samples.draw("gear", 0)


def test_a_written_sample_is_label_folders_and_a_coco_file_that_agrees(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = samples.write_sample(tmp_path, 2, on_picture=lambda done, of: seen.append((done, of)))
    coco = json.loads((tmp_path / samples.COCO_NAME).read_text())
    assert seen[-1] == (10, 10)
    assert [image["file_name"] for image in coco["images"]] == [str(path.relative_to(tmp_path)) for path in paths]
    assert [category["name"] for category in coco["categories"]] == list(samples.LABELS)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    folders = {image["id"]: image["file_name"].split("/")[0] for image in coco["images"]}
    for annotation in coco["annotations"]:
        assert names[annotation["category_id"]] == folders[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        assert 0 <= left < left + width <= 1
        assert 0 <= top < top + height <= 1
    with Image.open(paths[0]) as picture:
        assert (picture.format, picture.size) == ("JPEG", (samples.WIDTH, samples.HEIGHT))


def test_writing_twice_gives_the_same_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        samples.write_sample(tmp_path / folder, 1, seed=4, labels=["bolt", "spring"])
    one, two = (
        {str(path.relative_to(tmp_path / folder)): path.read_bytes() for path in (tmp_path / folder).rglob("*.*")}
        for folder in ("one", "two")
    )
    assert one == two


@pytest.mark.parametrize(("per_label", "seed"), [(0, 0), (1, -1)])
def test_a_wrong_count_or_seed_is_refused(tmp_path: Path, per_label: int, seed: int) -> None:
    with pytest.raises(ValueError, match=r"0|-1"):
        samples.write_sample(tmp_path, per_label, seed)


def test_the_command_writes_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--per-label", "1", "--labels", "nut", "bolt"]) == 0
    assert capsys.readouterr().out == f"2 pictures of 2 labels in {tmp_path}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bolt", "coco.json", "nut"]


def test_the_command_writes_boxes_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--boxes", "--per-label", "1", "--labels", "nut"]) == 0
    assert capsys.readouterr().out == f"1 pictures of 1 labels in {tmp_path}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco.json", "mixed-000.jpg", "mixed-000.xml"]


@pytest.mark.parametrize("seed", range(4))
def test_a_mixed_picture_has_its_seeds_label_first_and_boxes_that_are_all_in_the_frame(seed: int) -> None:
    labels = ["nut", "spring", "washer"]
    drawn = samples.draw_mixed(seed, labels)
    assert drawn.jpeg() == samples.draw_mixed(seed, labels).jpeg()
    assert 1 <= len(drawn.boxes) <= 5
    assert drawn.boxes[0].label == labels[seed % 3]
    for box in drawn.boxes:
        assert box.label in labels
        assert 0 <= box.left < box.left + box.width <= samples.WIDTH
        assert 0 <= box.top < box.top + box.height <= samples.HEIGHT
        assert min(box.width, box.height) >= 10


def test_mixed_pictures_show_several_labels_of_many_sizes_some_on_top_of_others() -> None:
    pictures = [samples.draw_mixed(seed).boxes for seed in (1, 2, 3, 8)]
    assert any(len({box.label for box in boxes}) > 2 for boxes in pictures)
    shares = [box.width * box.height / (samples.WIDTH * samples.HEIGHT) for boxes in pictures for box in boxes]
    assert max(shares) > 8 * min(shares)
    assert any(overlap(one, other) for boxes in pictures for one in boxes for other in boxes if one is not other)


def overlap(one: samples.Box, other: samples.Box) -> bool:
    beside = one.left + one.width <= other.left or other.left + other.width <= one.left
    return not (beside or one.top + one.height <= other.top or other.top + other.height <= one.top)


def test_a_part_on_top_takes_the_pixels_it_hides_and_one_that_would_hide_too_much_is_left_out() -> None:
    def flat(left: int, width: int, grey: float) -> Cutout:
        shape = (40, width)
        return Cutout(np.full((*shape, 3), grey, np.float32), np.ones(shape, np.float32), left, 100)

    table = Table(np.zeros((samples.HEIGHT, samples.WIDTH, 3), np.float32), Light(0, 1, 0, 1))
    table.put("below", flat(100, 100, 0.4), 5.0)
    table.put("above", flat(180, 60, 0.9), 5.0)
    table.put("too much", flat(90, 60, 0.1), 5.0)
    below, above = table.boxes()
    assert (below.left, below.width, above.left, above.width) == (100, 80, 180, 60)
    assert [float(table.colour[120, x, 0]) for x in (179, 180)] == pytest.approx([0.4, 0.9], abs=0.3)


@pytest.mark.parametrize("labels", [[], ["nut", "gear"]])
def test_a_mixed_picture_of_unknown_labels_is_refused(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        samples.draw_mixed(0, labels)


def test_written_mixed_pictures_have_side_cars_and_a_coco_file_that_agree_with_the_drawing(tmp_path: Path) -> None:
    paths = samples.write_mixed(tmp_path, 2, seed=3, labels=["bolt", "nut"])
    coco = json.loads((tmp_path / samples.COCO_NAME).read_text())
    assert [image["file_name"] for image in coco["images"]] == ["mixed-000.jpg", "mixed-001.jpg"]
    names = {category["id"]: category["name"] for category in coco["categories"]}
    for number, path in enumerate(paths):
        drawn = samples.draw_mixed(3_000_000 + number, ["bolt", "nut"])
        assert path.read_bytes() == drawn.jpeg()
        (said,) = parse_voc(path.with_suffix(".xml").read_bytes()).labellings
        assert said.size == (samples.WIDTH, samples.HEIGHT)
        boxes = [(box.label, (box.left, box.top, box.width, box.height)) for box in drawn.boxes]
        assert [(region.label, region.box) for region in said.regions] == boxes
        mine = [one for one in coco["annotations"] if one["image_id"] == number + 1]
        assert [names[one["category_id"]] for one in mine] == [label for label, _ in boxes]
        for one, (_, box) in zip(mine, boxes, strict=True):
            sides = np.array(one["bbox"]) * np.tile([samples.WIDTH, samples.HEIGHT], 2)
            assert sides == pytest.approx(box, abs=1e-3)


def test_shape_tells_the_labels_apart_and_colour_does_not() -> None:
    training = [samples.draw(label, seed) for label in samples.LABELS for seed in TRAINING]
    held_out = [samples.draw(label, seed) for label in samples.LABELS for seed in HELD_OUT]
    chance = 1 / len(samples.LABELS)
    for rule in (nearest_neighbour, linear):
        assert accuracy(rule, colours, training, held_out) < chance + 0.25
        assert accuracy(rule, edges_in_the_box, training, held_out) > 0.85


type Features = NDArray[np.float64]


def accuracy(
    rule: Callable[[Features, NDArray[np.intp], Features], NDArray[np.intp]],
    describe: Callable[[samples.Drawn], Features],
    training: list[samples.Drawn],
    held_out: list[samples.Drawn],
) -> float:
    known, asked = (np.array([describe(drawn) for drawn in drawings]) for drawings in (training, held_out))
    truth, wanted = (
        np.array([samples.LABELS.index(drawn.boxes[0].label) for drawn in drawings])
        for drawings in (training, held_out)
    )
    return float((rule(known, truth, asked) == wanted).mean())


def nearest_neighbour(known: Features, truth: NDArray[np.intp], asked: Features) -> NDArray[np.intp]:
    distances = ((asked[:, None] - known[None]) ** 2).sum(axis=2)
    nearest: NDArray[np.intp] = truth[distances.argmin(axis=1)]
    return nearest


def linear(known: Features, truth: NDArray[np.intp], asked: Features) -> NDArray[np.intp]:
    """Ridge regression to one column a label."""
    mean = known.mean(axis=0)
    centred = known - mean
    gram = centred @ centred.T
    ridge = np.eye(len(gram)) * np.trace(gram) / len(gram) * 0.1
    weights = centred.T @ np.linalg.solve(gram + ridge, np.eye(len(samples.LABELS))[truth])
    return ((asked - mean) @ weights).argmax(axis=1)


def colours(drawn: samples.Drawn) -> Features:
    """Histograms of RGB (4 bins a channel) and HSV (8 bins a channel) over the whole picture, square roots."""
    picture = Image.open(io.BytesIO(drawn.jpeg()))
    parts = []
    for mode, bins in (("RGB", 4), ("HSV", 8)):
        levels = np.asarray(picture.convert(mode)).astype(np.intp) * bins // 256
        codes = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
        parts.append(np.sqrt(np.bincount(codes.ravel(), minlength=bins**3) / codes.size))
    return np.concatenate(parts)


def edges_in_the_box(drawn: samples.Drawn) -> Features:
    """Histograms of edge directions (8) in 6 x 6 cells over the square about the first box, square roots."""
    box = drawn.boxes[0]
    half = max(box.width, box.height) * 0.55
    x, y = box.left + box.width / 2, box.top + box.height / 2
    square = drawn.picture.convert("L").crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    down, right = np.gradient(np.asarray(square.resize((48, 48), Image.Resampling.BOX), dtype=np.float64))
    direction = (np.arctan2(down, right) % np.pi / np.pi * 8).astype(np.intp) % 8
    planes = np.where(direction == np.arange(8)[:, None, None], np.hypot(down, right), 0)
    cells = planes.reshape(8, 6, 8, 6, 8).sum(axis=(2, 4)).ravel()
    return np.sqrt(cells / cells.sum())
