"""What a user of the product does from outside: puts pictures into storage, reads the COCO file, asks the endpoints."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import httpx
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from devhost.demo_pictures import LabelledPicture
from devhost.errors import DevhostError
from devhost.settings import TRAINING_CONTAINER

_API_VERSION: Final = "2023-04-01-preview"
_EMPTY: Final[Mapping[str, Any]] = {"images": [], "annotations": [], "categories": [], "problems": []}


class AccessError(DevhostError):
    """Storage or the endpoint refused."""


class UnusablePictureError(AccessError):
    """The endpoint answers, but not about this picture."""


class Access[Said]:
    """One dataset of the running product. Use it as a context manager; threads may share it.

    Args:
        dataset: Its name.
        answer: Reads the endpoint's customModelResult about a picture.
        endpoint: The function app's URL.
        key: Opens prediction.
        function_key: Opens the status.
        engine: The engine's URL.
        engine_key: Opens it.
        storage_connection_string: Opens storage.
    """

    def __init__(
        self,
        dataset: str,
        answer: Callable[[LabelledPicture, Mapping[str, Any]], Said],
        *,
        endpoint: str,
        key: str,
        function_key: str,
        engine: str,
        engine_key: str,
        storage_connection_string: str,
    ) -> None:
        """Prepares the clients; nothing is sent yet."""
        self.dataset = dataset
        self._answer = answer
        self._report = f"{engine}/computervision/models/{{}}:report"
        self._engine_key = engine_key
        self._key = key
        self._function_key = function_key
        self._http = httpx.Client(base_url=endpoint, timeout=30.0, trust_env=False)
        self._account = BlobServiceClient.from_connection_string(storage_connection_string, retry_total=4)
        self._container: ContainerClient = self._account.get_container_client(TRAINING_CONTAINER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._account.close()

    @property
    def folder(self) -> str:
        """Where the dataset's pictures lie in the training container."""
        return f"{self.dataset}/images/"

    def upload(self, picture: LabelledPicture) -> None:
        """Puts a picture into the folder of its label, and its side-car beside it.

        Raises:
            AccessError: It cannot be read, or storage refuses.
        """
        try:
            for name, path in picture.files:
                with path.open("rb") as file:
                    self._container.upload_blob(self.folder + name, file, overwrite=True)
        except (AzureError, OSError) as error:
            raise AccessError(f"{picture.name} could not be uploaded: {error}") from error

    def live_file(self) -> Mapping[str, Any]:
        """Reads the live COCO file; an empty one while there is none.

        Raises:
            AccessError: Storage refuses.
        """
        try:
            content = self._container.download_blob(f"{self.dataset}/coco/live.json").readall()
        except ResourceNotFoundError:
            return _EMPTY
        except AzureError as error:
            raise AccessError(f"the COCO file could not be read: {error}") from error
        return {**_EMPTY, **json.loads(content)}

    def status(self) -> Mapping[str, Any]:
        """Returns the dataset's entry in /api/status; an empty one while there is none, or nothing answers."""
        try:
            answer = self._http.get("/api/status", headers={"x-functions-key": self._function_key})
            datasets = answer.raise_for_status().json()["datasets"]
        except (httpx.HTTPError, ValueError, KeyError):
            return {}
        return next((entry for entry in datasets if entry["name"] == self.dataset), {})

    def advice(self, version: str) -> str:
        """Returns what would help a version most, in words; "" when there is nothing to say, or nothing answers."""
        try:
            answer = self._http.get(
                self._report.format(version),
                params={"api-version": _API_VERSION},
                headers={"Ocp-Apim-Subscription-Key": self._engine_key},
            )
            return "".join(advice["words"] for advice in answer.raise_for_status().json()["advice"][:1])
        except (httpx.HTTPError, ValueError, KeyError):
            return ""

    def ask(self, picture: LabelledPicture) -> tuple[Said, str]:
        """Predicts a picture with the champion; returns the answer and the version that gave it.

        Raises:
            UnusablePictureError: The endpoint refuses the picture.
            AccessError: The endpoint does not answer, or refuses for another reason.
        """
        try:
            answer = self._http.post(
                "/computervision/imageanalysis:analyze",
                params={"api-version": _API_VERSION, "model-name": self.dataset},
                headers={"Ocp-Apim-Subscription-Key": self._key, "Content-Type": "application/octet-stream"},
                content=picture.path.read_bytes(),
            )
        except (httpx.HTTPError, OSError) as error:
            raise AccessError(f"no answer about {picture.name}: {error}") from error
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise UnusablePictureError(f"{picture.name} cannot be used: {answer.json()['error']['message']}")
        if answer.status_code != httpx.codes.OK:
            raise AccessError(f"no answer about {picture.name}: {answer.status_code} {answer.text[:500]}")
        return self._answer(picture, answer.json()["customModelResult"]), answer.headers["x-model-name"]
