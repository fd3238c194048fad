"""The Trac sink without Trac: options, the URL form, what leaves as XML, and what foreign answers become."""

from __future__ import annotations

import xmlrpc.client
from typing import Any, cast
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_receiver import http_receiver
from tocsin.config.sink_table import SinkTable
from tocsin.event.errors import ConfigError
from tocsin.sinks import registry
from tocsin.sinks.base import Failed, Refused, SinkContext, Unavailable
from tocsin.sinks.http import Http, Reply
from tocsin.sinks.tickets.ticket import Draft
from tocsin.sinks.tickets.trac import TracSink
from tocsin.sinks.tickets.trac_project import TracProject
from tocsin.sinks.tickets.xmlrpc import XmlRpc, XmlRpcFault
from tocsin.testing import HOSTILE
from tocsin.testing.contract import notice_of

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")

CONTEXT = SinkContext("shop", "production", "web1")


class OneAnswer:
    """Stand for the server: keep what was sent, and give the one answer."""

    where = "trac.example.org"

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._reply = Reply(status, {}, body)
        self.sent = b""

    def call(self, method: str, path: str, *, body: bytes, **_keywords: Any) -> Reply:
        self.sent = body
        return self._reply

    def close(self) -> None: ...


def answer(value: Any) -> bytes:
    return xmlrpc.client.dumps((value,), methodresponse=True).encode()


def rpc_of(server: OneAnswer) -> XmlRpc:
    return XmlRpc(cast("Http", server), "/login/rpc", {})


def build(**options: Any) -> tuple[Any, list[str]]:
    return registry.build([SinkTable({"type": "trac", "url": "https://trac.example.org/shop", **options})], CONTEXT)


class Scripted:
    """Stand for a Trac: methods and their answers; what was called is kept, with path and headers."""

    base, where = "https://trac.example.org/shop", "trac.example.org"

    def __init__(self, **answers: Any) -> None:
        self._answers = {
            "system.getAPIVersion": [1, 2, 0],
            "ticket.query": [],
            "ticket.getTicketFields": [{"name": "priority", "type": "select", "options": ["blocker", "critical"]}],
            "ticket.create": 7,
            **{name.replace("_", "."): value for name, value in answers.items()},
        }
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.path = ""
        self.headers: dict[str, str] = {}

    def call(self, method: str, path: str, *, body: bytes, headers: dict[str, str], **_keywords: Any) -> Reply:
        params, name = xmlrpc.client.loads(body)
        self.calls.append((str(name), params))
        self.path, self.headers = path, headers
        return Reply(200, {}, answer(self._answers[str(name)]))

    def close(self) -> None: ...


def project_of(server: Scripted, **options: Any) -> TracProject:
    values = {setting.name: setting.default for setting in TracSink.settings}
    return TracProject(cast("Http", server), {**values, **options}, CONTEXT)


DRAFT = Draft("title", "body", "tb_" + "a" * 32, "tn_" + "b" * 32, "traceback", "ERROR")


@pytest.mark.parametrize(
    ("options", "path", "authorization"),
    [
        ({}, "/rpc", None),
        ({"user": "bö", "password": "p:ä"}, "/login/rpc", "Basic YsO2OnA6w6Q="),
        ({"token": "t0k3n"}, "/login/rpc", "Bearer t0k3n"),
    ],
)
def test_credentials_decide_where_is_called(options: dict[str, str], path: str, authorization: str | None) -> None:
    """Trac logs in below /login only; names and passwords go as UTF-8 (RFC 7617)."""
    server = Scripted()
    assert project_of(server, **options).find(DRAFT.keyword) is None
    assert (server.path, server.headers.get("Authorization")) == (path, authorization)
    assert server.calls == [("ticket.query", (f"keywords~={DRAFT.keyword}&order=id&desc=1&max=0",))]


