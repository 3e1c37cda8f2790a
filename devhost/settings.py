"""What the services are told: keys made once and kept, and the settings each process gets in its environment."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backbones.errors import ShelfError
from backbones.shelf import Shelf
from devhost.azurite import StoragePorts
from devhost.errors import ServiceError
from devhost.keys import read_private, write_private

TRAINING_CONTAINER: Final = "training"
REGISTRY_CONTAINER: Final = "registry"
CHANGES_QUEUE: Final = "dataset-changes"
# Sixteen blob events (the host's default on two CPUs) may not keep a prediction waiting.
_DEFAULTS: Final = {"FUNCTIONS_WORKER_RUNTIME": "python", "PYTHON_THREADPOOL_THREAD_COUNT": "32"}


@dataclass(frozen=True, slots=True)
class ServiceSecrets:
    """The secrets of one data folder.

    Attributes:
        engine_key: Opens the engine.
        engine_secret: The engine encrypts what it keeps with it.
        prediction_key: Opens `predict`.
    """

    engine_key: str
    engine_secret: str
    prediction_key: str


def load_secrets(path: Path) -> ServiceSecrets:
    """Returns the secrets in a file; makes, and keeps, those that are missing.

    Raises:
        ServiceError: The file holds something else than secrets.
    """
    kept = read_private(path)
    names = ("engineKey", "engineSecret", "predictionKey")
    content = {name: str(kept.get(name) or secrets.token_urlsafe(32)) for name in names}
    if content != kept:
        write_private(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
    return ServiceSecrets(content["engineKey"], content["engineSecret"], content["predictionKey"])


def read_local_settings(app: Path) -> dict[str, str]:
    """Returns the app's `Values` from local.settings.json, else from local.settings.sample.json, else nothing.

    Raises:
        ServiceError: The file is not what Core Tools would read.
    """
    for name in ("local.settings.json", "local.settings.sample.json"):
        path = app / name
        if not path.is_file():
            continue
        try:
            values: Any = json.loads(path.read_text(encoding="utf-8"))["Values"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(f'{path} must be an object with "Values": {error}') from error
        return {str(key): str(value) for key, value in values.items()}
    return {}


def base_environment() -> dict[str, str]:
    """Returns our environment without what would make the worker library, or an SDK, believe it runs in Azure."""
    foreign = ("WEBSITE", "AZURE_FUNCTIONS", "AzureWebJobs", "IDENTITY_", "MSI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def host_settings(
    app: Path, *, storage: StoragePorts, engine_url: str, secrets_: ServiceSecrets, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Returns the function app's settings: its local settings file, then where our services are, then the overrides.

    Raises:
        ServiceError: The app's local settings file cannot be read.
    """
    return {
        **_DEFAULTS,
        **read_local_settings(app),
        "AzureWebJobsStorage": storage.connection_string,
        "TRAINING_STORAGE": storage.connection_string,
        "TRAINING_CONTAINER": TRAINING_CONTAINER,
        "REGISTRY_CONTAINER": REGISTRY_CONTAINER,
        "VISION_ENDPOINT": engine_url,
        "VISION_KEY": secrets_.engine_key,
        "PREDICTION_KEYS": secrets_.prediction_key,
        **{name: value for name, value in overrides.items() if not name.startswith("ENGINE_")},
    }


def engine_settings(
    data: Path, *, storage: StoragePorts, secrets_: ServiceSecrets, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Returns the engine's settings: its own folder and keys; it may read Azurite, and hosts the caller adds."""
    ours = {name: value for name, value in overrides.items() if name.startswith("ENGINE_")}
    hosts = [f"127.0.0.1:{storage.blob}", ours.pop("ENGINE_ALLOWED_HOSTS", "")]
    return {
        "ENGINE_KEYS": secrets_.engine_key,
        "ENGINE_SECRET": secrets_.engine_secret,
        "ENGINE_DATA": str(data),
        "ENGINE_ALLOWED_HOSTS": ",".join(filter(None, hosts)),
        **ours,
    }


def backbone_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the engine's settings that say with what it sees.

    ENGINE_BACKBONE in the caller's environment comes first (empty is the built-in one), then what was chosen with
    `./darkroom backbone use`. All that this machine has is served, so that models outlive a change of backbones.

    Args:
        environment: The caller's.

    Raises:
        ServiceError: A backbone is not there.
    """
    shelf = Shelf.of(environment)
    try:
        settings = shelf.settings()
        if "ENGINE_BACKBONE" in environment:
            settings["ENGINE_BACKBONE"] = _located(environment["ENGINE_BACKBONE"], shelf)
    except ShelfError as error:
        raise ServiceError(f"the engine's backbone: {error}") from error
    if "ENGINE_BACKBONES_SERVED" in environment:
        settings["ENGINE_BACKBONES_SERVED"] = environment["ENGINE_BACKBONES_SERVED"]
    return settings


def _located(spec: str, shelf: Shelf) -> str:
    """Returns a spec with whole paths: each part is a folder, or a name on the shelf."""
    parts = []
    for part in filter(None, (piece.strip() for piece in spec.split("+"))):
        folder = Path(part).expanduser().resolve()
        if not folder.is_dir() and not shelf.has(part):
            raise ServiceError(
                f"ENGINE_BACKBONE is {part}, which is neither a folder nor a name that `./darkroom backbone list` "
                "shows. Name the folder with META.json in it."
            )
        parts.append(shelf.resolved(part) if shelf.has(part) else str(folder))
    return "+".join(parts)
