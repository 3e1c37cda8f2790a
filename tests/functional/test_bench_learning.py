"""`./darkroom bench fewshot` and `detect`, from drawn data sets to the last line, with a network of averages."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import detect, fewshot
from engine.processes import ONE_THREAD
from tests.learn_support import shape_picture, write_network

SHAPES = ("bar", "disc")


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)  # or the suites start a process of their own
    write_network(tmp_path / "backbones" / "averages")
    write_dataset(tmp_path / "datasets" / "whole", boxes=False)
    write_dataset(tmp_path / "datasets" / "boxed", boxes=True)
    return tmp_path / "datasets"


def write_dataset(folder: Path, *, boxes: bool) -> None:
    """Six pictures to train on and six to score."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(12):
        Image.fromarray(shape_picture(SHAPES[number % 2], rng)).save(folder / "images" / f"{number}.png")
        split = "train" if number < 6 else "test"
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 64, "split": split})
        annotation = {"id": number, "image_id": number, "category_id": number % 2}
        annotations.append(annotation | ({"bbox": [16.0, 12.0, 48.0, 40.0]} if boxes else {}))
    categories = [{"id": number, "name": name} for number, name in enumerate(SHAPES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco.json").write_text(json.dumps(content))


def arguments(datasets: Path, *more: str) -> list[str]:
    places = ["--cache", str(datasets.parent / "cache"), "--results", str(datasets.parent / "results")]
    return ["--datasets", str(datasets), "--backbone", "averages", "--json", "--write", *places, *more]


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    return figures


def test_few_shots_end_in_one_line_of_json_and_cells_are_not_measured_twice(
    datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewshot.main(arguments(datasets, "--shots", "2,3,10", "--seeds", "2"))
    shown = last_line(capsys)
    assert {"whole_2shot_top1", "mean_3shot_logistic_top1", "mean_2shot_nearest_top1", "predict_ms"} <= set(shown)
    assert not any("10shot" in name or "boxed" in name for name in shown)  # too few pictures, another kind
    assert sorted(path.name for path in (datasets.parent / "results").iterdir()) == [
        "averages.whole.2shot.json",
        "averages.whole.3shot.json",
    ]
    shutil.rmtree(datasets.parent / "cache")
    fewshot.main(arguments(datasets, "--shots", "2,3", "--seeds", "2"))
    assert last_line(capsys)["whole_2shot_top1"] == shown["whole_2shot_top1"]
    assert not (datasets.parent / "cache").exists()  # no picture was embedded


def test_boxes_are_pictures_when_their_data_set_is_named(datasets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fewshot.main(arguments(datasets, "--shots", "2", "--seeds", "1", "--only", "boxed"))
    assert "boxed_2shot_top1" in last_line(capsys)


def test_detection_is_measured_beside_sliding_windows(datasets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detect.main(arguments(datasets, "--images", "4", "--seeds", "1"))
    shown = last_line(capsys)
    assert {"boxed_4img_map50", "boxed_4img_hog_svm_map50", "mean_4img_map50", "boxed_over_hog_svm"} <= set(shown)
    kept = {path.name: json.loads(path.read_bytes()) for path in (datasets.parent / "results").iterdir()}
    assert set(kept) == {"averages.boxed.4img.json", "hog_svm.boxed.4img.json"}
    assert kept["averages.boxed.4img.json"]["details"]["costs"]["scored_pictures"] == 6


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--backbone", "nowhere"], "nowhere"),
        (["--only", "gone"], "give a folder with coco.json"),
    ],
)
def test_what_is_not_there_is_named(
    datasets: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str
) -> None:
    with pytest.raises(SystemExit):
        fewshot.main(arguments(datasets, *wrong))
    assert said in capsys.readouterr().err
