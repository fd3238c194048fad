"""The NT event log sink: entries go in, events of Windows leave. One file each: options, message, source, advapi, sink.

It can be imported everywhere; configured only on Windows.
"""

from tocsin.sinks.nteventlog.sink import NtEventLogSink

__all__ = ["NtEventLogSink"]
