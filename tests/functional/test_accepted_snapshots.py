"""Every snapshot, of any kind of dataset, is what the official check and pycocotools accept (contract §7)."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from shared.assessment import Assessor
from shared.formats import Region
from shared.formats.voc import write_voc
from shared.policy import Rules
from shared.sides import Side
from shared.snapshot import snapshot_parts
from shared.snapshotfiles import SnapshotFiles
from shared.stock import pictures_of, used
from tests.pictures import draw
from tests.world import SETTINGS, World

SIZE = (64, 56)


def freeze(world: World) -> dict[Side, dict[str, Any]]:
    """Write the snapshot that dataset `parts` would have; its two files."""
    rules = Rules(2, 1, 1, world.now - world.now, world.now - world.now)
    assessor = Assessor(training=world.training, registry=world.registry_blobs, rules=rules)
    assessment = assessor.assess("parts", now=world.now)
    survey, stock = assessor.survey(assessment)
    assert assessment.live is not None
    pictures = used(pictures_of(assessment.live.records(), assessment.live.head.categories), stock, survey.ready)
    parts = snapshot_parts(pictures, survey.ready, assessment.pinned, url_of=world.training.url)
    files = SnapshotFiles(world.training, "parts")
    files.write(survey.snapshot.digest, survey.ready, parts)
    assert files.exists(survey.snapshot.digest)
    sides: tuple[Side, Side] = ("train", "test")
    found = {s: json.loads(world.training.read(f"parts/coco/{survey.snapshot.digest}/{s}.json").data) for s in sides}
    counts = (survey.snapshot.train_pictures, survey.snapshot.test_pictures)
    assert counts == (len(found["train"]["images"]), len(found["test"]["images"]))
    return found


def classification() -> World:
    world = World()
    world.drop_pictures("parts", "nut", range(20))
    world.drop_pictures("parts", "wing nut", range(20, 40))
    return world


def detection() -> World:
    world = World()
    for seed in range(40):
        regions = [Region("nut", (0.1, 0.2, 0.3, 0.4)), Region("Schlüssel", (0.5, 0.5, 0.5, 0.5))][: seed % 3]
        world.drop(f"parts/images/{seed}.jpg", draw(seed))
        world.drop(f"parts/images/{seed}.xml", write_voc(filename=f"{seed}.jpg", size=SIZE, regions=regions))
    return world


@pytest.mark.filterwarnings("ignore")  # the sample wheel's own dependencies warn when imported
@pytest.mark.parametrize("kind", [classification, detection])
@pytest.mark.parametrize("side", ["train", "test"])
def test_the_official_check_and_pycocotools_accept_a_snapshot(
    kind: Any, side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cognitive_service_vision_model_customization_python_samples import (
        AnnotationKind,
        Purpose,
        check_coco_annotation_file,
    )

    found = freeze(kind())[side]
    official = AnnotationKind.OBJECT_DETECTION if kind is detection else AnnotationKind.MULTICLASS_CLASSIFICATION
    purpose = Purpose.TRAINING if side == "train" else Purpose.EVALUATION
    assert not check_coco_annotation_file(found, official, purpose)
    file = tmp_path / "snapshot.json"
    file.write_text(json.dumps(found))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(file))
    assert len(coco.getImgIds()) == len(found["images"]) > 0
    assert len(coco.getAnnIds()) == len(found["annotations"]) > 0


def test_a_detection_snapshot_keeps_pictures_without_an_object() -> None:
    found = freeze(detection())
    images = found["train"]["images"] + found["test"]["images"]
    annotations = found["train"]["annotations"] + found["test"]["annotations"]
    assert len(images) == 40
    assert len(annotations) == sum(seed % 3 for seed in range(40))
    assert all(len(annotation["bbox"]) == 4 for annotation in annotations)


def test_the_quality_of_a_label_is_told() -> None:
    world = World()
    for number in range(12):
        world.drop(f"parts/images/nut/{number}.bmp", _plain(number))
    world.drop_pictures("parts", "bolt", range(12))
    labels = {entry["label"]: entry for entry in world.status()["labels"]}
    (advice,) = labels["nut"]["advice"]
    assert "all 12 pictures of 'nut' have the same size and light" in advice
    assert labels["nut"]["spread"] == {"light": 0.0, "size": 0.0, "aspect": 0.0}
    assert SETTINGS.min_pictures_per_label == 5


def _plain(number: int) -> bytes:
    """Return a grey picture, which differs from others in one pixel."""
    from PIL import Image

    picture = Image.new("RGB", SIZE, (90, 90, 90))
    picture.putpixel((number, 0), (90, 90, 91))
    buffer = io.BytesIO()
    picture.save(buffer, "BMP")
    return buffer.getvalue()
