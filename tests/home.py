"""The whole product on this machine (Azurite, engine, function host), as a test drives it."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from devhost.services import Services
from tests.waiting import wait_until

EAGER = {
    "FOLD_SCHEDULE": "*/2 * * * * *",
    "START_TRAINING_SCHEDULE": "* * * * * *",
    "POLL_TRAINING_SCHEDULE": "* * * * * *",
    "RECONCILE_SCHEDULE": "0 0 0 1 1 *",
    "QUIET_PERIOD": "2",
    "COOL_DOWN": "0",
}


class Home:
    """Running services and the few calls that tests make of them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        account = BlobServiceClient.from_connection_string(
            services.storage_connection_string, initial_backoff=1, increment_base=2, retry_total=4
        )
        self.training: ContainerClient = account.get_container_client("training")
        self.registry: ContainerClient = account.get_container_client("registry")

    def upload(self, pictures: Iterable[tuple[str, bytes]], *, threads: int = 8) -> None:
        """Upload as fast as storage takes it."""
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda item: self.training.upload_blob(item[0], item[1], overwrite=True), pictures))

    def listed(self, dataset: str) -> list[str]:
        """Return the paths of a dataset's pictures in storage, sorted."""
        return sorted(self.training.list_blob_names(name_starts_with=f"{dataset}/images/"))

    def live(self, dataset: str) -> dict[str, Any]:
        """Return the live COCO file; an empty one before there is one."""
        try:
            data = self.training.download_blob(f"{dataset}/coco/live.json").readall()
        except ResourceNotFoundError:
            return {"images": [], "annotations": [], "categories": [], "problems": []}
        decoded: dict[str, Any] = msgspec.json.decode(data)
        return decoded

    def folded(self, dataset: str) -> list[str]:
        """Return the paths in the live COCO file; none while storage does not answer."""
        try:
            return sorted(image["file_name"] for image in self.live(dataset)["images"])
        except AzureError:
            return []

    def status(self, dataset: str) -> dict[str, Any] | None:
        """Return the status of a dataset; None while it is unknown or the host does not answer."""
        try:
            answer = httpx.get(
                f"{self.services.endpoint}/api/status", headers={"x-functions-key": self.services.function_key}
            )
        except httpx.HTTPError:
            return None
        if answer.status_code != 200:
            return None
        return next((entry for entry in answer.json()["datasets"] if entry["name"] == dataset), None)

    def champion(self, dataset: str) -> str | None:
        """Return the promoted version's name."""
        status = self.status(dataset)
        return status["champion"]["version"] if status and status["champion"] else None

    def wait_for_champion(self, dataset: str, *, timeout: float = 60) -> str:
        """Return the champion as soon as there is one."""
        what = f"a champion of '{dataset}'"
        return wait_until(lambda: self.champion(dataset) or "", what, timeout=timeout, pause=0.2)

    def predict(self, picture: bytes, *, key: str | None = None, **query: str) -> httpx.Response:
        """Call the prediction endpoint."""
        parameters = {"api-version": "2023-04-01-preview"}
        parameters.update({name.replace("_", "-"): value for name, value in query.items()})
        return httpx.post(
            f"{self.services.endpoint}/computervision/imageanalysis:analyze",
            params=parameters,
            content=picture,
            headers={
                "Ocp-Apim-Subscription-Key": self.services.key if key is None else key,
                "Content-Type": "image/jpeg",
            },
        )

    def reconcile(self) -> None:
        """Ask the host to run `reconcile` now."""
        answer = httpx.post(
            f"{self.services.endpoint}/admin/functions/reconcile",
            headers={"x-functions-key": self.services.master_key},
            json={"input": ""},
        )
        assert answer.status_code == 202, answer.text

    def engine_models(self) -> list[str]:
        """Return the names of all models at the engine."""
        names, url = [], f"{self.services.engine}/computervision/models?api-version=2023-04-01-preview&top=30"
        headers = {"Ocp-Apim-Subscription-Key": self.services.engine_key}
        while url:
            page = httpx.get(url, headers=headers).raise_for_status().json()
            names += [model["name"] for model in page["value"]]
            url = page.get("nextLink")
        return names


@contextmanager
def home(folder: Path, *, revive: bool = True, **settings: str) -> Iterator[Home]:
    """Run the product in a folder."""
    with Services(folder, settings={**EAGER, **settings}, revive=revive) as services:
        yield Home(services)
