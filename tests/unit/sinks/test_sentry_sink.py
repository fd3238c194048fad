"""The sentry sink: which envelopes leave, and what comes of every answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tocsin
from broken_shop import BROKE_AT, CURRENCY_ERROR, ERROR, HOSTILE, KEY_ERROR, TASK, TRACEBACK, WARNING, hostile_event
from tocsin.config.setting import parse_table
from tocsin.delivery.lines import loss_entry
from tocsin.event.errors import ConfigError
from tocsin.event.model import ExceptionInfo, Frame, LogLine
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Entry, Failed, Origin, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.http import Http, Reply
from tocsin.sinks.sentry import SentrySink, envelope
from tocsin.sinks.sentry.exceptions import exception_values
from tocsin.sinks.sentry.options import dsn_of, from_url
from tocsin.sinks.sentry.payload import event_payload, level
from tocsin.sinks.sentry.rate_limits import wait_s
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE as CASES

KEY = "0123456789abcdef0123456789abcdef"
DSN = f"https://{KEY}@errors.example.org/7"
CONTEXT = SinkContext("shop", "production", "web1")


class Server:
    """Stand in for the HTTP exchange: answer by a script, keep what was sent."""

    def __init__(self, *replies: Reply | Failed) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []

    def call(self, _method: str, path: str, *, body: bytes, headers: dict[str, str], allow: Sequence[int]) -> Reply:
        header, item, payload, rest = gzip.decompress(body).split(b"\n")
        assert rest == b""
        assert json.loads(item)["length"] == len(payload)
        self.sent.append((json.loads(header), json.loads(item), json.loads(payload)))
        self.headers.append(headers)
        self.paths.append(path)
        reply = self.replies.pop(0) if self.replies else Reply(200, {}, b'{"id":"1"}')
        if isinstance(reply, Failed):
            raise reply
        assert reply.status < 300 or reply.status in allow
        return reply

    @property
    def events(self) -> list[dict[str, Any]]:
        return [payload for _, item, payload in self.sent if item["type"] == "event"]

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [payload for _, item, payload in self.sent if item["type"] == "client_report"]


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def make(server: Server, clock: Clock | None = None) -> SentrySink:
    pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")
    values, faults = parse_table(SentrySink.settings, {"dsn": DSN}, "sentry")
    assert faults == []
    sink = SentrySink(dsn_of(DSN), values, CONTEXT, now=lambda: BROKE_AT, monotonic=clock or Clock())
    real = sink._http
    server_http: Any = server
    server_http.judged, server_http.where, server_http.close = real.judged, real.where, real.close
    sink._http = server_http
    return sink


def members(entry: Entry) -> dict[str, Any]:
    return dict(json.loads(entry.line))


def payload_of(event: Any) -> dict[str, Any]:
    entry = entry_of(event)
    return event_payload(entry, members(entry), CONTEXT)


# -- where to ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dsn", "base", "project", "where"),
    [
        ("https://key@errors.example.org/7", "https://errors.example.org", "7", "errors.example.org/7"),
        ("http://key@localhost:8000/1", "http://localhost:8000", "1", "localhost:8000/1"),
        ("https://key@o1.ingest.example.org/sub/path/7", "https://o1.ingest.example.org/sub/path", "7",
         "o1.ingest.example.org/sub/path/7"),
        ("https://key:old-secret@errors.example.org/7", "https://errors.example.org", "7", "errors.example.org/7"),
        ("https://key@[::1]:9000/7/", "https://[::1]:9000", "7", "[::1]:9000/7"),
        (" HTTPS://key@Errors.Example.org/7 ", "https://errors.example.org", "7", "errors.example.org/7"),
    ],
)  # fmt: skip
def test_a_dsn_has_its_parts(dsn: str, base: str, project: str, where: str) -> None:
    """The key is kept apart and not shown."""
    found = dsn_of(dsn)
    assert (found.base, found.project, found.key, found.where) == (base, project, "key", where)
    assert found.path == f"/api/{project}/envelope/"
    assert "key" not in repr(found)


@pytest.mark.parametrize(
    "dsn",
    ["", "errors.example.org", "https://errors.example.org/7", "https://key@errors.example.org", "ftp://key@host/7",
     "https://key@errors.example.org/", "https://key@errors.example.org/7?x=y", "https://key@errors.example.org/7#x",
     "https://k%0dey@host/7", "https://key@ho st/7", "https://key@host:0/7", "https://key@host:x/7",
     "https://key@host/a b/7", "https://key@[::1/7"],
)  # fmt: skip
def test_a_dsn_that_is_none_is_a_fault_without_its_words(dsn: str) -> None:
    """It may hold a key."""
    with pytest.raises(ConfigError) as caught:
        dsn_of(dsn)
    assert str(caught.value).startswith("dsn must look like https://KEY@errors.example.org/1")


def test_a_url_is_the_dsn_behind_its_scheme() -> None:
    """With the other settings in the query."""
    assert from_url(f"sentry+{DSN}?timeout=3&ca_file=ca.pem") == {"dsn": DSN, "timeout": "3", "ca_file": "ca.pem"}
    for url in ("sentry+https://errors.example.org/7", "sentry+https://key@host/7#x"):
        with pytest.raises(ConfigError, match="sentry URL can't be read") as caught:
            from_url(url)
        assert "key@host" not in str(caught.value)


def test_the_registry_builds_it_and_never_shows_the_key() -> None:
    """Neither in its identity nor in what it is."""
    pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")
    options = registry.from_url(f"sentry+{DSN}")
    values, faults = parse_table(SentrySink.settings, {k: v for k, v in options.items() if k != "type"}, "sentry")
    assert faults == []
    sink = SentrySink.from_options(values, CONTEXT)
    assert sink.identity == "sentry:errors.example.org/7"
    assert KEY not in repr(sink)
    assert {"dsn"} <= {setting.name for setting in SentrySink.settings if setting.is_secret}


# -- what an event says ------------------------------------------------------------------------------------


def test_an_event_id_is_made_from_the_origin() -> None:
    """The same each time, another one for each, and in the shape that servers want."""
    entry = entry_of(ERROR)
    again, other = payload_of(ERROR), entry_of(ERROR)
    first = event_payload(entry, members(entry), CONTEXT)["event_id"]
    assert first == event_payload(entry, members(entry), CONTEXT)["event_id"]
    assert first not in (again["event_id"], event_payload(other, members(other), CONTEXT)["event_id"])
    assert len(first) == 32 and first == first.lower() and first[12] == "4"


def test_exceptions_come_oldest_first_and_say_whose_cause_they_are() -> None:
    """Members of a group before the group, numbered so that the tree can be drawn."""
    group = ExceptionInfo("ExceptionGroup", "two", members=(KEY_ERROR, CURRENCY_ERROR), context=KEY_ERROR)
    found = exception_values(group, is_handled=True)
    told = [(value["type"], value["mechanism"].get("parent_id"), value["mechanism"].get("source")) for value in found]
    assert told == [
        ("KeyError", 3, "__cause__"),
        ("CurrencyError", 0, "exceptions[1]"),
        ("KeyError", 0, "exceptions[0]"),
        ("KeyError", 0, "__context__"),
        ("ExceptionGroup", None, None),
    ]
    assert [value["mechanism"]["exception_id"] for value in found] == [4, 3, 2, 1, 0]
    assert found[-1]["mechanism"]["is_exception_group"] is True
    assert all(value["mechanism"]["handled"] for value in found)


def test_a_type_is_split_from_its_module_only_where_there_is_one() -> None:
    """Other dots stay."""
    for name, module, kind in (
        ("orders.money.CurrencyError", "orders.money", "CurrencyError"),
        ("KeyError", None, "KeyError"),
        ("shop.f.<locals>.Oops", None, "shop.f.<locals>.Oops"),
        ("no type. at all", None, "no type. at all"),
        ("", None, "Exception"),
    ):
        (value,) = exception_values(ExceptionInfo(name, ""), is_handled=False)
        assert (value.get("module"), value["type"]) in ((module, kind), ("shop.f.<locals>", "Oops"))


def test_a_frame_has_its_surroundings() -> None:
    """Lines of code around it, how often it is repeated, and the file from where imports begin."""
    frame = Frame("shop.a", "f", "/srv/app/shop/a.py", 7, "  go()  ", ("a",), ("b",), repeats=900, locals={"x": "1"})
    (value,) = exception_values(ExceptionInfo("KeyError", "", (frame,)), is_handled=False)
    assert value["stacktrace"]["frames"] == [
        {
            "module": "shop.a",
            "function": "f",
            "filename": "shop/a.py",
            "abs_path": "/srv/app/shop/a.py",
            "lineno": 7,
            "in_app": True,
            "context_line": "  go()",
            "pre_context": ["a"],
            "post_context": ["b"],
            "vars": {"x": "1", "[repeated]": "900 times"},
        }
    ]


@pytest.mark.parametrize(
    ("number", "word"), [(60, "fatal"), (50, "fatal"), (45, "error"), (30, "warning"), (20, "info"), (5, "debug")]
)
def test_levels_have_the_protocols_words(number: int, word: str) -> None:
    """Own levels get that of the standard one below."""
    assert level(number) == word


def test_messages_stand_beside_the_exception_only_where_they_say_more() -> None:
    """An exception that nobody logged has none."""
    assert payload_of(ERROR)["logentry"] == {
        "message": "stock of article %s went negative",
        "formatted": "stock of article 99 went negative",
    }
    bare = replace(TRACEBACK, message="orders.money.CurrencyError: no rate for 'CHF'", template="")
    assert "logentry" not in payload_of(bare)
    assert payload_of(ERROR).get("exception") is None


def test_what_happened_to_a_request_is_told_as_it_was_masked() -> None:
    """With the clients' hash as the user, which the server counts."""
    assert TRACEBACK.request is not None
    request = replace(TRACEBACK.request, client="192.0.2.1", client_hash="3cb1ca990b14a9e3")
    found = payload_of(replace(TRACEBACK, request=request))
    assert found["request"] == {
        "method": "POST",
        "url": "https://shop.example/orders/17/pay",
        "query_string": "coupon=[masked]",
        "headers": {"Accept": "text/html"},
        "env": {"REMOTE_ADDR": "192.0.2.1"},
    }
    assert found["user"] == {"id": "3cb1ca990b14a9e3"}
    assert found["contexts"]["response"]["status_code"] == 500


