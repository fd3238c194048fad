"""The syslog sink: entries go in, RFC 5424 messages leave. One file each: options, message, datagrams, stream, sink."""

from tocsin.sinks.syslog.sink import SyslogSink

__all__ = ["SyslogSink"]
