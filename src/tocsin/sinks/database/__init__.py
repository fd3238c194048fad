"""The database sink: entries go in, rows leave. One file each: options, tables, rows, session, store, faults, sink."""

from tocsin.sinks.database.sink import DatabaseSink

__all__ = ["DatabaseSink"]