def test_a_user_comes_before_the_clients_hash() -> None:
    """Where the setting user_id shows who it was."""
    assert TRACEBACK.request is not None
    request = replace(TRACEBACK.request, user="4711", client_hash="3cb1ca990b14a9e3")
    assert payload_of(replace(TRACEBACK, request=request))["user"] == {"id": "4711"}


def test_a_task_is_the_transaction_and_a_context_of_its_own() -> None:
    """A route is named before it: work that runs within a request is the request's."""
    found = payload_of(TASK)
    assert found["transaction"] == "shop.tasks.send"
    assert found["contexts"]["task"] == {"type": "task", "name": "shop.tasks.send", "by": "celery", "id": "1234"}
    assert payload_of(replace(TASK, request=TRACEBACK.request))["transaction"] == "/orders/<int:id>/pay"


def test_tags_are_tags_and_none_takes_the_place_of_ours() -> None:
    """Names are made such as servers take, values one line."""
    tags = {"tenant": "acme", "error_id": "forged", "order kind/é": "a\nb", "n" * 40: "long", "": "none", "blank": " "}
    found = payload_of(replace(TASK, tags=tags))["tags"]
    assert {name: found.pop(name) for name in ("error_id", "kind")} == {"error_id": "7K3QDM-24F2", "kind": "traceback"}
    assert set(found) - {"application", "origin"} == {"tenant", "order_kind__", "n" * 32}
    assert (found["tenant"], found["order_kind__"]) == ("acme", "a\\nb")


