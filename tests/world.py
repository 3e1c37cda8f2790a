"""The whole domain over memory storage, with a clock that a test turns and an engine whose answers a test writes."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from functions._services import Services, compose
from shared.blocks import LeafSizes
from shared.cocofile import SIZES
from shared.dataset import BATCH, Datasets
from shared.errors import AnnouncementError
from shared.imports import APPLIED_AT_ONCE, Imports
from shared.intake import Intake
from shared.promotions import Promotion, PromotionLog
from shared.reconcile import PAGE, Pass, Reconciliation
from shared.registry import Registry
from shared.settings import Settings
from shared.storage import JSON, Blob, BlobContainer, Queue
from shared.storage.memory import MemoryContainer, MemoryQueue
from shared.vision import VisionClient
from tests.pictures import draw

KEY = "prediction-key"
SETTINGS = Settings(
    training_storage=SecretStr("not used"),
    vision_endpoint="http://engine.invalid",
    vision_key=SecretStr("engine-key"),
    prediction_keys=(SecretStr("another"), SecretStr(KEY)),
    quiet_period=60,
    cool_down=300,
)


@dataclass
class ScriptedEngine:
    """Answers of an engine, as the contract words them; a test sets what the next calls find.

    Attributes:
        models: Model name → its body beside the name.
        evaluations: (model, evaluation) → its body beside the name.
        datasets: Dataset name → its body.
        down: Answer 503 to everything.
        refuse: Answer this status to everything.
        requests: Every (method, path, body) that came in.
        traceparents: Path → the header of the newest request.
    """

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluations: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    down: bool = False
    refuse: int | None = None
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    traceparents: dict[str, str] = field(default_factory=dict)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.path.removeprefix("/computervision/")
        body = json.loads(request.content) if request.headers.get("content-type") == "application/json" else None
        self.requests.append((request.method, path, body))
        self.traceparents[path] = request.headers.get("traceparent", "")
        if self.down:
            return _error(503, "Unavailable")
        if self.refuse is not None:
            return _error(self.refuse, "Refused")
        match (request.method, path.split("/")):
            case ("POST", ["imageanalysis:analyze"]):
                return self._analysis(request)
            case ("POST", ["models", name]):
                self.models[name.removesuffix(":cancel")]["status"] = "cancelled"
                return httpx.Response(202, json={})
            case ("PATCH", ["datasets", name]):
                self.datasets[name] = body
                return httpx.Response(200, json={"name": name})
            case (method, ["datasets", name]):
                return _stored(self.datasets, name, name, method, body or {})
            case (method, ["models", name]):
                return _stored(self.models, name, name, method, {**(body or {}), "status": "notStarted"})
            case (method, ["models", model, "evaluations", name]):
                if model not in self.models:
                    return _error(404, "404")
                return _stored(self.evaluations, (model, name), name, method, {"status": "notStarted"})
        return _error(404, "404")

    def succeed(self, model: str, value: float, *, metric: str = "accuracyTop1") -> None:
        """Let a training end well."""
        self.models[model].update(status="succeeded", modelPerformance={metric: value, "tagPerformance": {}})

    def fail(self, model: str, code: str, message: str) -> None:
        """Let a training fail."""
        self.models[model].update(status="failed", error={"code": code, "message": message})

    def evaluated(self, model: str, value: float, *, metric: str = "accuracyTop1") -> None:
        """Let the evaluations of a model end well."""
        for key in self.evaluations:
            if key[0] == model:
                performance = {metric: value, "tagPerformance": {}}
                self.evaluations[key].update(status="succeeded", modelPerformance=performance)

    def puts(self, kind: str) -> list[str]:
        """Return the names that were PUT, in order."""
        return [
            path.partition("/")[2] for method, path, _ in self.requests if method == "PUT" and path.startswith(kind)
        ]

    def _analysis(self, request: httpx.Request) -> httpx.Response:
        model = request.url.params["model-name"]
        if model not in self.models:
            return _error(404, "404")
        return httpx.Response(200, json={"model": model, "query": dict(request.url.params)})


def _stored(table: dict[Any, dict[str, Any]], key: Any, name: str, method: str, body: dict[str, Any]) -> httpx.Response:
    if method == "PUT" and key in table:
        return _error(409, "AlreadyExists")
    if method == "PUT":
        table[key] = body
        return httpx.Response(201, json={"name": name, **body})
    return httpx.Response(200, json={"name": name, **table[key]}) if key in table else _error(404, "404")


def _error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": "scripted"}})


class Listener:
    """Hears of promotions, or refuses to."""

    def __init__(self) -> None:
        self.heard: list[Promotion] = []
        self.deaf = False

    def promoted(self, dataset: str, promotion: Promotion) -> None:
        """Hear of one."""
        if self.deaf:
            raise AnnouncementError("the topic does not answer")
        self.heard.append(promotion)


class BreakableContainer(MemoryContainer):
    """A container in which something may happen just before a read or write: a crash, or somebody else's doing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.before_read: Callable[[str], None] = lambda _: None
        self.before_write: Callable[[str], None] = lambda _: None

    def read(self, path: str, *, max_bytes: int | None = None) -> Blob:
        """Let it happen, then read."""
        self.before_read(path)
        return super().read(path, max_bytes=max_bytes)

    def write(
        self,
        path: str,
        data: bytes,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        content_type: str = JSON,
    ) -> str:
        """Let it happen, then write."""
        self.before_write(path)
        return super().write(path, data, if_match=if_match, create_only=create_only, content_type=content_type)

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Let it happen, then commit."""
        self.before_write(path)
        return super().commit_blocks(path, block_ids, if_match=if_match, create_only=create_only)


class Killed(BaseException):
    """What a process that is killed seems to raise from inside; no handler of ours catches it."""


class Watch:
    """A clock that runs out: each look at it takes so many seconds, from when a test winds it up."""

    def __init__(self) -> None:
        self.time = 0.0
        self.step = 0.0

    def __call__(self) -> float:
        """Look at it."""
        self.time += self.step
        return self.time


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much the intake does at once; a test makes it little, so that few blobs go a long way."""

    sizes: LeafSizes = SIZES
    fold_batch: int = BATCH
    import_batch: int = APPLIED_AT_ONCE
    page: int = PAGE
    watch: Callable[[], float] = time.monotonic