def test_a_new_ticket_has_the_fields_the_project_knows() -> None:
    """Unknown fields and values are left out; an owner is always given, or Trac stores "< default >"."""
    server = Scripted()
    made = project_of(server, milestone="m1", fields={"x": "y"}, keywords=("web",), notify=False).create(DRAFT)
    assert (made.id, made.url, made.state) == ("7", "https://trac.example.org/shop/ticket/7", "open")
    fields = {"keywords": f"{DRAFT.keyword} web", "owner": "", "priority": "critical"}
    assert server.calls[-1] == ("ticket.create", ("title", "body", fields, False))


@pytest.mark.parametrize(
    "answers",
    [
        {"ticket_query": "no list"},
        {"ticket_query": ["7"]},
        {"ticket_query": [7], "ticket_get": [7]},
        {"ticket_query": [7], "ticket_get": [7, 0, 0, "closed"]},
        {"ticket_getTicketFields": [{"label": "x"}]},
        {"ticket_create": "7"},
    ],
)
def test_an_answer_of_another_shape_is_told(answers: dict[str, Any]) -> None:
    """Something else may answer at the url; nothing trips over it."""
    project = project_of(Scripted(**answers))
    with pytest.raises(Failed, match="with something else while"):
        project.find(DRAFT.keyword) or project.create(DRAFT)


@given(text=st.text(alphabet=st.characters(codec=None), max_size=80))
def test_whatever_is_said_is_well_formed_xml(text: str) -> None:
    """Control characters, surrogates and non-characters, which XML forbids, never leave."""
    server = OneAnswer(answer(7))
    assert rpc_of(server).call("ticket.create", text, {"keywords": text}, [text], step="testing") == 7
    ElementTree.fromstring(server.sent)


@pytest.mark.parametrize(
    "text", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800", "\udfff", "]]>", "&<>", "\U0001f514"]
)
def test_forbidden_characters_are_replaced(text: str) -> None:
    """What can't be written shows as U+FFFD; everything else arrives as it was."""
    server = OneAnswer(answer(7))
    rpc_of(server).call("x", text, step="testing")
    (arrived,), _ = xmlrpc.client.loads(server.sent)
    assert arrived == (text if text in ("]]>", "&<>", "\U0001f514") else "\ufffd")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Log in",
        b"{}",
        b"<a/>",
        b"\xff\xfe",
        b"<?xml version='1.0'?><methodResponse></methodResponse>",
        answer(7)[:-30],
        b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
    ],
)
def test_an_answer_that_is_no_xmlrpc_is_told(body: bytes) -> None:
    """A login page, a proxy's page, half an answer: Unavailable, with what to look at."""
    with pytest.raises(Failed) as failed:
        rpc_of(OneAnswer(body)).call("x", step="searching")
    assert failed.value.outcome == Unavailable(
        "trac.example.org did not answer with XML-RPC while searching",
        "check url, and that the XML-RPC plugin is enabled",
    )


def test_a_missing_plugin_is_told() -> None:
    """Trac without the plugin answers 404, as it does for a project that isn't there."""
    with pytest.raises(Failed, match="there is no XML-RPC at this url"):
        rpc_of(OneAnswer(b"<html>", 404)).call("x", step="searching")


class Refusing(OneAnswer):
    """Be a proxy that refuses what it should pass on."""

    def call(self, method: str, path: str, **_keywords: Any) -> Reply:
        raise Failed(Refused("trac.example.org answered 400 while searching: plain HTTP was sent to an HTTPS port"))


def test_what_a_proxy_refuses_waits() -> None:
    """Trac itself refuses by faults: such a report is all right, and the url or proxy is to be mended."""
    with pytest.raises(Failed, match="answered 400 while searching") as failed:
        rpc_of(Refusing(b"")).call("ticket.query", step="searching")
    assert isinstance(failed.value.outcome, Unavailable)
    assert "url" in failed.value.outcome.remedy


