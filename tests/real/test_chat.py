"""The chat sink with apprise itself, to loopback servers that speak what chats speak."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("apprise", reason="no apprise; pip install apprise")

from http_receiver import HttpReceiver, http_receiver
from tocsin.config.sink_table import SinkTable
from tocsin.event.errors import ConfigError
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, SinkContext, Unavailable
from tocsin.sinks.chat import ChatSink
from tocsin.testing import HOSTILE, SinkContract
from tocsin.testing.contract import notice_of

# Of apprise and a library that it imports, on the first use.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CONTEXT = SinkContext("shop", "production", "web-1")
TOKEN = "3ccdd113474722377935511fc85d3dd4"  # of the form a Mattermost webhook has


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as running:
        yield running


def sink(*urls: str, **options: Any) -> ChatSink:
    built, faults = registry.build([SinkTable({"type": "chat", "urls": list(urls), **options})], CONTEXT)
    if faults:
        raise ConfigError(faults)
    made = built[0].sink
    assert isinstance(made, ChatSink)
    return made


class TestContract(SinkContract):
    """By apprise's plain JSON."""

    @pytest.fixture(autouse=True)
    def _receiver(self, receiver: HttpReceiver) -> None:
        self.receiver = receiver

    def new_sink(self) -> ChatSink:
        return sink(f"json://127.0.0.1:{self.receiver.port}/")

    def received(self) -> Sequence[str]:
        return [f"{request.json['title']}\n{request.json['message']}" for request in self.receiver.requests]


def mattermost(receiver: HttpReceiver) -> str:
    return f"mmost://127.0.0.1:{receiver.port}/{TOKEN}"


def test_what_arrives_in_a_chat_is_short_and_says_what_where_and_how_often(receiver: HttpReceiver) -> None:
    made = sink(mattermost(receiver))
    event = HOSTILE[0].make()
    assert isinstance(made.notify(notice_of("new", event)), Accepted)
    text = json.loads(receiver.requests[0].body)["text"]
    assert "ZeroDivisionError in shop.orders.pay" in text
    assert "division by zero" in text
    assert "GET /order/<int:n> on shop.example.org" in text
    assert "3 times" in text
    assert f"tocsin show {event.error_id}" in text
    assert len(text.splitlines()) <= 12


def test_nobody_is_mentioned_and_nothing_is_formatted_by_an_errors_text(receiver: HttpReceiver) -> None:
    """@here in an exception's message would wake everybody; anybody who can cause an error could."""
    made = sink(mattermost(receiver))
    made.notify(notice_of("new", HOSTILE[11].make()))
    text = json.loads(receiver.requests[0].body)["text"]
    for harmful in ("@everyone", "@here", "<!channel>", "```"):
        assert harmful not in text


def test_who_has_it_is_not_told_again_while_another_is_away(receiver: HttpReceiver) -> None:
    away = "json://127.0.0.1:9/"
    made = sink(mattermost(receiver), away, timeout="0.5")
    notice = notice_of("new", HOSTILE[0].make())
    for _ in range(2):
        outcome = made.notify(notice)
        assert isinstance(outcome, Unavailable)
        assert outcome.reason.startswith("json: ")
    assert len(receiver.requests) == 1


def test_a_refusal_is_told_in_apprises_words_without_the_token(receiver: HttpReceiver) -> None:
    receiver.answer = lambda request: (403, {}, f"invalid hook {TOKEN}".encode())
    made = sink(mattermost(receiver))
    outcome = made.notify(notice_of("new", HOSTILE[0].make()))
    assert isinstance(outcome, Unavailable)
    assert "403" in outcome.reason
    assert "WARNING" not in outcome.reason
    assert TOKEN not in repr(outcome) + made.identity


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tgram://12345678:t0kenA/room1234", "bot12345678:t0kenA can't write to room1234"),
        ("json://bob:p%40ssw0rd@chat.example.org/?+X-Key=t0kenB", "no p@ssw0rd, no t0kenB"),
        ("discord://hook1234/t0ken%2DC", "https://discord.com/api/webhooks/hook1234/t0ken-C"),
    ],
)
def test_no_part_of_an_address_is_told(monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    """Each service has its token elsewhere, and shows it decoded."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"{said} at chat.example.org")

    monkeypatch.setattr("apprise.Apprise.instantiate", fail)
    outcome = sink(url).notify(notice_of("new", HOSTILE[0].make()))
    assert isinstance(outcome, Unavailable)
    assert "[masked]" in outcome.reason
    assert outcome.reason.endswith("at chat.example.org")
    for secret in ("t0ken", "12345678", "ssw0rd", "room1234"):
        assert secret not in outcome.reason


def test_a_url_that_apprise_does_not_know_is_told_by_its_service() -> None:
    outcome = sink("nosuchchat://token/room").notify(notice_of("new", HOSTILE[0].make()))
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == "nosuchchat: apprise does not take this URL"


@pytest.mark.parametrize(
    ("urls", "told"), [([], "urls must name at least one address"), (["slack"], "urls: the 1. is no URL")]
)
def test_faults_of_the_configuration_are_told(urls: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        sink(*urls)


def test_a_url_stands_for_a_table() -> None:
    made = registry.from_url("chat+ntfy://ntfy.example.org/topic?priority=high")
    assert made == {"type": "chat", "urls": ["ntfy://ntfy.example.org/topic?priority=high"]}
