"""Pictures with side-cars of boxes go through storage, the real engine and the gate, and are answered with boxes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from functions._services import compose
from shared.events import NoAnnouncer
from shared.formats import Region
from shared.formats.voc import write_voc
from shared.storage.azure import Account
from shared.vision import VisionClient
from tests.boxes_support import HEIGHT, WIDTH, DrawnBoxes, draw_boxes, drawn, share
from tests.engine_support import COLOURS, KEY, engine_in_process
from tests.learn_support import write_network
from tests.storage_support import azurite, new_container, new_queue
from tests.waiting import wait_until
from tests.world import SETTINGS

__all__ = ["azurite"]
PREDICTION_KEY = "prediction-key"
PICTURES = 12


def side_car(number: int, picture: DrawnBoxes) -> tuple[str, bytes]:
    """Writes the boxes of a picture in Pascal VOC or, of every third, in YOLO; returns suffix and content."""
    places = [(label, (x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT)) for label, x, y, w, h in picture.boxes]
    if number % 3:
        regions = [Region(label, box) for label, box in places]
        return "xml", write_voc(filename=f"{number:02}.jpg", size=(WIDTH, HEIGHT), regions=regions)
    lines = [f"{list(COLOURS).index(label)} {x + w / 2} {y + h / 2} {w} {h}" for label, (x, y, w, h) in places]
    return "txt", "\n".join(lines).encode()


def test_pictures_with_side_cars_become_a_promoted_detector_that_answers_boxes(
    azurite: Account, tmp_path: Path
) -> None:
    training, registry = new_container(azurite, "training"), new_container(azurite, "registry")
    training.write("parts/images/classes.txt", "\n".join(COLOURS).encode())
    for number, picture in enumerate(drawn(PICTURES)):
        suffix, content = side_car(number, picture)
        training.write(f"parts/images/{number:02}.{suffix}", content)
        training.write(f"parts/images/{number:02}.jpg", picture.content, content_type="image/jpeg")
    storage = urlsplit(training.url("x")).netloc
    network = write_network(tmp_path / "network")
    with (
        engine_in_process(tmp_path / "data", storage, backbone=str(network)) as engine,
        httpx.Client(base_url=engine.endpoint, trust_env=False) as client,
    ):
        services = compose(
            SETTINGS.model_copy(update={"prediction_keys": (SecretStr(PREDICTION_KEY),)}),
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
            lambda: services.progress.poll(now=now) == {}, "the version to come to its end", timeout=240, pause=0.2
        )
        (status,) = services.status.report(now=now)["datasets"]
        assert status["champion"], status["versions"]
        assert (status["kind"], status["problems"]) == ("detection", [])
        assert status["champion"]["metric"] == "meanAveragePrecision50"
        assert status["champion"]["value"] > 0.5
        asked = draw_boxes(("washer", "nut"), 100)
        answer = services.prediction.analyze(
            headers={"ocp-apim-subscription-key": PREDICTION_KEY, "content-type": "image/jpeg"},
            query={"api-version": "2023-04-01-preview", "model-name": "parts"},
            body=asked.content,
        )
    objects = json.loads(answer.body)["customModelResult"]["objectsResult"]["values"]
    for label, *box in asked.boxes:
        best = next(one for one in objects if one["tags"][0]["name"] == label)
        assert share([best["boundingBox"][side] for side in "xywh"], box) > 0.5
