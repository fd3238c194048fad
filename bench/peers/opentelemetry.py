"""OpenTelemetry's tracing: every request is a span, an exception is an event of its span."""

from __future__ import annotations

from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "OpenTelemetry", "opentelemetry-sdk", "opentelemetry.sdk"
IMPORTS = "opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter"
CONFIGURATION = "`TracerProvider` with `BatchSpanProcessor(OTLPSpanExporter(endpoint=…))`, the default sampler"
SINK = "its OTLP transport over HTTP, to a loopback server that accepts at once"
DEFAULT_LOCALS = None

_providers: list[Any] = []
_tracers: list[Any] = []


def start(sink: Sink, has_locals: bool | None) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink.url}/v1/traces")))
    trace.set_tracer_provider(provider)
    _providers.append(provider)
    _tracers.append(trace.get_tracer("shop"))


def wrap_wsgi(app: Any) -> Any:
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app)


def wrap_asgi(app: Any) -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app)


def capture(exc: BaseException) -> None:
    with _tracers[0].start_as_current_span("order") as span:
        span.record_exception(exc)


def drain() -> None:
    _providers[0].force_flush(10_000)
