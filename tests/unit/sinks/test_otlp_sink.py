"""The otlp sink: which requests leave, and what comes of every answer; the real decoder is in tests/real."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_shop import BROKE_AT, CURRENCY_ERROR, ERROR, TASK, TRACEBACK, WARNING
from tocsin.config.setting import parse_table
from tocsin.event.errors import ConfigError
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Entry, Failed, Origin, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.http import Reply
from tocsin.sinks.otlp import OtlpSink
from tocsin.sinks.otlp.options import collector_of, from_url
from tocsin.sinks.otlp.record import STACKTRACE_CHARS, log_record, severity
from tocsin.sinks.otlp.request import requests
from tocsin.sinks.otlp.values import any_value, attributes
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE as CASES

CONTEXT = SinkContext("shop", "production", "web1")
OK = Reply(200, {}, b"{}")


def options(**raw: Any) -> dict[str, Any]:
    values, faults = parse_table(OtlpSink.settings, raw, "otlp")
    assert faults == []
    return values


class Server:
    """Stand in for the HTTP exchange: answer by a script, keep what was sent."""

    def __init__(self, *replies: Reply | Failed) -> None:
        self.replies = list(replies)
        self.sent: list[dict[str, Any]] = []

    def call(self, _method: str, path: str, *, body: bytes, headers: dict[str, str], allow: Sequence[int]) -> Reply:
        assert (path, headers["Content-Type"]) == ("/v1/logs", "application/json")
        self.sent.append(json.loads(gzip.decompress(body)))
        reply = self.replies.pop(0) if self.replies else OK
        if isinstance(reply, Failed):
            raise reply
        assert reply.status < 300 or reply.status in allow
        return reply

    @property
    def uids(self) -> list[str]:
        return [uid_of(record) for request in self.sent for record in records_of(request)]


def records_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [record for group in request["resourceLogs"] for record in group["scopeLogs"][0]["logRecords"]]


def uid_of(record: dict[str, Any]) -> str:
    (value,) = [each["value"]["stringValue"] for each in record["attributes"] if each["key"] == "log.record.uid"]
    return str(value)


def make(server: Server) -> OtlpSink:
    pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")
    raw = options(headers={"authorization": "Bearer s3cr3t"})
    sink = OtlpSink(collector_of(raw), raw, CONTEXT, now=lambda: BROKE_AT)
    real = sink._http
    stand_in: Any = server
    stand_in.judged, stand_in.where, stand_in.close, stand_in.said = real.judged, real.where, real.close, real.said
    sink._http = stand_in
    return sink


def pairs(record: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values()), None) for each in record["attributes"]}


def record_of(event: Any, **keywords: Any) -> dict[str, Any]:
    entry = entry_of(event, **keywords)
    return log_record(entry, entry.members(), BROKE_AT)


# -- where to ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "where"),
    [
        ("http://localhost:4318", "localhost:4318/v1/logs"),
        ("https://otel.example.org/", "otel.example.org/v1/logs"),
        ("https://otel.example.org/otlp", "otel.example.org/otlp/v1/logs"),
        ("https://otel.example.org/otlp/v1/logs/", "otel.example.org/otlp/v1/logs"),
    ],
)
def test_an_endpoint_is_completed(endpoint: str, where: str) -> None:
    """By the path of the protocol, once."""
    assert collector_of(options(endpoint=endpoint)).where == where


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer abc", "x-scope-orgid": "shop"},
        "authorization=Bearer abc,x-scope-orgid=shop",
        "authorization=Bearer%20abc, x-scope-orgid=shop,",
        "authorization=Bearer abc\nx-scope-orgid=shop\n",
    ],
)
def test_headers_are_a_table_or_a_text(headers: Any) -> None:
    """The text's form is that of the standard's environment variables, or a line for each in a file."""
    found = collector_of(options(headers=headers))
    assert found.headers == {"authorization": "Bearer abc", "x-scope-orgid": "shop"}
    assert found.secrets == {"headers: authorization": "Bearer abc"}
    assert "abc" not in repr(found)


@pytest.mark.parametrize(
    "headers",
    ["authorization", {"a": 1}, {"a b": "c"}, {"a": "b\r\nc: d"}, {"a": "ü"}, {"Content-Type": "x"}, 7, ["a"]],
)
def test_headers_that_break_a_request_are_a_fault_without_their_words(headers: Any) -> None:
    """They are secret."""
    _, faults = parse_table(OtlpSink.settings, {"headers": headers}, "otlp")
    assert len(faults) == 1
    assert faults[0].startswith("otlp: headers must")
    assert "d'" not in faults[0] and "it is" not in faults[0]


def test_a_secret_header_needs_tls() -> None:
    """A tenant's name doesn't."""
    pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")
    plain = {"endpoint": "http://otel.example.org:4318"}
    with pytest.raises(ConfigError, match="headers: authorization would travel in clear"):
        OtlpSink.from_options(options(**plain, headers={"authorization": "Bearer abc"}), CONTEXT)
    OtlpSink.from_options(options(**plain, headers={"x-scope-orgid": "shop"}), CONTEXT)


def test_a_url_is_the_endpoint_behind_its_scheme() -> None:
    """With the other settings in the query."""
    assert from_url("otlp+https://otel.example.org:4318?timeout=3&headers=a=b,c=d") == {
        "endpoint": "https://otel.example.org:4318",
        "timeout": "3",
        "headers": "a=b,c=d",
    }
    for url in ("otlp+https://user:pw@otel.example.org", "otlp+http:///v1/logs", "otlp+http://host#x"):
        with pytest.raises(ConfigError, match="otlp URL can't be read") as caught:
            from_url(url)
        assert "pw" not in str(caught.value)


def test_the_registry_builds_it() -> None:
    """Under its URL's schemes, and its headers are secret."""
    assert registry.from_url("otlp+http://localhost:4318")["type"] == "otlp"
    pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")
    sink = OtlpSink.from_options(options(), CONTEXT)
    assert sink.identity == "otlp:localhost:4318/v1/logs"
    assert {"headers"} <= {setting.name for setting in OtlpSink.settings if setting.is_secret}


