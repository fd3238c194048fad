"""The otlp sink against a collector of ours, which decodes by OpenTelemetry's own protocol, nothing unknown let by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from collector import Collector, collecting, value_of

from broken_shop import BROKE_AT, ERROR, TRACEBACK, WARNING
from tocsin.config.setting import parse_table
from tocsin.delivery.lines import loss_entry
from tocsin.sinks.base import Accepted, Origin, Refused, SinkContext, Unavailable
from tocsin.sinks.otlp import OtlpSink
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of

CONTEXT = SinkContext("shop", "production", "web1")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def make(collector: Collector, **raw: Any) -> OtlpSink:
    values, faults = parse_table(OtlpSink.settings, {"endpoint": collector.endpoint, **raw}, "otlp")
    assert faults == []
    return OtlpSink.from_options(values, CONTEXT)


class TestContract(SinkContract):
    """Every numbered case."""

    is_idempotent: ClassVar[bool] = False

    @pytest.fixture(autouse=True)
    def _collector(self, collector: Collector) -> None:
        self.collector = collector

    def new_sink(self) -> OtlpSink:
        return make(self.collector)

    def received(self) -> Sequence[str]:
        return [json.dumps([each.attributes, each.resource]) for each in self.collector.received]


def test_a_report_is_a_record_by_the_semantic_conventions(collector: Collector) -> None:
    """Its parts are where every backend looks for them."""
    sink = make(collector)
    entry = entry_of(TRACEBACK)
    assert isinstance(sink.deliver([entry]), Accepted)
    assert isinstance(sink.deliver([entry]), Accepted)
    sink.close()
    first, again = collector.received
    assert first.scope == "tocsin"
    assert first.resource == {
        "service.name": "shop",
        "service.version": "1.4.2",
        "deployment.environment.name": "production",
        "host.name": "web1",
        "process.pid": 4711,
    }
    record = first.record
    assert record.time_unix_nano == int(BROKE_AT.timestamp()) * 10**9
    assert record.observed_time_unix_nano > record.time_unix_nano // 2
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    assert value_of(record.body) == "could not pay order 17"
    assert (record.trace_id, record.span_id) == (b"", b"")
    told = dict(first.attributes)
    assert str(UUID(told.pop("log.record.uid"))) == again.attributes["log.record.uid"]
    stack = told.pop("exception.stacktrace").splitlines()
    assert stack[0] == "Traceback (most recent call last):"
    assert '  File "/lib/flask/app.py", line 1511, in Flask.wsgi_app' in stack
    assert stack[-2:] == ["orders.money.CurrencyError: no rate for 'CHF'", "the rates are 3 h old"]
    assert told == {
        "tocsin.kind": "traceback",
        "tocsin.error_id": "7K3QDM-24F2",
        "tocsin.fingerprint": "v1:00112233445566778899aabbccddeeff",
        "tocsin.occurrences": 1,
        "tocsin.origin": f"{entry.origin.process}/1/{entry.origin.offset}",
        "tocsin.template": "could not pay order %s",
        "tocsin.endpoint": "orders.pay",
        "tocsin.field.order_id": 17,
        "tocsin.field.cart": {"items": [1, 2]},
        "exception.type": "orders.money.CurrencyError",
        "exception.message": "no rate for 'CHF'",
        "code.function.name": "orders.money.rate",
        "code.file.path": "shop/orders/money.py",
        "code.line.number": 12,
        "http.request.method": "POST",
        "http.route": "/orders/<int:id>/pay",
        "http.response.status_code": 500,
        "http.request.header.accept": ["text/html"],
        "url.scheme": "https",
        "url.path": "/orders/17/pay",
        "url.query": "coupon=[masked]",
        "server.address": "shop.example",
        "log.logger": "orders",
        "thread.name": "Thread-3",
    }


def test_the_sum_of_occurrences_is_exact(collector: Collector) -> None:
    """Counts and losses are records of their own, and say for how many they stand."""
    sink = make(collector)
    loss = loss_entry("spool_full", 17, Origin("p", 1, slot=3, count=17), {"application": "shop"}, BROKE_AT)
    entries = [entry_of(TRACEBACK), entry_of(TRACEBACK, counted=41), entry_of(WARNING), loss]
    assert isinstance(sink.deliver(entries), Accepted)
    sink.close()
    kinds = [each.attributes["tocsin.kind"] for each in collector.received]
    counts = [each.attributes["tocsin.occurrences"] for each in collector.received]
    by_kind = dict(zip(kinds, counts, strict=True))
    assert sorted(kinds) == ["loss", "traceback", "traceback", "warning"]
    assert sum(n for kind, n in zip(kinds, counts, strict=True) if kind == "traceback") == 42
    assert by_kind["loss"] == 0
    (lost,) = [each for each in collector.received if each.attributes["tocsin.kind"] == "loss"]
    assert (lost.attributes["tocsin.lost"], lost.attributes["tocsin.reason"]) == (17, "spool_full")
    assert lost.record.severity_number == 13


def test_a_batch_is_one_request_with_the_headers_that_were_set(collector: Collector) -> None:
    """A hundred records of two hosts, compressed, under the path of the protocol."""
    sink = make(collector, headers={"authorization": "Bearer abc", "X-Scope-OrgID": "shop"})
    hosts = ("web1", "web2")
    events = [replace(ERROR, host=hosts[n % 2]) for n in range(100)]
    assert isinstance(sink.deliver([entry_of(event) for event in events]), Accepted)
    sink.close()
    (request,) = collector.requests
    assert request["path"] == "/v1/logs"
    assert (request["authorization"], request["x-scope-orgid"]) == ("Bearer abc", "shop")
    assert request["content-encoding"] == "gzip"
    assert len(collector.received) == 100
    assert {each.resource["host.name"] for each in collector.received} == set(hosts)


def test_a_collector_that_wants_time_gets_it_and_then_everything_once(collector: Collector) -> None:
    """By Retry-After; what it answered 503 for is sent again as it was."""
    sink = make(collector)
    collector.answers = [(503, {"Retry-After": "7"}, b'{"code":14,"message":"queue is full"}')]
    entries = [entry_of(ERROR), entry_of(WARNING)]
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 7.0
    assert "queue is full" in outcome.reason
    assert isinstance(sink.deliver(entries), Accepted)
    sink.close()
    assert len(collector.received) == 2


def test_what_is_no_log_record_is_refused_with_the_reason(collector: Collector) -> None:
    """A collector's 400 is for good; the leader halves the batch until what it refuses stands alone."""
    sink = make(collector)
    collector.answers = [(400, {}, b'{"code":3,"message":"bad record"}')]
    outcome = sink.deliver([entry_of(ERROR)])
    sink.close()
    assert isinstance(outcome, Refused)
    assert "bad record" in outcome.reason


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, time
sys.path[:0] = {path!r}
from test_otlp import CONTEXT, ERROR, OtlpSink, entry_of, parse_table
from tocsin.delivery.job import Job
from tocsin.sinks.base import Accepted
values, faults = parse_table(OtlpSink.settings, {{"endpoint": {endpoint!r}}}, "otlp")
sink = OtlpSink.from_options(values, CONTEXT)
for number in range(3):
    job = Job(lambda: sink.deliver([entry_of(ERROR)]), is_local=False)
    while job.outcome is None:
        time.sleep(0.01)
    if not isinstance(job.outcome, Accepted):
        sys.exit(str(job.outcome))
"""


def test_batches_of_several_threads_arrive_where_gevent_has_patched(collector: Collector) -> None:
    """A socket of gevent belongs to the thread it was made in, and each batch has a thread of its own."""
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    code = UNDER_GEVENT.format(path=sys.path, endpoint=collector.endpoint)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert len(collector.received) == 3


def test_check_sends_a_marked_record(collector: Collector, tmp_path: Path) -> None:
    """From outside, by the configuration."""
    config = tmp_path / "tocsin.toml"
    config.write_text(
        f'application = "shop"\nspool = "spool"\nsinks = ["otlp+{collector.endpoint}"]\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "tocsin.cli", "check", "--config", str(config)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)
    assert done.returncode == 0, done.stdout
    assert f"ok      otlp:127.0.0.1:{collector.port}/v1/logs" in done.stdout
    (told,) = collector.received
    assert told.attributes["tocsin.check"] is True
    assert told.attributes["tocsin.occurrences"] == 0
