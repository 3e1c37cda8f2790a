"""The accuracy benchmark, on drawn data sets."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.accuracy import run, wilson
from tests.learn_support import shape_picture


def write_dataset(folder: Path, *, boxes: bool) -> None:
    rng = np.random.default_rng(0)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number, shape in enumerate(["bar", "disc", "ring"] * 20, start=1):
        Image.fromarray(shape_picture(shape, rng)).save(folder / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 64})
        annotation = {"id": number, "image_id": number, "category_id": 1 + number % 3}
        annotations.append(annotation | ({"bbox": [2.0, 1.0, 76.0, 60.0]} if boxes else {}))
    categories = [{"id": 1 + number, "name": f"shape {number}"} for number in range(3)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco.json").write_text(json.dumps(content))


def test_the_benchmark_measures_pictures_and_boxes_and_ends_in_one_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "whole", boxes=False)
    write_dataset(tmp_path / "boxed", boxes=True)
    assert run(["--datasets", str(tmp_path), "--salts", "3", "--trials", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["suite"] == "accuracy"
    for name in ("whole", "boxed"):
        assert result["figures"][f"{name}_top1_mean"]["value"] > 0.6
        assert result["figures"][f"{name}_10_shot"]["value"] >= result["figures"][f"{name}_2_shot"]["value"] - 0.1


@pytest.mark.parametrize(
    ("right", "count", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_the_interval_is_wilsons(right: int, count: int, low: float, high: float) -> None:
    # the last row is the example of Newcombe, 1998
    assert wilson(right, count) == pytest.approx((low, high), abs=1e-4)
