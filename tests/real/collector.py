"""A collector on loopback: requests go in and are decoded strictly by OpenTelemetry's own protocol; records leave."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Received:
    """One log record with what surrounds it, as plain Python values."""

    record: Any
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str


@dataclass
class Collector:
    """Answer 200 with an empty success, or what was put into ``answers``: (status, headers, body)."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, body: bytes) -> None:
        """Decode a request; unknown members and wrong types are errors."""
        from google.protobuf import json_format
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        request = json_format.Parse(body.decode("ascii"), ExportLogsServiceRequest())
        request = ExportLogsServiceRequest.FromString(request.SerializeToString())
        for group in request.resource_logs:
            resource = _plain(group.resource.attributes)
            for scope in group.scope_logs:
                for record in scope.log_records:
                    self.received.append(Received(record, _plain(record.attributes), resource, scope.scope.name))


def _plain(pairs: Any) -> dict[str, Any]:
    names = [pair.key for pair in pairs]
    assert len(names) == len(set(names)), "an attribute comes twice"
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: Any) -> Any:
    """Return an AnyValue as a Python value."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector; a request that can't be decoded is answered as one would, and fails the test at the end."""
    pytest.importorskip("opentelemetry.proto", reason="no opentelemetry-proto; pip install opentelemetry-proto")
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests.append({"path": self.path, **{name.lower(): v for name, v in self.headers.items()}})
            status, headers, body = collector.answers.pop(0) if collector.answers else (200, {}, b"{}")
            if status == 200:
                try:
                    assert self.headers["Content-Type"] == "application/json"
                    collector.take(gzip.decompress(raw))
                except Exception as fault:
                    collector.faults.append(f"{type(fault).__name__}: {fault}")
                    status, body = 400, json.dumps({"code": 3, "message": str(fault)}).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert collector.faults == []
