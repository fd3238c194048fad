"""The webhook sink: signed JSON that a receiver can verify, and a URL that is told to nobody."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from http_receiver import HttpReceiver, http_receiver
from tocsin.config.sink_table import SinkTable
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Refused, SinkContext, Unavailable
from tocsin.sinks.webhook import WebhookSink, signature
from tocsin.testing import HOSTILE, SinkContract
from tocsin.testing.contract import notice_of

CONTEXT = SinkContext("shop", "production", "web-1")
SECRET = "correct horse battery staple"
NOTICE = notice_of("new", HOSTILE[0].make())


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as running:
        yield running


def sink(**options: Any) -> WebhookSink:
    built, faults = registry.build([SinkTable({"type": "webhook", **options})], CONTEXT)
    if faults:
        raise ConfigError(faults)
    made = built[0].sink
    assert isinstance(made, WebhookSink)
    return made


class TestContract(SinkContract):
    """Every notice is one request, each of them verified."""

    @pytest.fixture(autouse=True)
    def _receiver(self, receiver: HttpReceiver) -> None:
        self.receiver = receiver

    def new_sink(self) -> WebhookSink:
        return sink(url=f"{self.receiver.url}/hook/t0ken", secret=SECRET)

    def received(self) -> Sequence[str]:
        texts = []
        for request in self.receiver.requests:
            verify(request.headers, request.body)
            texts.append(str(request.json))
        return texts


def verify(headers: dict[str, str], body: bytes) -> None:
    """As a receiver does it that knows the secret and Standard Webhooks, and nothing of tocsin."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(SECRET.encode(), signed, "sha256").digest()).decode()
    assert hmac.compare_digest(headers["webhook-signature"], expected)


def test_signature_is_that_of_the_standards_own_example() -> None:
    """Standard Webhooks 1.0 gives secret, id, time, body and signature of an example."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_members_are_the_public_schema(receiver: HttpReceiver) -> None:
    made = sink(url=f"{receiver.url}/hook")
    assert made.notify(NOTICE) == Accepted("answered 200, not signed: no secret is set")
    made.close()
    [request] = receiver.requests
    members = request.json
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["webhook-id"] == f"msg_{NOTICE.id}"
    assert {name: members[name] for name in ("schema", "reason", "application", "environment")} == {
        "schema": 1,
        "reason": "new",
        "application": "shop",
        "environment": "production",
    }
    [issue] = members["issues"]
    assert issue["event"]["exception"]["type"] == issue["title"] == "ZeroDivisionError"
    assert issue["count"] == 3
    assert issue["last_seen"].endswith("Z")


def test_a_notice_too_long_goes_without_its_events(receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_BYTES", 1_000)
    made = sink(url=receiver.url)
    made.notify(NOTICE)
    made.close()
    [issue] = receiver.requests[0].json["issues"]
    assert issue["event"] is None
    assert issue["count"] == 3


def test_a_notice_too_long_for_the_receiver_goes_without_its_events(receiver: HttpReceiver) -> None:
    """Its limit may be less than ours; what is refused even so is set aside."""
    receiver.answer = lambda request: (413 if request.json["issues"][0]["event"] else 202, {}, b"")
    made = sink(url=receiver.url, secret=SECRET)
    assert isinstance(made.notify(NOTICE), Accepted)
    assert [bool(request.json["issues"][0]["event"]) for request in receiver.requests] == [True, False]
    for request in receiver.requests:
        verify(request.headers, request.body)
    receiver.answer = lambda request: (413, {}, b"")
    assert isinstance(made.notify(NOTICE), Refused)
    made.close()


def test_headers_go_along(receiver: HttpReceiver) -> None:
    made = sink(url=receiver.url, headers={"Authorization": "Bearer abc"})
    made.notify(NOTICE)
    made.close()
    assert receiver.requests[0].headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("status", "sort"), [(400, Refused), (422, Refused), (401, Unavailable), (404, Unavailable), (503, Unavailable)]
)
def test_an_answer_other_than_2xx_is_told_without_the_url(receiver: HttpReceiver, status: int, sort: type) -> None:
    """A chat's webhook has its token in the path, and servers repeat the path."""
    receiver.answer = lambda request: (status, {}, f"no {request.path} here".encode())
    made = sink(url=f"{receiver.url}/services/T0/s3cr3t", secret=SECRET)
    outcome = made.notify(NOTICE)
    made.close()
    assert isinstance(outcome, sort)
    assert str(status) in outcome.reason  # type: ignore[attr-defined]
    assert "s3cr3t" not in repr(outcome)
    assert "s3cr3t" not in made.identity


