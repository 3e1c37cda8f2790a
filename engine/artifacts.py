"""The folders of trained models and evaluations: written whole elsewhere, then moved into place.

models/{name}/model.npz         the classifier, as `engine.learn` saves it; of a detector, detector.npz
models/{name}/model.json        what it is: labels, backbone, data set, performance
models/{name}/training.*        by what its training pictures are known again (`engine.trainingpictures`)
models/{name}/report.json       where it is right and wrong, as the wire has it (`engine.judgement`): on the test set,
                                or on the training pictures in cross-validation

evaluations/{model}/{name}/     report.json, and what the model said of each picture (`engine.predictions`)
"""

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

SCHEMA = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of model.json."""

    schema: int = SCHEMA
    kind: str
    labels: tuple[str, ...]
    backbone_name: str
    backbone_digest: str
    training_dataset: str
    pictures: int
    training_digest: str | None = None  # see `engine.trainingpictures.digest_of`; older models have none
    performance: dict[str, Any]


def classifier_path(folder: Path) -> Path:
    """Where the classifier lies in a model's folder."""
    return folder / "model.npz"


def detector_path(folder: Path) -> Path:
    """Where the detector lies in a model's folder."""
    return folder / "detector.npz"


def report_path(folder: Path) -> Path:
    """Where the report lies in a model's or an evaluation's folder."""
    return folder / "report.json"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes model.json with sorted keys."""
    text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    (folder / "model.json").write_bytes(text + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Reads model.json of a published model."""
    return msgspec.json.decode((folder / "model.json").read_bytes(), type=Manifest)


def flush(folder: Path) -> None:
    """Makes a folder and its files survive a power cut."""
    for path in (*folder.iterdir(), folder):
        _sync(path)


def publish(folder: Path, place: Path) -> None:
    """Moves a finished folder to its place; what an interrupted attempt left there goes first."""
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.replace(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
