"""Spans: one per hop, in one trace from upload to promotion. Never a picture, a key or a signed URL in one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Every attribute a span may carry.
DATASET: Final = "darkroom.dataset"
VERSION: Final = "darkroom.version"
CHANGES: Final = "darkroom.changes"
STATE: Final = "darkroom.state"

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_TRACER: Final = trace.get_tracer("darkroom")

type Attribute = str | int | float | bool


@contextmanager
def span(
    name: str,
    *,
    parent: str | None = None,
    links: tuple[str, ...] = (),
    attributes: Mapping[str, Attribute] | None = None,
) -> Iterator[trace.Span]:
    """Open a span named after the function or hop.

    Args:
        name: The hop.
        parent: A ``traceparent`` to continue; None or empty continues the current span.
        links: ``traceparent`` of other traces that this hop serves too.
        attributes: Only names of this module.
    """
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    others = [trace.Link(_span_context(link)) for link in links if link]
    with _TRACER.start_as_current_span(name, context=context, links=others, attributes=attributes) as opened:
        yield opened


def current_traceparent() -> str:
    """Return the current span as a ``traceparent``; empty when nothing records."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


def _span_context(traceparent: str) -> trace.SpanContext:
    return trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()


def configure(exporter: Literal["none", "console", "otlp"], *, service: str) -> None:
    """Send spans somewhere, for the rest of the process.

    Args:
        exporter: ``none`` keeps trace contexts flowing and exports nothing; ``otlp`` reads OTEL_EXPORTER_OTLP_*.
        service: The resource's ``service.name``.
    """
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    if exporter == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    elif exporter == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
