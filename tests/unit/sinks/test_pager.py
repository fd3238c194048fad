"""The pager sink: an incident per fault and episode, opened and resolved, never two for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from http_receiver import HttpReceiver, http_receiver
from tocsin.config.sink_table import SinkTable
from tocsin.event.notice import Reason
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, SinkContext, Unavailable
from tocsin.sinks.pager import PagerSink
from tocsin.testing import HOSTILE, SinkContract
from tocsin.testing.contract import notice_of

CONTEXT = SinkContext("shop", "production", "web-1")
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as running:
        running.answer = lambda request: (202, {}, b'{"status":"success"}')
        yield running


def sink(url: str) -> PagerSink:
    built, faults = registry.build([SinkTable({"type": "pager", "url": url, "routing_key": KEY})], CONTEXT)
    assert faults == []
    made = built[0].sink
    assert isinstance(made, PagerSink)
    return made


class TestContract(SinkContract):
    """Every event of the service's is valid and tells of its fault."""

    @pytest.fixture(autouse=True)
    def _receiver(self, receiver: HttpReceiver) -> None:
        self.receiver = receiver

    def new_sink(self) -> PagerSink:
        return sink(f"{self.receiver.url}/v2/enqueue")

    def received(self) -> Sequence[str]:
        for request in self.receiver.requests:
            check_schema(request.json)
        return [str(request.json) for request in self.receiver.requests]


def check_schema(event: dict[str, Any]) -> None:
    """What PagerDuty's public documentation of the Events API v2 demands."""
    assert event["routing_key"] == KEY
    assert event["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 0 < len(event["dedup_key"]) <= 255
    if event["event_action"] == "trigger":
        payload = event["payload"]
        assert 0 < len(payload["summary"]) <= 1_024
        assert payload["source"]
        assert payload["severity"] in ("critical", "error", "warning", "info")
        assert isinstance(payload.get("custom_details", {}), dict)


def told(receiver: HttpReceiver, reason: Reason, *numbers: int) -> list[tuple[str, str]]:
    made = sink(receiver.url)
    made.notify(notice_of(reason, *(HOSTILE[number].make() for number in numbers)))
    made.close()
    return [(request.json["event_action"], request.json["dedup_key"]) for request in receiver.requests]


@pytest.mark.parametrize(
    ("reason", "action"), [("new", "trigger"), ("update", "trigger"), ("comeback", "trigger"), ("quiet", "resolve")]
)
def test_an_incident_follows_the_episode(receiver: HttpReceiver, reason: Reason, action: str) -> None:
    key = f"shop/production/{HOSTILE[0].make().fingerprint}"
    assert told(receiver, reason, 0) == [(action, key)]


def test_a_notice_of_several_faults_is_an_incident_each(receiver: HttpReceiver) -> None:
    assert len({key for _, key in told(receiver, "summary", 0, 2, 3)}) == 3


def test_a_check_opens_an_incident_and_resolves_it(receiver: HttpReceiver) -> None:
    actions = told(receiver, "check")
    assert [action for action, _ in actions] == ["trigger", "resolve"]
    assert len({key for _, key in actions}) == 1


def test_faults_of_a_long_name_are_told_apart(receiver: HttpReceiver) -> None:
    """A dedup_key has 255 characters at most, of which the fingerprint's are the last."""
    made = sink(receiver.url)
    for fingerprint in ("v1:" + "a" * 32, "v1:" + "b" * 32):
        notice = notice_of("new", HOSTILE[0].make())
        issues = (replace(notice.issues[0], fingerprint=fingerprint),)
        made.notify(replace(notice, application="shop" * 100, issues=issues))
    made.close()
    first, second = (request.json["dedup_key"] for request in receiver.requests)
    assert first != second
    assert max(len(first), len(second)) <= 255


def test_severity_is_that_of_the_level(receiver: HttpReceiver) -> None:
    told(receiver, "new", 20)  # critical
    told(receiver, "new", 19)  # a warning
    assert [request.json["payload"]["severity"] for request in receiver.requests] == ["critical", "warning"]


def test_routing_is_asked_for_single_notices_and_the_end_of_each_episode() -> None:
    policy = sink("https://events.example.org").policy
    assert policy["is_single"] is True
    assert policy["tells_end"] is True


def test_a_refused_key_waits_for_its_mending_and_is_not_told(receiver: HttpReceiver) -> None:
    receiver.answer = lambda request: (403, {}, f"key {KEY} unknown".encode())
    made = sink(receiver.url)
    outcome = made.notify(notice_of("new", HOSTILE[0].make()))
    made.close()
    assert isinstance(outcome, Unavailable)
    assert KEY not in repr(outcome) + made.identity


def test_what_the_sink_says_is_worth_reading(receiver: HttpReceiver) -> None:
    made = sink(receiver.url)
    assert isinstance(made.notify(notice_of("new", HOSTILE[0].make())), Accepted)
    made.close()
    payload = receiver.requests[0].json["payload"]
    assert payload["summary"].startswith("[shop/production] ZeroDivisionError in shop.orders.pay, 3 times (")
    assert payload["source"] == "web-1"
    assert payload["custom_details"]["where"] == "shop.orders.pay, shop/orders.py:41"