def test_credentials_that_a_server_repeats_are_told_in_no_form() -> None:
    """A login is user and password in base64."""
    with http_receiver() as receiver:
        receiver.answer = lambda request: (403, {}, repr(request.headers).encode())
        made = build(url=f"{receiver.url}/shop", user="bot", password="geheim")[0][0].sink
        outcome = made.notify(notice_of("new", HOSTILE[0].make()))
        made.close()
    assert "[masked]" in repr(outcome)
    assert "Ym90OmdlaGVpbQ" not in repr(outcome)


def test_a_fault_has_its_code() -> None:
    """Faults are the server's own words and code."""
    body = xmlrpc.client.dumps(xmlrpc.client.Fault(403, "no right")).encode()
    with pytest.raises(XmlRpcFault) as raised:
        rpc_of(OneAnswer(body)).call("x", step="searching")
    assert (raised.value.code, raised.value.said) == (403, "no right")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("trac://trac.example.org/shop", {"url": "https://trac.example.org/shop"}),
        (
            "trac+https://bot:p%40ss@trac.example.org:8443/a/shop?component=web&new_per_hour=2",
            {"url": "https://trac.example.org:8443/a/shop", "user": "bot", "password": "p@ss", "component": "web"}
            | {"new_per_hour": "2"},
        ),
        ("trac+http://[::1]:8000/shop", {"url": "http://[::1]:8000/shop"}),
    ],
)
def test_a_url_stands_for_a_table(url: str, options: dict[str, str]) -> None:
    """User and password stand in it, everything else in its query."""
    assert registry.from_url(url) == {**options, "type": "trac"}
    assert registry.build([SinkTable({}, url)], CONTEXT)[1] == []


@pytest.mark.parametrize(
    "url", ["trac:", "trac://", "trac://host:x/", "trac://user:geheim@/shop", "trac://geheim@h/#a"]
)
def test_a_bad_url_is_told_without_quoting_it(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigError) as fault:
        registry.from_url(url)
    assert "geheim" not in str(fault.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"user": "bot"}, "user and password are given together"),
        ({"password": "geheim"}, "user and password are given together"),
        ({"user": "bot", "password": "geheim", "token": "t"}, "user and token are both given"),
        ({"url": "http://trac.example.org/", "user": "bot", "password": "geheim"}, "would travel in clear"),
        ({"url": "http://trac.example.org/", "token": "geheim"}, "would travel in clear"),
        ({"url": "https://trac.example.org/shop?x=1"}, "url must be that of the project, without a query"),
        ({"priorities": ["blocker"]}, "must be a table of texts"),
        ({"fields": {"a": 1, "b": ""}}, "must be a table of texts"),
    ],
)
def test_faulty_options_are_told(options: dict[str, Any], told: str) -> None:
    """At start, without a secret."""
    built, faults = build(**options)
    assert built == ()
    assert len(faults) == 1
    assert told in faults[0]
    assert "geheim" not in faults[0]


def test_warnings_get_no_tickets_unless_asked_for() -> None:
    """A ticket per odd request helps nobody; `kinds` says otherwise where it does."""
    assert build()[0][0].kinds == {"traceback", "error"}
    assert build(kinds=["warning"])[0][0].kinds == {"warning"}


def test_identity_names_project_and_component_and_no_secret() -> None:
    """Two sinks of one project, for two components, are two."""
    built, faults = build(user="bot", password="geheim", component="web")
    assert faults == []
    assert built[0].identity == "trac:trac.example.org/shop?component=web"
    assert build()[0][0].identity == "trac:trac.example.org/shop"


def test_priorities_left_out_keep_their_defaults() -> None:
    """By table, or by name=value in a URL."""
    (setting,) = [each for each in TracSink.settings if each.name == "priorities"]
    expected = {"CRITICAL": "blocker", "ERROR": "high", "WARNING": "major"}
    assert setting.parse({"error": "high"}) == setting.parse("ERROR=high") == expected
