"""The socket sink: entries go in, JSON lines leave. One file each: options, protocol, acknowledged, shortened, sink."""

from tocsin.sinks.socket.sink import SocketSink

__all__ = ["SocketSink"]
