"""The whole loop for real: pictures dropped into Azurite become a promoted model that answers."""

import contextlib
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.core.credentials import AzureKeyCredential
from pycocotools.coco import COCO

from shared.formats import Region
from shared.formats.voc import write_voc
from tests.home import Home, home
from tests.pictures import draw
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def trained(product: Home) -> str:
    """Train dataset `parts` once; its champion."""
    product.upload((f"parts/images/nut/{n}.jpg", draw(n, size=(96, 80))) for n in range(8))
    product.upload((f"parts/images/wing nut/{n}.jpg", draw(100 + n, size=(96, 80))) for n in range(8))
    return product.wait_for_champion("parts")


def test_the_champion_answers_the_contracts_call(product: Home, trained: str) -> None:
    answer = product.predict(draw(1, size=(96, 80)), model_name="parts")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-model-name"] == trained
    assert answer.headers["x-dataset-snapshot"] == trained.split(".")[1]
    body = answer.json()
    assert body["metadata"] == {"width": 96, "height": 80}
    values = body["customModelResult"]["tagsResult"]["values"]
    assert {value["name"] for value in values} == {"nut", "wing nut"}
    assert sum(value["confidence"] for value in values) == pytest.approx(1, abs=1e-3)
    assert product.predict(draw(1, size=(96, 80)), model_name=trained).json() == body


def test_the_general_availability_sdk_works_unmodified(product: Home, trained: str) -> None:
    credential = AzureKeyCredential(product.services.key)
    with ImageAnalysisClient(product.services.endpoint, credential) as client:
        result = client.analyze(draw(1, size=(96, 80)), [VisualFeatures.TAGS], params={"model-name": "parts"})
    assert result["customModelResult"]["tagsResult"]["values"]


def test_a_picture_can_be_named_by_its_url(product: Home, trained: str) -> None:
    blob = product.training.get_blob_client("parts/images/nut/1.jpg")
    url = f"{product.services.endpoint}/computervision/imageanalysis:analyze?api-version=2023-04-01-preview"
    headers = {"Ocp-Apim-Subscription-Key": product.services.key}
    answer = httpx.post(url, json={"url": blob.url}, headers=headers)
    assert answer.status_code == 400  # the container is private: the engine says that it cannot read it
    assert answer.json()["error"]["code"] == "InvalidRequest"
    refused = httpx.post(url, json={"url": "http://169.254.169.254/latest"}, headers=headers)
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("picture", "query", "status", "code"),
    [
        (b"", {}, 400, "InvalidRequest"),
        (b"not a picture", {}, 400, "InvalidRequest"),
        (draw(1, size=(96, 80))[:700], {}, 400, "InvalidRequest"),
        (draw(1, size=(40, 40)), {}, 400, "InvalidRequest"),
        (b"\xff" * 31_457_280, {}, 400, "InvalidRequest"),
        (draw(1, size=(96, 80)), {"model_name": "nothing"}, 404, "404"),
        (draw(1, size=(96, 80)), {"api_version": "1999-01-01"}, 400, "InvalidRequest"),
    ],
    ids=["empty", "text", "truncated", "small", "30 MB", "unknown model", "unknown version"],
)
def test_a_call_that_cannot_be_answered_gets_the_contracts_error(
    product: Home, trained: str, picture: bytes, query: dict[str, str], status: int, code: str
) -> None:
    answer = product.predict(picture, **{"model_name": "parts", **query})
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code), answer.text
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_wrong_key_gets_the_contracts_401(product: Home, trained: str, key: str) -> None:
    answer = product.predict(draw(1), key=key, model_name="parts")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401")


def test_status_needs_its_key(product: Home, trained: str) -> None:
    assert httpx.get(f"{product.services.endpoint}/api/status").status_code == 401


def test_the_coco_file_loads_in_pycocotools(product: Home, trained: str, tmp_path: Path) -> None:
    file = tmp_path / "live.json"
    file.write_text(json.dumps(product.live("parts")))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(file))
    assert len(coco.getImgIds()) == 16
    (wing,) = coco.getCatIds(catNms=["wing nut"])
    assert len(coco.getImgIds(catIds=[wing])) == 8


@pytest.mark.filterwarnings("ignore")  # the sample wheel's own dependencies warn when imported
@pytest.mark.parametrize("side", ["train", "test"])
def test_a_snapshot_passes_the_official_check(product: Home, trained: str, side: str) -> None:
    from cognitive_service_vision_model_customization_python_samples import (
        AnnotationKind,
        Purpose,
        check_coco_annotation_file,
    )

    path = f"parts/coco/{trained.split('.')[1]}/{side}.json"
    snapshot = json.loads(product.training.download_blob(path).readall())
    purpose = Purpose.TRAINING if side == "train" else Purpose.EVALUATION
    errors = check_coco_annotation_file(snapshot, AnnotationKind.MULTICLASS_CLASSIFICATION, purpose)
    assert not errors