def test_a_lead_up_is_breadcrumbs() -> None:
    """The oldest first; a time that servers don't take is left out, a level of the application's own is info."""
    assert payload_of(TASK)["breadcrumbs"]["values"][1] == {
        "timestamp": "2026-11-22T02:41:05.796000Z",
        "type": "default",
        "level": "info",
        "category": "shop.orders",
        "message": "stock looked up",
    }
    odd = LogLine(BROKE_AT.replace(year=1), "Level 7", "", "x")
    (crumb,) = payload_of(replace(TASK, lead_up=(odd,)))["breadcrumbs"]["values"]
    assert crumb == {"type": "default", "level": "info", "message": "x"}
    assert "breadcrumbs" not in payload_of(TRACEBACK)


def test_early_breadcrumbs_give_way_before_frames_do() -> None:
    """The latest ones stay."""
    lines = tuple(LogLine(BROKE_AT, "INFO", "shop", f"{n} " + "x" * 450) for n in range(100))
    payload = payload_of(replace(TASK, lead_up=lines))
    cut = json.loads(envelope.event_envelope(payload, BROKE_AT, 30_000).split(b"\n")[2])
    assert [crumb["message"][:3].strip() for crumb in cut["breadcrumbs"]["values"]] == [str(n) for n in range(90, 100)]
    assert len(cut["exception"]["values"][-1]["stacktrace"]["frames"]) == 2


