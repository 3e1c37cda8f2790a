"""One trace goes from the upload of a picture to the promotion of the model it led to."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared import telemetry
from shared.telemetry import span
from tests.pictures import draw
from tests.world import KEY, World


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    return memory


def test_the_newest_uploads_trace_reaches_fold_training_engine_and_promotion(exporter: InMemorySpanExporter) -> None:
    world = World()
    world.drop_pictures("parts", "nut", range(8))
    world.drop_pictures("parts", "bolt", range(100, 107))
    exporter.clear()
    with span("rebuild_dataset", parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        world.drop("parts/images/bolt/last.jpg", draw(107))
    with span("start_training"):
        world.start()
    (version,) = world.registry.versions("parts")
    world.engine.succeed(version.name, 0.9)
    for _ in range(3):
        with span("poll_training"):
            world.poll()
    one_trace = [s for s in exporter.get_finished_spans() if _trace_of(s) == "0af7651916cd43dd8448eb211c80319c"]
    names = {s.name for s in one_trace}
    assert names >= {"rebuild_dataset", "fold", "train", "registered", "submitted", "evaluating", "promoted"}
    told = world.engine.traceparents
    assert "0af7651916cd43dd8448eb211c80319c" in told[f"datasets/parts.{version.digest}.train"]
    assert "0af7651916cd43dd8448eb211c80319c" in told[f"models/{version.name}"]


def _trace_of(finished: ReadableSpan) -> str:
    context = finished.get_span_context()
    return f"{context.trace_id:032x}" if context else ""


def test_a_span_holds_only_listed_attributes_and_no_key(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    world = World()
    world.drop_pictures("parts", "nut", range(8))
    world.drop_pictures("parts", "bolt", range(100, 108))
    world.start()
    allowed = {value for name, value in vars(telemetry).items() if name.isupper() and isinstance(value, str)}
    finished = exporter.get_finished_spans()
    assert {span.name for span in finished} >= {"fold", "train", "registered"}
    for one in finished:
        assert set(one.attributes or {}) <= allowed
        assert KEY not in str(one.attributes)
        assert "sig=" not in str(one.attributes)
