"""The Sentry sink: entries go in, envelopes leave. One file each for options, the event and its parts, and the way."""

from tocsin.sinks.sentry.sink import SentrySink

__all__ = ["SentrySink"]
