"""Traces: one span per request and per stage of a job, in the caller's trace when it sent a traceparent.

No picture, key or URL with a query ever becomes an attribute; the attributes are those listed here.
"""

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import Span, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine import __version__

METHOD = "http.request.method"
STATUS = "http.response.status_code"
MODEL = "darkroom.model"
DATASET = "darkroom.dataset"
EVALUATION = "darkroom.evaluation"
ERROR_CODE = "darkroom.error_code"


def build_provider(exporter: str) -> TracerProvider:
    """Returns a provider that sends spans to `none`, `console` (standard output) or `otlp` (OTEL_EXPORTER_OTLP_*)."""
    provider = TracerProvider(resource=Resource.create({"service.name": "darkroom-engine"}))
    if exporter == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    elif exporter == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # only when asked for

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def tracer_of(provider: trace.TracerProvider) -> Tracer:
    """Returns the engine's tracer."""
    return provider.get_tracer("darkroom.engine", __version__)


def context_of(traceparent: str | None) -> Context:
    """Returns the context that a W3C traceparent names; an empty one when it is absent or malformed."""
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""}, context=Context())


def current_traceparent() -> str | None:
    """Returns the running span as a W3C traceparent, to be kept with a job that starts later."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


class JobTrace:
    """The span of a job, and below it one span per stage, each ended by the next one's start."""

    def __init__(self, tracer: Tracer, name: str, traceparent: str | None, attributes: dict[str, str]) -> None:
        self._tracer = tracer
        self._span = tracer.start_span(name, context_of(traceparent), attributes=attributes)
        self._stage: tuple[str, Span] | None = None

    def enter(self, stage: str) -> None:
        """Begins a stage unless it is the one that runs already."""
        if self._stage is not None and self._stage[0] == stage:
            return
        self._leave()
        self._stage = stage, self._tracer.start_span(stage, trace.set_span_in_context(self._span, Context()))

    def end(self, error_code: str | None) -> None:
        """Ends all spans; with an error code when the job failed."""
        self._leave()
        if error_code is not None:
            self._span.set_attribute(ERROR_CODE, error_code)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def _leave(self) -> None:
        if self._stage is not None:
            self._stage[1].end()
            self._stage = None