def test_hostile_text_is_shown_by_its_escapes() -> None:
    """Everywhere: servers keep NUL and half characters badly, and people read the rest."""
    shown = json.dumps(payload_of(replace(hostile_event(), error_id="7K3QDM-24F2")), ensure_ascii=False)
    json.loads(shown)
    for harmful in ("\x00", "\x1b", "\udc80", "\u202e", "\\u0000", "\\u001b"):
        assert harmful not in shown
    assert HOSTILE not in shown


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_event_is_longer_than_servers_take(case: Any) -> None:
    """Whatever is in it; and a cut one is an event still."""
    event = case.make()
    entry = entry_of(event)
    payload = event_payload(entry, members(entry), CONTEXT)
    for most in (envelope.EVENT_BYTES, envelope.LEAST_BYTES):
        body = envelope.event_envelope(payload, BROKE_AT, most)
        assert len(body) <= most + 1_000
        told = json.loads(body.split(b"\n")[2])
        assert told["tags"]["error_id"] == event.error_id
        assert told["fingerprint"] == [event.fingerprint]
        if "exception" in told:
            assert len(told["exception"]["values"]) <= 32
            assert all(len(v.get("stacktrace", {}).get("frames", ())) <= 64 for v in told["exception"]["values"])


@given(st.dictionaries(st.sampled_from(["process", "exception", "request", "timestamp", "fields", "message", "kind",
                                        "task", "tags", "lead_up"]),
                       st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=2)
                       | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)))  # fmt: skip
def test_a_line_that_is_no_event_is_told_all_the_same(line: dict[str, Any]) -> None:
    """Nothing in it makes the sink raise."""
    entry = Entry(Origin("p", 1, offset=2), "error", 40, "v1:1", 1, b"")
    found = event_payload(entry, line, CONTEXT)
    assert found["fingerprint"]
    envelope.event_envelope(found, BROKE_AT)


# -- what leaves -------------------------------------------------------------------------------------------


def test_an_envelope_has_one_event_and_the_key_in_its_header() -> None:
    """The key is in no other place."""
    server = Server()
    outcome = make(server).deliver([entry_of(TRACEBACK), entry_of(WARNING)])
    assert isinstance(outcome, Accepted)
    assert server.paths == ["/api/7/envelope/"] * 2
    assert [item["type"] for _, item, _ in server.sent] == ["event", "event"]
    header, _, event = server.sent[0]
    assert header["event_id"] == event["event_id"]
    assert header["sent_at"] == "2026-11-22T02:41:07.000000Z"
    auth = server.headers[0]["X-Sentry-Auth"]
    assert auth.startswith(f"Sentry sentry_version=7, sentry_client=tocsin/{tocsin.__version__}, ")
    assert auth.endswith(f"sentry_key={KEY}")
    assert KEY not in json.dumps(server.sent)


def test_what_has_no_report_is_one_client_report() -> None:
    """By reason, and after the events."""
    server = Server()
    about = {"application": "shop"}
    losses = [
        loss_entry(reason, 17, Origin("p", 1, slot=n, count=17), about, BROKE_AT)
        for n, reason in enumerate(("spool_full", "pending_overflow", "internal", "internal"))
    ]
    counts = [entry_of(TRACEBACK, counted=41), entry_of(WARNING, counted=1), entry_of(ERROR, is_torn=True)]
    assert isinstance(make(server).deliver([*counts, entry_of(ERROR), *losses]), Accepted)
    assert [item["type"] for _, item, _ in server.sent] == ["event", "client_report"]
    (report,) = server.reports
    assert {each["reason"]: each["quantity"] for each in report["discarded_events"]} == {
        "sample_rate": 42,
        "insufficient_data": 1,
        "cache_overflow": 17,
        "queue_overflow": 17,
        "internal_sdk_error": 34,
    }
    assert {each["category"] for each in report["discarded_events"]} == {"error"}


# -- what the server says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, {}, 0),
        (429, {}, 60),
        (429, {"retry-after": "7"}, 7),
        (429, {"retry-after": "soon"}, 60),
        (200, {"x-sentry-rate-limits": "60:error:organization"}, 60),
        (200, {"x-sentry-rate-limits": "60:transaction;span:key"}, 0),
        (200, {"x-sentry-rate-limits": "60:transaction;error;span:key:quota"}, 60),
        (200, {"x-sentry-rate-limits": "60::key"}, 60),
        (200, {"x-sentry-rate-limits": "60"}, 60),
        (429, {"x-sentry-rate-limits": "10::key, 2700:error:organization, 86400:transaction:key"}, 2700),
        (429, {"x-sentry-rate-limits": "60:transaction:key", "retry-after": "7"}, 0),
        (200, {"x-sentry-rate-limits": "2.5:error:key"}, 2),
        (200, {"x-sentry-rate-limits": ""}, 0),
        (200, {"x-sentry-rate-limits": "::,:x,,nonsense,-5:error:key,9999999999999:span:key"}, 0),
    ],
)
def test_rate_limits_are_read(status: int, headers: dict[str, str], seconds: float) -> None:
    """Those of errors and of everything count, of several the longest."""
    assert wait_s(status, headers) == seconds


