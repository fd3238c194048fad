"""The OpenTelemetry sink: entries go in, OTLP log records leave. One file each for its steps."""

from tocsin.sinks.otlp.sink import OtlpSink

__all__ = ["OtlpSink"]
