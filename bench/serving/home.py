"""The whole product in a temporary folder, with a model that it trained and promoted itself."""

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from azure.storage.blob import BlobServiceClient

import samples
from devhost.ports import Ports
from devhost.services import Services

API_VERSION: Final = "2023-04-01-preview"
DATASET: Final = "parts"
PER_LABEL: Final = 8
QUALITY: Final = 90
_PATIENCE: Final = 180.0  # s, for a model to come
_EAGER: Final = {
    "FOLD_SCHEDULE": "*/2 * * * * *",
    "START_TRAINING_SCHEDULE": "* * * * * *",
    "POLL_TRAINING_SCHEDULE": "* * * * * *",
    "QUIET_PERIOD": "2",
    "COOL_DOWN": "0",
}


@dataclass(frozen=True, slots=True)
class Home:
    """Running services and the picture that is asked about.

    Attributes:
        services: The running product.
        folder: For files; gone after the run.
        backbone: The engine's.
        champion: Name of the model at the engine.
        picture: A 640 x 480 JPEG.
    """

    services: Services
    folder: Path
    backbone: Path
    champion: str
    picture: Path

    @property
    def engine_target(self) -> dict[str, Any]:
        """How clients call the engine."""
        return _target(self.services.ports.engine, self.services.engine_key, self.champion)

    @property
    def predict_target(self) -> dict[str, Any]:
        """How clients call the function app's `predict`."""
        return _target(self.services.ports.host, self.services.key, DATASET)

    @property
    def model_file(self) -> Path:
        """The champion's classifier."""
        return self.services.data / "engine" / "models" / self.champion / "model.npz"


def _target(port: int, key: str, model: str) -> dict[str, Any]:
    return {
        "port": port,
        "path": f"/computervision/imageanalysis:analyze?api-version={API_VERSION}&model-name={model}",
        "headers": {"Ocp-Apim-Subscription-Key": key, "Content-Type": "image/jpeg"},
    }


def say(text: str) -> None:
    """Tells whoever waits how far it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def jpeg(label: str, seed: int) -> bytes:
    """Returns a drawn picture as a photo of this suite: 640 x 480, JPEG of quality 90."""
    buffer = io.BytesIO()
    samples.draw(label, seed).picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@contextmanager
def open_home(backbone: Path) -> Iterator[Home]:
    """Starts everything, trains once by dropping pictures, and starts it anew with the timers of every day."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-", ignore_cleanup_errors=True) as name:
        folder, ports = Path(name), Ports.free()
        picture = folder / "picture.jpg"
        picture.write_bytes(jpeg("nut", 1_000_000))
        settings = {"ENGINE_BACKBONE": str(backbone)}
        with Services(folder / "home", ports=ports, settings=settings | _EAGER) as services:
            champion = _train(services)
        with Services(folder / "home", ports=ports, settings=settings) as services:
            yield Home(services, folder, backbone, champion, picture)


def wait_for[T](probe: Callable[[], T | None], what: str, *, pause: float = 0.2) -> T:
    """Asks until the answer is something.

    Raises:
        SystemExit: It took more than three minutes.
    """
    until = time.monotonic() + _PATIENCE
    while not (found := probe()):
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come within {_PATIENCE:g} s")
        time.sleep(pause)
    return found


def _train(services: Services) -> str:
    began = time.monotonic()
    with BlobServiceClient.from_connection_string(services.storage_connection_string) as account:
        container = account.get_container_client("training")
        for label in samples.LABELS:
            for seed in range(PER_LABEL):
                container.upload_blob(f"{DATASET}/images/{label}/{seed}.jpg", jpeg(label, seed))

    def champion() -> str | None:
        url, headers = f"{services.endpoint}/api/status", {"x-functions-key": services.function_key}
        answer = httpx.get(url, headers=headers, timeout=30, trust_env=False)
        found = next((one for one in answer.raise_for_status().json()["datasets"] if one["name"] == DATASET), None)
        return found["champion"]["version"] if found and found["champion"] else None

    version = wait_for(champion, "a champion")
    say(f"{version} was trained and promoted in {time.monotonic() - began:.0f} s")
    return version
