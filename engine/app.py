"""The composition root: builds the engine from its settings, and gives each operation its path."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from engine.access import AllowedHosts, HostMap
from engine.analyze import Analyzer
from engine.catalog import Catalog
from engine.endpoints import Endpoints
from engine.errors import RequestError
from engine.export import Exporter
from engine.fetch import Fetcher
from engine.jobs import Jobs
from engine.orders import JobPlace, Orders
from engine.predictor import Predictor
from engine.reports import Reports
from engine.sealing import Sealer
from engine.served import ServedBackbones
from engine.settings import Settings
from engine.store import Store
from engine.telemetry import tracer_of
from engine.wire import (
    Gate,
    Traced,
    answer_http_exception,
    answer_request_error,
    answer_store_refusal,
    answer_unexpected,
)


def utc_now() -> datetime:
    """The engine's clock."""
    return datetime.now(UTC)


def build_app(
    settings: Settings,
    *,
    provider: TracerProvider,
    clock: Callable[[], datetime] = utc_now,
    hour_seconds: float = 3600.0,
) -> Starlette:
    """Builds the engine; jobs begin when the app starts, and are left to be resumed when it stops.

    Args:
        settings: All that is configurable.
        provider: Takes the spans.
        clock: Gives the time for records.
        hour_seconds: Length of an hour of training budget; shorter in tests.

    Raises:
        StartError: Another engine uses the data folder.
        engine.learn.errors.BackboneError: A backbone cannot be used.
    """
    backbones = ServedBackbones.open(settings.backbone, settings.further_backbones)
    store = Store(settings.data)
    sealer = Sealer(settings.secret.get_secret_value())
    place = JobPlace(
        settings.data,
        settings.backbone,
        settings.allowed_hosts,
        hour_seconds,
        settings.host_map,
        settings.further_backbones,
    )
    tracer = tracer_of(provider)
    jobs = Jobs(store, Orders(store, sealer, place), place, workers=settings.workers, clock=clock, tracer=tracer)
    predictor = Predictor(store, place, backbones, memory=settings.model_memory * 1_048_576)
    fetcher = Fetcher(AllowedHosts.parse(settings.allowed_hosts), hosts=HostMap.parse(settings.host_map))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        jobs.start()
        try:
            await run_in_threadpool(predictor.warm_up)
            yield
        finally:
            await run_in_threadpool(jobs.stop)
            await run_in_threadpool(predictor.close)
            fetcher.close()
            store.close()
            provider.shutdown()

    catalog = Catalog(store, jobs, sealer, clock, on_deleted_model=predictor.forget)
    endpoints = Endpoints(catalog, backbones.own)
    exporter = Exporter(catalog, place, backbones)
    app = Starlette(
        routes=_routes(endpoints, Analyzer(predictor, fetcher), Reports(catalog, place), exporter),
        middleware=[Middleware(Traced, tracer=tracer), Middleware(Gate, settings=settings)],
        exception_handlers={
            RequestError: answer_request_error,
            HTTPException: answer_http_exception,
            sqlite3.Error: answer_store_refusal,
            Exception: answer_unexpected,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a path with a slash too many is unknown, and its answer is JSON
    return app


class _Name(StringConvertor):
    """A segment of a path without an action behind it: `m:cancel` is no name. What else is none, the catalog says."""

    regex = r"(?:(?!:(?:cancel|export|predictions|report)$)[^/])+"


def _routes(endpoints: Endpoints, analyzer: Analyzer, reports: Reports, exporter: Exporter) -> list[Route]:
    register_url_convertor("name", _Name())
    base = "/computervision"
    evaluation = f"{base}/models/{{model:name}}/evaluations/{{name:name}}"
    table = [
        ("GET", "/healthz", endpoints.get_health),
        ("GET", "/openapi.json", endpoints.get_openapi),
        ("GET", f"{base}/datasets", endpoints.list_datasets),
        ("PUT", f"{base}/datasets/{{name:name}}", endpoints.put_dataset),
        ("GET", f"{base}/datasets/{{name:name}}", endpoints.get_dataset),
        ("PATCH", f"{base}/datasets/{{name:name}}", endpoints.patch_dataset),
        ("DELETE", f"{base}/datasets/{{name:name}}", endpoints.delete_dataset),
        ("GET", f"{base}/models", endpoints.list_models),
        ("POST", f"{base}/models/{{name:name}}:cancel", endpoints.cancel_model),
        ("PUT", f"{base}/models/{{name:name}}", endpoints.put_model),
        ("GET", f"{base}/models/{{name:name}}", endpoints.get_model),
        ("DELETE", f"{base}/models/{{name:name}}", endpoints.delete_model),
        ("GET", f"{base}/models/{{name:name}}:report", reports.get_model_report),
        ("GET", f"{base}/models/{{name:name}}:export", exporter.export_model),
        ("GET", f"{base}/models/{{model:name}}/evaluations", endpoints.list_evaluations),
        ("PUT", evaluation, endpoints.put_evaluation),
        ("GET", evaluation, endpoints.get_evaluation),
        ("DELETE", evaluation, endpoints.delete_evaluation),
        ("GET", f"{evaluation}:predictions", reports.list_predictions),
        ("GET", f"{evaluation}:report", reports.get_evaluation_report),
        ("POST", f"{base}/imageanalysis:analyze", analyzer.analyze_image),
    ]
    return [Route(path, endpoint, methods=[method]) for method, path, endpoint in table]
