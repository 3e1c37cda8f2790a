"""How much longer an answer takes while a training runs beside it."""

import io
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from azure.storage.blob import BlobServiceClient, ContainerClient, ContainerSasPermissions, generate_container_sas
from PIL import Image

import samples
from bench.report import Figure
from bench.serving.bounds import figure
from bench.serving.children import Asked
from bench.serving.home import API_VERSION, QUALITY, Home, jpeg, say
from bench.serving.throughput import percentile

PICTURES: Final = 500
CONTAINER: Final = "bench"
MODEL: Final = "busy"
_DRAWN: Final = 8  # a label; the others are cut out of these
_SLICE: Final = 1.0  # s between two looks at the training


def measure(home: Home, *, rounds: int, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    """Asks the engine with one client: for a while alone, then for as long as a training of 500 pictures runs."""
    home.services.stop_one("host")
    with BlobServiceClient.from_connection_string(home.services.storage_connection_string) as account:
        container = account.create_container(CONTAINER)
        url = _upload(container)
        signature = _signature(account)
    question = {"targets": [home.engine_target], "picture": str(home.picture), "clients": 1}
    base = f"{home.services.engine}/computervision"
    headers = {"Ocp-Apim-Subscription-Key": home.services.engine_key}
    with (
        Asked("clients") as clients,
        httpx.Client(base_url=base, headers=headers, params={"api-version": API_VERSION}, trust_env=False) as engine,
    ):
        clients.ask(**question, seconds=_SLICE)
        idle = _latencies(clients.ask(**question, seconds=rounds * seconds))
        _start(engine, url, signature)
        busy = list[float]()
        while (status := engine.get(f"/models/{MODEL}").json()["status"]) in ("notStarted", "training"):
            busy += _latencies(clients.ask(**question, seconds=_SLICE))
    if status != "succeeded":
        raise SystemExit(f"the training beside it ended {status}")
    busy.sort()
    say(f"{len(idle)} calls alone, {len(busy)} beside a training of {PICTURES} pictures")
    home.services.start_one("host")
    p95 = [percentile(found, 0.95) for found in (idle, busy)]
    figures = [
        figure("analyze_p95_busy_over_idle", p95[1] / p95[0], "times, one client"),
        figure("analyze_p95_busy_ms", p95[1], "ms, one client"),
        figure("analyze_p95_idle_ms", p95[0], "ms, one client"),
    ]
    return figures, {"calls_idle": len(idle), "calls_busy": len(busy), "pictures": PICTURES}


def _latencies(answer: dict[str, Any]) -> list[float]:
    [found] = answer["targets"]
    if found["failures"]:
        raise SystemExit(f"not every call was answered: {found['failures']}")
    latencies: list[float] = found["latencies"]
    return latencies


def _start(engine: httpx.Client, url: str, signature: str) -> None:
    dataset = {
        "annotationKind": "imageClassification",
        "annotationFileUris": [url],
        "authentication": {"kind": "sas", "sasToken": signature},
    }
    engine.put(f"/datasets/{MODEL}", json=dataset).raise_for_status()
    parameters = {"trainingDatasetName": MODEL, "timeBudgetInHours": 1}
    engine.put(f"/models/{MODEL}", json={"trainingParameters": parameters}).raise_for_status()


def _upload(container: ContainerClient) -> str:
    """Puts the pictures and their COCO file into the container; returns the file's URL."""
    images, annotations, uploads = [], [], list[tuple[str, bytes]]()
    for number, (label, content) in enumerate(_pictures(), 1):
        name = f"{number}.jpg"
        uploads.append((name, content))
        url = f"{container.url}/{name}"
        images.append({"id": number, "width": 480, "height": 360, "file_name": name, "absolute_url": url})
        annotations.append({"id": number, "image_id": number, "category_id": samples.LABELS.index(label) + 1})
    categories = [{"id": number, "name": label} for number, label in enumerate(samples.LABELS, 1)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    uploads.append(("coco.json", json.dumps(coco).encode()))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: container.upload_blob(item[0], item[1]), uploads))
    return f"{container.url}/coco.json"


def _pictures() -> Iterator[tuple[str, bytes]]:
    """Yields pictures of 480 x 360, all different: cut out of few drawn ones, since drawing takes longer."""
    rng = random.Random(0)  # noqa: S311 - not for secrets
    drawn = [(label, jpeg(label, 2_000_000 + seed)) for label in samples.LABELS for seed in range(_DRAWN)]
    for number in range(PICTURES):
        label, content = drawn[number % len(drawn)]
        left, top = rng.randrange(160), rng.randrange(120)
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(content)) as picture:
            picture.crop((left, top, left + 480, top + 360)).save(buffer, "JPEG", quality=QUALITY)
        yield label, buffer.getvalue()


def _signature(account: BlobServiceClient) -> str:
    return generate_container_sas(
        account.account_name or "",
        CONTAINER,
        account_key=account.credential.account_key,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=2),
    )