# -- what a record says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a", {"stringValue": "a"}),
        (True, {"boolValue": True}),
        (7, {"intValue": "7"}),
        (-(2**63), {"intValue": str(-(2**63))}),
        (2**63, {"stringValue": str(2**63)}),
        (1.5, {"doubleValue": 1.5}),
        (float("nan"), {"stringValue": "nan"}),
        (None, {}),
        ([1, "a"], {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}}),
        ({"a": 1}, {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}),
    ],
)
def test_a_value_has_its_type(value: Any, told: dict[str, Any]) -> None:
    """64-bit integers are texts in the JSON encoding."""
    assert any_value(value) == told


def test_an_attribute_comes_once_and_never_empty() -> None:
    """The protocol wants unique names."""
    found = attributes([("a", 1), ("a", 2), ("b", ""), ("c", None), ("", 1), ("d", 0), ("e", False)])
    assert [each["key"] for each in found] == ["a", "d", "e"]


@pytest.mark.parametrize(("number", "told"), [(60, 21), (50, 21), (40, 17), (30, 13), (20, 9), (10, 5), (0, 5)])
def test_levels_have_the_protocols_numbers(number: int, told: int) -> None:
    """Own levels get that of the standard one below."""
    assert severity(number) == told


@pytest.mark.parametrize(
    ("at", "nanos"),
    [
        (BROKE_AT, str(int(BROKE_AT.timestamp()) * 10**9)),
        (datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC), "1774749599999999000"),
        (datetime(1, 1, 1, tzinfo=UTC), "0"),
        (datetime(9999, 1, 1, tzinfo=UTC), "0"),
    ],
)
def test_times_are_nanoseconds_or_unknown(at: datetime, nanos: str) -> None:
    """To the microsecond, without the rounding of floats; what 64 bits don't hold is 0."""
    assert record_of(replace(ERROR, timestamp=at))["timeUnixNano"] == nanos


def test_a_log_call_without_an_exception_tells_where_it_was() -> None:
    """Function and line, as far as logging knows them."""
    told = pairs(record_of(ERROR))
    assert (told["code.function.name"], told["code.line.number"]) == ("shop.stock.take", "17")
    assert "exception.type" not in told
    assert "code.function.name" not in pairs(record_of(replace(ERROR, location="")))


def test_task_tags_user_and_lead_up_are_attributes() -> None:
    """The lead-up as text, which every backend shows."""
    assert TRACEBACK.request is not None
    told = pairs(record_of(replace(TASK, request=replace(TRACEBACK.request, user="4711"))))
    assert [told[f"tocsin.task.{name}"] for name in ("name", "by", "id")] == ["shop.tasks.send", "celery", "1234"]
    assert (told["tocsin.tag.tenant"], told["user.id"]) == ("acme", "4711")
    assert told["tocsin.lead_up"] == (
        "-12.500 s  DEBUG  shop.tasks: took order 17\n -1.204 s  INFO   shop.orders: stock looked up"
    )
    assert not any(name.startswith(("tocsin.task", "tocsin.tag", "tocsin.lead")) for name in pairs(record_of(ERROR)))


def test_a_count_tells_of_its_fault() -> None:
    """Type and message of the first report, and for how many it stands."""
    told = pairs(record_of(TRACEBACK, counted=41))
    assert told["exception.type"] == "orders.money.CurrencyError"
    assert told["tocsin.occurrences"] == "41"
    assert len(told["tocsin.error_id"]) == 6
    assert pairs(record_of(TRACEBACK, is_torn=True))["tocsin.reason"].startswith("report torn")


def test_a_very_long_stacktrace_keeps_its_end() -> None:
    """Where it was raised."""
    long = replace(CURRENCY_ERROR, message="m" * 8_000, cause=None, notes=("n" * 1_000,) * 100)
    told = pairs(record_of(replace(TRACEBACK, exception=long)))["exception.stacktrace"]
    assert len(told) == STACKTRACE_CHARS
    assert told.startswith("…[cut]")
    assert told.endswith("n" * 1_000)


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("shop.example", "shop.example", None),
        ("shop.example:8443", "shop.example", "8443"),
        ("[::1]:80", "[::1]", "80"),
        ("7", "7", None),
        ("shop:99999999", "shop", None),
    ],
)
def test_a_host_is_told_without_its_port(host: str, address: str, port: str | None) -> None:
    """As server.address and server.port."""
    assert TRACEBACK.request is not None
    told = pairs(record_of(replace(TRACEBACK, request=replace(TRACEBACK.request, host=host))))
    assert (told["server.address"], told.get("server.port")) == (address, port)


