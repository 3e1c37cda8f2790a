"""The one composition root: settings in, the domain's objects out, at the first call and never on import."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

import azure.functions as func
import httpx

from shared import telemetry
from shared.assessment import Assessor
from shared.dataset import Datasets
from shared.events import Announcer, EventGridAnnouncer, NoAnnouncer
from shared.imports import Imports
from shared.intake import Intake
from shared.policy import Rules
from shared.prediction import Prediction
from shared.progress import Progress
from shared.reconcile import Reconciliation
from shared.settings import Settings
from shared.status import Status
from shared.storage import BlobContainer, Queue
from shared.storage.azure import AzureContainer, AzureQueue
from shared.training import Training
from shared.vision import VisionClient

CHANGE_QUEUE: Final = "dataset-changes"
_making: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Services:
    """What the functions call."""

    intake: Intake
    training: Training
    progress: Progress
    prediction: Prediction
    status: Status


def compose(
    settings: Settings,
    *,
    training: BlobContainer,
    registry: BlobContainer,
    changes: Queue,
    vision: VisionClient,
    announcer: Announcer,
) -> Services:
    """Put the domain together over some storage, engine and announcer."""
    rules = Rules(
        min_pictures_per_label=settings.min_pictures_per_label,
        min_labels=settings.min_labels,
        min_new_pictures=settings.min_new_pictures,
        quiet_period=timedelta(seconds=settings.quiet_period),
        cool_down=timedelta(seconds=settings.cool_down),
    )
    budget = settings.training_budget_hours
    assessor = Assessor(training=training, registry=registry, rules=rules)
    progress = Progress(training=training, registry=registry, vision=vision, announcer=announcer, budget_hours=budget)
    datasets = Datasets(training=training, registry=registry, changes=changes)
    imports = Imports(training=training, registry=registry)
    reconciliation = Reconciliation(training=training, registry=registry, datasets=datasets, imports=imports)
    return Services(
        intake=Intake(container=training.name, datasets=datasets, imports=imports, reconciliation=reconciliation),
        training=Training(
            training=training, registry=registry, assessor=assessor, progress=progress, budget_hours=budget
        ),
        progress=progress,
        prediction=Prediction(
            registry=registry,
            vision=vision,
            keys=[key.get_secret_value() for key in settings.prediction_keys],
            default_dataset=settings.default_dataset,
        ),
        status=Status(registry=registry, assessor=assessor, imports=imports, reconciliation=reconciliation),
    )


def services() -> Services:
    """Return the services of this process, made from its environment at the first call.

    Functions run on several threads, and the first calls may come at once.
    """
    with _making:
        return _make()


@contextmanager
def hop(name: str, context: func.Context) -> Iterator[Services]:
    """Open the span of a function, in the trace that its event came with; give the services."""
    found = services()  # first: it sets telemetry up
    with telemetry.span(name, parent=context.trace_context.trace_parent):
        yield found


@cache
def _make() -> Services:
    settings = Settings()
    telemetry.configure(settings.telemetry_exporter, service="darkroom-functions")
    blobs = settings.account.blob_service()
    vision_key = settings.vision_key.get_secret_value()
    return compose(
        settings,
        training=AzureContainer(blobs, settings.training_container),
        registry=AzureContainer(blobs, settings.registry_container),
        changes=AzureQueue(settings.account.queue(CHANGE_QUEUE)),
        vision=VisionClient(httpx.Client(base_url=settings.vision_endpoint), vision_key),
        announcer=_announcer(settings),
    )


def _announcer(settings: Settings) -> Announcer:
    if settings.eventgrid_topic_endpoint is None:
        return NoAnnouncer()
    key = settings.eventgrid_topic_key
    return EventGridAnnouncer(settings.eventgrid_topic_endpoint, key.get_secret_value() if key else None)
