"""Pictures with several labels go through storage, the real engine and the gate, and are answered."""

import json
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image
from pydantic import SecretStr

from functions._services import compose
from shared.events import NoAnnouncer
from shared.storage.azure import Account
from shared.vision import VisionClient
from tests.engine_support import COLOURS, KEY, encode, engine_in_process
from tests.storage_support import azurite, new_container, new_queue
from tests.waiting import wait_until
from tests.world import SETTINGS

__all__ = ["azurite"]
PREDICTION_KEY = "prediction-key"
SORTS = [(label,) for label in COLOURS] + list(combinations(COLOURS, 2))


def draw(labels: tuple[str, ...], seed: int) -> bytes:
    """A picture with a stripe in each label's colour."""
    rng = np.random.default_rng(seed)
    pixels = np.concatenate([np.full((64, 80 // len(labels), 3), COLOURS[label], float) for label in labels], axis=1)
    return encode(Image.fromarray(np.clip(pixels + rng.normal(0, 25, pixels.shape), 0, 255).astype(np.uint8)), "JPEG")


def test_a_dataset_of_several_labels_a_picture_is_trained_judged_and_answered(azurite: Account, tmp_path: Path) -> None:
    training, registry = new_container(azurite, "training"), new_container(azurite, "registry")
    named = list(COLOURS)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(30):
        labels = SORTS[number % len(SORTS)]
        training.write(f"parts/images/{number:02}.jpg", draw(labels, number), content_type="image/jpeg")
        images.append({"id": number + 1, "file_name": f"{number:02}.jpg"})
        for label in labels:
            record = {"id": len(annotations) + 1, "image_id": number + 1, "category_id": named.index(label) + 1}
            annotations.append(record)
    categories = [{"id": number, "name": label} for number, label in enumerate(named, 1)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    training.write("parts/annotations/all.json", json.dumps(coco).encode())
    storage = urlsplit(training.url("x")).netloc
    with (
        engine_in_process(tmp_path / "data", storage) as engine,
        httpx.Client(base_url=engine.endpoint, trust_env=False) as client,
    ):
        settings = SETTINGS.model_copy(update={"prediction_keys": (SecretStr(PREDICTION_KEY),)})
        services = compose(
            settings,
            training=training,
            registry=registry,
            changes=new_queue(azurite),
            vision=VisionClient(client, KEY),
            announcer=NoAnnouncer(),
        )
        now = datetime.now(UTC) + timedelta(minutes=5)  # the quiet period is over
        services.intake.reconcile(now=now)
        services.training.start(now=now)

        wait_until(
            lambda: services.progress.poll(now=now) == {}, "the version to come to its end", timeout=120, pause=0.2
        )
        (status,) = services.status.report(now=now)["datasets"]
        assert status["champion"], status["versions"]
        assert status["kind"] == "multilabel"
        assert status["champion"]["metric"] == "averagePrecision"
        assert status["champion"]["value"] > 0.9
        answer = services.prediction.analyze(
            headers={"ocp-apim-subscription-key": PREDICTION_KEY, "content-type": "image/jpeg"},
            query={"api-version": "2023-04-01-preview", "model-name": "parts"},
            body=draw(("nut", "washer"), 100),
        )
    tags = json.loads(answer.body)["customModelResult"]["tagsResult"]["values"]
    assert {tag["name"] for tag in tags[:2]} == {"nut", "washer"}
    assert sum(tag["confidence"] for tag in tags) > 1.2, "each label by itself"