@given(st.dictionaries(st.sampled_from(["process", "exception", "request", "timestamp", "fields", "message", "kind",
                                        "level", "occurrences", "application"]),
                       st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=2)
                       | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)))  # fmt: skip
def test_a_line_that_is_no_event_is_told_all_the_same(line: dict[str, Any]) -> None:
    """Nothing in it makes the sink raise."""
    entry = Entry(Origin("p", 1, offset=2), "error", 40, "v1:1", 1, json.dumps(line).encode())
    ((_, body),) = requests([entry], CONTEXT, BROKE_AT)
    (record,) = records_of(json.loads(body))
    assert uid_of(record)


# -- what leaves -------------------------------------------------------------------------------------------


def test_requests_are_kept_below_a_size() -> None:
    """In order, each entry once; resources are told once for all their records."""
    entries = [entry_of(case.make(str(n))) for n in range(3) for case in CASES]
    parts = list(requests(entries, CONTEXT, BROKE_AT, max_bytes=300_000))
    assert [entry for chunk, _ in parts for entry in chunk] == entries
    assert len(parts) > 1
    assert all(len(body) <= 300_000 for chunk, body in parts if len(chunk) > 1)
    ((_, body),) = requests([entry_of(ERROR), entry_of(WARNING), entry_of(replace(ERROR, host="b"))], CONTEXT, BROKE_AT)
    assert len(json.loads(body)["resourceLogs"]) == 2


# -- what the collector says -------------------------------------------------------------------------------


def partial(rejected: Any, words: str = "") -> Reply:
    return Reply(
        200, {}, json.dumps({"partialSuccess": {"rejectedLogRecords": rejected, "errorMessage": words}}).encode()
    )


@pytest.mark.parametrize(
    ("reply", "outcome", "words"),
    [
        (OK, Accepted, "taken by localhost:4318/v1/logs"),
        (Reply(200, {}, b""), Accepted, "taken by"),
        (Reply(200, {}, b"\x00protobuf"), Accepted, "taken by"),
        (Reply(200, {}, b"[1]"), Accepted, "taken by"),
        (Reply(202, {}, b'{"partialSuccess":null}'), Accepted, "taken by"),
        (Reply(200, {}, b'{"partialSuccess":{}}'), Accepted, "taken by"),
        (Reply(200, {}, b'{"partialSuccess":{"rejectedLogRecords":1e999}}'), Accepted, "taken by"),
        (partial("0", "old schema"), Accepted, "which warns: old schema"),
        (partial("2", "no Bearer s3cr3t\nhere"), Refused, r"rejected 2 log records: no [masked]\nhere"),
        (partial(2), Refused, "rejected 2 log records"),
        (Reply(400, {}, b'{"code":3,"message":"bad"}'), Refused, "answered 400"),
        (Reply(400, {"content-type": "text/html"}, b"<html>"), Unavailable, "answered 400"),
        (Reply(415, {}, b"protobuf only"), Unavailable, "protobuf only"),
        (Failed(Refused("answered 413")), Refused, "413"),
        (Failed(Unavailable("answered 503", "", 7.0)), Unavailable, "503"),
    ],
)
def test_an_answer_becomes_an_outcome(reply: Reply | Failed, outcome: type[Outcome], words: str) -> None:
    """Only what is said of the records themselves is for good."""
    found = make(Server(reply)).deliver([entry_of(ERROR), entry_of(WARNING)])
    assert isinstance(found, outcome)
    assert words in (found.detail if isinstance(found, Accepted) else found.reason)


@pytest.mark.complaints
def test_a_part_that_was_rejected_is_complained_of(capsys: pytest.CaptureFixture[str]) -> None:
    """The collector doesn't say which records, and the others must not be sent again."""
    server = Server(partial("1", "too old"))
    found = make(server).deliver([entry_of(ERROR), entry_of(WARNING)])
    assert isinstance(found, Accepted)
    assert "rejected 1 of 2 log records: too old" in found.detail
    assert "rejected 1 of 2 log records: too old; they are lost there" in capsys.readouterr().err


def test_what_was_taken_of_a_failed_batch_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that are too long for one are several."""
    monkeypatch.setattr(requests, "__defaults__", (1,))
    server = Server(OK, Failed(Unavailable("answered 503")))
    sink, entries = make(server), [entry_of(ERROR) for _ in range(3)]
    assert isinstance(sink.deliver(entries), Unavailable)
    assert isinstance(sink.deliver(entries), Accepted)
    assert len(server.uids) == 4
    assert len(set(server.uids)) == 3
    assert isinstance(sink.deliver(entries), Accepted)
    assert len(server.uids) == 7