def test_a_rate_limit_is_kept_to() -> None:
    """What was taken before is not sent again, and nothing is sent while it lasts."""
    server, clock = Server(Reply(200, {}, b""), Reply(200, {"x-sentry-rate-limits": "60:error:key"}, b"")), Clock()
    sink = make(server, clock)
    entries = [entry_of(ERROR) for _ in range(3)]
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 60.0
    clock.now_s += 59
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 1.0
    assert len(server.sent) == 2
    clock.now_s += 1
    assert isinstance(sink.deliver(entries), Accepted)
    ids = [event["event_id"] for event in server.events]
    assert len(ids) == len(set(ids)) == 3


def test_a_429_waits_as_long_as_it_says() -> None:
    """The event that met it is sent again."""
    server = Server(Reply(429, {"retry-after": "7"}, b""))
    sink, entries = make(server, clock := Clock()), [entry_of(ERROR)]
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 7.0
    clock.now_s += 7
    assert isinstance(sink.deliver(entries), Accepted)
    assert len(server.sent) == 2


JSON: dict[str, str] = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("replies", "outcome", "sent"),
    [
        ([Reply(400, JSON, b'{"message":"no"}')], Refused, 1),
        ([Reply(400, JSON, b"<html>TLS spoken to a plain port</html>")], Unavailable, 1),
        ([Reply(400, JSON, b'{"message":"[\'Event already exists\']"}')], Accepted, 1),
        ([Reply(413, JSON, b"too long"), Reply(200, {}, b"")], Accepted, 2),
        ([Reply(413, JSON, b"too long"), Reply(413, JSON, b"too long")], Refused, 2),
        ([Reply(401, JSON, b"who?")], Unavailable, 1),
        ([Reply(403, JSON, b"no")], Unavailable, 1),
        ([Reply(404, JSON, b"where?")], Unavailable, 1),
        ([Failed(Unavailable("answered 503", "", 3.0))], Unavailable, 1),
        ([Failed(Refused("answered 422"))], Refused, 1),
    ],
)
def test_an_answer_becomes_an_outcome(replies: list[Reply | Failed], outcome: type[Outcome], sent: int) -> None:
    """Only what the server says of the event itself is for good."""
    server = Server(*replies)
    found = make(server).deliver([entry_of(TRACEBACK)])
    assert isinstance(found, outcome)
    assert len(server.sent) == sent
    if isinstance(found, Unavailable) and "answered 4" in found.reason:
        assert "dsn" in found.remedy


def test_one_refused_event_keeps_no_other_back() -> None:
    """The others are there when the batch is called refused, and are not sent again with its halves."""
    server = Server(Reply(200, {}, b""), Reply(400, {}, b'{"message":"no"}'))
    sink, entries = make(server), [entry_of(ERROR) for _ in range(4)]
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("1 of 4: errors.example.org answered 400")
    assert len(server.sent) == 4
    assert isinstance(sink.deliver(entries[2:]), Accepted)
    assert isinstance(sink.deliver(entries[:1]), Accepted)
    assert len(server.sent) == 4
    server.replies = [Reply(400, {}, b'{"message":"no"}')]
    assert isinstance(sink.deliver(entries[1:2]), Refused)


def test_a_slow_server_gets_the_rest_later() -> None:
    """A slice ends in time, and what was taken is kept."""
    server, clock = Server(), Clock()
    sink, entries = make(server, clock), [entry_of(ERROR) for _ in range(5)]
    call = server.call

    def slow(*given: Any, **keywords: Any) -> Reply:
        clock.now_s += 25
        return call(*given, **keywords)

    server.call = slow  # type: ignore[method-assign]
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Unavailable)
    assert "is slow: it took 3 of 5 events" in outcome.reason
    assert isinstance(sink.deliver(entries), Accepted)
    assert len(server.sent) == 5


def test_http_is_used_as_it_is() -> None:
    """So that the stand-in of these tests can't drift away from it unseen."""
    assert {"call", "judged", "close", "said"} <= set(dir(Http))