def test_pictures_that_cannot_be_used_are_told_and_hold_nothing_up(product: Home, trained: str) -> None:
    bad = {
        "bad/images/nut/truncated.jpg": draw(1)[:300],
        "bad/images/nut/text.jpg": b"I am text",
        "bad/images/nut/empty.jpg": b"",
        "bad/images/nut/dot.png": draw(1, size=(1, 1), file_format="PNG"),
        "bad/images/nut/wide.png": draw(1, size=(20_000, 12), file_format="PNG"),
        "bad/images/nut/same.jpg": draw(5),
        "bad/images/Schlüssel/same.jpg": draw(5),
    }
    product.upload(bad.items())
    product.upload([("Bad Name/images/nut/1.jpg", draw(1)), ("bad/images/nut/good.jpg", draw(2))])

    def all_seen() -> bool:
        status = product.status("bad")
        return status is not None and status["problemCount"] == len(bad) and status["pictures"] == 3

    wait_until(all_seen, "all bad pictures are told")
    answer = httpx.get(
        f"{product.services.endpoint}/api/status", headers={"x-functions-key": product.services.function_key}
    )
    assert [p["path"] for p in answer.json()["problems"]] == ["Bad Name/images/nut/1.jpg"]
    assert product.predict(draw(1), model_name="bad").status_code == 409
    two = product.predict(draw(1))
    assert two.status_code == 400
    assert "bad, parts" in two.json()["error"]["message"]


def test_labels_come_from_side_cars_and_imported_files_and_go_with_them(product: Home) -> None:
    export = {
        "images": [
            {
                "id": number,
                "width": 96.0,
                "height": 80.0,
                "file_name": f"project/{number}.jpg",
                "coco_url": f"AmlDatastore://annotations_datastore/project/{number}.jpg",
                "absolute_url": f"https://old.blob.core.windows.net/pictures/project/{number}.jpg",
            }
            for number in (1, 2)
        ],
        "annotations": [
            {"id": number, "category_id": 1, "image_id": number, "area": 0.0, "bbox": [0.25, 0.5, 0.5, 0.25]}
            for number in (1, 2)
        ],
        "categories": [{"id": 1, "name": "plate"}],
    }
    product.upload([("boxes/annotations/export.json", json.dumps(export).encode())])
    side_car = write_voc(filename="2.jpg", size=(96, 80), regions=[Region("person", (0, 0, 0.5, 0.5))])
    product.upload([("boxes/images/project/2.xml", side_car)])
    product.upload((f"boxes/images/project/{n}.jpg", draw(n, size=(96, 80))) for n in (1, 2))

    def labels() -> dict[str, set[str]]:
        live = product.live("boxes")
        names = {category["id"]: category["name"] for category in live["categories"]}
        found: dict[str, set[str]] = {image["file_name"].rpartition("/")[2]: set() for image in live["images"]}
        paths = {image["id"]: image["file_name"].rpartition("/")[2] for image in live["images"]}
        for annotation in live["annotations"]:
            found[paths[annotation["image_id"]]].add(names[annotation["category_id"]])
        return found

    wait_until(lambda: labels() == {"1.jpg": {"plate"}, "2.jpg": {"person"}}, "side-car and export label the pictures")
    status = product.status("boxes")
    assert status is not None
    assert status["kind"] == "detection"
    assert status["imports"][0]["state"] == "applied"
    product.training.delete_blob("boxes/images/project/2.xml")
    wait_until(lambda: labels() == {"1.jpg": {"plate"}, "2.jpg": {"plate"}}, "the export labels both")
    product.training.delete_blob("boxes/annotations/export.json")
    wait_until(lambda: labels() == {"1.jpg": {"project"}, "2.jpg": {"project"}}, "only the folder is left")


def test_five_hundred_pictures_with_every_event_twice_and_shuffled_and_fifty_deleted_meanwhile(product: Home) -> None:
    rng = random.Random(7)
    paths = [f"storm/images/{rng.choice(['a', 'b', 'c'])}/{n}.jpg" for n in range(500)]
    doomed = set(rng.sample(paths, 50))
    product.upload((path, draw(n)) for n, path in enumerate(paths))
    events = [_created(path) for path in paths * 2]
    rng.shuffle(events)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=60))
        for start in range(0, len(events), 50):
            _deliver(client, product, "blobs", "Host.Functions.rebuild_dataset", events[start : start + 50])
            for path in [p for p in paths[start // 2 : start // 2 + 25] if p in doomed]:
                product.training.delete_blob(path)
                for _ in range(2):
                    _deliver(client, product, "eventgrid", "forget_image", [_deleted(path)])
    survivors = sorted(set(paths) - doomed)
    assert product.listed("storm") == survivors
    wait_until(lambda: product.folded("storm") == survivors, "the file holds the survivors", timeout=120, pause=0.5)
    live = product.live("storm")
    for records in ("images", "annotations", "categories"):
        ids = [record["id"] for record in live[records]]
        assert len(set(ids)) == len(ids)
    assert len(live["annotations"]) == len(survivors)


def _event(kind: str, path: str) -> dict[str, object]:
    return {
        "id": path,
        "topic": "/subscriptions/none",
        "subject": f"/blobServices/default/containers/training/blobs/{path}",
        "eventType": f"Microsoft.Storage.{kind}",
        "eventTime": datetime.now(UTC).isoformat(),
        "data": {"url": f"http://127.0.0.1/training/{path}"},
        "dataVersion": "",
        "metadataVersion": "1",
    }


def _created(path: str) -> dict[str, object]:
    return _event("BlobCreated", path)


def _deleted(path: str) -> dict[str, object]:
    return _event("BlobDeleted", path)


def _deliver(client: httpx.Client, product: Home, hook: str, function: str, events: list[dict[str, object]]) -> None:
    answer = client.post(
        f"{product.services.endpoint}/runtime/webhooks/{hook}",
        params={"functionName": function, "code": product.services.master_key},
        json=events,
        headers={"aeg-event-type": "Notification"},
    )
    assert answer.status_code == 202, answer.text