def make_intake(training: BlobContainer, registry: BlobContainer, changes: Queue, pace: Pace) -> Intake:
    """Put the intake together over any storage."""
    stores: dict[str, Any] = {"training": training, "registry": registry}
    datasets = Datasets(
        **stores, changes=changes, batch=pace.fold_batch, sizes=pace.sizes, clock=pace.watch, wait=lambda _: None
    )
    imports = Imports(**stores, batch=pace.import_batch, sizes=pace.sizes, clock=pace.watch)
    reconciliation = Reconciliation(**stores, datasets=datasets, imports=imports, page=pace.page, clock=pace.watch)
    return Intake(container=training.name, datasets=datasets, imports=imports, reconciliation=reconciliation)


class World:
    """Everything a functional test looks at."""

    def __init__(self, settings: Settings = SETTINGS, *, pace: Pace | None = None) -> None:
        self.training = BreakableContainer("training")
        self.registry_blobs = BreakableContainer("registry")
        self.queue = MemoryQueue()
        self.engine = ScriptedEngine()
        self.listener = Listener()
        self.now = datetime.now(UTC) + timedelta(hours=1)  # the memory store stamps blobs with the real clock
        client = httpx.Client(base_url="http://engine.invalid", transport=httpx.MockTransport(self.engine.answer))
        self.vision = VisionClient(client, "engine-key")
        self.services: Services = compose(
            settings,
            training=self.training,
            registry=self.registry_blobs,
            changes=self.queue,
            vision=self.vision,
            announcer=self.listener,
        )
        if pace is not None:
            intake = make_intake(self.training, self.registry_blobs, self.queue, pace)
            self.services = replace(self.services, intake=intake)
        self.registry = Registry(self.registry_blobs)
        self.promotions = PromotionLog(self.registry_blobs)

    def drop(self, path: str, data: bytes) -> None:
        """Upload a blob, and let the event come."""
        self.training.write(path, data)
        self.services.intake.notice(path)

    def drop_pictures(self, dataset: str, label: str, seeds: Iterable[int]) -> None:
        """Upload drawn pictures under a label."""
        for seed in seeds:
            self.drop(f"{dataset}/images/{label}/{seed}.jpg", draw(seed))

    def remove(self, path: str) -> None:
        """Delete a blob, and let the event come."""
        self.training.delete(path)
        self.services.intake.forget(path)

    def label(self, path: str, label: str | None) -> None:
        """Attach the metadata `label` to a blob, as people do; no event tells of it."""
        self.training.set_metadata(path, {} if label is None else {"label": label})

    def fold(self) -> int:
        """Fold what is in the queue."""
        return self.services.intake.datasets.fold()

    def reconcile(self) -> dict[str, Pass]:
        """Let the reconcile timer run."""
        return self.services.intake.reconcile(now=self.now)

    def live(self, dataset: str = "parts") -> dict[str, Any]:
        """Return the live COCO file."""
        found: dict[str, Any] = json.loads(self.training.read(f"{dataset}/coco/live.json").data)
        return found

    def labels(self, dataset: str = "parts") -> dict[str, list[tuple[str, list[float] | None]]]:
        """Return each picture's labels with their boxes, by path."""
        live = self.live(dataset)
        names = {category["id"]: category["name"] for category in live["categories"]}
        found: dict[int, list[tuple[str, list[float] | None]]] = {image["id"]: [] for image in live["images"]}
        for annotation in live["annotations"]:
            found[annotation["image_id"]].append((names[annotation["category_id"]], annotation.get("bbox")))
        return {image["file_name"]: found[image["id"]] for image in live["images"]}

    def paths(self, dataset: str = "parts") -> list[str]:
        """Return the paths of the pictures in the COCO file."""
        return [image["file_name"] for image in self.live(dataset)["images"]]

    def start(self) -> None:
        """Let the training timer run."""
        self.services.training.start(now=self.now)

    def poll(self, *, after: timedelta = timedelta(seconds=15)) -> None:
        """Let the poller run, some time later."""
        self.now += after
        self.services.progress.poll(now=self.now)

    def before_writes(self, action: Callable[[str], None]) -> None:
        """Let something happen before every write to storage, from now on."""
        self.training.before_write = self.registry_blobs.before_write = action

    def state(self) -> str:
        """Return a digest of everything in storage."""
        return self.training.digest() + self.registry_blobs.digest()

    def status(self, dataset: str = "parts") -> dict[str, Any]:
        """Return the status of a dataset."""
        report = self.services.status.report(now=self.now)
        found: dict[str, Any] = next(entry for entry in report["datasets"] if entry["name"] == dataset)
        return found