@pytest.mark.parametrize(
    "said", ["token s3cr3tt0ken is unknown", "https://x/login?next=services%2FT0%2Fs3cr3tt0ken", "?key=0therk3y"]
)
def test_parts_of_the_url_are_told_as_little(receiver: HttpReceiver, said: str) -> None:
    """Servers repeat a token by itself, or quoted within another URL."""
    answers: list[tuple[int, dict[str, str], bytes]] = [(404, {}, said.encode()), (302, {"Location": said}, b"")]
    for answer in answers:
        receiver.answer = lambda request, answer=answer: answer
        made = sink(url=f"{receiver.url}/services/T0/s3cr3tt0ken?key=0therk3y", secret=SECRET)
        outcome = made.notify(NOTICE)
        made.close()
        assert "[masked]" in repr(outcome)
        assert "t0ken" not in repr(outcome)
        assert "k3y" not in repr(outcome)


def test_a_url_is_asked_as_it_is_written(receiver: HttpReceiver) -> None:
    """Many frameworks redirect what lacks the slash at its end, and a redirect isn't followed."""
    for path in ("/hook/", "/hook", "/hook?path=/"):
        made = sink(url=receiver.url + path, secret=SECRET)
        assert isinstance(made.notify(NOTICE), Accepted)
        made.close()
        assert receiver.requests[-1].path == path


def test_no_header_of_ours_is_told(receiver: HttpReceiver) -> None:
    """Whatever its name is: a server for debugging repeats all."""
    receiver.answer = lambda request: (400, {}, repr(request.headers).encode())
    made = sink(url=receiver.url, secret=SECRET, headers={"X-Team": "pay-ments", "Authorization": "Bearer b34r3r"})
    outcome = made.notify(NOTICE)
    made.close()
    assert "[masked]" in repr(outcome)
    assert "pay-ments" not in repr(outcome)
    assert "b34r3r" not in repr(outcome)


def test_a_short_path_does_not_mask_every_word(receiver: HttpReceiver) -> None:
    """A path of one letter is no secret."""
    receiver.answer = lambda request: (404, {}, b"there is no application here")
    made = sink(url=f"{receiver.url}/e", secret=SECRET)
    outcome = made.notify(NOTICE)
    made.close()
    assert "there is no application here" in repr(outcome)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "url is required"),
        ({"url": "ftp://x"}, "url must be a URL such as https://"),
        (
            {"url": "https://bücher.example/x"},
            "a host's name beyond it is given in its xn-- form",
        ),
        ({"url": "https://x.example", "secret": "short"}, "secret must be of 16 bytes or more"),
        ({"url": "https://x.example", "secret": "whsec_%%%"}, "secret begins with whsec_"),
        (
            {"url": "http://x.example", "headers": {"authorization": "Bearer abcdef"}},
            "url must begin with https: headers: authorization would travel in clear",
        ),
        ({"url": "https://x.example", "headers": {"a b": "c"}}, "headers must have names and values that HTTP allows"),
        ({"url": "https://x.example", "digest_at": "8"}, "digest_at must be a full hour"),
    ],
)
def test_faults_name_the_setting_and_the_remedy(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink(**options)
    assert told in str(caught.value)
    assert "abcdef" not in str(caught.value)


def test_a_url_stands_for_a_table() -> None:
    """The receiver's own query stays; settings stand behind a #."""
    made = registry.from_url("webhook+https://hooks.example.org/a?b=c#gather=0")
    assert made == {"type": "webhook", "url": "https://hooks.example.org/a?b=c", "gather": "0"}
